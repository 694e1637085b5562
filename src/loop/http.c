/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/http_conn.h"

static void http_server_on_timer(void *arg);

struct http_server *http_server_new(struct loop *l,
	const struct http_limits *limits, http_handler_fn fn, void *arg)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	int i;

	s->loop = l;
	s->limits = *limits;
	s->parse_limits.header_max = limits->header_max;
	s->parse_limits.body_max = limits->body_max;
	s->handler = fn;
	s->arg = arg;
	s->resume_accept_us = HTTP_NEVER;
	s->armed_us = HTTP_NEVER;
	s->timer = loop_timer_new(l, http_server_on_timer, s);
	SLIST_INIT(&s->listeners);
	TAILQ_INIT(&s->late);
	TAILQ_INIT(&s->news);
	for (i = 0; i < HTTP_CONN_STATE_COUNT; i++)
		TAILQ_INIT(&s->conns[i]);
	return s;
}

void http_server_free(struct http_server *s)
{
	struct http_listener *li;
	struct http_request *req;
	struct http_conn *c;
	int i;

	if (s == NULL)
		return;
	assert(s->current == NULL);
	TAILQ_FOREACH(c, &s->conns[HTTP_CONN_RESUME], entry)
		http_conn_part(c);
	for (i = 0; i < HTTP_CONN_STATE_COUNT; i++)
		while ((c = TAILQ_FIRST(&s->conns[i])) != NULL)
			http_conn_free(c);
	TAILQ_CONCAT(&s->late, &s->news, entry);
	while ((req = TAILQ_FIRST(&s->late)) != NULL) {
		TAILQ_REMOVE(&s->late, req, entry);
		req->list = NULL;
		req->server = NULL;
	}
	while ((li = SLIST_FIRST(&s->listeners)) != NULL) {
		SLIST_REMOVE_HEAD(&s->listeners, entry);
		loop_fd_free(li->watch);
		free(li);
	}
	loop_timer_free(s->timer);
	http_request_drop(NULL, s->spare);
	free(s->read_buffer);
	buf_done(&s->out);
	free(s);
}

const struct http_counts *http_server_counts(const struct http_server *s)
{
	return &s->counts;
}

void http_server_on_done(struct http_server *s, http_done_fn fn, void *arg)
{
	s->on_done = fn;
	s->on_done_arg = arg;
}

void http_server_use_gzip(struct http_server *s)
{
	s->uses_gzip = true;
}

void http_server_use_ids(struct http_server *s)
{
	s->uses_ids = true;
}

void http_server_set_origin(
	struct http_server *s, const struct http_origin *origin)
{
	s->origin = origin;
}

void http_server_on_change(struct http_server *s, loop_fn fn, void *arg)
{
	s->on_change = fn;
	s->on_change_arg = arg;
}

void http_server_changed(struct http_server *s)
{
	if (s->on_change != NULL)
		s->on_change(s->on_change_arg);
}

void http_server_answered(struct http_server *s, struct http_done *d)
{
	s->counts.by_class[d->status / 100]++;
	if (s->on_done == NULL)
		return;
	d->duration_us = d->wait_us = clock_now() - d->req->began_us;
	if (d->req->is_stream)
		d->wait_us = d->req->begun_us - d->req->began_us;
	s->on_done(d, s->on_done_arg);
}

void http_server_arm(struct http_server *s, int64_t deadline_us)
{
	if (deadline_us >= s->armed_us)
		return;
	s->armed_us = deadline_us;
	loop_timer_start(s->timer, deadline_us - clock_now());
}

static void http_server_watch(struct http_server *s, unsigned events)
{
	struct http_listener *li;

	s->is_paused = events == 0;
	SLIST_FOREACH(li, &s->listeners, entry)
		loop_fd_set(li->watch, events);
}

/* The next process may have descriptors left; this one tries again later. */
static void http_server_pause(struct http_server *s, int error)
{
	if (s->warned_us == 0 || s->now_us - s->warned_us > HTTP_WARN_US) {
		s->warned_us = s->now_us;
		log_warn("cannot accept a connection: %s, trying again "
			 "every %d ms",
			strerror(error), HTTP_ACCEPT_PAUSE_US / US_PER_MS);
	}
	http_server_watch(s, 0);
	s->is_short = true;
	s->resume_accept_us = s->now_us + HTTP_ACCEPT_PAUSE_US;
	http_server_arm(s, s->resume_accept_us);
}

static bool http_server_is_full(const struct http_server *s)
{
	return s->counts.connections >= s->limits.connections_max;
}

/* When a connection may be closed for another. */
static int64_t http_server_spare_us(
	const struct http_server *s, const struct http_conn *c)
{
	int64_t limit_us = c->state == HTTP_CONN_IDLE
				   ? s->limits.idle_timeout_us
				   : s->limits.header_timeout_us;

	return c->deadline_us - limit_us + HTTP_SPARE_US;
}

/* Who asks for nothing, or is slow to say what. */
static const enum http_conn_state http_server_spares[] = { HTTP_CONN_IDLE,
	HTTP_CONN_FRESH, HTTP_CONN_HEADER };
#define HTTP_SPARES (sizeof(http_server_spares) / sizeof(*http_server_spares))

/* The one of these that has been so for longest; NULL: all are in use. */
static struct http_conn *http_server_spare(struct http_server *s)
{
	struct http_conn *c;
	size_t i;

	for (i = 0; i < HTTP_SPARES; i++)
		TAILQ_FOREACH(c, &s->conns[http_server_spares[i]], entry) {
			if (http_server_spare_us(s, c) > s->now_us)
				break;
			if (http_conn_is_silent(c))
				return c;
		}
	return NULL;
}

static void http_server_dismiss(struct http_server *s, struct http_conn *c)
{
	if (c->state != HTTP_CONN_IDLE)
		s->counts.timeouts++;
	http_conn_free(c);
}

/* Accept if there is room, or else when there may be. */
static void http_server_admit(struct http_server *s)
{
	int64_t at_us = http_server_is_full(s) ? HTTP_NEVER : s->now_us;
	const struct http_conn *c;
	size_t i;

	for (i = 0; i < HTTP_SPARES; i++) {
		c = TAILQ_FIRST(&s->conns[http_server_spares[i]]);
		if (c != NULL && http_server_spare_us(s, c) < at_us)
			at_us = http_server_spare_us(s, c);
	}
	s->is_short = false;
	s->resume_accept_us = HTTP_NEVER;
	if (at_us <= s->now_us) {
		if (s->is_paused)
			http_server_watch(s, LOOP_READ);
		return;
	}
	if (!s->is_paused)
		http_server_watch(s, 0);
	s->resume_accept_us = at_us;
	http_server_arm(s, at_us);
}

void http_server_idled(struct http_server *s)
{
	if (s->is_paused && !s->is_short && s->resume_accept_us == HTTP_NEVER)
		http_server_admit(s);
}

/* Without descriptors.  Returns whether one is free now. */
static bool http_server_spend(struct http_server *s, int error)
{
	struct http_conn *spare = http_server_spare(s);

	if (spare == NULL) {
		http_server_pause(s, error);
		return false;
	}
	http_server_dismiss(s, spare);
	return true;
}

/* Returns false when there is no more to accept at this moment. */
static bool http_server_accept(struct http_server *s, struct http_listener *li)
{
	int fd = accept4(li->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd != -1) {
		s->counts.accepted++;
		s->counts.connections++;
		http_conn_new(s, fd, li->is_unix);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		errno == ENOMEM)
		return http_server_spend(s, errno);
	/* Others than EAGAIN concern the one connection that has failed. */
	return errno == ECONNABORTED || errno == EINTR;
}

static void http_server_on_listener(int fd, unsigned events, void *arg)
{
	struct http_listener *li = arg;
	struct http_server *s = li->server;
	struct http_conn *spare = NULL;
	int i;

	(void)fd;
	(void)events;
	s->now_us = clock_now();
	for (i = 0; i < HTTP_ACCEPT_MAX; i++) {
		if (http_server_is_full(s) &&
			(spare = http_server_spare(s)) == NULL)
			break;
		if (!http_server_accept(s, li))
			break;
		if (s->counts.connections > s->limits.connections_max)
			http_server_dismiss(s, spare);
	}
	if (http_server_is_full(s) && !s->is_short)
		http_server_admit(s);
	http_server_changed(s);
}

void http_server_listen(struct http_server *s, int fd)
{
	struct http_listener *li = xcalloc(1, sizeof(*li));
	int domain = AF_UNSPEC, on = 1;
	socklen_t len = sizeof(domain);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	li->server = s;
	li->fd = fd;
	li->is_unix = domain == AF_UNIX;
	/* Connections inherit it from their listener (tcp(7)). */
	if (!li->is_unix)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	li->watch = loop_fd_new(
		s->loop, fd, LOOP_READ, http_server_on_listener, li);
	SLIST_INSERT_HEAD(&s->listeners, li, entry);
}

void http_server_gone(struct http_server *s)
{
	s->counts.connections--;
	if (s->is_paused && !s->is_short)
		http_server_admit(s);
	if (s->counts.connections > 0)
		return;
	if (s->is_draining) {
		http_server_arm(s, 0);
	} else if (s->resume_accept_us == HTTP_NEVER && TAILQ_EMPTY(&s->news)) {
		loop_timer_stop(s->timer);
		s->armed_us = HTTP_NEVER;
	}
}

static void http_server_expire(struct http_server *s)
{
	struct http_conn *c;
	int i;

	for (i = 0; i < HTTP_CONN_STATE_COUNT; i++)
		while ((c = TAILQ_FIRST(&s->conns[i])) != NULL &&
			c->deadline_us <= s->now_us)
			http_conn_expire(c);
	if (s->resume_accept_us <= s->now_us)
		http_server_admit(s);
}

static void http_server_on_timer(void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c;
	loop_fn drained;
	int i;

	s->now_us = clock_now();
	s->armed_us = HTTP_NEVER;
	http_server_expire(s);
	http_stream_deliver(s);
	for (i = 0; i < HTTP_CONN_STATE_COUNT; i++)
		if ((c = TAILQ_FIRST(&s->conns[i])) != NULL)
			http_server_arm(s, c->deadline_us);
	http_server_arm(s, s->resume_accept_us);
	http_server_changed(s);
	drained = s->drained;
	if (s->counts.connections > 0 || drained == NULL)
		return;
	s->drained = NULL;
	drained(s->drained_arg); /* may free s */
}

void http_server_set_linger(struct http_server *s, int64_t linger_us)
{
	s->limits.linger_us = linger_us;
}

void http_server_drain(struct http_server *s, loop_fn done, void *arg)
{
	struct http_listener *li;
	struct http_conn *c;
	int64_t last_us;

	s->drained = done;
	s->drained_arg = arg;
	if (s->counts.connections == 0)
		http_server_arm(s, 0);
	if (s->is_draining)
		return;
	s->is_draining = true;
	s->now_us = clock_now();
	s->resume_accept_us = HTTP_NEVER;
	while ((li = SLIST_FIRST(&s->listeners)) != NULL) {
		SLIST_REMOVE_HEAD(&s->listeners, entry);
		loop_fd_free(li->watch);
		free(li);
	}
	last_us = s->now_us + s->limits.linger_us;
	TAILQ_FOREACH(c, &s->conns[HTTP_CONN_IDLE], entry)
		http_conn_hurry(c, last_us);
	TAILQ_FOREACH(c, &s->conns[HTTP_CONN_FRESH], entry)
		http_conn_hurry(c, last_us);
	http_stream_drain(s);
}
