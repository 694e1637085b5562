/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/flight.h"
#include "queue/mark.h"
#include "queue/topic.h"

/* Marks looked at; more than these are left to the next refresh. */
#define MARK_MAX      10000
#define MARK_TEXT_MAX 256

static int mark_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool mark_is_cancelled(const struct consumer *c, const char *task_id)
{
	return c->cancelled_count > 0 &&
	       bsearch(&task_id, c->cancelled, c->cancelled_count,
		       sizeof(*c->cancelled), mark_compare) != NULL;
}

static void mark_clear(struct consumer *c)
{
	size_t i;

	for (i = 0; i < c->cancelled_count; i++)
		free(c->cancelled[i]);
	free(c->cancelled);
	c->cancelled = NULL;
	c->cancelled_count = 0;
}

static void mark_add(struct consumer *c, const char *task_id)
{
	if (mark_is_cancelled(c, task_id) || c->cancelled_count >= MARK_MAX)
		return;
	c->cancelled = xreallocarray(
		c->cancelled, c->cancelled_count + 1, sizeof(*c->cancelled));
	c->cancelled[c->cancelled_count++] = xstrdup(task_id);
	qsort(c->cancelled, c->cancelled_count, sizeof(*c->cancelled),
		mark_compare);
}

static void mark_drop(struct consumer *c, const char *task_id)
{
	size_t i;

	for (i = 0; i < c->cancelled_count; i++)
		if (strcmp(c->cancelled[i], task_id) == 0)
			break;
	if (i == c->cancelled_count)
		return;
	free(c->cancelled[i]);
	c->cancelled_count--;
	memmove(&c->cancelled[i], &c->cancelled[i + 1],
		(c->cancelled_count - i) * sizeof(*c->cancelled));
}

static void mark_on_cancels(const struct redis_reply *reply, void *arg)
{
	struct consumer *c = arg;
	size_t i, n;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	mark_clear(c);
	n = redis_count(reply);
	c->cancelled = xcalloc(n, sizeof(*c->cancelled));
	for (i = 0; i < n; i++)
		c->cancelled[i] = xstrdup(redis_text(redis_at(reply, i), NULL));
	c->cancelled_count = n;
	qsort(c->cancelled, n, sizeof(*c->cancelled), mark_compare);
	for (i = 0; i < n; i++)
		(void)flight_cancel(c, c->cancelled[i]);
}

static void mark_on_paused(const struct redis_reply *reply, void *arg)
{
	if (reply != NULL && redis_type(reply) == REDIS_INTEGER)
		topic_set_paused(arg, redis_int(reply, 0) == 1);
}

void mark_refresh(struct consumer *c)
{
	size_t i;

	if (!redis_is_up(c->commands))
		return;
	(void)redis_printf(c->commands, mark_on_cancels, c,
		"ZREVRANGEBYSCORE %scancels +inf %lld LIMIT 0 %d",
		c->conf->redis_prefix, (long long)consumer_now_ms(c), MARK_MAX);
	for (i = 0; i < c->topic_count; i++)
		(void)redis_printf(c->commands, mark_on_paused, &c->topics[i],
			"EXISTS %s", c->topics[i].paused);
}

static struct topic *mark_topic(struct consumer *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->topic_count; i++)
		if (strcmp(c->topics[i].name, name) == 0)
			return &c->topics[i];
	return NULL;
}

static void mark_on_message(
	const char *channel, const char *text, size_t len, void *arg)
{
	char copy[MARK_TEXT_MAX], *rest, *word, *what, *more;
	struct consumer *c = arg;
	struct topic *t;

	(void)channel;
	snprintf(copy, sizeof(copy), "%.*s",
		(int)(len < sizeof(copy) ? len : sizeof(copy) - 1), text);
	word = strtok_r(copy, " ", &rest);
	what = strtok_r(NULL, " ", &rest);
	more = strtok_r(NULL, " ", &rest);
	if (word == NULL || what == NULL)
		return;
	if (strcmp(word, "cancel") == 0) {
		mark_add(c, what);
		(void)flight_cancel(c, what);
		return;
	}
	if (strcmp(word, "uncancel") == 0) {
		mark_drop(c, what);
		return;
	}
	t = mark_topic(c, what);
	if (t == NULL)
		return;
	if (strcmp(word, "pause") == 0)
		topic_set_paused(t, true);
	else if (strcmp(word, "resume") == 0)
		topic_set_paused(t, false);
	else if (strcmp(word, "delayed") == 0 && more != NULL)
		topic_note_due(t, strtoll(more, NULL, 10));
}

void mark_publish_due(struct consumer *c, const struct topic *t)
{
	char *channel = xasprintf("%scontrol", c->conf->redis_prefix);
	char *text =
		xasprintf("delayed %s %lld", t->name, (long long)t->due_ms);

	(void)redis_printf(
		c->commands, NULL, NULL, "PUBLISH %s %s", channel, text);
	free(text);
	free(channel);
}

static void mark_on_state(enum redis_state state, const char *why, void *arg)
{
	(void)why;
	/* What was said while nobody listened. */
	if (state == REDIS_UP)
		mark_refresh(arg);
}

int mark_start(struct consumer *c, struct err *err)
{
	struct redis_options o = { .url = c->conf->redis_url,
		.sentinel_master = c->conf->redis_sentinel_master,
		.sentinel_nodes = &c->conf->redis_sentinel_nodes,
		.name = c->name };
	char *channel;
	int rc;

	c->events = redis_open(c->loop, &o, mark_on_state, c, err);
	if (c->events == NULL)
		return -1;
	channel = xasprintf("%scontrol", c->conf->redis_prefix);
	rc = redis_subscribe(c->events, channel, mark_on_message, c);
	free(channel);
	return rc;
}

void mark_stop(struct consumer *c)
{
	redis_close(c->events);
	mark_clear(c);
}
