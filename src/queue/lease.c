/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/args.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/lease.h"
#include "queue/mark.h"
#include "queue/scripts.h"
#include "queue/topic.h"

/* What is left of a lease when its worker kills its handlers, so that they
 * are gone before another begins. */
#define LEASE_MARGIN_PCT 17 /* 5 s of 30 */
#define LEASE_TAKE_MAX   64
/* How often a pool's first worker looks for dead ones; the others only see to
 * it that it is looked at all. */
#define LEASE_LOOK_US (5 * US_PER_S)

struct lease_renewal {
	struct topic *topic;
	int64_t sent_at_us;
};

struct lease_takeover {
	struct topic *topic;
	char name[CONSUMER_NAME_MAX];
	size_t asked; /* entries at most */
};

static void lease_take_over(struct topic *t, const char *name);

bool lease_is_young(const struct flight *f, int64_t now_us)
{
	const struct queue_options *o = f->topic->consumer->options;

	return now_us - f->renewed_at_us < o->renew_us;
}

/* Others take over what is idle for a lease, or of a node that was silent for
 * node_timeout: whichever comes first must find the handlers gone. */
bool lease_is_over(const struct flight *f, int64_t now_us)
{
	const struct queue_options *o = f->topic->consumer->options;
	int64_t us = o->lease_us < o->node_timeout_us ? o->lease_us
						      : o->node_timeout_us;

	return now_us - f->renewed_at_us > us - us * LEASE_MARGIN_PCT / 100;
}

static char *lease_heartbeat_key(const struct consumer *c, const char *node)
{
	return xasprintf("%sworker:%s", c->conf->redis_prefix, node);
}

static int64_t lease_since(const struct consumer *c)
{
	return worker_child(c->worker)->board->map->header.started_wall;
}

/* What this node said last, unless another says it is this node.  Once is no
 * proof: that may be a daemon that was here before. */
static void lease_on_beat(const struct redis_reply *reply, void *arg)
{
	struct consumer *c = arg;
	const char *since;

	if (reply == NULL || redis_type(reply) != REDIS_STRING)
		return;
	since = redis_text(reply, NULL);
	if (strtoll(since, NULL, 10) == lease_since(c) || ++c->twin_seen < 2)
		return;
	if (c->twin_until_us < clock_now())
		log_error("another daemon is called %s, too: give each a "
			  "`node` of its own; until then tasks of the dead "
			  "wait for claim_after",
			c->conf->node);
	c->twin_until_us = clock_now() + 10 * c->options->node_timeout_us;
}

static void lease_beat(struct consumer *c, int64_t now)
{
	int64_t life = c->options->node_timeout_us;
	char *key;

	if (c->heartbeat_us != 0 && now - c->heartbeat_us < life / 5)
		return;
	c->heartbeat_us = now;
	key = lease_heartbeat_key(c, c->conf->node);
	(void)redis_printf(c->commands, lease_on_beat, c, "HGET %s since", key);
	(void)redis_printf(c->commands, NULL, NULL,
		"HSET %s pid %lld since %lld", key,
		(long long)worker_child(c->worker)->board->map->header.pid,
		(long long)lease_since(c));
	(void)redis_printf(c->commands, NULL, NULL, "PEXPIRE %s %lld", key,
		(long long)(life / US_PER_MS));
	free(key);
}

/* Often enough for the heartbeat and the renewals. */
static int64_t lease_interval(const struct consumer *c)
{
	int64_t beat = c->options->node_timeout_us / 4;

	return beat < c->options->renew_us ? beat : c->options->renew_us;
}

void lease_on_taken(struct consumer *c, int64_t now_us)
{
	lease_beat(c, now_us);
	if (!loop_timer_is_set(c->lease))
		loop_timer_start(c->lease, lease_interval(c));
}

static bool lease_is_held(const struct flight *f)
{
	return f->state == FLIGHT_WAITING || f->state == FLIGHT_BEGINNING ||
	       f->state == FLIGHT_RUNNING;
}

static void lease_on_renewed(const struct redis_reply *reply, void *arg)
{
	struct lease_renewal *r = arg;
	struct topic *t = r->topic;
	struct flight *f, *next;
	size_t i, n;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY) {
		free(r);
		return;
	}
	n = redis_count(reply);
	for (f = TAILQ_FIRST(&t->consumer->flights); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->topic != t || f->taken_at_us > r->sent_at_us ||
			f->state == FLIGHT_FINISHING)
			continue;
		for (i = 0; i < n; i++)
			if (strcmp(redis_text(redis_at(reply, i), NULL),
				    f->id) == 0)
				break;
		if (i == n)
			f->renewed_at_us = r->sent_at_us;
		else if (lease_is_held(f))
			flight_fence(f);
	}
	consumer_poke(t->consumer);
	free(r);
}

static void lease_renew(struct topic *t)
{
	struct consumer *c = t->consumer;
	struct args a = ARGS_INIT;
	struct lease_renewal *r;
	struct flight *f;

	args_add(&a, t->stream);
	args_add(&a, CONSUMER_GROUP);
	args_add(&a, c->name);
	TAILQ_FOREACH(f, &c->flights, entry)
		if (f->topic == t && f->state != FLIGHT_FINISHING)
			args_add(&a, f->id);
	if (a.count > 3) {
		r = xcalloc(1, sizeof(*r));
		r->topic = t;
		r->sent_at_us = clock_now();
		if (redis_script(c->commands, lease_on_renewed, r,
			    &script_renew, 1, (int)a.count, a.items,
			    a.lens) != 0)
			free(r);
	}
	args_done(&a);
}

/* What could not be renewed in time is given up here, before it is taken
 * there. */
static void lease_fence_late(struct consumer *c, int64_t now_us)
{
	struct flight *f, *next;

	for (f = TAILQ_FIRST(&c->flights); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (lease_is_held(f) && lease_is_over(f, now_us))
			flight_fence(f);
	}
}

static void lease_on_timer(void *arg)
{
	struct consumer *c = arg;
	int64_t now_us = clock_now();
	size_t i;

	lease_fence_late(c, now_us);
	if (c->flight_count == 0)
		return;
	lease_beat(c, now_us);
	for (i = 0; i < c->topic_count; i++)
		lease_renew(&c->topics[i]);
	loop_timer_start(c->lease, lease_interval(c));
	consumer_poke(c);
}

static void lease_on_taken_over(const struct redis_reply *reply, void *arg)
{
	struct lease_takeover *o = arg;
	struct topic *t = o->topic;
	size_t i, n, len;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY) {
		free(o);
		return;
	}
	n = redis_count(reply);
	if (n > 0)
		log_info("topic %s: took over %zu tasks of %s, which is gone",
			t->name, n / 3, o->name);
	flight_on_arrival(t->consumer);
	t->consumer->victim = o->name;
	for (i = 0; i + 2 < n; i += 3) {
		const char *text = redis_text(redis_at(reply, i + 2), &len);

		flight_take(t, redis_text(redis_at(reply, i), NULL),
			len > 0 ? text : NULL, len,
			redis_int(redis_at(reply, i + 1), 1));
	}
	t->consumer->victim = NULL;
	if (n / 3 == o->asked)
		lease_take_over(t, o->name);
	free(o);
	consumer_poke(t->consumer);
}

/* One suspect at a time, or every so often while one runs long. */
static bool lease_may_suspect(const struct consumer *c)
{
	return c->suspect_count == 0 || c->quiet_until_us < clock_now();
}

static void lease_take_over(struct topic *t, const char *name)
{
	struct consumer *c = t->consumer;
	struct lease_takeover *o;
	char number[24], suspect[24];
	const char *argv[7] = { t->stream, CONSUMER_GROUP, c->name, name,
		number, suspect, lease_may_suspect(c) ? "1" : "0" };
	int64_t room = consumer_room(c);

	if (room <= 0 || c->draining)
		return;
	o = xcalloc(1, sizeof(*o));
	o->topic = t;
	o->asked = (size_t)(room < LEASE_TAKE_MAX ? room : LEASE_TAKE_MAX);
	snprintf(number, sizeof(number), "%zu", o->asked);
	snprintf(o->name, sizeof(o->name), "%s", name);
	snprintf(suspect, sizeof(suspect), "%" PRId64,
		c->options->crashes_max - 1);
	if (redis_script(c->commands, lease_on_taken_over, o, &script_takeover,
		    1, 7, argv, NULL) != 0)
		free(o);
}

/* Is this pid one of the processes of the board? */
static bool lease_is_live(const struct consumer *c, pid_t pid)
{
	const struct board *b = worker_child(c->worker)->board;
	int i, limit = (int)atomic_load(&b->map->header.slot_limit);

	for (i = 0; i < limit; i++)
		if (b->map->slots[i].state != BOARD_EMPTY &&
			b->map->slots[i].pid == pid)
			return true;
	return false;
}

static void lease_on_heartbeat(const struct redis_reply *reply, void *arg)
{
	struct lease_takeover *o = arg;

	if (reply != NULL && redis_type(reply) == REDIS_INTEGER &&
		redis_int(reply, 1) == 0)
		lease_take_over(o->topic, o->name);
	free(o);
}

/* Of another node: dead when the node has no heartbeat. */
static void lease_ask_node(struct topic *t, const char *name, const char *slash)
{
	struct lease_takeover *o = xcalloc(1, sizeof(*o));
	char *node = xstrndup(name, (size_t)(slash - name));
	char *key = lease_heartbeat_key(t->consumer, node);

	o->topic = t;
	snprintf(o->name, sizeof(o->name), "%s", name);
	if (redis_printf(t->consumer->commands, lease_on_heartbeat, o,
		    "EXISTS %s", key) != 0)
		free(o);
	free(key);
	free(node);
}

static void lease_on_worker(const struct redis_reply *reply, void *arg)
{
	struct flight_ask *ask = arg;
	struct flight *f = ask->flight;
	/* Redis away: who is alive has its say when it is back. */
	bool is_live = reply == NULL || redis_type(reply) != REDIS_INTEGER ||
		       redis_int(reply, 1) != 0;

	if (f != NULL) {
		f->ask = NULL;
		ask->judged(f, is_live);
		consumer_poke(ask->consumer);
	}
	free(ask);
}

void lease_ask_worker(struct flight *f, const char *name,
	void (*judged)(struct flight *f, bool is_live))
{
	struct consumer *c = f->topic->consumer;
	const char *slash = strchr(name, '/'), *last = strrchr(name, '/');
	size_t n = strlen(c->conf->node);
	char *node, *key;

	if (slash == NULL || last == slash) {
		judged(f, true);
		return;
	}
	if ((size_t)(slash - name) == n &&
		strncmp(name, c->conf->node, n) == 0) {
		judged(f, lease_is_live(c, (pid_t)atoi(last + 1)));
		return;
	}
	node = xstrndup(name, (size_t)(slash - name));
	key = lease_heartbeat_key(c, node);
	f->ask = xcalloc(1, sizeof(*f->ask));
	f->ask->flight = f;
	f->ask->consumer = c;
	f->ask->judged = judged;
	if (redis_printf(c->commands, lease_on_worker, f->ask, "EXISTS %s",
		    key) != 0)
		lease_on_worker(NULL, f->ask);
	free(key);
	free(node);
}

static void lease_judge(struct topic *t, const char *name)
{
	const struct consumer *c = t->consumer;
	const char *slash = strchr(name, '/'), *last = strrchr(name, '/');
	size_t n = strlen(c->conf->node);

	if (strcmp(name, c->name) == 0 || slash == NULL || last == slash)
		return;
	if ((size_t)(slash - name) != n || strncmp(name, c->conf->node, n) != 0)
		lease_ask_node(t, name, slash);
	else if (c->twin_until_us < clock_now() &&
		 !lease_is_live(c, (pid_t)atoi(last + 1)))
		lease_take_over(t, name);
}

static void lease_on_consumers(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	size_t i, n;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	n = redis_count(reply);
	for (i = 0; i < n; i++) {
		const struct redis_reply *row = redis_at(reply, i);
		const struct redis_reply *name = redis_field(row, "name");

		if (name != NULL)
			lease_judge(t, redis_text(name, NULL));
	}
}

static void lease_on_autoclaimed(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	const struct redis_reply *entries;
	size_t i, n, len;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	entries = redis_at(reply, 1);
	n = redis_count(entries);
	flight_on_arrival(t->consumer);
	for (i = 0; i < n; i++) {
		const struct redis_reply *e = redis_at(entries, i);
		const struct redis_reply *task =
			redis_field(redis_at(e, 1), "task");
		const char *text = task ? redis_text(task, &len) : NULL;

		log_warn("topic %s: claimed %s, which nobody renewed", t->name,
			redis_text(redis_at(e, 0), NULL));
		flight_take(t, redis_text(redis_at(e, 0), NULL), text,
			text ? len : 0, 1);
	}
	consumer_poke(t->consumer);
}

void lease_sweep(struct topic *t)
{
	struct consumer *c = t->consumer;
	int64_t room = consumer_room(c);

	if (t->state == TOPIC_DOWN || c->draining || room <= 0)
		return;
	(void)redis_printf(c->commands, lease_on_consumers, t,
		"XINFO CONSUMERS %s " CONSUMER_GROUP, t->stream);
	(void)redis_printf(c->commands, lease_on_autoclaimed, t,
		"XAUTOCLAIM %s " CONSUMER_GROUP " %s %lld 0 COUNT %lld",
		t->stream, c->name,
		(long long)(c->options->claim_us / US_PER_MS),
		(long long)(room < LEASE_TAKE_MAX ? room : LEASE_TAKE_MAX));
}

static int64_t lease_sweep_interval(const struct consumer *c)
{
	int64_t us = c->options->claim_us;

	if (worker_child(c->worker)->index == 0 && us > LEASE_LOOK_US)
		us = LEASE_LOOK_US;
	if (us > c->options->node_timeout_us / 4)
		us = worker_child(c->worker)->index == 0
			     ? c->options->node_timeout_us / 4
			     : us;
	return us;
}

static void lease_on_sweep(void *arg)
{
	struct consumer *c = arg;
	size_t i;

	/* An idle node is alive too. */
	if (worker_child(c->worker)->index == 0)
		lease_beat(c, clock_now());
	mark_refresh(c);
	for (i = 0; i < c->topic_count; i++) {
		lease_sweep(&c->topics[i]);
		/* Nobody may have told what was put aside elsewhere. */
		topic_move_due(&c->topics[i]);
	}
	loop_timer_start(c->sweep, lease_sweep_interval(c));
}

void lease_start(struct consumer *c)
{
	c->lease = loop_timer_new(c->loop, lease_on_timer, c);
	c->sweep = loop_timer_new(c->loop, lease_on_sweep, c);
	loop_timer_start(c->sweep, lease_sweep_interval(c));
}

void lease_stop(struct consumer *c)
{
	loop_timer_free(c->sweep);
	loop_timer_free(c->lease);
}
