/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/call.h"
#include "api/service.h"
#include "api/wire.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "task/keys.h"

#define WIRE_ANSWER_US (5 * US_PER_S)

struct wire_waiter {
	STAILQ_ENTRY(wire_waiter) entry;
	struct call *call;
	void (*next)(struct call *call);
};

struct wire {
	struct loop *loop;       /* borrowed */
	const struct conf *conf; /* borrowed */
	struct redis *redis;     /* owned; NULL until somebody needs it */
	bool is_known;           /* it was up, or could not be reached */
	STAILQ_HEAD(, wire_waiter) waiters;
};

struct wire *wire_new(struct loop *l, const struct conf *conf)
{
	struct wire *w = xcalloc(1, sizeof(*w));

	w->loop = l;
	w->conf = conf;
	STAILQ_INIT(&w->waiters);
	return w;
}

static void wire_serve(struct wire *w)
{
	struct wire_waiter *one;

	while ((one = STAILQ_FIRST(&w->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waiters, entry);
		if (w->redis != NULL && redis_is_up(w->redis))
			one->next(one->call);
		else
			call_reply_away(one->call, "Redis");
	}
}

void wire_free(struct wire *w)
{
	struct redis *r;

	if (w == NULL)
		return;
	r = w->redis;
	w->redis = NULL;
	redis_close(r);
	wire_serve(w);
	free(w);
}

static void wire_on_state(enum redis_state state, const char *why, void *arg)
{
	struct wire *w = arg;

	if (state == REDIS_UP)
		log_info("redis: %s", why);
	else
		log_warn("redis: %s", why);
	w->is_known = true;
	wire_serve(w);
}

static int wire_open(struct wire *w)
{
	const struct redis_options o = { .url = w->conf->redis_url,
		.sentinel_master = w->conf->redis_sentinel_master,
		.sentinel_nodes = &w->conf->redis_sentinel_nodes,
		.name = "reeve http",
		.command_timeout_us = WIRE_ANSWER_US };
	struct err err;

	w->redis = redis_open(w->loop, &o, wire_on_state, w, &err);
	if (w->redis == NULL)
		log_error("%s", err.text);
	return w->redis != NULL ? 0 : -1;
}

void wire_await(struct call *call, void (*next)(struct call *call))
{
	struct wire *w = call->service->wire;
	struct wire_waiter *one;

	if (w->conf->redis_url == NULL &&
		w->conf->redis_sentinel_master == NULL) {
		call_reply_problem(call, 503, "no Redis is configured");
	} else if (w->redis == NULL && wire_open(w) != 0) {
		call_reply_problem(call, 500, "the log says why");
	} else if (w->is_known && redis_is_up(w->redis)) {
		next(call);
	} else if (w->is_known) {
		call_reply_away(call, "Redis");
	} else {
		one = arena_alloc(call->arena, sizeof(*one));
		one->call = call;
		one->next = next;
		STAILQ_INSERT_TAIL(&w->waiters, one, entry);
	}
}

struct redis *wire_redis(struct call *call)
{
	return call->service->wire->redis;
}

/* Marks on their way. */
struct wire_marks {
	const char *const *ids;
	size_t count;
	bool is_set;      /* else they are taken away */
	unsigned waiting; /* answers */
	bool is_lost;
	void (*next)(struct call *call);
};

static void wire_settle(struct call *call)
{
	struct wire_marks *m = call->marks;

	if (m->waiting > 0)
		return;
	if (m->is_lost)
		call_reply_away(call, "Redis");
	else
		m->next(call);
}

static void wire_on_marked(const struct redis_reply *reply, void *arg)
{
	struct call *call = arg;

	if (reply == NULL || redis_type(reply) == REDIS_ERROR)
		call->marks->is_lost = true;
	call->marks->waiting--;
	wire_settle(call);
}

static void wire_count(struct wire_marks *m, int rc)
{
	if (rc == 0)
		m->waiting++;
	else
		m->is_lost = true;
}

/* The mark is kept for as long as an outcome is. */
static void wire_mark(struct call *call, const char *id)
{
	const char *prefix = call->service->conf->redis_prefix;
	long long until =
		(long long)(clock_wall() / US_PER_MS) + KEYS_KEEP_S * 1000LL;
	struct redis *r = wire_redis(call);
	struct wire_marks *m = call->marks;

	wire_count(m,
		m->is_set ? redis_printf(r, wire_on_marked, call,
				    "ZADD %scancels %lld %s", prefix, until, id)
			  : redis_printf(r, wire_on_marked, call,
				    "ZREM %scancels %s", prefix, id));
	wire_count(m, redis_printf(r, wire_on_marked, call,
			      "PUBLISH %scontrol %s", prefix,
			      arena_printf(call->arena, "%s %s",
				      m->is_set ? "cancel" : "uncancel", id)));
}

static void wire_send_marks(struct call *call)
{
	size_t i;

	for (i = 0; i < call->marks->count; i++)
		wire_mark(call, call->marks->ids[i]);
	wire_settle(call);
}

static void wire_put_marks(struct call *call, const struct wire_marks *m)
{
	call->marks = arena_alloc(call->arena, sizeof(*call->marks));
	*call->marks = *m;
	wire_await(call, wire_send_marks);
}

void wire_cancel(struct call *call, const char *const *ids, size_t count,
	void (*next)(struct call *call))
{
	wire_put_marks(call, &(struct wire_marks){ .ids = ids,
				     .count = count,
				     .is_set = true,
				     .next = next });
}

void wire_uncancel(
	struct call *call, const char *id, void (*next)(struct call *call))
{
	const char **ids = arena_alloc(call->arena, sizeof(*ids));

	ids[0] = id;
	wire_put_marks(call,
		&(struct wire_marks){ .ids = ids, .count = 1, .next = next });
}
