/* SPDX-License-Identifier: ISC */
#include "base/clock.h"
#include "queue/consumer.h"
#include "queue/fetch.h"
#include "queue/topic.h"

static bool fetch_is_open(const struct topic *t)
{
	return t->state != TOPIC_DOWN && !t->is_paused && !t->is_held;
}

static bool fetch_may_read(const struct topic *t)
{
	return t->state == TOPIC_IDLE && !t->is_paused && !t->is_held;
}

static void fetch_one(struct consumer *c, int64_t room)
{
	struct topic *t = &c->topics[0];

	if (fetch_may_read(t))
		topic_read(t, room, true);
}

static bool fetch_is_asking(const struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		if (c->topics[i].state == TOPIC_ASKING)
			return true;
	return false;
}

/* The topic that may have something and has waited too long, or NULL. */
static struct topic *fetch_aged(struct consumer *c)
{
	int64_t limit = c->options->max_wait_us / US_PER_MS;
	int64_t now = consumer_now_ms(c);
	struct topic *worst = NULL;
	size_t i;

	for (i = 0; limit > 0 && i < c->topic_count; i++) {
		struct topic *t = &c->topics[i];

		if (!fetch_may_read(t) || t->head_ms == 0 ||
			now - t->head_ms <= limit)
			continue;
		if (worst == NULL || t->head_ms < worst->head_ms)
			worst = t;
	}
	return worst;
}

static struct topic *fetch_strict(struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++) {
		struct topic *t = &c->topics[i];

		if (fetch_may_read(t) && !t->is_empty)
			return t;
	}
	return NULL;
}

/* Deficit round robin: each topic in turn may take as many as its credit;
 * when none that has something has any left, all get their weight again. */
static struct topic *fetch_weighted(struct consumer *c)
{
	int round;
	size_t i;

	for (round = 0; round < 2; round++) {
		bool some = false;

		for (i = 0; i < c->topic_count; i++) {
			struct topic *t = &c->topics[(c->next_topic + i) %
						     c->topic_count];

			if (!fetch_may_read(t) || t->is_empty)
				continue;
			some = true;
			if (t->credit <= 0)
				continue;
			c->next_topic = (size_t)(t - c->topics);
			return t;
		}
		if (!some)
			return NULL;
		for (i = 0; i < c->topic_count; i++)
			c->topics[i].credit = c->topics[i].weight;
	}
	return NULL;
}

static void fetch_wait_everywhere(struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++) {
		struct topic *t = &c->topics[i];

		/* One of each: what comes first decides nothing, and together
		 * they can't exceed the room by much. */
		if (fetch_may_read(t))
			topic_read(t, 1, true);
	}
}

static void fetch_many(struct consumer *c, int64_t room)
{
	bool weighted = c->options->order == QUEUE_WEIGHTED;
	struct topic *t;

	if (fetch_is_asking(c))
		return;
	t = fetch_aged(c);
	if (t != NULL) {
		t->head_ms = 0;
		topic_read(t, 1, false);
		return;
	}
	t = weighted ? fetch_weighted(c) : fetch_strict(c);
	if (t == NULL) {
		fetch_wait_everywhere(c);
		return;
	}
	if (weighted && room > t->credit)
		room = t->credit;
	if (weighted)
		t->credit -= room;
	topic_read(t, room, false);
	if (!loop_timer_is_set(c->heads) && c->options->max_wait_us > 0)
		loop_timer_start(c->heads, US_PER_S);
}

void fetch_wake(struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		c->topics[i].is_empty = false;
}

void fetch_pump(struct consumer *c)
{
	int64_t room = consumer_room(c);
	bool open = false;
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		open |= fetch_is_open(&c->topics[i]);
	if (!open || room <= 0 || c->draining)
		return;
	if (room > CONSUMER_BATCH)
		room = CONSUMER_BATCH;
	if (c->topic_count == 1)
		fetch_one(c, room);
	else
		fetch_many(c, room);
}
