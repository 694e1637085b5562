/* SPDX-License-Identifier: ISC */
/*
 * http_stream - answers in pieces.
 *
 * Pieces gather in the connection's own buffer and leave together, one write
 * a turn of the loop.  What its owner has to know is told from the server's
 * timer, so never from inside a call.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "loop/http_conn.h"

/* A client that vanished without a word is found out when it does not confirm
 * what it was sent; otherwise the kernel goes on for a quarter of an hour. */
static void http_stream_limit(const struct http_request *req)
{
	unsigned limit_ms =
		(unsigned)(req->server->limits.write_timeout_us / US_PER_MS);

	if (!req->conn->is_unix)
		(void)setsockopt(req->conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			&limit_ms, sizeof(limit_ms));
}

/* An old client knows no chunks: for it the connection's end is the end. */
static void http_stream_head(struct http_request *req, const char *content_type)
{
	struct http_answer a = { .status = req->status, .type = content_type };

	req->is_chunked = req->parse.minor > 0;
	if (!req->is_chunked)
		req->parse.keep_alive = false;
	a.framing = req->is_chunked ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_CLOSE;
	http_request_answer(req, &a);
	/* It is not known any more when the client resets the connection. */
	if (req->server->on_done != NULL)
		(void)http_request_client(req);
	http_stream_limit(req);
	if (req->server->current != req->conn)
		http_conn_resume(req->conn);
}

void http_reply_begin(
	struct http_request *req, int status, const char *content_type)
{
	assert(status >= 200 && status <= 599 && status != 204 &&
		status != 304 && !req->is_stream);
	req->is_stream = true;
	req->status = status;
	req->begun_us = clock_now();
	/* It may last for hours, and needs its header only. */
	http_request_shrink(req, req->parse.body);
	req->parse.body_len = 0;
	if (req->server == NULL)
		return;
	if (req->conn != NULL)
		http_stream_head(req, content_type);
	else
		http_stream_tell(req, HTTP_STREAM_GONE);
	if (req->server->is_draining)
		http_stream_tell(req, HTTP_STREAM_DRAIN);
}

static bool http_stream_is_full(const struct http_request *req, size_t more)
{
	struct http_server *s = req->server;
	size_t waiting = req->conn->out.len;

	if (s->current == req->conn)
		waiting += s->out.len;
	return waiting > 0 &&
	       (waiting + more > HTTP_STREAM_MAX || s->held > HTTP_HELD_MAX);
}

int http_reply_chunk(struct http_request *req, const void *data, size_t len)
{
	struct http_conn *c = req->conn;
	struct buf *out;

	assert(req->is_stream);
	if (req->server == NULL || c == NULL || req->parse.method == HTTP_HEAD)
		return -1;
	if (len == 0)
		return 0;
	if (http_stream_is_full(req, len)) {
		req->was_full = true;
		return 1;
	}
	out = http_request_out(req);
	if (req->is_chunked)
		buf_printf(out, "%zx\r\n", len);
	buf_add(out, data, len);
	req->sent += len;
	if (req->is_chunked)
		buf_puts(out, "\r\n");
	if (req->server->current != c)
		http_conn_resume(c);
	return 0;
}

enum http_stream_end { HTTP_STREAM_WHOLE, HTTP_STREAM_BROKEN };

static void http_stream_end(struct http_request *req, enum http_stream_end end)
{
	struct http_conn *c = req->conn;

	assert(req->is_stream);
	if (req->server == NULL) {
		http_request_drop(NULL, req);
		return;
	}
	if (c != NULL && end == HTTP_STREAM_BROKEN)
		c->end = HTTP_END_CLOSE;
	else if (c != NULL && req->is_chunked && req->parse.method != HTTP_HEAD)
		buf_puts(http_request_out(req), "0\r\n\r\n");
	http_request_end(req, req->status, req->sent);
}

void http_reply_finish(struct http_request *req)
{
	http_stream_end(req, HTTP_STREAM_WHOLE);
}

void http_reply_cut(struct http_request *req)
{
	http_stream_end(req, HTTP_STREAM_BROKEN);
}

void http_reply_on_event(struct http_request *req, http_stream_fn fn, void *arg)
{
	req->on_event = fn;
	req->on_event_arg = arg;
}

void http_stream_tell(struct http_request *req, enum http_stream_event event)
{
	struct http_server *s = req->server;

	if (!req->is_stream || s == NULL)
		return;
	/* To who is gone nothing else matters. */
	if (req->conn == NULL && event != HTTP_STREAM_GONE)
		return;
	req->news |= (uint8_t)event;
	if (req->list != &s->news)
		http_request_list(req, &s->news);
	http_server_arm(s, 0);
}

static enum http_stream_event http_stream_take(struct http_request *req)
{
	enum http_stream_event event = HTTP_STREAM_ROOM;

	if (req->news & HTTP_STREAM_GONE) {
		req->news = 0;
		return HTTP_STREAM_GONE;
	}
	if (req->news & HTTP_STREAM_DRAIN)
		event = HTTP_STREAM_DRAIN;
	req->news &= (uint8_t)~event;
	return event;
}

void http_stream_deliver(struct http_server *s)
{
	enum http_stream_event event;
	struct http_request *req;

	while ((req = TAILQ_FIRST(&s->news)) != NULL) {
		event = http_stream_take(req);
		if (req->news == 0)
			http_request_list(req, &s->late);
		if (req->on_event != NULL)
			req->on_event(req, event, req->on_event_arg);
	}
}

void http_stream_drain(struct http_server *s)
{
	struct http_request *req, *next;

	/* Those that are told something else find both. */
	TAILQ_FOREACH(req, &s->news, entry)
		req->news |= HTTP_STREAM_DRAIN;
	for (req = TAILQ_FIRST(&s->late); req != NULL; req = next) {
		next = TAILQ_NEXT(req, entry);
		http_stream_tell(req, HTTP_STREAM_DRAIN);
	}
}
