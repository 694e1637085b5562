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

static void regain_ask(struct topic *t, const char *from);

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
		/* A read that is under way may bring the same. */
		t->may_repeat |= topic_is_reading(t);
		flight_take(t, id, len > 0 ? text : NULL, len,
			redis_int(redis_at(reply, i + 1), 0));
		taken++;
	}
	if (taken > 0)
		log_info("topic %s: took %zu tasks whose delivery was lost",
			t->name, taken);
	consumer_poke(c);
}

static void regain_on_pending(const struct redis_reply *reply, void *arg)
{
	struct topic *t = arg;
	struct args a = ARGS_INIT;
	char from[CONSUMER_ID_MAX + 1];
	const char *id = NULL;
	size_t i, n;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	args_add(&a, t->stream);
	args_add(&a, CONSUMER_GROUP);
	args_add(&a, t->consumer->name);
	n = redis_count(reply);
	for (i = 0; i < n; i++) {
		id = redis_text(redis_at(redis_at(reply, i), 0), NULL);
		if (!flight_holds(t, id))
			args_add(&a, id);
	}
	if (a.count > 3)
		(void)redis_script(t->consumer->commands, regain_on_taken, t,
			&script_regain, 1, (int)a.count, a.items, a.lens);
	args_done(&a);
	if (n < REGAIN_PAGE)
		return;
	snprintf(from, sizeof(from), "(%s", id);
	regain_ask(t, from);
}

static void regain_ask(struct topic *t, const char *from)
{
	(void)redis_printf(t->consumer->commands, regain_on_pending, t,
		"XPENDING %s " CONSUMER_GROUP " %s + %d %s", t->stream, from,
		REGAIN_PAGE, t->consumer->name);
}

void regain_look(struct topic *t)
{
	if (t->state != TOPIC_DOWN && !t->consumer->draining)
		regain_ask(t, "-");
}
