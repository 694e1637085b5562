/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "link/redis.h"
#include "link/redis_queue.h"
#include "link/redis_sentinel.h"
#include "link/redis_url.h"
#include "link/redis_wire.h"
#include "loop/loop.h"
#include "loop/resolve.h"

struct redis_sentinel {
	struct loop *loop;
	struct redis_sentinel_options o;
	redis_sentinel_fn fn;
	void *arg;
	size_t tried; /* nodes that were begun with */
	struct resolve *resolve;
	struct resolve_answer found;
	size_t next; /* of found: to be tried */
	struct redis_wire wire;
	struct redis_queue question;
	struct loop_timer *timer;
	char why[ERR_TEXT_MAX];
};

static void sentinel_next_node(struct redis_sentinel *s);

static const char *sentinel_node(const struct redis_sentinel *s)
{
	return s->o.nodes[(s->o.first + s->tried - 1) % s->o.count];
}

void redis_sentinel_cancel(struct redis_sentinel *s)
{
	if (s == NULL)
		return;
	resolve_cancel(s->resolve);
	redis_wire_done(&s->wire);
	redis_queue_done(&s->question);
	loop_timer_free(s->timer);
	free(s);
}

/* The last act: s is gone when fn hears of it. */
static void sentinel_end(
	struct redis_sentinel *s, const char *host, uint16_t port)
{
	redis_sentinel_fn fn = s->fn;
	void *arg = s->arg;
	char why[ERR_TEXT_MAX], where[REDIS_HOST_MAX + 1];

	snprintf(why, sizeof(why), "%s", s->why);
	snprintf(where, sizeof(where), "%s", host != NULL ? host : "");
	redis_sentinel_cancel(s);
	fn(host != NULL ? where : NULL, port, why, arg);
}

/* This node does not help. */
static void sentinel_fail(struct redis_sentinel *s, const char *why)
{
	snprintf(s->why, sizeof(s->why), "sentinel at %.200s: %.200s",
		sentinel_node(s), why);
	redis_wire_close(&s->wire);
	if (s->tried == s->o.count)
		sentinel_end(s, NULL, 0);
	else
		sentinel_next_node(s);
}

static void sentinel_on_answer(
	struct redis_sentinel *s, const struct redis_reply *p)
{
	int64_t port = redis_int(redis_at(p, 1), 0);
	size_t len;
	const char *host = redis_text(redis_at(p, 0), &len);

	if (redis_type(p) == REDIS_ERROR)
		sentinel_fail(s, redis_text(p, NULL));
	else if (redis_type(p) == REDIS_NIL)
		sentinel_fail(s, "it does not know that master");
	else if (len == 0 || len > REDIS_HOST_MAX || port < 1 || port > 65535)
		sentinel_fail(s, "its answer is not an address");
	else
		sentinel_end(s, host, (uint16_t)port);
}

static int sentinel_begin(struct redis_sentinel *s, struct err *err)
{
	const char *data;
	size_t len;
	long n;

	if (redis_wire_connected(&s->wire, err) != 0)
		return -1;
	redis_queue_rewind(&s->question);
	data = redis_queue_unsent(&s->question, &len);
	n = redis_wire_send(&s->wire, data, len, err);
	if (n >= 0 && (size_t)n < len)
		return err_set(err, 0, "it does not take the question");
	return n < 0 ? -1 : 0;
}

static void sentinel_try_address(struct redis_sentinel *s);

static void sentinel_on_fd(int fd, unsigned events, void *arg)
{
	struct redis_sentinel *s = arg;
	const struct redis_reply *p = NULL;
	struct err err;
	int got = 0;

	(void)fd;
	(void)events;
	if (s->wire.is_connecting) {
		if (sentinel_begin(s, &err) == 0)
			return;
		if (s->next < s->found.count)
			sentinel_try_address(s);
		else
			sentinel_fail(s, err.text);
		return;
	}
	if (redis_wire_read(&s->wire, &err) != -1)
		got = redis_wire_next(&s->wire, &p, &err);
	else
		got = -1;
	if (got == -1)
		sentinel_fail(s, err.text);
	else if (got == 1)
		sentinel_on_answer(s, p);
}

static void sentinel_try_address(struct redis_sentinel *s)
{
	struct err err;

	while (s->next < s->found.count) {
		if (redis_wire_open(&s->wire, &s->found.addresses[s->next++],
			    sentinel_on_fd, s, &err) == 0)
			return;
	}
	sentinel_fail(s, err.text);
}

static void sentinel_on_resolved(const struct resolve_answer *a, void *arg)
{
	struct redis_sentinel *s = arg;

	s->resolve = NULL;
	if (a->count == 0) {
		sentinel_fail(s, a->error);
		return;
	}
	s->found = *a;
	s->next = 0;
	sentinel_try_address(s);
}

static void sentinel_on_timeout(void *arg)
{
	struct redis_sentinel *s = arg;

	resolve_cancel(s->resolve);
	s->resolve = NULL;
	sentinel_fail(s, "no answer in time");
}

static void sentinel_next_node(struct redis_sentinel *s)
{
	char *host = NULL;
	uint16_t port = 0;
	struct err err;

	s->tried++;
	loop_timer_start(s->timer, s->o.timeout_us);
	if (redis_url_node(sentinel_node(s), &host, &port, &err) != 0)
		host = xstrdup("");
	s->resolve =
		resolve_start(s->loop, host, port, sentinel_on_resolved, s);
	free(host);
}

struct redis_sentinel *redis_sentinel_ask(struct loop *l,
	const struct redis_sentinel_options *o, redis_sentinel_fn fn, void *arg)
{
	static const char verb[] = "SENTINEL",
			  what[] = "get-master-addr-by-name";
	struct redis_sentinel *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->o = *o;
	s->fn = fn;
	s->arg = arg;
	redis_wire_init(&s->wire, l);
	s->timer = loop_timer_new(l, sentinel_on_timeout, s);
	redis_queue_argc(&s->question, 3);
	redis_queue_arg(&s->question, verb, sizeof(verb) - 1);
	redis_queue_arg(&s->question, what, sizeof(what) - 1);
	redis_queue_arg(&s->question, o->master, strlen(o->master));
	sentinel_next_node(s);
	return s;
}
