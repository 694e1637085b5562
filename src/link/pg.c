/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "link/pg_conn.h"
#include "loop/loop.h"

#define CONNECT_TIMEOUT_US   (5 * (int64_t)US_PER_S)
#define STATEMENT_TIMEOUT_US (30 * (int64_t)US_PER_S)
/* The server ends a statement in time.  That is not heard of if it takes as
 * long again, within these bounds: drop the connection. */
#define SILENCE_LEAST_US ((int64_t)US_PER_S)
#define SILENCE_MOST_US  (5 * (int64_t)US_PER_S)

/* Back-off: doubled from FIRST to LAST, from half of it to all of it at
 * random; begun anew after a connection that lived for HEALTHY. */
#define BACKOFF_FIRST_US (50 * (int64_t)US_PER_MS)
#define BACKOFF_LAST_US  (2 * (int64_t)US_PER_S)
#define BACKOFF_DOUBLED  6
#define HEALTHY_US       (5 * (int64_t)US_PER_S)

static void pg_on_turn(void *arg);
static void pg_on_timer(void *arg);

int pg_check_url(const char *url, struct err *err)
{
	struct pg_url u;

	if (pg_lib_load(err) == NULL || pg_url_parse(url, &u, err) != 0)
		return -1;
	pg_url_done(&u);
	return 0;
}

/*
 * Before what the URL has in `options`: how long the server waits, also for us,
 * as a batch that was cut off in the middle holds its locks until the server
 * knows.  Behind it: what our reading of values needs.
 */
static char *pg_session(const struct pg_url *u, int64_t statement_timeout_us)
{
	const char *own = pg_url_value(u, "options");

	return xasprintf("-c statement_timeout=%lld -c tcp_user_timeout=8000 "
			 "-c tcp_keepalives_idle=4 "
			 "-c tcp_keepalives_interval=2 "
			 "-c tcp_keepalives_count=3 %s -c TimeZone=UTC "
			 "-c DateStyle=ISO -c IntervalStyle=postgres",
		(long long)(statement_timeout_us / US_PER_MS),
		own != NULL ? own : "");
}

static int64_t pg_silence(int64_t statement_us)
{
	if (statement_us < SILENCE_LEAST_US)
		return SILENCE_LEAST_US;
	return statement_us < SILENCE_MOST_US ? statement_us : SILENCE_MOST_US;
}

static void pg_init(struct pg *p, const struct pg_options *o)
{
	int64_t statement_us = o->statement_timeout_us > 0
				       ? o->statement_timeout_us
				       : STATEMENT_TIMEOUT_US;
	struct pg_conn *c;
	unsigned i;

	p->connect_timeout_us = o->connect_timeout_us > 0
					? o->connect_timeout_us
					: CONNECT_TIMEOUT_US;
	p->silence_us = statement_us + pg_silence(statement_us);
	p->session = pg_session(&p->url, statement_us);
	p->name = xstrdup(o->name != NULL ? o->name : "reeve");
	p->setup = o->setup != NULL ? xstrdup(o->setup) : NULL;
	p->conn_count = o->connections > 0 ? o->connections : 1;
	if (p->conn_count > PG_CONNS_MAX)
		p->conn_count = PG_CONNS_MAX;
	p->conns = xcalloc(p->conn_count, sizeof(*p->conns));
	for (i = 0; i < p->conn_count; i++) {
		c = &p->conns[i];
		c->pool = p;
		TAILQ_INIT(&c->batches);
		c->timer = loop_timer_new(p->loop, pg_on_timer, c);
	}
	SLIST_INIT(&p->listens);
	TAILQ_INIT(&p->ending);
}

struct pg *pg_open(struct loop *l, const struct pg_options *o, pg_state_fn fn,
	void *arg, struct err *err)
{
	const struct pg_lib *lib = pg_lib_load(err);
	struct pg_url url;
	struct pg *p;

	if (lib == NULL)
		return NULL;
	if (o->url == NULL) {
		(void)err_set(err, 0, "postgresql: no url");
		return NULL;
	}
	if (pg_url_parse(o->url, &url, err) != 0)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->loop = l;
	p->lib = lib;
	p->fn = fn;
	p->arg = arg;
	p->url = url;
	pg_init(p, o);
	p->conns[0].phase = PG_WAITING;
	loop_timer_start(p->conns[0].timer, 0);
	return p;
}

static void pg_destroy(struct pg *p)
{
	unsigned i;

	for (i = 0; i < p->conn_count; i++) {
		loop_timer_free(p->conns[i].timer);
		free(p->conns[i].known);
	}
	pg_listen_done(p);
	pg_url_done(&p->url);
	free(p->conns);
	free(p->statements);
	free(p->session);
	free(p->setup);
	free(p->name);
	free(p);
}

void pg_enter(struct pg *p)
{
	p->busy++;
}

void pg_leave(struct pg *p)
{
	if (--p->busy == 0 && p->is_closed)
		pg_destroy(p);
}

void pg_soon(struct pg *p)
{
	if (p->is_due || p->is_closed)
		return;
	p->is_due = true;
	loop_defer(p->loop, pg_on_turn, p);
}

static void pg_on_turn(void *arg)
{
	struct pg *p = arg;
	unsigned i;

	pg_enter(p);
	p->is_due = false;
	for (i = 0; i < p->conn_count && !p->is_closed; i++)
		if (p->conns[i].phase == PG_SERVING)
			pg_flow_out(&p->conns[i]);
	pg_leave(p);
}

/* Nothing goes on any more; its batches wait for their ends to be told. */
static void pg_halt(struct pg_conn *c, enum pg_phase next)
{
	resolve_cancel(c->resolve);
	c->resolve = NULL;
	pg_reach_end(c);
	loop_timer_stop(c->timer);
	TAILQ_CONCAT(&c->pool->ending, &c->batches, entry);
	c->unissued = NULL;
	c->count = 0;
	c->backlog = 0;
	free(c->known);
	c->known = NULL;
	c->known_size = 0;
	c->phase = next;
}

void pg_drain(struct pg *p)
{
	struct pg_batch *b;

	while ((b = TAILQ_FIRST(&p->ending)) != NULL) {
		TAILQ_REMOVE(&p->ending, b, entry);
		pg_batch_end(b, PG_LOST);
	}
}

void pg_close(struct pg *p)
{
	unsigned i;

	if (p == NULL)
		return;
	assert(!p->is_closed);
	pg_enter(p);
	p->is_closed = true;
	p->is_up = false;
	for (i = 0; i < p->conn_count; i++)
		pg_halt(&p->conns[i], PG_IDLE);
	loop_defer_cancel(p->loop, pg_on_turn, p);
	pg_drain(p);
	pg_leave(p);
}

bool pg_is_up(const struct pg *p)
{
	return p->is_up;
}

unsigned pg_pending(const struct pg *p)
{
	return p->pending;
}

static int64_t pg_backoff(unsigned failures)
{
	unsigned doubled =
		failures < BACKOFF_DOUBLED ? failures : BACKOFF_DOUBLED;
	int64_t span = BACKOFF_FIRST_US << doubled;

	if (span > BACKOFF_LAST_US)
		span = BACKOFF_LAST_US;
	return span / 2 + clock_jitter(span / 2);
}

static bool pg_has_serving(const struct pg *p)
{
	unsigned i;

	for (i = 0; i < p->conn_count; i++)
		if (p->conns[i].phase == PG_SERVING)
			return true;
	return false;
}

static void pg_tell_down(struct pg *p, bool was_up, const char *why)
{
	char text[sizeof(p->told)];

	snprintf(text, sizeof(text), "postgresql at %.480s", why);
	log_debug("%s", text);
	if (p->is_up || (!was_up && strcmp(text, p->told) == 0))
		return;
	snprintf(p->told, sizeof(p->told), "%s", text);
	if (p->fn != NULL)
		p->fn(PG_DOWN, text, p->arg);
}

void pg_lost(struct pg_conn *c, const char *why)
{
	struct pg *p = c->pool;
	bool was_up = p->is_up;
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", why);
	if (c->phase == PG_SERVING && clock_now() - c->up_at >= HEALTHY_US)
		c->failures = 0;
	pg_halt(c, PG_WAITING);
	loop_timer_start(c->timer, pg_backoff(c->failures));
	c->failures++;
	p->is_up = pg_has_serving(p);
	pg_drain(p);
	if (!p->is_closed)
		pg_tell_down(p, was_up, text);
}

void pg_serve(struct pg_conn *c)
{
	struct pg *p = c->pool;

	loop_timer_stop(c->timer);
	c->phase = PG_SERVING;
	c->up_at = clock_now();
	if (c == &p->conns[0])
		pg_listen_begin(c);
	if (p->is_up)
		return;
	p->is_up = true;
	p->told[0] = '\0';
	if (p->fn != NULL)
		p->fn(PG_UP, c->label, p->arg);
}

static void pg_on_timer(void *arg)
{
	struct pg_conn *c = arg;
	struct pg *p = c->pool;
	char span[32], text[64];

	pg_enter(p);
	if (c->phase == PG_WAITING) {
		pg_reach(c);
	} else if (c->phase == PG_SERVING) {
		pg_flow_on_timer(c);
	} else {
		snprintf(text, sizeof(text), "no connection within %s",
			clock_span(p->connect_timeout_us, span, sizeof(span)));
		pg_reach_next(c, text);
	}
	pg_leave(p);
}
