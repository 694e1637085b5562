/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/opt.h"
#include "link/redis_conn.h"
#include "link/redis_sentinel.h"
#include "loop/loop.h"

#define CONNECT_TIMEOUT_US (5 * (int64_t)US_PER_S)

/* Back-off: doubled from FIRST to LAST, from half of it to all of it at
 * random; begun anew after a connection that lived for HEALTHY. */
#define BACKOFF_FIRST_US (50 * (int64_t)US_PER_MS)
#define BACKOFF_LAST_US  (2 * (int64_t)US_PER_S)
#define BACKOFF_DOUBLED  6
#define HEALTHY_US       (5 * (int64_t)US_PER_S)

static void redis_on_turn(void *arg);
static void redis_on_timer(void *arg);

int redis_check_url(const char *url, struct err *err)
{
	struct redis_url u;

	if (redis_url_parse(url, &u, err) != 0)
		return -1;
	redis_url_done(&u);
	return 0;
}

static int redis_take_sentinels(
	struct redis *r, const struct redis_options *o, struct err *err)
{
	size_t i, count = o->sentinel_nodes ? o->sentinel_nodes->count : 0;
	struct err why;
	uint16_t port;
	char *host;

	if (o->sentinel_master == NULL)
		return 0;
	if (count == 0)
		return err_set(err, 0, "redis sentinel: no nodes");
	if (r->url.is_unix)
		return err_set(err, 0,
			"redis sentinel: the url may not be a unix socket");
	r->sentinel_master = xstrdup(o->sentinel_master);
	r->sentinel_nodes = xcalloc(count, sizeof(char *));
	for (i = 0; i < count; i++) {
		if (redis_url_node(o->sentinel_nodes->items[i], &host, &port,
			    &why) != 0)
			return err_set(err, 0, "redis sentinel %.100s: %s",
				o->sentinel_nodes->items[i], why.text);
		free(host);
		r->sentinel_nodes[i] = xstrdup(o->sentinel_nodes->items[i]);
		r->sentinel_count++;
	}
	return 0;
}

static void redis_destroy(struct redis *r)
{
	size_t i;

	redis_wire_done(&r->wire);
	redis_hello_wipe(r);
	redis_queue_done(&r->queue);
	redis_queue_done(&r->held);
	redis_sub_done(r);
	loop_timer_free(r->timer);
	redis_url_done(&r->url);
	for (i = 0; i < r->sentinel_count; i++)
		free(r->sentinel_nodes[i]);
	free(r->sentinel_nodes);
	free(r->sentinel_master);
	free(r->name);
	free(r);
}

struct redis *redis_open(struct loop *l, const struct redis_options *o,
	redis_state_fn fn, void *arg, struct err *err)
{
	const char *url = o->url;
	struct redis *r = xcalloc(1, sizeof(*r));

	if (url == NULL && o->sentinel_master != NULL)
		url = "redis://";
	r->loop = l;
	r->fn = fn;
	r->arg = arg;
	SLIST_INIT(&r->channels);
	redis_wire_init(&r->wire, l);
	r->timer = loop_timer_new(l, redis_on_timer, r);
	r->connect_timeout_us = o->connect_timeout_us > 0
					? o->connect_timeout_us
					: CONNECT_TIMEOUT_US;
	r->command_timeout_us = o->command_timeout_us;
	if (o->name != NULL)
		r->name = xstrdup(o->name);
	if (url == NULL)
		(void)err_set(err, 0, "redis: no url");
	else if (redis_url_parse(url, &r->url, err) == 0 &&
		 redis_take_sentinels(r, o, err) == 0) {
		redis_soon(r);
		return r;
	}
	redis_destroy(r);
	return NULL;
}

void redis_enter(struct redis *r)
{
	r->busy++;
}

void redis_leave(struct redis *r)
{
	if (--r->busy == 0 && r->phase == REDIS_CLOSED)
		redis_destroy(r);
}

void redis_soon(struct redis *r)
{
	if (r->is_due || r->phase == REDIS_CLOSED)
		return;
	r->is_due = true;
	loop_defer(r->loop, redis_on_turn, r);
}

void redis_doom(struct redis *r, const char *fmt, ...)
{
	va_list ap;

	if (r->doom[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(r->doom, sizeof(r->doom), fmt, ap);
	va_end(ap);
}

/* Nothing goes on any more, in whatever phase it was. */
static void redis_halt(struct redis *r, enum redis_phase next)
{
	resolve_cancel(r->resolve);
	r->resolve = NULL;
	redis_sentinel_cancel(r->sentinel);
	r->sentinel = NULL;
	redis_wire_close(&r->wire);
	loop_timer_stop(r->timer);
	redis_hello_wipe(r);
	r->doom[0] = '\0';
	r->wants_reset = false;
	r->is_moving = false;
	r->loading = NULL;
	r->phase = next;
}

static void redis_drain(struct redis_queue *q)
{
	struct redis_request request;

	while (q->count > 0) {
		request = redis_queue_pop(q);
		if (request.fn != NULL)
			request.fn(NULL, request.arg);
	}
	redis_queue_done(q);
}

void redis_close(struct redis *r)
{
	if (r == NULL)
		return;
	assert(r->phase != REDIS_CLOSED);
	redis_enter(r);
	r->is_up = false;
	redis_halt(r, REDIS_CLOSED);
	loop_defer_cancel(r->loop, redis_on_turn, r);
	redis_drain(&r->queue);
	redis_drain(&r->held);
	redis_leave(r);
}

bool redis_is_up(const struct redis *r)
{
	return r->is_up;
}

unsigned redis_pending(const struct redis *r)
{
	return (unsigned)(r->queue.count + r->held.count);
}

void redis_trim(struct redis *r)
{
	if (r->busy == 0)
		redis_wire_trim(&r->wire);
}

void redis_reset(struct redis *r, const char *why)
{
	if (r->phase == REDIS_CLOSED)
		return;
	r->doom[0] = '\0';
	redis_doom(r, "%s", why);
	r->wants_reset = true;
	redis_soon(r);
}

static int64_t redis_backoff(struct redis *r)
{
	unsigned doubled =
		r->failures < BACKOFF_DOUBLED ? r->failures : BACKOFF_DOUBLED;
	int64_t span = BACKOFF_FIRST_US << doubled;

	if (span > BACKOFF_LAST_US)
		span = BACKOFF_LAST_US;
	return span / 2 + clock_jitter(span / 2);
}

static void redis_tell_down(struct redis *r, bool was_up, const char *why)
{
	char text[sizeof(r->told)];

	snprintf(text, sizeof(text), "redis%s%s: %.200s",
		r->label[0] != '\0' ? " at " : "", r->label, why);
	if (!was_up && strcmp(text, r->told) == 0)
		return;
	snprintf(r->told, sizeof(r->told), "%s", text);
	log_debug("%s", text);
	if (r->fn != NULL)
		r->fn(REDIS_DOWN, text, r->arg);
}

/* A known node of a Cluster and the URL take turns until one serves. */
static void redis_choose(struct redis *r, enum redis_phase lost_in)
{
	if (r->moved_host[0] == '\0')
		r->use_moved = false;
	else if (lost_in != REDIS_SERVING)
		r->use_moved = !r->use_moved;
}

void redis_lost(struct redis *r, const char *why)
{
	enum redis_phase lost_in = r->phase;
	bool was_up = r->is_up, at_once = r->wants_reset;
	char text[256];

	snprintf(text, sizeof(text), "%s", why);
	if (lost_in == REDIS_SERVING && clock_now() - r->up_at >= HEALTHY_US)
		r->failures = 0;
	r->is_up = false;
	redis_halt(r, REDIS_WAITING);
	redis_choose(r, lost_in);
	loop_timer_start(r->timer, at_once ? 0 : redis_backoff(r));
	r->failures++;
	redis_drain(&r->queue);
	redis_drain(&r->held);
	if (r->phase != REDIS_CLOSED)
		redis_tell_down(r, was_up, text);
}

static void redis_flush(struct redis *r)
{
	struct redis_queue *q =
		r->phase == REDIS_GREETING ? &r->hello : &r->queue;
	struct err err;
	const char *data;
	size_t len;
	long n;

	data = redis_queue_unsent(q, &len);
	if (len == 0) {
		loop_fd_set(r->wire.watch, LOOP_READ);
		return;
	}
	n = redis_wire_send(&r->wire, data, len, &err);
	if (n == -1)
		redis_lost(r, err.text);
	else
		q->sent += (uint64_t)n;
}

/* The watch over the answers: armed while some are due, never set back for
 * each of them. */
static void redis_watch(struct redis *r)
{
	bool is_set = loop_timer_is_set(r->timer);

	if (r->command_timeout_us <= 0 || r->queue.count == 0)
		return;
	if (!is_set || r->queue.count == 1)
		r->heard_at = clock_now();
	if (!is_set)
		loop_timer_start(r->timer, r->command_timeout_us);
}

static void redis_on_silence(struct redis *r)
{
	int64_t left = r->heard_at + r->command_timeout_us - clock_now();
	char span[32], text[64];

	if (r->queue.count == 0)
		return;
	if (left > 0) {
		loop_timer_start(r->timer, left);
		return;
	}
	snprintf(text, sizeof(text), "no answer for %s",
		clock_span(r->command_timeout_us, span, sizeof(span)));
	redis_lost(r, text);
}

static void redis_on_timer(void *arg)
{
	struct redis *r = arg;
	char span[32], text[64];

	redis_enter(r);
	if (r->phase == REDIS_WAITING) {
		redis_attempt(r);
	} else if (r->phase == REDIS_SERVING) {
		redis_on_silence(r);
	} else {
		snprintf(text, sizeof(text), "no connection within %s",
			clock_span(r->connect_timeout_us, span, sizeof(span)));
		redis_lost(r, text);
	}
	redis_leave(r);
}

static void redis_on_turn(void *arg)
{
	struct redis *r = arg;

	redis_enter(r);
	r->is_due = false;
	if (r->wants_reset && r->phase != REDIS_WAITING)
		redis_lost(r, r->doom);
	else if (r->phase == REDIS_WAITING) {
		loop_timer_stop(r->timer);
		redis_attempt(r);
	} else if (r->phase == REDIS_SERVING && redis_move_is_due(r))
		redis_move_begin(r);
	else if (r->phase == REDIS_SERVING)
		redis_flush(r);
	redis_leave(r);
}

/* The greeting is over: commands may be sent. */
static void redis_serve(struct redis *r)
{
	struct redis_queue q = r->queue;

	redis_hello_wipe(r);
	loop_timer_stop(r->timer);
	r->phase = REDIS_SERVING;
	r->up_at = clock_now();
	if (r->is_moving) {
		r->queue = r->held;
		r->held = q;
		redis_queue_rewind(&r->queue);
		r->is_moving = false;
	}
	redis_sub_begin(r);
	redis_watch(r);
	redis_soon(r);
	if (r->is_up)
		return;
	r->is_up = true;
	r->told[0] = '\0';
	if (r->fn != NULL)
		r->fn(REDIS_UP, r->label, r->arg);
}

/* An error that says: you speak with the wrong server. */
static void redis_judge(struct redis *r, const struct redis_reply *p)
{
	const char *text = redis_text(p, NULL);

	if (redis_is_error(p, "LOADING"))
		redis_doom(r, "it is loading its data");
	else if (redis_is_error(p, "READONLY") ||
		 strstr(text, "-READONLY ") != NULL)
		redis_doom(r, "it became a replica");
}

static void redis_answer(struct redis *r, const struct redis_reply *p)
{
	const struct redis_request *head = redis_queue_head(&r->queue);
	struct redis_request request;

	if (head == NULL || head->at >= r->queue.sent) {
		redis_lost(r, "an answer that nobody asked for");
		return;
	}
	if (redis_type(p) == REDIS_ERROR && head->kind == REDIS_ASKED) {
		if (redis_script_judge(r, p) || redis_move_judge(r, p))
			return;
		redis_judge(r, p);
	}
	request = redis_queue_pop(&r->queue);
	if (request.kind == REDIS_LOAD)
		r->loading = NULL;
	else if (request.fn != NULL)
		request.fn(p, request.arg);
}

static void redis_on_answer(struct redis *r, const struct redis_reply *p)
{
	struct err err;
	int done;

	if (r->phase == REDIS_GREETING) {
		done = redis_hello_answer(r, p, &err);
		if (done == -1)
			redis_lost(r, err.text);
		else if (done == 1)
			redis_serve(r);
	} else if (!SLIST_EMPTY(&r->channels)) {
		redis_sub_answer(r, p);
	} else {
		redis_answer(r, p);
	}
}

static void redis_on_readable(struct redis *r)
{
	const struct redis_reply *p;
	struct err err, end;
	int got, more;

	got = redis_wire_read(&r->wire, &end);
	if (r->command_timeout_us > 0)
		r->heard_at = clock_now();
	while ((more = redis_wire_next(&r->wire, &p, &err)) == 1)
		redis_on_answer(r, p);
	if (r->wire.fd == -1)
		return;
	if (r->doom[0] != '\0')
		redis_lost(r, r->doom);
	else if (more == -1)
		redis_lost(r, err.text);
	else if (got == -1)
		redis_lost(r, end.text);
	else if (redis_move_is_due(r))
		redis_soon(r);
}

static void redis_on_connected(struct redis *r)
{
	struct err err;

	if (redis_wire_connected(&r->wire, &err) == 0) {
		r->phase = REDIS_GREETING;
		redis_hello_make(r);
		redis_flush(r);
	} else if (r->next < r->found.count) {
		redis_try_address(r);
	} else {
		redis_lost(r, err.text);
	}
}

void redis_on_fd(int fd, unsigned events, void *arg)
{
	struct redis *r = arg;

	(void)fd;
	redis_enter(r);
	if (r->wire.is_connecting) {
		redis_on_connected(r);
	} else {
		if (events & LOOP_WRITE)
			redis_flush(r);
		if ((events & LOOP_READ) && r->wire.fd != -1)
			redis_on_readable(r);
	}
	redis_leave(r);
}

/* Where a command goes now; NULL when none is taken. */
struct redis_queue *redis_open_queue(struct redis *r)
{
	struct redis_queue *q = r->phase == REDIS_SERVING && !r->is_moving
					? &r->queue
					: &r->held;

	if (!r->is_up || redis_queue_is_full(q))
		return NULL;
	return q;
}

void redis_push(struct redis *r, struct redis_queue *q,
	const struct redis_request *request)
{
	redis_queue_push(q, *request);
	if (q != &r->queue)
		return;
	redis_watch(r);
	redis_soon(r);
}
