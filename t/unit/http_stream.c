/* SPDX-License-Identifier: ISC */
/* http: answers in pieces, and who listens to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http_help.h"
#include "tap.h"

#define STREAMS_MAX 8
#define PIECE_SIZE  8192

static struct {
	struct http_server *server;
	struct http_request *streams[STREAMS_MAX]; /* NULL: finished */
	size_t count;
	int gone, drains, rooms, done;
	int left; /* pieces that a flood has still to send */
	int drained;
	/* Of the last answer. */
	uint64_t body_bytes;
	int64_t duration_us, wait_us;
	char client[64];
	bool finishes_when_told;
} t;

static void drop(struct http_request *req)
{
	size_t i;

	for (i = 0; i < t.count; i++)
		if (t.streams[i] == req)
			t.streams[i] = NULL;
	http_reply_finish(req);
}

/* Send what is left until the stream is full. */
static void flood(struct http_request *req)
{
	char piece[PIECE_SIZE];
	int end = 0;

	memset(piece, 'f', sizeof(piece));
	while (t.left > 0 && end == 0) {
		end = http_reply_chunk(req, piece, sizeof(piece));
		t.left -= end == 0;
	}
	if (t.left == 0)
		drop(req);
}

static void on_event(
	struct http_request *req, enum http_stream_event event, void *arg)
{
	if (arg != &t)
		bail("an event with another argument");
	t.gone += event == HTTP_STREAM_GONE;
	t.drains += event == HTTP_STREAM_DRAIN;
	t.rooms += event == HTTP_STREAM_ROOM;
	if (event == HTTP_STREAM_ROOM)
		flood(req);
	else if (t.finishes_when_told)
		drop(req);
}

static void begin(struct http_request *req)
{
	(void)http_reply_header(req, "Cache-Control", "no-store");
	http_reply_begin(req, 200, "text/event-stream");
	http_reply_on_event(req, on_event, &t);
}

static int say(struct http_request *req, const char *text)
{
	return http_reply_chunk(req, text, strlen(text));
}

static void serve_at_once(struct http_request *req)
{
	begin(req);
	(void)say(req, "one,");
	(void)say(req, "");
	(void)say(req, "two");
	http_reply_finish(req);
}

static void serve_params(struct http_request *req)
{
	const char *name, *value;
	struct buf all = BUF_INIT;
	size_t at = 0;
	unsigned i;

	while (http_request_query_at(req, &at, &name, &value))
		buf_printf(&all, "[%s=%s]", name, value);
	for (i = 0; http_request_header_at(req, i, &name, &value); i++)
		buf_printf(&all, "{%s: %s}", name, value);
	http_reply(req, 200, NULL, all.data, all.len);
	buf_done(&all);
}

static void on_request(struct http_request *req, void *arg)
{
	const char *path = http_request_path(req);

	(void)arg;
	if (strcmp(path, "/at-once") == 0) {
		serve_at_once(req);
	} else if (strcmp(path, "/params") == 0) {
		serve_params(req);
	} else if (strcmp(path, "/text") == 0) {
		http_reply(req, 200, "text/plain", "text", 4);
	} else {
		t.streams[t.count++ % STREAMS_MAX] = req;
		if (strcmp(path, "/late") != 0)
			begin(req);
		if (strcmp(path, "/flood") == 0)
			flood(req);
	}
}

static void on_done(const struct http_done *d, void *arg)
{
	(void)arg;
	t.done += d->status == 200 && d->duration_us >= 0 && !d->is_refused;
	t.body_bytes = d->body_bytes;
	t.duration_us = d->duration_us;
	t.wait_us = d->wait_us;
	snprintf(t.client, sizeof(t.client), "%s", http_request_client(d->req));
}

static void on_drained(void *arg)
{
	(void)arg;
	t.drained++;
}

static void server_open(const struct http_limits *limits, int family)
{
	memset(&t, 0, sizeof(t));
	t.server = help_open(limits, family, on_request);
	http_server_on_done(t.server, on_done, NULL);
}

static void server_close(void)
{
	http_server_free(t.server);
	help_close();
}

/* Serve until there are so many streams. */
static void wait_streams(size_t count)
{
	int64_t deadline = clock_now() + 10000 * MS;

	while (t.count < count && clock_now() < deadline)
		help_pump(MS);
	if (t.count < count)
		bail("no stream has begun");
}

static bool wait_number(const int *number, int wanted)
{
	int64_t deadline = clock_now() + 10000 * MS;

	while (*number < wanted && clock_now() < deadline)
		help_pump(MS);
	return *number == wanted;
}

static void test_pieces(void)
{
	struct client c;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, GET("/at-once") GET("/text") GET("/stream?x=1"));
	ok(client_wait(&c, "4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 "),
		"pieces are sent with their length, and an end");
	has_str("Content-Type: text/event-stream\r\n"
		"Transfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n",
		c.in.data, "behind a header without a length");
	ok(client_wait(&c, "\r\n\r\ntext"), "the connection goes on");
	wait_streams(1);
	is_str("/stream", http_request_path(t.streams[0]),
		"a stream that goes on knows its path");
	is_str("1", http_request_query(t.streams[0], "x"), "and its query");
	is_str("a", http_request_header(t.streams[0], "host"), "and header");
	ok(client_wait(&c, "no-store\r\n\r\n"), "its header is sent");
	is_int(0, say(t.streams[0], "first"), "a piece is taken");
	is_int(0, say(t.streams[0], "second"), "and another");
	ok(client_wait(&c, "5\r\nfirst\r\n6\r\nsecond\r\n"), "both are sent");
	client_send(&c, GET("/text"));
	help_pump(5 * MS);
	is_int(0, say(t.streams[0], "third"), "one more, and the end");
	http_reply_finish(t.streams[0]);
	is_int(16, (int64_t)t.body_bytes, "whose bytes are counted");
	ok(client_wait(&c, "5\r\nthird\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"),
		"what the client asked meanwhile is answered behind it");
	is_int(4, t.done, "each answer is told when it is whole");
	client_close(&c);
	server_close();
}

static void test_late(void)
{
	struct client c;

	server_open(&help_limits, AF_UNIX);
	client_open(&c);
	client_send(&c, "POST /late HTTP/1.1\r\nHost: a\r\nX: y\r\n"
			"Content-Length: 4\r\n\r\nbody" GET("/text"));
	wait_streams(1);
	begin(t.streams[0]);
	is_str("y", http_request_header(t.streams[0], "x"),
		"a stream that begins late knows its header");
	is_int(0, say(t.streams[0], "late"), "and takes a piece");
	ok(client_wait(&c, "4\r\nlate\r\n"), "which is sent");
	http_reply_finish(t.streams[0]);
	ok(client_wait(&c, "0\r\n\r\nHTTP/1.1 200 "), "then the next answer");
	client_close(&c);
	server_close();
}

static void test_forms(void)
{
	struct client c;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_streams(1);
	is_int(-1, say(t.streams[0], "x"), "to HEAD no piece is sent");
	http_reply_finish(t.streams[0]);
	client_send(&c, GET("/text"));
	ok(client_wait(&c, "no-store\r\n\r\nHTTP/1.1 200 "), "but a header");
	client_send(&c, "GET /stream HTTP/1.0\r\n"
			"Connection: keep-alive\r\n\r\n");
	buf_reset(&c.in);
	wait_streams(2);
	is_int(0, say(t.streams[1], "plain"), "to an old client it is");
	http_reply_finish(t.streams[1]);
	ok(client_wait(&c, NULL), "and ends with the connection");
	has_str("Connection: close\r\nCache-Control: no-store\r\n\r\nplain",
		c.in.data, "without chunks");
	client_close(&c);
	client_open(&c);
	client_send(&c, GET("/stream"));
	wait_streams(3);
	is_int(0, say(t.streams[2], "half"), "an answer that breaks off");
	http_reply_cut(t.streams[2]);
	ok(client_wait(&c, NULL), "ends with the connection");
	has_str("4\r\nhalf\r\n", c.in.data, "after what was given");
	ok(strstr(c.in.data, "0\r\n\r\n") == NULL, "but without an end");
	client_close(&c);
	client_open(&c);
	client_send(&c, GET("/params?a=1&&b=%20x&a=2&c"));
	ok(client_wait(&c, "[a=1][b= x][a=2][c=]{Host: a}"),
		"all parameters and fields can be walked through");
	client_close(&c);
	server_close();
}

static void test_gone(void)
{
	struct client a, b;

	server_open(&help_limits, AF_INET);
	client_open(&a);
	client_open(&b);
	client_send(&a, GET("/stream"));
	client_send(&b, GET("/late"));
	wait_streams(2);
	help_pump(5 * MS);
	client_close(&a);
	ok(wait_number(&t.gone, 1), "a client that leaves is told of");
	is_int(0, http_server_counts(t.server)->connections - 1,
		"its connection is gone");
	is_int(-1, say(t.streams[0], "x"), "it takes no more");
	is_int(2, http_server_counts(t.server)->in_flight,
		"the request stays until it is finished");
	http_reply_finish(t.streams[0]);
	is_int(1, http_server_counts(t.server)->in_flight, "as it is now");
	is_str("127.0.0.1", t.client, "and its client's address is known");
	client_close(&b);
	help_pump(5 * MS);
	begin(t.streams[1]);
	(void)say(t.streams[1], "x");
	help_pump(5 * MS);
	(void)say(t.streams[1], "x");
	ok(wait_number(&t.gone, 2),
		"one that left before the beginning as well");
	t.finishes_when_told = true;
	client_open(&a);
	client_send(&a, GET("/stream"));
	wait_streams(3);
	client_close(&a);
	ok(wait_number(&t.gone, 3), "a stream can be finished when told");
	http_reply_finish(t.streams[1]);
	is_int(0, http_server_counts(t.server)->in_flight, "none is in hand");
	server_close();
}

static void test_full(void)
{
	struct client c;
	char *large = xcalloc(1, 4 * HTTP_STREAM_MAX);
	int64_t deadline = clock_now() + 20000 * MS;
	size_t most = 0;
	int count = 2000;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	t.left = count;
	client_send(&c, GET("/flood"));
	wait_streams(1);
	help_pump(20 * MS);
	ok(t.left > 0, "a stream that nobody reads gets full");
	is_int(1, http_reply_chunk(t.streams[0], large, 4 * HTTP_STREAM_MAX),
		"a long piece has to wait");
	while (most < (size_t)count * PIECE_SIZE && clock_now() < deadline) {
		help_pump(MS);
		client_read(&c);
		most += c.in.len;
		if (strstr(buf_str(&c.in), "\r\n0\r\n\r\n") != NULL)
			break;
		buf_reset(&c.in);
	}
	is_int(0, t.left, "it goes on as the client reads");
	ok(t.rooms > 0, "and is told so");
	help_pump(5 * MS);
	t.left = 0;
	client_send(&c, GET("/stream"));
	wait_streams(2);
	help_pump(5 * MS);
	is_int(0, http_reply_chunk(t.streams[1], large, 4 * HTTP_STREAM_MAX),
		"a piece longer than the limit is taken when nothing waits");
	http_reply_finish(t.streams[1]);
	free(large);
	client_close(&c);
	server_close();
}

static void test_slow(void)
{
	struct http_limits slow = help_limits;
	struct client c;
	int64_t start, deadline;

	slow.write_timeout_us = slow.header_timeout_us = slow.idle_timeout_us =
		150 * MS;
	server_open(&slow, AF_INET);
	client_open(&c);
	client_send(&c, GET("/stream"));
	wait_streams(1);
	help_pump(300 * MS);
	is_int(0, t.gone, "a stream may be silent for long");
	client_close(&c);
	ok(wait_number(&t.gone, 1), "until its client leaves");
	http_reply_finish(t.streams[0]);
	ok(t.duration_us >= 300 * MS, "all of that is its duration");
	ok(t.wait_us < 150 * MS, "but the answer began before it");

	client_open(&c);
	t.left = 1000000;
	client_send(&c, GET("/flood"));
	wait_streams(2);
	start = clock_now();
	deadline = start + 500 * MS;
	while (clock_now() < deadline) {
		help_pump(20 * MS);
		buf_reset(&c.in);
		client_read(&c);
	}
	is_int(1, t.gone, "a client that keeps reading is kept");
	ok(wait_number(&t.gone, 2), "one that reads no more is cut");
	t.left = 0;
	http_reply_finish(t.streams[1]);
	is_int(1, (int64_t)http_server_counts(t.server)->timeouts,
		"and counted");
	client_close(&c);
	server_close();
}

/* A client that sends without end while it is answered in pieces. */
static void test_pushy(void)
{
	struct client c;
	char *large = xmalloc(1 << 20);
	ssize_t sent = 0, n;
	int i;

	memset(large, 'x', 1 << 20);
	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, GET("/stream"));
	wait_streams(1);
	for (i = 0; i < 200; i++) {
		n = send(c.fd, large, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? n : 0;
		help_pump(MS / 4);
		(void)say(t.streams[0], ".");
	}
	ok(http_server_counts(t.server)->bytes_in < 65536,
		"only so much of what it sends is read");
	note("%zd bytes were sent", sent);
	http_reply_finish(t.streams[0]);
	ok(client_wait(&c, "HTTP/1.1 414 "), "and looked at afterwards");
	free(large);
	client_close(&c);
	server_close();
}

static void test_drain(void)
{
	struct client a, b, c;

	server_open(&help_limits, AF_INET);
	client_open(&a);
	client_open(&b);
	client_open(&c);
	client_send(&a, GET("/stream"));
	client_send(&b, GET("/stream"));
	wait_streams(2);
	t.finishes_when_told = true;
	http_server_drain(t.server, on_drained, NULL);
	is_int(0, t.drains, "a stream is not told from inside the call");
	ok(client_wait(&a, "\r\n0\r\n\r\n") && client_wait(&b, "\r\n0\r\n\r\n"),
		"streams end in good order when the server drains");
	is_int(2, t.drains, "each was told once");
	client_send(&c, GET("/stream"));
	ok(client_wait(&c, NULL), "one that begins then ends at once");
	has_str("Connection: close\r\n", c.in.data, "with its connection");
	is_int(3, t.drains, "as it was told");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	ok(wait_number(&t.drained, 1), "and the server is drained");
	server_close();
}

static void test_free(void)
{
	struct client a, b;

	server_open(&help_limits, AF_INET);
	client_open(&a);
	client_open(&b);
	client_send(&a, GET("/stream"));
	client_send(&b, GET("/late"));
	wait_streams(2);
	is_int(0, say(t.streams[0], "last words"), "a piece is taken");
	http_server_free(t.server);
	t.server = NULL;
	ok(client_wait(&a, "last words"), "and sent before the server goes");
	is_int(-1, say(t.streams[0], "x"), "a stream outlives its server");
	http_reply_begin(t.streams[1], 200, NULL);
	is_int(-1, say(t.streams[1], "x"), "and may begin without it");
	http_reply_finish(t.streams[0]);
	http_reply_cut(t.streams[1]);
	help_pump(5 * MS);
	is_int(0, t.gone, "but is told nothing any more");
	client_close(&a);
	client_close(&b);
	server_close();
}

int main(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	test_pieces();
	test_late();
	test_forms();
	test_gone();
	test_full();
	test_slow();
	test_pushy();
	test_drain();
	test_free();
	return tap_done();
}
