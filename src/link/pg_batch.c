/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/pg_conn.h"
#include "loop/loop.h"

/* Batches in hand of the connection that has the fewest, from which on
 * another one is worth its backend. */
#define GROW_AT 4

struct pg_batch *pg_batch_new(struct pg *p)
{
	struct pg_batch *b = xcalloc(1, sizeof(*b));

	b->pool = p;
	return b;
}

void pg_batch_free(struct pg_batch *b)
{
	if (b == NULL)
		return;
	if (b->error != NULL)
		pg_lib()->clear(b->error);
	if (b->rows != NULL)
		pg_lib()->clear(b->rows);
	buf_done(&b->bytes);
	free(b->calls);
	free(b);
}

static unsigned batch_number(struct pg *p, const struct pg_statement *s)
{
	unsigned i;

	for (i = 0; i < p->statement_count; i++)
		if (p->statements[i] == s)
			return i;
	if (p->statement_count == p->statement_size) {
		p->statement_size = p->statement_size * 2 + 16;
		p->statements = xreallocarray(p->statements, p->statement_size,
			sizeof(*p->statements));
	}
	p->statements[i] = s;
	p->statement_count++;
	return i;
}

static struct pg_call *batch_call(
	struct pg_batch *b, const struct pg_statement *s)
{
	struct pg_call *call;

	if (b->call_count == b->call_size) {
		b->call_size = b->call_size * 2 + 1;
		b->calls = xreallocarray(
			b->calls, b->call_size, sizeof(*b->calls));
	}
	call = &b->calls[b->call_count++];
	*call = (struct pg_call){ .statement = s };
	call->values = b->bytes.len;
	return call;
}

void pg_batch_add(struct pg_batch *b, const struct pg_statement *s,
	const char *const *values, pg_result_fn fn, void *arg)
{
	struct pg_call *call = batch_call(b, s);
	int i;

	assert(s->params <= PG_VALUES_MAX);
	call->fn = fn;
	call->arg = arg;
	call->known_as = batch_number(b->pool, s);
	for (i = 0; i < s->params; i++) {
		buf_putc(&b->bytes, values[i] != NULL);
		if (values[i] != NULL)
			buf_add(&b->bytes, values[i], strlen(values[i]) + 1);
	}
}

struct pg_batch *pg_batch_internal(
	struct pg *p, enum pg_batch_kind kind, const struct pg_statement *s)
{
	struct pg_batch *b = pg_batch_new(p);

	b->kind = kind;
	(void)batch_call(b, s);
	return b;
}

void pg_batch_put(struct pg_conn *c, struct pg_batch *b)
{
	TAILQ_INSERT_TAIL(&c->batches, b, entry);
	if (c->unissued == NULL)
		c->unissued = b;
	c->count++;
	pg_soon(c->pool);
}

/* The one with the least in hand; NULL: none is up. */
static struct pg_conn *batch_conn(struct pg *p)
{
	struct pg_conn *best = NULL, *c;
	unsigned i;

	for (i = 0; i < p->conn_count; i++) {
		c = &p->conns[i];
		if (c->phase == PG_SERVING &&
			(best == NULL || c->count < best->count))
			best = c;
	}
	return best;
}

static void batch_grow(struct pg *p)
{
	unsigned i;

	for (i = 0; i < p->conn_count; i++) {
		if (p->conns[i].phase == PG_SERVING)
			continue;
		if (p->conns[i].phase == PG_IDLE) {
			p->conns[i].phase = PG_WAITING;
			loop_timer_start(p->conns[i].timer, 0);
		}
		return;
	}
}

int pg_batch_send(struct pg_batch *b, pg_end_fn end, void *arg)
{
	struct pg *p = b->pool;
	struct pg_conn *c = p->is_closed ? NULL : batch_conn(p);

	b->cost = sizeof(*b) + b->bytes.len + b->call_size * sizeof(*b->calls);
	if (c == NULL ||
		(p->waiting > 0 && p->waiting + b->cost > PG_WAITING_MAX)) {
		pg_batch_free(b);
		return -1;
	}
	b->end = end;
	b->arg = arg;
	p->waiting += b->cost;
	p->pending++;
	if (c->count >= GROW_AT)
		batch_grow(p);
	pg_batch_put(c, b);
	return 0;
}

int pg_query(struct pg *p, const struct pg_statement *s,
	const char *const *values, pg_result_fn fn, void *arg)
{
	struct pg_batch *b = pg_batch_new(p);

	pg_batch_add(b, s, values, NULL, NULL);
	b->query = fn;
	return pg_batch_send(b, NULL, arg);
}

static void batch_tell(struct pg_batch *b, enum pg_verdict verdict,
	const struct pg_result *error)
{
	const struct pg_result rows = { b->rows, false };

	if (b->query != NULL && verdict == PG_COMMITTED)
		b->query(&rows, b->arg);
	else if (b->query != NULL)
		b->query(error, b->arg);
	else if (b->end != NULL)
		b->end(verdict, error, b->arg);
}

void pg_batch_end(struct pg_batch *b, enum pg_verdict verdict)
{
	const struct pg_result refusal = { b->error, b->is_stale };
	const struct pg_result *error = verdict == PG_REFUSED ? &refusal : NULL;

	if (b->kind == PG_BATCH_LISTEN) {
		pg_listen_begun(b->listen, verdict, error);
	} else if (b->kind == PG_BATCH_OF_USER) {
		b->pool->pending--;
		b->pool->waiting -= b->cost;
		batch_tell(b, verdict, error);
	}
	pg_batch_free(b);
}
