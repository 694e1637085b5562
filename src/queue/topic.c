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
#include "queue/regain.h"
#include "queue/scripts.h"
#include "queue/topic.h"

/* A waiting read returns after this and is asked again: it would not hear of
 * a server that vanished without a word. */
#define TOPIC_BLOCK_MS "30000"
/* A read without an answer for so long is on a dead connection. */
#define TOPIC_ANSWER_US (45 * US_PER_S)
/* Entries moved from the delayed set at a time. */
#define TOPIC_MOVE_MAX 500
/* The pause after an error of the server that a retry may outlive. */
#define TOPIC_MEND_US (1 * US_PER_S)
/* A waiting read is told to end so often, and so many times when its worker
 * is to go. */
#define TOPIC_NUDGE_US   (50 * US_PER_MS)
#define TOPIC_NUDGES_MAX 40

static void topic_make_group(struct topic *t);
static void topic_on_nudge(void *arg);

static void topic_set_down(struct topic *t, const char *why)
{
	t->state = TOPIC_DOWN;
	t->client_id = 0;
	consumer_poke(t->consumer);
	if (why != NULL)
		log_warn("topic %s: %s", t->name, why);
}

static void topic_mend_later(struct topic *t, const struct redis_reply *reply)
{
	char why[256];

	snprintf(why, sizeof(why), "%s, trying again in 1 s",
		redis_text(reply, NULL));
	topic_set_down(t, why);
	loop_timer_start(t->mend, TOPIC_MEND_US);
}

static void topic_on_mend(void *arg)
{
	struct topic *t = arg;

	if (!redis_is_up(t->reader))
		return; /* the new connection brings all of it back */
	if (t->state == TOPIC_DOWN)
		topic_make_group(t);
	else
		finish_resend(t);
}

static void topic_on_client_id(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;

	if (reply != NULL)
		t->client_id = redis_int(reply, 0);
}

static void topic_on_paused(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;

	if (reply == NULL)
		return;
	if (redis_type(reply) == REDIS_ERROR) {
		topic_mend_later(t, reply);
		return;
	}
	t->is_paused = redis_int(reply, 0) == 1;
	t->state = TOPIC_IDLE;
	t->is_empty = false;
	topic_move_due(t);
	regain_look(t);
	lease_sweep(t);
	finish_resend(t);
	consumer_poke(t->consumer);
}

static void topic_on_group(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;

	if (reply == NULL)
		return;
	if (redis_type(reply) == REDIS_ERROR &&
		!redis_is_error(reply, "BUSYGROUP")) {
		topic_mend_later(t, reply);
		return;
	}
	/* Nothing is read before it is known whether it may be. */
	(void)redis_printf(t->reader, topic_on_client_id, t, "CLIENT ID");
	(void)redis_printf(
		t->reader, topic_on_paused, t, "EXISTS %s", t->paused);
}

static void topic_make_group(struct topic *t)
{
	(void)redis_printf(t->reader, topic_on_group, t,
		"XGROUP CREATE %s " CONSUMER_GROUP " 0 MKSTREAM", t->stream);
}

static void topic_on_state(enum redis_state state, const char *why, void *arg)
{
	struct topic *t = arg;

	if (state == REDIS_UP) {
		log_debug("topic %s: connected", t->name);
		topic_make_group(t);
		return;
	}
	topic_set_down(t, why);
}

static void topic_on_due(void *arg)
{
	topic_move_due(arg);
}

static char *topic_key(const struct topic *t, const char *suffix)
{
	return keys_topic(t->consumer->conf->redis_prefix, t->name, suffix);
}

int topic_init(
	struct topic *t, struct consumer *c, const char *name, struct err *err)
{
	struct redis_options o = { .url = c->conf->redis_url,
		.sentinel_master = c->conf->redis_sentinel_master,
		.sentinel_nodes = &c->conf->redis_sentinel_nodes,
		.name = c->name,
		.command_timeout_us = TOPIC_ANSWER_US };

	t->consumer = c;
	t->name = name;
	t->state = TOPIC_DOWN;
	t->weight = 1;
	t->stream = topic_key(t, "");
	t->delayed = topic_key(t, ":delayed");
	t->dead = topic_key(t, ":dead");
	t->stats = topic_key(t, ":stats");
	t->paused = topic_key(t, ":paused");
	TAILQ_INIT(&t->landing);
	TAILQ_INIT(&t->ending);
	t->due = loop_timer_new(c->loop, topic_on_due, t);
	t->mend = loop_timer_new(c->loop, topic_on_mend, t);
	t->nudge = loop_timer_new(c->loop, topic_on_nudge, t);
	t->reader = redis_open(c->loop, &o, topic_on_state, t, err);
	return t->reader != NULL ? 0 : -1;
}

void topic_done(struct topic *t)
{
	redis_close(t->reader);
	loop_timer_free(t->nudge);
	loop_timer_free(t->mend);
	loop_timer_free(t->due);
	free(t->stream);
	free(t->delayed);
	free(t->dead);
	free(t->stats);
	free(t->paused);
}

/* One entry: [id, [field, value, …]]; the fields are nil when it was deleted
 * while it was pending. */
static void topic_take_entry(struct topic *t, const struct redis_reply *entry)
{
	const char *id = redis_text(redis_at(entry, 0), NULL);
	const struct redis_reply *fields = redis_at(entry, 1);
	const struct redis_reply *task = NULL;
	size_t len = 0;
	const char *text = NULL;

	if (fields != NULL && redis_type(fields) == REDIS_ARRAY)
		task = redis_field(fields, "task");
	if (task != NULL)
		text = redis_text(task, &len);
	flight_take(t, id, text, len, 0);
}

static void topic_take_all(struct topic *t, const struct redis_reply *reply)
{
	const struct redis_reply *entries = redis_at(redis_at(reply, 0), 1);
	size_t i, n = redis_count(entries);

	flight_on_arrival(t->consumer);
	for (i = 0; i < n; i++)
		topic_take_entry(t, redis_at(entries, i));
}

static void topic_on_error(struct topic *t, const struct redis_reply *reply)
{
	if (redis_is_error(reply, "NOGROUP")) {
		log_warn("topic %s: its group is gone, making it again",
			t->name);
		t->state = TOPIC_DOWN;
		topic_make_group(t);
	} else if (redis_is_error(reply, "UNBLOCKED")) {
		t->state = TOPIC_DOWN;
		topic_make_group(t);
	} else {
		topic_mend_later(t, reply);
	}
}

static void topic_on_read(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;

	if (reply == NULL)
		return;
	if (redis_type(reply) == REDIS_ERROR) {
		topic_on_error(t, reply);
		return;
	}
	t->is_empty =
		t->state == TOPIC_ASKING && redis_type(reply) != REDIS_ARRAY;
	t->state = TOPIC_IDLE;
	if (redis_type(reply) == REDIS_ARRAY)
		topic_take_all(t, reply);
	if (t->look_due)
		regain_look(t);
	consumer_poke(t->consumer);
}

void topic_read(struct topic *t, int64_t count, bool wait)
{
	char number[24];
	const char *argv[12] = { "XREADGROUP", "GROUP", CONSUMER_GROUP,
		t->consumer->name, "COUNT", number };
	int n = 6;

	snprintf(number, sizeof(number), "%" PRId64, count);
	if (wait) {
		argv[n++] = "BLOCK";
		argv[n++] = TOPIC_BLOCK_MS;
	}
	argv[n++] = "STREAMS";
	argv[n++] = t->stream;
	argv[n++] = ">";
	finish_flush(t, t->reader);
	t->asked_at_us = clock_now();
	if (redis_command(t->reader, topic_on_read, t, n, argv, NULL) == 0)
		t->state = wait ? TOPIC_BLOCKED : TOPIC_ASKING;
}

bool topic_is_reading(const struct topic *t)
{
	return t->state == TOPIC_BLOCKED || t->state == TOPIC_ASKING;
}

/* The read is on another connection: it may reach the server after the word
 * that ends it, so that word is said until it works. */
static void topic_on_nudge(void *arg)
{
	struct topic *t = arg;
	struct consumer *c = t->consumer;

	if (!topic_is_reading(t) ||
		(!c->draining && !t->is_paused && !t->look_due))
		return;
	if (c->draining && ++t->nudges > TOPIC_NUDGES_MAX) {
		redis_reset(t->reader, "its read does not end");
		return;
	}
	if (t->state == TOPIC_BLOCKED && t->client_id != 0)
		(void)redis_printf(c->commands, NULL, NULL,
			"CLIENT UNBLOCK %lld", (long long)t->client_id);
	loop_timer_start(t->nudge, TOPIC_NUDGE_US);
}

void topic_unblock(struct topic *t)
{
	t->nudges = 0;
	topic_on_nudge(t);
}

void topic_set_paused(struct topic *t, bool paused)
{
	if (t->is_paused == paused)
		return;
	log_info("topic %s is %s", t->name, paused ? "paused" : "resumed");
	t->is_paused = paused;
	topic_unblock(t);
	consumer_poke(t->consumer);
}

static void topic_set_due(struct topic *t, int64_t ms)
{
	int64_t left = ms - consumer_now_ms(t->consumer);

	t->due_ms = ms;
	/* Workers of one pool come one after the other: the first moves. */
	loop_timer_start(t->due,
		(left > 0 ? left : 0) * US_PER_MS +
			worker_child(t->consumer->worker)->index * US_PER_MS);
}

void topic_note_due(struct topic *t, int64_t ms)
{
	if (t->due_ms == 0 || ms < t->due_ms)
		topic_set_due(t, ms);
}

static void topic_on_moved(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	int64_t moved, next, now;

	if (reply == NULL)
		return;
	if (redis_type(reply) != REDIS_ARRAY) {
		log_warn("topic %s: moving delayed tasks: %s", t->name,
			redis_text(reply, NULL));
		loop_timer_start(t->due, TOPIC_MEND_US);
		return;
	}
	moved = redis_int(redis_at(reply, 0), 0);
	next = redis_int(redis_at(reply, 1), -1);
	now = redis_int(redis_at(reply, 2), 0);
	t->consumer->skew_ms = now - clock_wall() / US_PER_MS;
	if (next >= 0)
		topic_note_due(t, next);
	if (moved > 0)
		consumer_poke(t->consumer);
}

void topic_move_due(struct topic *t)
{
	char number[24];
	const char *argv[3] = { t->stream, t->delayed, number };

	snprintf(number, sizeof(number), "%d", TOPIC_MOVE_MAX);
	t->due_ms = 0;
	(void)redis_script(t->consumer->commands, topic_on_moved, t,
		&script_move, 2, 3, argv, NULL);
}

static void topic_on_head(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;

	if (reply != NULL && redis_type(reply) == REDIS_INTEGER)
		t->head_ms = redis_int(reply, 0);
}

void topic_ask_head(struct topic *t)
{
	const char *argv[2] = { t->stream, CONSUMER_GROUP };

	(void)redis_script(t->consumer->commands, topic_on_head, t,
		&script_head, 1, 2, argv, NULL);
}
