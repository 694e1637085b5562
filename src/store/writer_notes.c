/* SPDX-License-Identifier: ISC */
/*
 * writer_notes - what is told of runs beside how they end: progress, lines of
 * the log, errors by type and message.
 *
 * They go out ten times a second, in one transaction, and may be lost: when
 * the database does not take them for long, the newest are dropped and
 * counted.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/writer_own.h"

#define NOTES_EVERY_US   (100 * US_PER_MS)
#define NOTES_AGAIN_US   (1 * US_PER_S)
#define NOTES_BYTES_MAX  (4 << 20) /* that wait */
#define NOTES_ERRORS_MAX 1000      /* different ones that wait */
#define NOTES_ERROR_MAX  400       /* bytes of a message in error_logs */

/* Columns of task_logs. */
struct notes_logs {
	struct pg_array id, tenant, instance, level, message, at;
	size_t count;
};

struct notes_error {
	char *tenant, *type, *message, *trace;
	int64_t count;
};

struct notes_page {
	struct notes_logs logs;
	struct notes_error *errors;
	size_t error_count, error_room;
};

struct writer_notes {
	struct writer *writer;
	struct loop_timer *timer;
	struct writer_runs dirty; /* with progress to tell */
	/* One is written to; the other is under way, and kept until it is
	 * there. */
	struct notes_page pages[2], *open, *out;
	int64_t dropped;
	bool is_sent;
};

static const struct pg_statement notes_progress = {
	.name = "reeve_progress",
	.params = 4,
	.text = "UPDATE reeve.task_instances t SET"
		" progress = coalesce(v.percent, t.progress),"
		" progress_text = coalesce(v.said, t.progress_text)"
		" FROM unnest($1::uuid[], $2::bigint[], $3::smallint[],"
		" $4::text[]) AS v (id, epoch, percent, said)"
		" WHERE t.id = v.id AND t.epoch = v.epoch"
		" AND " WRITER_STATUS " = 'RUNNING'",
};

static const struct pg_statement notes_logs = {
	.name = "reeve_logs",
	.params = 6,
	.text = "INSERT INTO reeve.task_logs (id, tenant_id,"
		" task_instance_id, log_level, log_message, log_time)"
		" SELECT v.id, v.tenant, v.instance, v.level, v.message,"
		" 'epoch'::timestamptz + v.at * '1 microsecond'::interval"
		" FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[],"
		" $5::text[], $6::bigint[])"
		" AS v (id, tenant, instance, level, message, at)"
		" ON CONFLICT DO NOTHING",
};

static const struct pg_statement notes_errors = {
	.name = "reeve_errors",
	.params = 5,
	.text = "INSERT INTO reeve.error_logs AS e (tenant_id, error_type,"
		" error_message, stack_trace, count)"
		" SELECT * FROM unnest($1::text[], $2::text[], $3::text[],"
		" $4::text[], $5::bigint[])"
		" ON CONFLICT (tenant_id, error_type, md5(error_message))"
		" DO UPDATE SET count = e.count + excluded.count,"
		" stack_trace = coalesce(excluded.stack_trace,"
		" e.stack_trace), last_occurred_at = clock_timestamp()",
};

static void notes_on_timer(void *arg);

struct writer_notes *writer_notes_new(struct writer *w)
{
	struct writer_notes *n = xcalloc(1, sizeof(*n));

	n->writer = w;
	n->open = &n->pages[0];
	n->out = &n->pages[1];
	TAILQ_INIT(&n->dirty);
	n->timer = loop_timer_new(w->loop, notes_on_timer, n);
	return n;
}

static bool notes_is_empty(const struct notes_page *p)
{
	return p->logs.count == 0 && p->error_count == 0;
}

static void notes_error_done(struct notes_error *e)
{
	free(e->tenant);
	free(e->type);
	free(e->message);
	free(e->trace);
}

static void notes_reset_errors(struct notes_page *p)
{
	size_t i;

	for (i = 0; i < p->error_count; i++)
		notes_error_done(&p->errors[i]);
}

/* Empty, with no memory kept: a worker may never log again. */
static void notes_page_done(struct notes_page *p)
{
	struct notes_logs *l = &p->logs;

	notes_reset_errors(p);
	free(p->errors);
	pg_array_free(&l->id);
	pg_array_free(&l->tenant);
	pg_array_free(&l->instance);
	pg_array_free(&l->level);
	pg_array_free(&l->message);
	pg_array_free(&l->at);
	memset(p, 0, sizeof(*p));
}

void writer_notes_free(struct writer_notes *n)
{
	notes_page_done(n->open);
	notes_page_done(n->out);
	loop_timer_free(n->timer);
	free(n);
}

static void notes_due(struct writer_notes *n)
{
	if (!n->is_sent && !loop_timer_is_set(n->timer))
		loop_timer_start(n->timer, NOTES_EVERY_US);
}

static bool notes_is_full(struct writer_notes *n)
{
	if (n->open->logs.message.len < NOTES_BYTES_MAX)
		return false;
	n->dropped++;
	return true;
}

static void notes_done(struct writer_notes *n)
{
	if (n->dropped > 0)
		log_warn("%" PRId64 " log lines of tasks are not in "
			 "PostgreSQL, which did not take them in time",
			n->dropped);
	n->dropped = 0;
}

/* Nothing waits, neither in a page nor with a run. */
static bool notes_is_done(const struct writer_notes *n)
{
	return notes_is_empty(n->out) && notes_is_empty(n->open) &&
	       TAILQ_EMPTY(&n->dirty);
}

static void notes_on_sent(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct writer_notes *n = arg;

	n->is_sent = false;
	if (verdict == PG_REFUSED)
		log_warn("postgresql: logs of tasks: %s",
			pg_result_error(error));
	if (verdict == PG_COMMITTED ||
		(verdict == PG_REFUSED && !store_is_passing(error))) {
		notes_page_done(n->out);
		notes_done(n);
	}
	if (!notes_is_done(n))
		loop_timer_start(n->timer, verdict == PG_COMMITTED
						   ? NOTES_EVERY_US
						   : NOTES_AGAIN_US);
}

static int notes_compare_runs(const void *a, const void *b)
{
	const struct writer_run *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static void notes_add_progress(struct writer_notes *n, struct pg_batch *b)
{
	struct pg_array id = { NULL, 0, 0 }, epoch = { NULL, 0, 0 },
			percent = { NULL, 0, 0 }, said = { NULL, 0, 0 };
	struct writer_run **runs, *r;
	const char *values[4];
	size_t i, count = 0;

	TAILQ_FOREACH(r, &n->dirty, noted)
		count++;
	if (count == 0)
		return;
	runs = xcalloc(count, sizeof(*runs));
	for (i = 0; (r = TAILQ_FIRST(&n->dirty)) != NULL; i++) {
		writer_notes_forget(n, r);
		runs[i] = r;
	}
	qsort(runs, count, sizeof(*runs), notes_compare_runs);
	for (i = 0; i < count; i++) {
		r = runs[i];
		pg_array_add_bytes(&id, r->id, UUID_TEXT_LEN);
		pg_array_add_int(&epoch, r->epoch);
		if (r->percent >= 0)
			pg_array_add_int(&percent, r->percent);
		else
			pg_array_add(&percent, NULL);
		if (r->progress != NULL)
			store_add_text(&said, r->progress, strlen(r->progress));
		else
			pg_array_add(&said, NULL);
	}
	values[0] = pg_array_text(&id);
	values[1] = pg_array_text(&epoch);
	values[2] = pg_array_text(&percent);
	values[3] = pg_array_text(&said);
	pg_batch_add(b, &notes_progress, values, NULL, NULL);
	pg_array_free(&id);
	pg_array_free(&epoch);
	pg_array_free(&percent);
	pg_array_free(&said);
	free(runs);
}

static void notes_add_logs(struct notes_page *p, struct pg_batch *b)
{
	struct notes_logs *l = &p->logs;
	const char *values[6];

	if (l->count == 0)
		return;
	values[0] = pg_array_text(&l->id);
	values[1] = pg_array_text(&l->tenant);
	values[2] = pg_array_text(&l->instance);
	values[3] = pg_array_text(&l->level);
	values[4] = pg_array_text(&l->message);
	values[5] = pg_array_text(&l->at);
	pg_batch_add(b, &notes_logs, values, NULL, NULL);
}

static int notes_compare(const void *a, const void *b)
{
	const struct notes_error *x = a, *y = b;
	int order = strcmp(x->tenant, y->tenant);

	if (order == 0)
		order = strcmp(x->type, y->type);
	return order != 0 ? order : strcmp(x->message, y->message);
}

static void notes_add_errors(struct notes_page *p, struct pg_batch *b)
{
	struct pg_array columns[5] = { { NULL, 0, 0 } };
	const char *values[5];
	size_t i;

	if (p->error_count == 0)
		return;
	/* Rows of two workers are locked in one order. */
	qsort(p->errors, p->error_count, sizeof(*p->errors), notes_compare);
	for (i = 0; i < p->error_count; i++) {
		const struct notes_error *e = &p->errors[i];

		pg_array_add(&columns[0], e->tenant);
		pg_array_add(&columns[1], e->type);
		store_add_text(&columns[2], e->message, strlen(e->message));
		if (e->trace != NULL)
			store_add_text(&columns[3], e->trace, strlen(e->trace));
		else
			pg_array_add(&columns[3], NULL);
		pg_array_add_int(&columns[4], e->count);
	}
	for (i = 0; i < 5; i++)
		values[i] = pg_array_text(&columns[i]);
	pg_batch_add(b, &notes_errors, values, NULL, NULL);
	for (i = 0; i < 5; i++)
		pg_array_free(&columns[i]);
}

static void notes_on_timer(void *arg)
{
	struct writer_notes *n = arg;
	struct pg *pg = n->writer->pg;
	struct notes_page *full = n->open;
	struct pg_batch *b;

	if (n->is_sent || !pg_is_up(pg) || notes_is_done(n))
		return;
	if (notes_is_empty(n->out)) {
		n->open = n->out;
		n->out = full;
	}
	b = pg_batch_new(pg);
	notes_add_progress(n, b);
	notes_add_logs(n->out, b);
	notes_add_errors(n->out, b);
	if (pg_batch_send(b, notes_on_sent, n) == 0)
		n->is_sent = true;
	else
		loop_timer_start(n->timer, NOTES_AGAIN_US);
}

void writer_notes_poke(struct writer_notes *n)
{
	if (!notes_is_done(n))
		notes_due(n);
}

void writer_notes_forget(struct writer_notes *n, struct writer_run *r)
{
	if (r->is_noted)
		TAILQ_REMOVE(&n->dirty, r, noted);
	r->is_noted = false;
}

void writer_progress(struct writer_run *r, int percent, const char *text)
{
	struct writer_notes *n = r->writer->notes;

	if (percent >= 0)
		r->percent = percent;
	if (text != NULL) {
		free(r->progress);
		r->progress = xstrdup(text);
	}
	if (r->is_noted || r->step != WRITER_RUNNING)
		return;
	r->is_noted = true;
	TAILQ_INSERT_TAIL(&n->dirty, r, noted);
	notes_due(n);
}

/* "ERROR: …", "[warn] …": what a line says of itself. */
static const char *notes_level(const char *line)
{
	static const struct {
		const char *word, *level;
	} rows[] = {
		{ "error", "ERROR" },
		{ "err", "ERROR" },
		{ "fatal", "ERROR" },
		{ "critical", "ERROR" },
		{ "crit", "ERROR" },
		{ "panic", "ERROR" },
		{ "warning", "WARN" },
		{ "warn", "WARN" },
		{ "debug", "DEBUG" },
		{ "trace", "DEBUG" },
	};
	size_t i, len;

	line += strspn(line, " [<(");
	for (len = 0; isalpha((unsigned char)line[len]); len++)
		;
	if (len == 0 || strchr(" :]>)|\t", line[len]) == NULL)
		return "INFO";
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strlen(rows[i].word) == len &&
			strncasecmp(line, rows[i].word, len) == 0)
			return rows[i].level;
	return "INFO";
}

static void notes_log(struct writer_notes *n, const struct writer_run *r,
	const char *level, const char *line)
{
	struct notes_logs *l = &n->open->logs;
	char id[UUID_TEXT_LEN + 1];

	uuid_new(id);
	pg_array_add_bytes(&l->id, id, UUID_TEXT_LEN);
	pg_array_add(&l->tenant, r->task->tenant);
	pg_array_add_bytes(&l->instance, r->id, UUID_TEXT_LEN);
	pg_array_add(&l->level, level);
	store_add_text(&l->message, line, strlen(line));
	pg_array_add_int(&l->at, clock_wall());
	l->count++;
}

void writer_log(struct writer_run *r, const char *line, int64_t max)
{
	struct writer_notes *n = r->writer->notes;

	if (r->lines > max || max == 0 || notes_is_full(n))
		return;
	if (r->lines++ == max)
		notes_log(
			n, r, "WARN", "more lines are in the log of the pool");
	else
		notes_log(n, r, notes_level(line), line);
	notes_due(n);
}

static char *notes_message(const char *error, size_t len)
{
	size_t n = strcspn(error, "\r\n");

	if (n > len)
		n = len;
	return xstrndup(error, n < NOTES_ERROR_MAX ? n : NOTES_ERROR_MAX);
}

static void notes_error_add(struct notes_page *p, struct notes_error *e)
{
	size_t i;

	for (i = 0; i < p->error_count; i++)
		if (notes_compare(&p->errors[i], e) == 0) {
			p->errors[i].count++;
			notes_error_done(e);
			return;
		}
	if (p->error_count == p->error_room) {
		p->error_room = p->error_room * 2 + 16;
		p->errors = xreallocarray(
			p->errors, p->error_room, sizeof(*p->errors));
	}
	p->errors[p->error_count++] = *e;
}

void writer_notes_error(struct writer_notes *n, const struct writer_run *r,
	const struct writer_end *end)
{
	struct notes_error e = { .count = 1 };

	if (end->error == NULL || n->open->error_count >= NOTES_ERRORS_MAX)
		return;
	e.tenant = xstrdup(r->task->tenant);
	e.type = xstrdup(end->type);
	e.message = notes_message(r->error, end->error_len);
	if (strpbrk(r->error, "\r\n") != NULL)
		e.trace = xstrdup(r->error);
	notes_error_add(n->open, &e);
	notes_due(n);
}
