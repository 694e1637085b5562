/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "base/log.h"
#include "queue/args.h"
#include "queue/flight.h"
#include "queue/regain.h"
#include "queue/scripts.h"
#include "queue/topic.h"

/* Pending entries looked at in one answer. */
#define REGAIN_PAGE 1000

static int regain_ask(struct topic *t, const char *from);

static void regain_on_taken(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	struct consumer *c = t->consumer;
	size_t i, n, len, taken = 0;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	n = redis_count(reply);
	flight_on_arrival(c);
	for (i = 0; i + 2 < n; i += 3) {
		const char *id = redis_text(redis_at(reply, i), NULL);
		const char *text = redis_text(redis_at(reply, i + 2), &len);

		if (c->draining || flight_holds(t, id))
			continue;
		flight_take(t, id, len > 0 ? text : NULL, len,
			redis_int(redis_at(reply, i + 1), 0));
		taken++;
	}
	if (taken > 0)
		log_info("topic %s: took %zu tasks whose delivery was lost",
			t->name, taken);
	consumer_poke(c);
}

static void regain_begin(struct topic *t)
{
	/* One question at a time: the next when that one is answered. */
	if (t->is_looking) {
		t->state = TOPIC_LOOKING;
		return;
	}
	if (regain_ask(t, "-") != 0)
		return;
	t->look_due = false;
	t->is_looking = true;
	t->state = TOPIC_LOOKING;
}

static void regain_end(struct topic *t, bool is_lost)
{
	t->is_looking = false;
	if (t->state != TOPIC_LOOKING)
		return;
	t->state = TOPIC_IDLE;
	if (is_lost)
		t->look_due = true;
	else if (t->look_due)
		regain_begin(t);
	consumer_poke(t->consumer);
}

/* Take what is not in hand; returns the last id of the page. */
static const char *regain_take(
	struct topic *t, const struct redis_reply *page, size_t count)
{
	struct args a = ARGS_INIT;
	const char *id = NULL;
	size_t i;

	args_add(&a, t->stream);
	args_add(&a, CONSUMER_GROUP);
	args_add(&a, t->consumer->name);
	for (i = 0; i < count; i++) {
		id = redis_text(redis_at(redis_at(page, i), 0), NULL);
		if (!flight_holds(t, id))
			args_add(&a, id);
	}
	if (a.count > 3)
		(void)redis_script(t->consumer->commands, regain_on_taken, t,
			&script_regain, 1, (int)a.count, a.items, a.lens);
	args_done(&a);
	return id;
}

static void regain_on_pending(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	char from[CONSUMER_ID_MAX + 1];
	const char *last;
	size_t n;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY) {
		regain_end(t, reply == NULL);
		return;
	}
	n = redis_count(reply);
	last = regain_take(t, reply, n);
	if (n == REGAIN_PAGE) {
		snprintf(from, sizeof(from), "(%s", last);
		if (regain_ask(t, from) == 0)
			return;
	}
	regain_end(t, false);
}

static int regain_ask(struct topic *t, const char *from)
{
	return redis_printf(t->consumer->commands, regain_on_pending, t,
		"XPENDING %s " CONSUMER_GROUP " %s + %d %s", t->stream, from,
		REGAIN_PAGE, t->consumer->name);
}

void regain_look(struct topic *t)
{
	if (t->consumer->draining)
		return;
	t->look_due = true;
	if (topic_is_reading(t))
		topic_unblock(t);
	else if (t->state == TOPIC_IDLE)
		regain_begin(t);
}
