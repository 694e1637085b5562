/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/http_conn.h"

#define HTTP_ROOM_MIN 2048 /* free bytes of a connection's own buffer */

/* What a connection waits for in each state. */
static const uint8_t http_conn_watches[HTTP_CONN_STATE_COUNT] = {
	[HTTP_CONN_FRESH] = LOOP_READ,
	[HTTP_CONN_IDLE] = LOOP_READ,
	[HTTP_CONN_HEADER] = LOOP_READ,
	[HTTP_CONN_BODY] = LOOP_READ,
	[HTTP_CONN_HANDLING] = 0,
	[HTTP_CONN_WRITING] = LOOP_WRITE,
	[HTTP_CONN_RESUME] = 0,
	[HTTP_CONN_LINGER] = LOOP_READ,
	[HTTP_CONN_STREAM] = LOOP_READ,
};

static int64_t http_conn_deadline(
	const struct http_server *s, enum http_conn_state state)
{
	const struct http_limits *l = &s->limits;
	int64_t idle = l->idle_timeout_us;

	switch (state) {
	case HTTP_CONN_FRESH:
	case HTTP_CONN_HEADER: return s->now_us + l->header_timeout_us;
	case HTTP_CONN_BODY: return s->now_us + l->body_timeout_us;
	case HTTP_CONN_WRITING: return s->now_us + l->write_timeout_us;
	case HTTP_CONN_LINGER: return s->now_us + HTTP_LINGER_US;
	case HTTP_CONN_IDLE:
		if (s->is_draining && l->linger_us < idle)
			idle = l->linger_us;
		return s->now_us + idle;
	case HTTP_CONN_RESUME: return 0;
	default: return HTTP_NEVER;
	}
}

/* The one place where a connection changes its state; entering the same
 * state again gives it a new deadline. */
static void http_conn_set(struct http_conn *c, enum http_conn_state state)
{
	struct http_server *s = c->server;

	TAILQ_REMOVE(&s->conns[c->state], c, entry);
	TAILQ_INSERT_TAIL(&s->conns[state], c, entry);
	c->state = (uint8_t)state;
	c->deadline_us = http_conn_deadline(s, state);
	if (c->deadline_us < s->armed_us)
		http_server_arm(s, c->deadline_us);
	if (c->watching != http_conn_watches[state]) {
		c->watching = http_conn_watches[state];
		loop_fd_set(c->watch, c->watching);
	}
	if (state == HTTP_CONN_IDLE || state == HTTP_CONN_HEADER)
		http_server_idled(s);
}

void http_conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->is_handling) {
		/* The last chance to learn it. */
		if (s->on_done != NULL)
			(void)http_request_client(c->req);
		c->req->conn = NULL;
		http_stream_tell(c->req, HTTP_STREAM_GONE);
	} else {
		http_request_drop(s, c->req);
	}
	TAILQ_REMOVE(&s->conns[c->state], c, entry);
	loop_fd_free(c->watch);
	close(c->fd);
	s->held -= c->held;
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
	http_server_gone(s);
}

/* The client is not reading: no use in keeping what it has not read. */
static void http_conn_abort(struct http_conn *c)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	http_conn_free(c);
}

/* Keep the sum of all buffers up to date. */
static void http_conn_account(struct http_conn *c)
{
	size_t held = c->in.cap + c->out.cap;

	c->server->held += held - c->held;
	c->held = held;
}

/*
 * The answers are out.  Closing with bytes unread would reset the connection
 * and could destroy the last answer on its way, so the client must see the
 * end of the stream and close first (RFC 9112, 9.6).
 */
static void http_conn_finish(struct http_conn *c)
{
	if (c->end == HTTP_END_CLOSE || shutdown(c->fd, SHUT_WR) == -1) {
		http_conn_free(c);
		return;
	}
	buf_done(&c->in);
	http_conn_account(c);
	http_conn_set(c, HTTP_CONN_LINGER);
}

/* Send from b; what is left stays there.  0, or -1: the client is gone. */
static int http_conn_send(struct http_conn *c, struct buf *b)
{
	ssize_t n = send(c->fd, b->data, b->len, MSG_NOSIGNAL);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->server->counts.bytes_out += (uint64_t)n;
	if ((size_t)n == b->len)
		buf_reset(b);
	else
		buf_drop(b, (size_t)n);
	return 0;
}

/* Send what the server's buffer has gathered for c. */
static int http_conn_flush(struct http_conn *c)
{
	struct buf *out = &c->server->out;
	int failed = 0;

	if (out->len > 0)
		failed = http_conn_send(c, out);
	if (failed == 0 && out->len > 0)
		buf_add(&c->out, out->data, out->len);
	buf_reset(out);
	if (out->cap > 2 * HTTP_WRITE_SIZE)
		buf_done(out);
	return failed;
}

/* With the handler, and all that it has given is sent. */
static enum http_conn_state http_conn_handled(struct http_conn *c)
{
	if (!c->req->is_stream)
		return HTTP_CONN_HANDLING;
	if (c->req->was_full)
		http_stream_tell(c->req, HTTP_STREAM_ROOM);
	c->req->was_full = false;
	return HTTP_CONN_STREAM;
}

/* Slowness does not prolong a deadline, but for a stream, which has no end
 * that could be waited for: there each piece that goes does. */
static bool http_conn_is_prolonged(const struct http_conn *c)
{
	return c->is_handling && c->req->is_stream;
}

/* Find the state that fits what it has in hand. */
static void http_conn_settle(struct http_conn *c)
{
	enum http_conn_state next;

	if (c->out.len > 0) {
		next = HTTP_CONN_WRITING;
	} else if (c->is_handling) {
		next = http_conn_handled(c);
	} else if (c->end != HTTP_END_NOT) {
		http_conn_finish(c);
		return;
	} else if (c->req != NULL) {
		next = c->req->parse.stage == HTTP_PARSE_HEAD ? HTTP_CONN_HEADER
							      : HTTP_CONN_BODY;
		if (c->req->timed == next)
			next = HTTP_CONN_STATE_COUNT;
		else
			c->req->timed = (uint8_t)next;
	} else {
		next = c->in.len > 0 ? HTTP_CONN_RESUME : HTTP_CONN_IDLE;
	}
	http_conn_account(c);
	if (next != HTTP_CONN_STATE_COUNT &&
		(next != HTTP_CONN_WRITING || c->state != next ||
			http_conn_is_prolonged(c)))
		http_conn_set(c, next);
}

static void http_conn_continue(struct http_conn *c);

/* Answer a request that is no good; nothing after it can be trusted. */
static void http_conn_refuse(struct http_conn *c, int status, const char *why)
{
	struct http_server *s = c->server;
	struct buf body = BUF_INIT, later = BUF_INIT;
	struct http_answer a = {
		.status = status,
		.type = "application/problem+json",
		.extra = &later,
		.is_head = c->req->parse.method == HTTP_HEAD,
		.says_close = true,
	};
	struct http_done done = {
		.req = c->req,
		.is_refused = true,
		.status = status,
	};

	/* It may be its header that is no good. */
	uuid_new(c->req->id);
	if (s->uses_ids)
		a.id = c->req->id;
	if (status == 503)
		buf_puts(&later, "Retry-After: 1\r\n");
	http_answer_problem(&body, status, why);
	a.body = body.data;
	a.len = body.len;
	http_answer_put(s, s->current == c ? &s->out : &c->out, &a);
	buf_done(&body);
	buf_done(&later);
	done.body_bytes = http_answer_bytes(&a);
	http_server_answered(s, &done);
	http_request_drop(s, c->req);
	c->req = NULL;
	c->end = HTTP_END_LINGER;
	if (status == 413 || status == 414 || status == 431 || status == 503)
		s->counts.rejected++;
}

/* The same to one that is not at hand: end it. */
static void http_conn_dismiss(struct http_conn *c, int status, const char *why)
{
	/* It has moved since it was looked at last. */
	c->req->data = c->in.data;
	http_conn_refuse(c, status, why);
	http_conn_continue(c);
}

/* Bodies that have been coming for longest make room for others.  False: they
 * are not what takes it. */
static bool http_conn_make_room(struct http_server *s)
{
	struct http_conn *c;

	while (s->held > HTTP_HELD_MAX &&
		(c = TAILQ_FIRST(&s->conns[HTTP_CONN_BODY])) != NULL &&
		c != s->current)
		http_conn_dismiss(c, 503, "too much is being received");
	return s->held <= HTTP_HELD_MAX;
}

/* Part of a request is there: it must be kept until the rest comes. */
static void http_conn_wait(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct http_parse *p = &c->req->parse;

	if (s->held > HTTP_HELD_MAX && !http_conn_make_room(s)) {
		http_conn_refuse(c, 503, "too much is being received");
		return;
	}
	if (p->stage == HTTP_PARSE_HEAD || !p->expects_continue)
		return;
	p->expects_continue = false;
	buf_puts(&s->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/*
 * Take one request out of data[*at..*len).  Returns false when that is all
 * at this moment; then *at is what was used up.
 */
static bool http_conn_step(
	struct http_conn *c, char *data, size_t *at, size_t *len)
{
	struct http_server *s = c->server;
	size_t left = *len - *at;
	struct http_request *req = c->req;

	if (c->end != HTTP_END_NOT) {
		/* It said close, and yet there is more. */
		c->end = HTTP_END_LINGER;
		*at = *len;
		return false;
	}
	if (s->out.len >= HTTP_WRITE_SIZE)
		return false;
	if (req == NULL) {
		req = c->req = http_request_take(s);
		req->conn = c;
		req->began_us = s->now_us;
	}
	req->data = data + *at;
	http_parse_run(&req->parse, req->data, &left, &s->parse_limits);
	*len = *at + left;
	if (req->parse.stage == HTTP_PARSE_BAD) {
		http_conn_refuse(c, req->parse.status, req->parse.why);
		*at = *len;
		return false;
	}
	if (req->parse.stage != HTTP_PARSE_DONE) {
		http_conn_wait(c);
		return false;
	}
	*at += req->parse.used;
	c->is_handling = true;
	s->counts.in_flight++;
	s->handler(req, s->arg);
	return !c->is_handling;
}

/* What is left of data belongs to later requests: keep it, and leave the
 * buffer to a request whose handler holds on to it. */
static void http_conn_keep(
	struct http_conn *c, char *data, size_t at, size_t len)
{
	struct http_server *s = c->server;
	bool is_own = data == c->in.data;

	if (c->is_handling && http_request_keep(c->req, data,
				      is_own ? c->in.cap : HTTP_READ_SIZE)) {
		if (is_own)
			c->in = (struct buf)BUF_INIT;
		else
			s->read_buffer = NULL;
		is_own = false;
	}
	if (!is_own) {
		if (at < len)
			buf_add(&c->in, data + at, len - at);
		return;
	}
	c->in.len = len;
	if (at == len)
		buf_done(&c->in);
	else
		buf_drop(&c->in, at);
}

/* Take all requests out of data[0..len), answer them with one write. */
static void http_conn_process(struct http_conn *c, char *data, size_t len)
{
	struct http_server *s = c->server;
	size_t at = 0;

	s->current = c;
	while (at < len && http_conn_step(c, data, &at, &len))
		;
	http_conn_keep(c, data, at, len);
	s->current = NULL;
	if (http_conn_flush(c) != 0)
		http_conn_free(c);
	else
		http_conn_settle(c);
}

static char *http_conn_read_buffer(struct http_server *s)
{
	if (s->read_buffer == NULL)
		s->read_buffer = xmalloc(HTTP_READ_SIZE);
	return s->read_buffer;
}

/* 0 with bytes or without; -1 at the end of the stream. */
static int http_conn_read(
	struct http_conn *c, char *data, size_t size, size_t *ret_len)
{
	ssize_t n = recv(c->fd, data, size, 0);

	*ret_len = n > 0 ? (size_t)n : 0;
	c->server->counts.bytes_in += *ret_len;
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	return -1;
}

static void http_conn_receive(struct http_conn *c)
{
	char *data;
	size_t len;

	if (c->in.len > 0) {
		data = buf_reserve(&c->in, HTTP_ROOM_MIN);
		if (http_conn_read(c, data, c->in.cap - c->in.len - 1, &len) !=
			0)
			goto gone;
		c->in.len += len;
		if (len > 0)
			http_conn_process(c, c->in.data, c->in.len);
		return;
	}
	data = http_conn_read_buffer(c->server);
	if (http_conn_read(c, data, HTTP_READ_SIZE, &len) != 0)
		goto gone;
	if (len > 0)
		http_conn_process(c, data, len);
	return;
gone:
	http_conn_free(c);
}

/* A client that is being answered in pieces leaves, or sends what belongs to
 * later requests: as much of that is kept as one read gives. */
static void http_conn_attend(struct http_conn *c)
{
	char *data;
	size_t len;

	if (c->in.len >= HTTP_READ_SIZE) {
		c->watching = 0;
		loop_fd_set(c->watch, 0);
		return;
	}
	data = buf_reserve(&c->in, HTTP_ROOM_MIN);
	if (http_conn_read(c, data, c->in.cap - c->in.len - 1, &len) != 0) {
		http_conn_free(c);
		return;
	}
	c->in.len += len;
	http_conn_account(c);
}

/* Lingering: nothing that comes now counts. */
static void http_conn_discard(struct http_conn *c)
{
	size_t len;

	if (http_conn_read(c, http_conn_read_buffer(c->server), HTTP_READ_SIZE,
		    &len) != 0)
		http_conn_free(c);
}

/* Send its own buffer, and go on when it is empty. */
static void http_conn_continue(struct http_conn *c)
{
	if (c->out.len > 0 && http_conn_send(c, &c->out) != 0) {
		http_conn_free(c);
		return;
	}
	if (c->out.len == 0)
		buf_done(&c->out);
	if (c->state == HTTP_CONN_RESUME && c->out.len == 0 &&
		c->end == HTTP_END_NOT && c->in.len > 0 && !c->is_handling)
		http_conn_process(c, c->in.data, c->in.len);
	else
		http_conn_settle(c);
}

static void http_conn_on_event(int fd, unsigned events, void *arg)
{
	struct http_conn *c = arg;
	struct http_server *s = c->server;

	(void)fd;
	(void)events;
	s->now_us = clock_now();
	if (c->state == HTTP_CONN_LINGER)
		http_conn_discard(c);
	else if (c->state == HTTP_CONN_WRITING)
		http_conn_continue(c);
	else if (c->state == HTTP_CONN_STREAM)
		http_conn_attend(c);
	else
		http_conn_receive(c);
	http_server_changed(s);
}

void http_conn_new(struct http_server *s, int fd, bool is_unix)
{
	struct http_conn *c = xcalloc(1, sizeof(*c));

	c->server = s;
	c->fd = fd;
	c->is_unix = is_unix;
	c->state = HTTP_CONN_FRESH;
	c->watching = LOOP_READ;
	c->watch = loop_fd_new(s->loop, fd, LOOP_READ, http_conn_on_event, c);
	TAILQ_INSERT_TAIL(&s->conns[HTTP_CONN_FRESH], c, entry);
	http_conn_set(c, HTTP_CONN_FRESH);
}

void http_conn_resume(struct http_conn *c)
{
	if (c->state == HTTP_CONN_HANDLING || c->state == HTTP_CONN_STREAM)
		http_conn_set(c, HTTP_CONN_RESUME);
}

void http_conn_part(struct http_conn *c)
{
	if (c->out.len > 0)
		(void)http_conn_send(c, &c->out);
}

void http_conn_peer(
	const struct http_conn *c, char ret_text[HTTP_ORIGIN_TEXT_MAX])
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(a);

	if (c->is_unix) {
		memcpy(ret_text, HTTP_ORIGIN_UNIX, sizeof(HTTP_ORIGIN_UNIX));
		return;
	}
	/* Not known any more when the client has reset the connection. */
	(void)getpeername(c->fd, (struct sockaddr *)&a, &len);
	http_origin_print(&a, ret_text);
}

bool http_conn_is_silent(const struct http_conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK) <= 0;
}

void http_conn_hurry(struct http_conn *c, int64_t deadline_us)
{
	if (c->deadline_us <= deadline_us)
		return;
	c->deadline_us = deadline_us;
	http_server_arm(c->server, deadline_us);
}

void http_conn_expire(struct http_conn *c)
{
	struct http_server *s = c->server;

	switch (c->state) {
	case HTTP_CONN_FRESH:
		s->counts.timeouts++; /* fall through */
	/* Nothing is on its way to this client, and what came from it in
	 * this turn of the loop was read before any timer. */
	case HTTP_CONN_IDLE: http_conn_free(c); break;
	case HTTP_CONN_HEADER:
	case HTTP_CONN_BODY:
		s->counts.timeouts++;
		http_conn_dismiss(c, 408, "the request took too long");
		break;
	case HTTP_CONN_WRITING:
		s->counts.timeouts++;
		http_conn_abort(c);
		break;
	case HTTP_CONN_RESUME: http_conn_continue(c); break;
	default: http_conn_free(c); break;
	}
}
