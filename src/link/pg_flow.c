/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "link/pg_conn.h"
#include "loop/loop.h"

/* What libpq may hold that the socket did not take yet, but for one batch. */
#define BACKLOG_MAX (1 << 20)
/* A refusal at the commit is followed by one NULL. */
#define NULLS_MAX 2

#define STATE_NO_STATEMENT "26000"
#define STATE_STALE        "0A000"
#define STATE_READ_ONLY    "25006"

static void flow_lost(struct pg_conn *c, const char *why)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s: %.300s", c->label, why);
	pg_lost(c, text);
}

static void flow_fault(struct pg_conn *c)
{
	char text[256];

	pg_reach_text(c->pool, c->pool->lib->error_message(c->pq), text,
		sizeof(text));
	flow_lost(c, text);
}

static struct pg_batch *flow_head(const struct pg_conn *c)
{
	struct pg_batch *b = TAILQ_FIRST(&c->batches);

	return b != c->unissued ? b : NULL;
}

static uint8_t *flow_known(struct pg_conn *c, unsigned number)
{
	unsigned size = c->pool->statement_size;

	if (number >= c->known_size) {
		c->known = xrealloc(c->known, size);
		memset(c->known + c->known_size, PG_UNKNOWN,
			size - c->known_size);
		c->known_size = size;
	}
	return &c->known[number];
}

/*
 * Out
 */

static int flow_send(
	struct pg_conn *c, struct pg_batch *b, struct pg_call *call)
{
	const struct pg_lib *lib = c->pool->lib;
	const struct pg_statement *s = call->statement;
	const char *values[PG_VALUES_MAX], *at;
	char text[128];
	int i;

	at = buf_str(&b->bytes) + call->values;
	for (i = 0; i < s->params && b->kind == PG_BATCH_OF_USER; i++) {
		values[i] = *at++ != 0 ? at : NULL;
		if (values[i] != NULL)
			at += strlen(at) + 1;
	}
	switch (b->kind) {
	case PG_BATCH_PARSE:
		return lib->send_prepare(c->pq, s->name, s->text, 0, NULL);
	case PG_BATCH_FORGET:
		snprintf(text, sizeof(text), "DEALLOCATE \"%s\"", s->name);
		return lib->send_params(
			c->pq, text, 0, NULL, NULL, NULL, NULL, 0);
	case PG_BATCH_LISTEN:
		return lib->send_params(
			c->pq, s->text, 0, NULL, NULL, NULL, NULL, 0);
	case PG_BATCH_OF_USER:
	default: break;
	}
	call->is_prepared = *flow_known(c, call->known_as) == PG_PREPARED;
	if (call->is_prepared)
		return lib->send_prepared(
			c->pq, s->name, s->params, values, NULL, NULL, 0);
	return lib->send_params(
		c->pq, s->text, s->params, NULL, values, NULL, NULL, 0);
}

/* The watch over the answers: armed while some are due, never set back for
 * each of them. */
static void flow_watch(struct pg_conn *c)
{
	if (flow_head(c) == NULL)
		c->heard_at = clock_now();
	if (!loop_timer_is_set(c->timer))
		loop_timer_start(c->timer, c->pool->silence_us);
}

/* The batch is the first that is not issued. */
static int flow_issue(struct pg_conn *c, struct pg_batch *b)
{
	const struct pg_lib *lib = c->pool->lib;
	size_t i;

	flow_watch(c);
	for (i = 0; i < b->call_count; i++)
		if (flow_send(c, b, &b->calls[i]) != 1)
			return -1;
	if (lib->pipeline_sync(c->pq) != 1)
		return -1;
	c->backlog += b->cost;
	c->unissued = TAILQ_NEXT(b, entry);
	buf_done(&b->bytes);
	return 0;
}

static int flow_issue_before(struct pg_conn *c, struct pg_batch *b,
	enum pg_batch_kind kind, const struct pg_call *call)
{
	struct pg_batch *own =
		pg_batch_internal(c->pool, kind, call->statement);

	own->calls[0].known_as = call->known_as;
	TAILQ_INSERT_BEFORE(b, own, entry);
	c->unissued = own;
	c->count++;
	return flow_issue(c, own);
}

/*
 * Prepare what the batch uses first, in transactions of their own: one that
 * fails takes nothing with it, and until it is known to have been prepared the
 * text of a statement is sent, which gives the true error if there is one.
 */
static int flow_prepare(struct pg_conn *c, struct pg_batch *b)
{
	uint8_t *known;
	size_t i;

	for (i = 0; i < b->call_count && b->kind == PG_BATCH_OF_USER; i++) {
		known = flow_known(c, b->calls[i].known_as);
		if (*known == PG_STALE &&
			flow_issue_before(
				c, b, PG_BATCH_FORGET, &b->calls[i]) != 0)
			return -1;
		if (*known != PG_UNKNOWN && *known != PG_STALE)
			continue;
		*known = PG_PARSING;
		if (flow_issue_before(c, b, PG_BATCH_PARSE, &b->calls[i]) != 0)
			return -1;
	}
	return 0;
}

void pg_flow_out(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;
	struct pg_batch *b;
	int flushed;

	do {
		while ((b = c->unissued) != NULL && c->backlog < BACKLOG_MAX) {
			if (flow_prepare(c, b) == 0 && flow_issue(c, b) == 0)
				continue;
			flow_fault(c);
			return;
		}
		flushed = lib->flush(c->pq);
		if (flushed == 0)
			c->backlog = 0;
	} while (flushed == 0 && c->unissued != NULL);
	if (flushed == -1)
		flow_fault(c);
	else
		loop_fd_set(
			c->watch, LOOP_READ | (flushed == 1 ? LOOP_WRITE : 0));
}

/*
 * In
 */

static const char *flow_state(const struct pg *p, const PGresult *r)
{
	const char *state = p->lib->error_field(r, PG_DIAG_SQLSTATE);

	return state != NULL ? state : "";
}

/* The session ends with this error: whether the batch that is at hand was
 * committed is not said by it. */
static bool flow_is_fatal(const struct pg *p, const PGresult *r)
{
	const char *severity =
		p->lib->error_field(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity == NULL || strcmp(severity, "ERROR") != 0;
}

static void flow_learn(struct pg_conn *c, struct pg_batch *b, const char *state)
{
	struct pg_call *call = &b->calls[b->answered];
	uint8_t *known = flow_known(c, call->known_as);

	if (!call->is_prepared)
		return;
	if (strcmp(state, STATE_NO_STATEMENT) == 0)
		*known = PG_UNKNOWN;
	else if (strcmp(state, STATE_STALE) == 0)
		*known = PG_STALE;
	else
		return;
	b->is_stale = true;
}

/* True when the connection goes on. */
static bool flow_refused(struct pg_conn *c, struct pg_batch *b, PGresult *r)
{
	const struct pg *p = c->pool;
	char text[256];

	if (flow_is_fatal(p, r)) {
		pg_reach_text(p, p->lib->result_message(r), text, sizeof(text));
		p->lib->clear(r);
		flow_lost(c, text);
		return false;
	}
	if (b->answered < b->call_count) {
		b->has_result = true;
		if (b->kind == PG_BATCH_PARSE)
			*flow_known(c, b->calls[0].known_as) = PG_UNKNOWN;
		else if (b->kind == PG_BATCH_OF_USER)
			flow_learn(c, b, flow_state(p, r));
	}
	if (b->error == NULL)
		b->error = r;
	else
		p->lib->clear(r);
	return true;
}

static bool flow_result(struct pg_conn *c, struct pg_batch *b, PGresult *r)
{
	const struct pg_result result = { r, false };
	struct pg_call *call = &b->calls[b->answered];

	if (b->answered == b->call_count) {
		c->pool->lib->clear(r);
		flow_lost(c, "an answer that nobody asked for");
		return false;
	}
	b->has_result = true;
	if (b->kind == PG_BATCH_PARSE)
		*flow_known(c, call->known_as) = PG_PREPARED;
	if (b->query != NULL) {
		b->rows = r;
		return true;
	}
	if (call->fn != NULL)
		call->fn(&result, call->arg);
	pg_lib()->clear(r);
	return c->phase == PG_SERVING;
}

/* Its transaction is over. */
static bool flow_synced(struct pg_conn *c, struct pg_batch *b)
{
	struct pg *p = c->pool;
	bool is_read_only =
		b->error != NULL && p->url.target != NULL &&
		(strcmp(p->url.target, "read-write") == 0 ||
			strcmp(p->url.target, "primary") == 0) &&
		strcmp(flow_state(p, b->error), STATE_READ_ONLY) == 0;

	if (b->answered != b->call_count) {
		flow_lost(c, "an answer that nobody asked for");
		return false;
	}
	TAILQ_REMOVE(&c->batches, b, entry);
	c->count--;
	pg_batch_end(b, b->error != NULL ? PG_REFUSED : PG_COMMITTED);
	if (c->phase == PG_SERVING && is_read_only)
		flow_lost(c, "it became read-only");
	return c->phase == PG_SERVING;
}

/* Takes r.  True when the connection goes on. */
static bool flow_take(struct pg_conn *c, struct pg_batch *b, PGresult *r)
{
	const struct pg_lib *lib = c->pool->lib;

	switch (lib->result_status(r)) {
	case PGRES_PIPELINE_SYNC: lib->clear(r); return flow_synced(c, b);
	case PGRES_PIPELINE_ABORTED:
		lib->clear(r);
		b->has_result = true;
		return true;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY: return flow_result(c, b, r);
	case PGRES_FATAL_ERROR:
	case PGRES_BAD_RESPONSE: return flow_refused(c, b, r);
	default:
		lib->clear(r);
		flow_lost(c, "an answer of no known kind");
		return false;
	}
}

/* What has come in whole. */
static void flow_answers(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;
	struct pg_batch *b;
	unsigned nulls = 0;
	PGresult *r;

	while ((b = flow_head(c)) != NULL && nulls < NULLS_MAX &&
		lib->is_busy(c->pq) == 0) {
		r = lib->get_result(c->pq);
		if (r != NULL) {
			nulls = 0;
			if (!flow_take(c, b, r))
				return;
		} else if (b->has_result) {
			b->has_result = false;
			b->answered++;
		} else {
			nulls++;
		}
	}
	if (lib->status(c->pq) != CONNECTION_OK)
		flow_fault(c);
	else
		pg_listen_hear(c);
}

void pg_flow_on_fd(int fd, unsigned events, void *arg)
{
	struct pg_conn *c = arg;
	struct pg *p = c->pool;

	(void)fd;
	pg_enter(p);
	if (events & LOOP_WRITE)
		pg_flow_out(c);
	if ((events & LOOP_READ) && c->phase == PG_SERVING) {
		c->heard_at = clock_now();
		if (p->lib->consume_input(c->pq) == 1)
			flow_answers(c);
		else
			flow_fault(c);
	}
	pg_leave(p);
}

void pg_flow_on_timer(struct pg_conn *c)
{
	int64_t left = c->heard_at + c->pool->silence_us - clock_now();
	char span[32], text[64];

	if (flow_head(c) == NULL)
		return;
	if (left > 0) {
		loop_timer_start(c->timer, left);
		return;
	}
	snprintf(text, sizeof(text), "no answer for %s",
		clock_span(c->pool->silence_us, span, sizeof(span)));
	flow_lost(c, text);
}
