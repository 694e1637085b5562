/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/redis_conn.h"

/* Its answers are told by their form, so nothing is pushed. */
static void sub_send(struct redis *r, const struct redis_channel *c)
{
	redis_queue_argc(&r->queue, 2);
	redis_queue_arg(&r->queue, "SUBSCRIBE", 9);
	redis_queue_arg(&r->queue, c->name, strlen(c->name));
	redis_soon(r);
}

int redis_subscribe(
	struct redis *r, const char *channel, redis_message_fn fn, void *arg)
{
	struct redis_channel *c;

	if (r->phase == REDIS_CLOSED || redis_pending(r) > 0)
		return -1;
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(channel);
	c->fn = fn;
	c->arg = arg;
	SLIST_INSERT_HEAD(&r->channels, c, entry);
	if (r->phase == REDIS_SERVING)
		sub_send(r, c);
	return 0;
}

void redis_sub_begin(struct redis *r)
{
	struct redis_channel *c;

	SLIST_FOREACH(c, &r->channels, entry)
		sub_send(r, c);
}

static void sub_tell(
	struct redis *r, const char *name, const struct redis_reply *message)
{
	struct redis_channel *c;
	const char *text;
	size_t len;

	text = redis_text(message, &len);
	SLIST_FOREACH(c, &r->channels, entry) {
		if (r->phase == REDIS_SERVING && strcmp(c->name, name) == 0)
			c->fn(name, text, len, c->arg);
	}
}

void redis_sub_answer(struct redis *r, const struct redis_reply *p)
{
	const char *what = redis_text(redis_at(p, 0), NULL);

	if (strcmp(what, "message") == 0)
		sub_tell(r, redis_text(redis_at(p, 1), NULL), redis_at(p, 2));
	else if (redis_type(p) == REDIS_ERROR)
		redis_doom(r, "%.100s", redis_text(p, NULL));
	else if (strcmp(what, "subscribe") != 0)
		redis_doom(r, "an answer that nobody asked for");
}

void redis_sub_done(struct redis *r)
{
	struct redis_channel *c;

	while ((c = SLIST_FIRST(&r->channels)) != NULL) {
		SLIST_REMOVE_HEAD(&r->channels, entry);
		free(c->name);
		free(c);
	}
}
