/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "link/pg.h"
#include "loop/loop.h"
#include "store/outbox.h"
#include "store/outbox_lane.h"

#define OUTBOX_BATCH   1000
#define OUTBOX_NET_US  US_PER_S
#define OUTBOX_MEND_US US_PER_S
/* Redis has so long to acknowledge a batch. */
#define OUTBOX_ANSWER_US (2 * US_PER_S)
/* The rows of a batch: doubled while they are small and many, halved when they
 * are large, so that no batch holds much memory. */
#define OUTBOX_FIRST_ROWS 64
#define OUTBOX_SMALL      ((size_t)1 << 20)
#define OUTBOX_LARGE      ((size_t)4 << 20)
/* Awake: after so many looks within a second that found something, and until
 * none did for half a second; meanwhile it looks by itself. */
#define OUTBOX_AWAKE_LOOKS   10
#define OUTBOX_AWAKE_US      (500 * US_PER_MS)
#define OUTBOX_AWAKE_TELL_US (300 * US_PER_MS)
#define OUTBOX_LOOK_MIN_US   (1 * US_PER_MS)
#define OUTBOX_LOOK_MAX_US   (8 * US_PER_MS)

enum outbox_state {
	OUTBOX_IDLE = 0,
	OUTBOX_LOOKING = 1,
	OUTBOX_SENDING = 2,
	OUTBOX_ENDING = 3
};

struct outbox {
	struct loop *loop;
	struct outbox_options options;
	struct pg *pg; /* one connection, so that batches share a transaction */
	struct outbox_lanes *lanes;
	enum outbox_state state;
	bool is_wanted;   /* look again when this is over */
	bool is_deferred; /* a look is due on the next turn */
	bool is_draining;
	outbox_idle_fn idle_fn;
	void *idle_arg;
	struct outbox_row *rows; /* of the transaction, `limit` of them */
	size_t count;
	size_t limit, size; /* rows asked for; room for so many */
	size_t bytes;       /* of the last batch */
	struct pg_array ids, blocked;
	struct loop_timer *net;    /* looks though nobody says anything */
	struct loop_timer *answer; /* Redis is too slow */
	int64_t found_us[OUTBOX_AWAKE_LOOKS]; /* when looks found rows */
	unsigned found_next;
	int64_t look_us; /* awake: the pause before the next look */
	int64_t told_us; /* awake: when the table was told; 0: not awake */
	char trouble[256];
	struct outbox_figures figures;
};

static const struct pg_statement outbox_begin = { .name = "outbox_begin",
	.text = "BEGIN" };
static const struct pg_statement outbox_commit = { .name = "outbox_commit",
	.text = "COMMIT" };
static const struct pg_statement outbox_rollback = { .name = "outbox_rollback",
	.text = "ROLLBACK" };
static const struct pg_statement outbox_select = {
	.name = "outbox_select",
	.text = "SELECT id, topic, envelope, "
		"coalesce(ceil(extract(epoch FROM due_at - clock_timestamp())"
		" * 1000)::bigint, 0), "
		"CASE WHEN instance_id IS NULL THEN"
		" envelope::json->>'unique' END, "
		"CASE WHEN instance_id IS NULL THEN envelope::json->>'id' END "
		"FROM reeve.outbox WHERE topic <> ALL ($2::text[]) "
		"ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED",
	.params = 2,
};
static const struct pg_statement outbox_delete = {
	.name = "outbox_delete",
	.text = "DELETE FROM reeve.outbox WHERE id = ANY ($1::bigint[])",
	.params = 1,
};
static const struct pg_statement outbox_watch = {
	.name = "outbox_watch",
	.text = "INSERT INTO reeve.outbox_watch AS w (awake_until) "
		"VALUES (clock_timestamp() + $1::bigint * interval '1 us') "
		"ON CONFLICT (one) DO UPDATE SET awake_until ="
		" greatest(w.awake_until, excluded.awake_until)",
	.params = 1,
};

static void outbox_look(struct outbox *o);

/* The same again is not told. */
static void outbox_on_trouble(const char *text, void *arg)
{
	struct outbox *o = arg;

	if (strncmp(o->trouble, text, sizeof(o->trouble) - 1) == 0)
		return;
	snprintf(o->trouble, sizeof(o->trouble), "%s", text);
	if (o->options.trouble != NULL)
		o->options.trouble(text, o->options.arg);
}

static void outbox_on_look(void *arg)
{
	struct outbox *o = arg;

	o->is_deferred = false;
	outbox_look(o);
}

void outbox_poke(struct outbox *o)
{
	o->is_wanted = true;
	if (o->state != OUTBOX_IDLE || o->is_deferred)
		return;
	o->is_deferred = true;
	loop_defer(o->loop, outbox_on_look, o);
}

static void outbox_on_usable(void *arg)
{
	outbox_poke(arg);
}

static bool outbox_is_able(const struct outbox *o)
{
	/* Late answers still point to the rows. */
	return outbox_is_up(o) && outbox_lanes_pending(o->lanes) == 0;
}

static void outbox_tell_idle(struct outbox *o)
{
	loop_timer_stop(o->net);
	if (o->idle_fn != NULL)
		loop_defer(o->loop, o->idle_fn, o->idle_arg);
	o->idle_fn = NULL;
}

/* How often it looks while nobody tells it anything. */
static void outbox_rest(struct outbox *o)
{
	int64_t now = clock_now();

	o->state = OUTBOX_IDLE;
	if (o->is_wanted && outbox_is_able(o)) {
		outbox_poke(o);
		return;
	}
	if (o->is_draining) {
		outbox_tell_idle(o);
		return;
	}
	if (o->told_us != 0 && now - o->told_us > 2 * OUTBOX_AWAKE_US)
		o->told_us = 0;
	if (o->told_us != 0) {
		o->look_us *= 2;
		if (o->look_us > OUTBOX_LOOK_MAX_US)
			o->look_us = OUTBOX_LOOK_MAX_US;
		loop_timer_start(o->net, o->look_us);
	} else if (o->options.listens) {
		loop_timer_start(o->net, OUTBOX_NET_US);
	}
}

static void outbox_on_net(void *arg)
{
	outbox_look(arg);
}

/* A look found something: is the table to be told that we are awake? */
static bool outbox_note_found(struct outbox *o)
{
	int64_t now = clock_now();
	int64_t *oldest = &o->found_us[o->found_next];
	bool is_busy = *oldest != 0 && now - *oldest < US_PER_S;

	*oldest = now;
	o->found_next = (o->found_next + 1) % OUTBOX_AWAKE_LOOKS;
	o->look_us = OUTBOX_LOOK_MIN_US / 2;
	if (!o->options.listens || o->is_draining || !is_busy ||
		(o->told_us != 0 && now - o->told_us < OUTBOX_AWAKE_TELL_US))
		return false;
	o->told_us = now;
	return true;
}

static void outbox_add_watch(struct pg_batch *b)
{
	char number[24];
	const char *value = number;

	snprintf(number, sizeof(number), "%lld", (long long)OUTBOX_AWAKE_US);
	pg_batch_add(b, &outbox_watch, &value, NULL, NULL);
}

/* After a failure of either side. */
static void outbox_mend(struct outbox *o, const struct pg_result *error)
{
	o->count = 0;
	o->is_wanted = false;
	if (error != NULL)
		outbox_on_trouble(pg_result_error(error), o);
	outbox_rest(o);
	if (!o->is_draining)
		loop_timer_start(o->net, OUTBOX_MEND_US);
}

static void outbox_refused(struct outbox *o, enum pg_verdict verdict,
	const struct pg_result *error)
{
	/* What was begun before the error is to be ended. */
	if (verdict == PG_REFUSED)
		(void)pg_query(o->pg, &outbox_rollback, NULL, NULL, NULL);
	outbox_mend(o, error);
}

/* Ask for so many that a batch is neither small nor heavy. */
static void outbox_adapt(struct outbox *o)
{
	size_t most = (size_t)o->options.batch;

	if (o->bytes > OUTBOX_LARGE && o->limit > 1)
		o->limit /= 2;
	else if (o->count == o->limit && o->bytes < OUTBOX_SMALL)
		o->limit = o->limit * 2 > most ? most : o->limit * 2;
	if (o->limit > o->size) {
		o->rows = xreallocarray(o->rows, o->limit, sizeof(*o->rows));
		o->size = o->limit;
	}
}

static void outbox_on_ended(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct outbox *o = arg;

	if (verdict != PG_COMMITTED) {
		outbox_refused(o, verdict, error);
		return;
	}
	o->trouble[0] = '\0';
	outbox_rest(o);
}

/* Collects the ids of the rows that are to go; returns how many. */
static size_t outbox_count(struct outbox *o)
{
	size_t i, gone = 0;

	pg_array_reset(&o->ids);
	for (i = 0; i < o->count; i++) {
		if (o->rows[i].state == ROW_LEFT) {
			o->figures.failed++;
			continue;
		}
		if (o->rows[i].state == ROW_DUPLICATE)
			o->figures.duplicate++;
		else
			o->figures.sent++;
		gone++;
		pg_array_add_int(&o->ids, o->rows[i].id);
	}
	return gone;
}

/* The rows that Redis has are deleted; the others are free again. */
static void outbox_end(struct outbox *o)
{
	struct pg_batch *b = pg_batch_new(o->pg);
	size_t gone = outbox_count(o);
	const char *ids;

	loop_timer_stop(o->answer);
	outbox_lanes_publish(o->lanes);
	/* Rows that can't be taken now are not asked for at once again; but who
	 * was told of more while it looked has to look for that. */
	if (gone > 0 && o->count == o->limit)
		o->is_wanted = true;
	if (gone > 0) {
		ids = pg_array_text(&o->ids);
		pg_batch_add(b, &outbox_delete, &ids, NULL, NULL);
	}
	pg_batch_add(b, &outbox_commit, NULL, NULL, NULL);
	if (gone > 0 && outbox_note_found(o))
		outbox_add_watch(b);
	outbox_adapt(o);
	o->state = OUTBOX_ENDING;
	if (pg_batch_send(b, outbox_on_ended, o) != 0)
		outbox_mend(o, NULL);
}

static void outbox_on_answered(void *arg)
{
	struct outbox *o = arg;

	if (o->state == OUTBOX_SENDING)
		outbox_end(o);
	else if (o->state == OUTBOX_IDLE)
		outbox_poke(o);
}

static void outbox_on_slow(void *arg)
{
	struct outbox *o = arg;

	outbox_on_trouble("Redis does not answer: the outbox waits", o);
	outbox_lanes_give_up(o->lanes);
}

static void outbox_on_row(struct outbox *o, const struct pg_result *r, int i)
{
	struct outbox_row *row = &o->rows[o->count++];

	*row = (struct outbox_row){ .id = pg_result_int(r, i, 0, 0),
		.text = pg_result_text(r, i, 2),
		.delay_ms = pg_result_int(r, i, 3, 0),
		.unique = pg_result_text(r, i, 4),
		.task = pg_result_text(r, i, 5) };
	o->bytes += strlen(row->text);
	(void)outbox_lanes_send(o->lanes, pg_result_text(r, i, 1), row);
}

static void outbox_on_rows(const struct pg_result *r, void *arg)
{
	struct outbox *o = arg;
	int i, n = pg_result_rows(r);

	for (i = 0; i < n && o->count < o->limit; i++)
		outbox_on_row(o, r, i);
}

static void outbox_on_looked(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct outbox *o = arg;

	if (verdict != PG_COMMITTED) {
		outbox_refused(o, verdict, error);
		return;
	}
	o->state = OUTBOX_SENDING;
	if (outbox_lanes_pending(o->lanes) == 0)
		outbox_end(o);
	else
		loop_timer_start(o->answer, OUTBOX_ANSWER_US);
}

/* Topics that would only come to be put back. */
static const char *outbox_blocked(struct outbox *o)
{
	const char *topic;
	size_t i;

	pg_array_reset(&o->blocked);
	for (i = 0; (topic = outbox_lanes_blocked(o->lanes, i)) != NULL; i++) {
		pg_array_add(&o->blocked, topic);
		if (strcmp(topic, "common") == 0)
			pg_array_add(&o->blocked, "normal");
	}
	return pg_array_text(&o->blocked);
}

static void outbox_look(struct outbox *o)
{
	char limit[24];
	const char *values[2] = { limit };
	struct pg_batch *b;

	if (o->state != OUTBOX_IDLE)
		return;
	if (!outbox_is_able(o) || (o->is_draining && !o->is_wanted)) {
		if (o->is_draining)
			outbox_tell_idle(o);
		return;
	}
	loop_timer_stop(o->net);
	o->is_wanted = false;
	o->count = 0;
	o->bytes = 0;
	snprintf(limit, sizeof(limit), "%zu", o->limit);
	values[1] = outbox_blocked(o);
	b = pg_batch_new(o->pg);
	pg_batch_add(b, &outbox_begin, NULL, NULL, NULL);
	pg_batch_add(b, &outbox_select, values, outbox_on_rows, o);
	o->state = OUTBOX_LOOKING;
	if (pg_batch_send(b, outbox_on_looked, o) != 0)
		outbox_mend(o, NULL);
}

static void outbox_on_notice(const char *payload, void *arg)
{
	(void)payload;
	outbox_poke(arg);
}

static void outbox_on_pg(enum pg_state state, const char *why, void *arg)
{
	struct outbox *o = arg;

	if (state == PG_UP)
		outbox_poke(o);
	else
		outbox_on_trouble(why, o);
}

static int outbox_connect(struct outbox *o, struct err *err)
{
	const struct conf *c = o->options.conf;
	const struct outbox_lanes_events on = { .answered = outbox_on_answered,
		.usable = outbox_on_usable,
		.trouble = outbox_on_trouble };
	struct pg_options p = { .url = c->database_url,
		.connections = 1,
		.name = o->options.name,
		.connect_timeout_us = c->database_connect_timeout_us,
		.statement_timeout_us = c->database_statement_timeout_us,
		/* One that hangs does not keep its rows. */
		.setup = "SET idle_in_transaction_session_timeout = '5s';"
			 "SET enable_seqscan = off" };

	o->lanes = outbox_lanes_open(o->loop, c, o->options.name, &on, o, err);
	if (o->lanes == NULL)
		return -1;
	o->pg = pg_open(o->loop, &p, outbox_on_pg, o, err);
	if (o->pg == NULL)
		return -1;
	if (o->options.listens)
		pg_listen(o->pg, "reeve_outbox", outbox_on_notice, o);
	return 0;
}

struct outbox *outbox_open(
	struct loop *l, const struct outbox_options *options, struct err *err)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->loop = l;
	o->options = *options;
	if (o->options.batch <= 0)
		o->options.batch = OUTBOX_BATCH;
	if (o->options.batch > OUTBOX_BATCH_MAX)
		o->options.batch = OUTBOX_BATCH_MAX;
	o->limit = OUTBOX_FIRST_ROWS;
	outbox_adapt(o);
	o->net = loop_timer_new(l, outbox_on_net, o);
	o->answer = loop_timer_new(l, outbox_on_slow, o);
	if (outbox_connect(o, err) != 0) {
		outbox_close(o);
		return NULL;
	}
	return o;
}

void outbox_drain(struct outbox *o, outbox_idle_fn fn, void *arg)
{
	o->is_draining = true;
	o->idle_fn = fn;
	o->idle_arg = arg;
	if (o->state == OUTBOX_IDLE && !o->is_deferred)
		outbox_rest(o);
}

void outbox_close(struct outbox *o)
{
	if (o == NULL)
		return;
	o->is_draining = true;
	/* Late answers still point to the rows. */
	outbox_lanes_close(o->lanes);
	pg_close(o->pg);
	loop_defer_cancel(o->loop, outbox_on_look, o);
	loop_timer_free(o->net);
	loop_timer_free(o->answer);
	pg_array_free(&o->ids);
	pg_array_free(&o->blocked);
	free(o->rows);
	free(o);
}

void outbox_figures(const struct outbox *o, struct outbox_figures *ret)
{
	*ret = o->figures;
}

bool outbox_is_up(const struct outbox *o)
{
	return pg_is_up(o->pg) && outbox_lanes_is_up(o->lanes);
}
