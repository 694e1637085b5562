/* SPDX-License-Identifier: ISC */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/role.h"
#include "queue/consumer.h"
#include "queue/fetch.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/lease.h"
#include "queue/mark.h"
#include "queue/queue.h"
#include "queue/regain.h"
#include "queue/topic.h"
#include "queue/track.h"
#include "task/canary.h"

/* Outcomes on their way, beyond which no more is read. */
#define QUEUE_FINISHING_MAX (4 * CONSUMER_BATCH)

unsigned consumer_busy(const struct consumer *c)
{
	return c->active_count - track_parked(c);
}

int64_t consumer_room(const struct consumer *c)
{
	int64_t room = c->options->concurrency - (int64_t)consumer_busy(c);
	int64_t finishing =
		(int64_t)c->flight_count - c->active_count - track_stuck(c);

	if (finishing >= QUEUE_FINISHING_MAX)
		return 0;
	return room > 0 ? room : 0;
}

int64_t consumer_now_ms(const struct consumer *c)
{
	return clock_wall() / US_PER_MS + c->skew_ms;
}

static void consumer_flush(struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++) {
		struct topic *t = &c->topics[i];

		if (t->state != TOPIC_DOWN)
			finish_flush(t,
				topic_is_reading(t) ? c->commands : t->reader);
	}
}

/* Nothing is in hand, and nothing on its way here. */
static bool consumer_is_empty(const struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		if (topic_is_reading(&c->topics[i]))
			return false;
	return c->flight_count == 0;
}

/* A suspect is through: other ones may have been left for later. */
static void consumer_look(struct consumer *c)
{
	size_t i;

	c->look_due = false;
	for (i = 0; i < c->topic_count; i++)
		lease_sweep(&c->topics[i]);
}

static void consumer_on_turn(void *arg)
{
	struct consumer *c = arg;

	c->pump_due = false;
	if (c->waiting_count > 0)
		flight_start_waiting(c);
	if (c->look_due)
		consumer_look(c);
	fetch_pump(c);
	consumer_flush(c);
	if (c->draining)
		track_drain(c);
	if (c->draining && consumer_is_empty(c))
		worker_done(c->worker);
}

void consumer_poke(struct consumer *c)
{
	if (c->pump_due)
		return;
	c->pump_due = true;
	loop_defer(c->loop, consumer_on_turn, c);
}

static void queue_on_room(void *arg)
{
	consumer_poke(arg);
}

static void queue_on_heads(void *arg)
{
	struct consumer *c = arg;
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		if (c->topics[i].state != TOPIC_DOWN)
			topic_ask_head(&c->topics[i]);
	consumer_poke(c);
}

static void queue_on_commands(
	enum redis_state state, const char *why, void *arg)
{
	struct consumer *c = arg;
	size_t i;

	if (state == REDIS_DOWN) {
		log_warn("redis: %s", why);
		return;
	}
	c->heartbeat_us = 0;
	mark_refresh(c);
	for (i = 0; i < c->topic_count; i++) {
		topic_move_due(&c->topics[i]);
		lease_sweep(&c->topics[i]);
		regain_look(&c->topics[i]);
	}
	consumer_poke(c);
}

static int queue_open(struct consumer *c, struct err *err)
{
	struct redis_options o = { .url = c->conf->redis_url,
		.sentinel_master = c->conf->redis_sentinel_master,
		.sentinel_nodes = &c->conf->redis_sentinel_nodes,
		.name = c->name,
		.command_timeout_us = 10 * US_PER_S };
	size_t i;

	c->commands = redis_open(c->loop, &o, queue_on_commands, c, err);
	if (c->commands == NULL || mark_start(c, err) != 0)
		return -1;
	c->topics = xcalloc(c->options->topics.count, sizeof(*c->topics));
	for (i = 0; i < c->options->topics.count; i++) {
		struct topic *t = &c->topics[i];

		c->topic_count++;
		if (topic_init(t, c, c->options->topics.items[i].name, err) !=
			0)
			return -1;
		t->weight = queue_options_weight(c->options, t->name);
	}
	return 0;
}

static void queue_stop(void *self)
{
	struct consumer *c = self;
	size_t i;

	/* First those who may still answer: the topics hear of it. */
	redis_close(c->commands);
	c->commands = NULL;
	track_close(c);
	for (i = 0; i < c->topic_count; i++)
		topic_done(&c->topics[i]);
	mark_stop(c);
	flight_free_all(c);
	track_stop(c);
	handlers_free(c->handlers);
	lease_stop(c);
	loop_timer_free(c->room);
	loop_timer_free(c->heads);
	loop_timer_free(c->rest);
	free(c->series);
	free(c->topics);
	free(c);
}

static void queue_trim(struct consumer *c)
{
	size_t i;

	redis_trim(c->commands);
	for (i = 0; i < c->topic_count; i++)
		redis_trim(c->topics[i].reader);
}

static void queue_on_trim(void *arg)
{
	struct consumer *c = arg;

	handlers_trim(c->handlers);
	queue_trim(c);
}

/* Connections of handlers stay: the next burst wants them. */
static void queue_on_rest(void *arg)
{
	struct consumer *c = arg;

	if (c->flight_count > 0 ||
		clock_now() - c->arrived_at_us < CONSUMER_REST_US) {
		loop_timer_start(c->rest, CONSUMER_REST_US);
		return;
	}
	c->is_grown = false;
	queue_trim(c);
	malloc_trim(0);
}

static void *queue_start(struct worker *w, struct err *err)
{
	const struct child *child = worker_child(w);
	struct consumer *c = xcalloc(1, sizeof(*c));
	struct handler_context ctx = { .node = child->conf->node,
		.pool = child->pool->name,
		.topic = child->pool->topic,
		.index = child->index,
		.board = child->board,
		.slot = child->slot };

	c->worker = w;
	c->loop = worker_loop(w);
	c->conf = child->conf;
	c->pool = child->pool;
	c->options = child->pool->own;
	TAILQ_INIT(&c->flights);
	/* What one that died here had in hand is not in hand any more. */
	memset(&child->board->map->held[child->slot], 0,
		sizeof(child->board->map->held[0]));
	snprintf(c->name, sizeof(c->name), "%s/%s.%d/%d", c->conf->node,
		c->pool->name, child->index, (int)getpid());
	c->room = loop_timer_new(c->loop, queue_on_room, c);
	c->heads = loop_timer_new(c->loop, queue_on_heads, c);
	c->rest = loop_timer_new(c->loop, queue_on_rest, c);
	lease_start(c);
	worker_on_trim(w, queue_on_trim, c);
	(void)canary_join(c->conf, c->pool->name, child->index);
	c->handlers = handlers_new(c->loop, c->conf, &ctx, err);
	if (c->handlers == NULL || track_start(c, err) != 0 ||
		queue_open(c, err) != 0) {
		queue_stop(c);
		return NULL;
	}
	return c;
}

static void queue_drain(void *self)
{
	struct consumer *c = self;
	size_t i;

	c->draining = true;
	for (i = 0; i < c->topic_count; i++) {
		struct topic *t = &c->topics[i];

		topic_unblock(t);
		/* The others may not know what this one put aside. */
		if (t->due_ms != 0)
			mark_publish_due(c, t);
	}
	consumer_poke(c);
}

const struct role role_queue = {
	.name = "queue",
	.kind = &conf_kind_queue,
	.start = queue_start,
	.drain = queue_drain,
	.stop = queue_stop,
};
