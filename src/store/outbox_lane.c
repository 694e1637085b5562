/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "store/outbox_lane.h"
#include "task/keys.h"

#define LANES_MAX 64
/* A lane that was not used for so long is closed. */
#define LANE_IDLE_US (60 * (int64_t)US_PER_S)
/* How long a topic that answers with an error is left alone. */
#define LANE_REST_US US_PER_S
/* Without an answer for so long a connection is dead. */
#define LANE_ANSWER_US (5 * US_PER_S)

struct outbox_lane {
	struct outbox_lanes *lanes;
	char *topic, *stream, *delayed;
	struct redis *redis;
	int64_t used_us; /* clock_now of the last row */
	int64_t rest_us; /* left alone until; 0: not */
	int64_t due_ms;  /* the first delayed of this batch; 0: none */
};

struct outbox_lanes {
	struct loop *loop;
	const struct conf *conf;
	const char *name;
	struct redis *control; /* says whether Redis is there; PUBLISH */
	char *channel;
	struct outbox_lane *items[LANES_MAX];
	size_t count;
	unsigned pending;
	bool is_closing;
	struct loop_timer *rest; /* a lane may be tried again */
	struct loop_timer *idle;
	struct outbox_lanes_events on;
	void *arg;
};

static void lane_tell(struct outbox_lanes *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void lane_tell(struct outbox_lanes *s, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	s->on.trouble(buf_str(&text), s->arg);
	buf_done(&text);
}

static struct redis *lane_connect(
	struct outbox_lanes *s, redis_state_fn fn, void *arg, struct err *err)
{
	struct redis_options o = { .url = s->conf->redis_url,
		.sentinel_master = s->conf->redis_sentinel_master,
		.sentinel_nodes = &s->conf->redis_sentinel_nodes,
		.name = s->name,
		.command_timeout_us = LANE_ANSWER_US };

	return redis_open(s->loop, &o, fn, arg, err);
}

static void lane_free(struct outbox_lane *lane)
{
	redis_close(lane->redis);
	free(lane->topic);
	free(lane->stream);
	free(lane->delayed);
	free(lane);
}

static void lane_on_state(enum redis_state state, const char *why, void *arg)
{
	struct outbox_lane *lane = arg;

	(void)why;
	if (state == REDIS_UP)
		lane->lanes->on.usable(lane->lanes->arg);
}

static bool lane_is_usable(const struct outbox_lane *lane)
{
	return lane->rest_us == 0 && redis_is_up(lane->redis);
}

static void lane_on_rested(void *arg)
{
	struct outbox_lanes *s = arg;
	size_t i;

	for (i = 0; i < s->count; i++)
		s->items[i]->rest_us = 0;
	s->on.usable(s->arg);
}

static void lane_drop(struct outbox_lanes *s, size_t i)
{
	struct outbox_lane *lane = s->items[i];

	s->items[i] = s->items[--s->count];
	lane_free(lane);
}

static bool lane_is_idle(const struct outbox_lane *lane)
{
	return redis_pending(lane->redis) == 0;
}

static void lane_on_idle(void *arg)
{
	struct outbox_lanes *s = arg;
	int64_t now = clock_now();
	size_t i = 0;

	while (i < s->count)
		if (lane_is_idle(s->items[i]) &&
			now - s->items[i]->used_us >= LANE_IDLE_US)
			lane_drop(s, i);
		else
			i++;
	if (s->count > 0)
		loop_timer_start(s->idle, LANE_IDLE_US);
}

/* The one that was not used for the longest time goes. */
static bool lane_make_room(struct outbox_lanes *s)
{
	size_t i, oldest = LANES_MAX;

	for (i = 0; i < s->count; i++)
		if (lane_is_idle(s->items[i]) &&
			(oldest == LANES_MAX ||
				s->items[i]->used_us <
					s->items[oldest]->used_us))
			oldest = i;
	if (oldest == LANES_MAX)
		return false;
	lane_drop(s, oldest);
	return true;
}

static struct outbox_lane *lane_open(struct outbox_lanes *s, const char *topic)
{
	struct outbox_lane *lane;
	struct err err;

	if (s->count == LANES_MAX && !lane_make_room(s))
		return NULL;
	lane = xcalloc(1, sizeof(*lane));
	lane->lanes = s;
	lane->used_us = clock_now();
	lane->topic = xstrdup(topic);
	lane->stream = keys_topic(s->conf->redis_prefix, topic, "");
	lane->delayed = keys_topic(s->conf->redis_prefix, topic, ":delayed");
	lane->redis = lane_connect(s, lane_on_state, lane, &err);
	if (lane->redis == NULL) {
		lane_free(lane);
		return NULL;
	}
	s->items[s->count++] = lane;
	if (!loop_timer_is_set(s->idle))
		loop_timer_start(s->idle, LANE_IDLE_US);
	return lane;
}

static struct outbox_lane *lane_find(struct outbox_lanes *s, const char *topic)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->items[i]->topic, topic) == 0)
			return s->items[i];
	return lane_open(s, topic);
}

/* The row stays in the table; the topic is left alone for a while. */
static void lane_refuse(struct outbox_row *row, const struct redis_reply *reply)
{
	struct outbox_lane *lane = row->lane;
	struct outbox_lanes *s = lane->lanes;

	row->state = ROW_LEFT;
	if (reply == NULL)
		return;
	if (lane->rest_us == 0)
		lane_tell(s, "topic %s: %s, trying again in 1 s", lane->topic,
			redis_text(reply, NULL));
	lane->rest_us = clock_now() + LANE_REST_US;
	if (!loop_timer_is_set(s->rest))
		loop_timer_start(s->rest, LANE_REST_US);
}

static void lane_on_answer(const struct redis_reply *reply, void *arg)
{
	struct outbox_row *row = arg;
	struct outbox_lanes *s = row->lanes;

	if (reply == NULL || redis_type(reply) == REDIS_ERROR)
		lane_refuse(row, reply);
	else if (redis_type(reply) == REDIS_ARRAY)
		row->state = ROW_DUPLICATE;
	else
		row->state = ROW_TAKEN;
	if (--s->pending == 0 && !s->is_closing)
		s->on.answered(s->arg);
}

static int lane_send(struct outbox_lane *lane, struct outbox_row *row)
{
	const char *xadd[5] = { "XADD", lane->stream, "*", "task", row->text };
	const char *argv[6] = { lane->stream, lane->delayed };
	char delay[24], *unique = NULL;
	int keys = 2, rc;

	if (row->delay_ms <= 0 && row->unique == NULL)
		return redis_command(
			lane->redis, lane_on_answer, row, 5, xadd, NULL);
	if (row->unique != NULL)
		argv[keys++] = unique =
			xasprintf("%s:unique:%s", lane->stream, row->unique);
	snprintf(delay, sizeof(delay), "%" PRId64,
		row->delay_ms > 0 ? row->delay_ms : 0);
	argv[keys] = row->text;
	argv[keys + 1] = delay;
	argv[keys + 2] = row->task != NULL ? row->task : "";
	rc = redis_script(lane->redis, lane_on_answer, row, &keys_push, keys,
		keys + 3, argv, NULL);
	free(unique);
	return rc;
}

static void lane_note_due(struct outbox_lane *lane, int64_t delay_ms)
{
	int64_t due_ms = clock_wall() / US_PER_MS + delay_ms;

	if (delay_ms > 0 && (lane->due_ms == 0 || due_ms < lane->due_ms))
		lane->due_ms = due_ms;
}

bool outbox_lanes_send(
	struct outbox_lanes *s, const char *topic, struct outbox_row *row)
{
	struct outbox_lane *lane = lane_find(s, keys_alias(topic));

	row->state = ROW_LEFT;
	if (lane == NULL)
		return false;
	lane->used_us = clock_now();
	row->lanes = s;
	row->lane = lane;
	if (!lane_is_usable(lane) || lane_send(lane, row) != 0)
		return false;
	lane_note_due(lane, row->delay_ms);
	row->state = ROW_SENT;
	s->pending++;
	return true;
}

void outbox_lanes_publish(struct outbox_lanes *s)
{
	char *text;
	size_t i;

	for (i = 0; i < s->count; i++) {
		struct outbox_lane *lane = s->items[i];

		if (lane->due_ms == 0)
			continue;
		text = xasprintf(
			"delayed %s %" PRId64, lane->topic, lane->due_ms);
		(void)redis_printf(s->control, NULL, NULL, "PUBLISH %s %s",
			s->channel, text);
		free(text);
		lane->due_ms = 0;
	}
}

bool outbox_lanes_is_up(const struct outbox_lanes *s)
{
	return redis_is_up(s->control);
}

unsigned outbox_lanes_pending(const struct outbox_lanes *s)
{
	return s->pending;
}

void outbox_lanes_give_up(struct outbox_lanes *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (redis_pending(s->items[i]->redis) > 0)
			redis_reset(s->items[i]->redis, "no answer in time");
}

const char *outbox_lanes_blocked(const struct outbox_lanes *s, size_t i)
{
	size_t k;

	for (k = 0; k < s->count; k++)
		if (!lane_is_usable(s->items[k]) && i-- == 0)
			return s->items[k]->topic;
	return NULL;
}

static void lane_on_control(enum redis_state state, const char *why, void *arg)
{
	struct outbox_lanes *s = arg;

	if (state == REDIS_UP)
		s->on.usable(s->arg);
	else
		lane_tell(s, "%s: the outbox waits", why);
}

struct outbox_lanes *outbox_lanes_open(struct loop *l, const struct conf *conf,
	const char *name, const struct outbox_lanes_events *on, void *arg,
	struct err *err)
{
	struct outbox_lanes *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->conf = conf;
	s->name = name;
	s->on = *on;
	s->arg = arg;
	s->rest = loop_timer_new(l, lane_on_rested, s);
	s->idle = loop_timer_new(l, lane_on_idle, s);
	s->channel = keys_other(conf->redis_prefix, "control", "");
	s->control = lane_connect(s, lane_on_control, s, err);
	if (s->control == NULL) {
		outbox_lanes_close(s);
		return NULL;
	}
	return s;
}

void outbox_lanes_close(struct outbox_lanes *s)
{
	size_t i;

	if (s == NULL)
		return;
	s->is_closing = true;
	for (i = 0; i < s->count; i++)
		lane_free(s->items[i]);
	redis_close(s->control);
	free(s->channel);
	loop_timer_free(s->rest);
	loop_timer_free(s->idle);
	free(s);
}
