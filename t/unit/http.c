/* SPDX-License-Identifier: ISC */
/* http: the server on the loop, with its clients in the same process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/http.h"
#include "http_help.h"
#include "tap.h"

#define BIG_SIZE (16 << 20)

/* One server; each test makes its own. */
static struct {
	struct http_server *server;
	struct http_request *late[16]; /* of /late, not yet answered */
	size_t late_count;
	int drained, done_count, turns;
	struct http_done last;
	char last_client[64];
	char *big;
} t;

static void reply_text(struct http_request *req, const char *text)
{
	http_reply(req, 200, "text/plain", text, strlen(text));
}

static void reply_peer(struct http_request *req)
{
	struct http_peer peer = { 0, 0, 0 };
	char text[64] = "none";

	if (http_request_peer(req, &peer))
		snprintf(text, sizeof(text), "%d %d", (int)peer.pid,
			(int)peer.uid);
	reply_text(req, text);
}

static void reply_query(struct http_request *req)
{
	const char *a = http_request_query(req, "a");
	const char *b = http_request_query(req, "b c");
	char text[64];

	snprintf(text, sizeof(text), "a=%s b=%s z=%s", a ? a : "-", b ? b : "-",
		http_request_query(req, "z") ? "yes" : "-");
	reply_text(req, text);
}

static void reply_field(struct http_request *req)
{
	int bad = 0;

	bad += http_reply_header(req, "X-A", "1\r\nX-B: 2") == 0;
	bad += http_reply_header(req, "X A", "1") == 0;
	bad += http_reply_header(req, "", "1") == 0;
	bad += http_reply_header(req, "Allow", "GET") != 0;
	reply_text(req, bad == 0 ? "good" : "bad");
}

static void keep_own(struct http_request *req)
{
	http_request_own(req);
	http_request_own(req);
	t.late[t.late_count++] = req;
}

static void on_request(struct http_request *req, void *arg)
{
	const char *path = http_request_path(req), *body;
	size_t len;

	(void)arg;
	body = http_request_body(req, &len);
	if (strcmp(path, "/late") == 0)
		t.late[t.late_count++] = req;
	else if (strcmp(path, "/own") == 0)
		keep_own(req);
	else if (strcmp(path, "/big") == 0)
		http_reply(req, 200, "text/plain", t.big, BIG_SIZE);
	else if (strcmp(path, "/echo") == 0)
		http_reply(req, 200, "text/plain", body, len);
	else if (strcmp(path, "/peer") == 0)
		reply_peer(req);
	else if (strcmp(path, "/query") == 0)
		reply_query(req);
	else if (strcmp(path, "/field") == 0)
		reply_field(req);
	else if (strcmp(path, "/none") == 0)
		http_reply(req, 204, NULL, NULL, 0);
	else if (strcmp(path, "/problem") == 0)
		http_reply_problem(req, 404, "no such \"thing\"");
	else
		reply_text(req, path);
}

static void on_done(const struct http_done *d, void *arg)
{
	(void)arg;
	t.done_count++;
	t.last = *d;
	snprintf(t.last_client, sizeof(t.last_client), "%s",
		http_request_client(d->req));
}

static void on_drained(void *arg)
{
	(void)arg;
	t.drained++;
}

static void on_turn(void *arg)
{
	(void)arg;
	t.turns++;
}

static void server_open(const struct http_limits *limits, int family)
{
	memset(&t, 0, sizeof(t));
	t.server = help_open(limits, family, on_request);
	loop_set_hooks(help.loop, NULL, on_turn, NULL);
	http_server_on_done(t.server, on_done, NULL);
	t.big = xmalloc(BIG_SIZE);
	memset(t.big, 'b', BIG_SIZE);
}

static void server_close(void)
{
	http_server_free(t.server);
	help_close();
	free(t.big);
}

static void test_keep_alive(void)
{
	struct client c;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, GET("/one"));
	ok(client_wait(&c, "\r\n\r\n/one"), "a request is answered");
	has_str("HTTP/1.1 200 OK\r\nDate: ", c.in.data, "with status and date");
	has_str("Content-Length: 4\r\n", c.in.data, "and its length");
	client_send(&c, GET("/two"));
	ok(client_wait(&c, "\r\n\r\n/two"), "so is a second one");
	ok(strstr(c.in.data, "Connection:") == NULL, "the connection stays");
	is_int(1, http_server_counts(t.server)->connections, "one is open");
	is_int(2, (int64_t)http_server_counts(t.server)->by_class[2],
		"two answers are counted");
	is_int(2, t.done_count, "and told");
	is_int(4, (int64_t)t.last.body_bytes, "with the bytes of the body");
	is_int(200, t.last.status, "the status");
	ok(t.last.duration_us >= 0 && !t.last.is_refused, "and the time");
	shutdown(c.fd, SHUT_WR);
	ok(client_wait(&c, NULL), "the client ends it");
	is_int(0, http_server_counts(t.server)->connections, "none is open");
	client_close(&c);
	server_close();
}

static void test_forms(void)
{
	struct client c;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n" GET("/x"));
	ok(client_wait(&c, "Content-Length: 5\r\n\r\nHTTP/1.1 200"),
		"HEAD sends the length but no body");
	client_send(&c, GET("/none"));
	ok(client_wait(&c, "HTTP/1.1 204 No Content\r\n"), "204 is sent");
	ok(client_wait(&c, "GMT\r\n\r\n"), "without a length");
	client_send(&c, GET("/query?a=1%2b+2&b+c&=&a=3"));
	ok(client_wait(&c, "a=1+ 2 b= z=-"), "a query is decoded");
	client_send(&c, GET("/field"));
	ok(client_wait(&c, "good"), "a split field of an answer is refused");
	has_str("\r\nAllow: GET\r\n", c.in.data, "a good one is sent");
	client_send(&c, GET("/problem"));
	ok(client_wait(&c, "\"detail\":\"no such \\\"thing\\\"\"}"),
		"a problem document tells what is wrong");
	client_send(&c, "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(client_wait(&c, "Connection: keep-alive\r\n\r\n/old"),
		"an old client can keep its connection");
	client_send(&c, "GET /older HTTP/1.0\r\n\r\n");
	ok(client_wait(&c, NULL), "and is closed when it does not ask to");
	has_str("Connection: close\r\n\r\n/older", c.in.data, "as it is told");
	client_close(&c);
	server_close();
}

static void test_body(void)
{
	struct client c;
	char body[90000];

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c,
		"POST /echo HTTP/1.1\r\nHost: a\r\n"
		"Expect: 100-continue\r\nContent-Length: 90000\r\n\r\n");
	ok(client_wait(&c, "HTTP/1.1 100 Continue\r\n\r\n"),
		"a client that asks may continue");
	memset(body, 'x', sizeof(body));
	body[sizeof(body) - 1] = '!';
	client_send_bytes(&c, body, sizeof(body));
	ok(client_wait(&c, "x!"), "a long body comes back");
	is_int(1, client_answers(&c) - 1, "and it was asked only once");
	buf_reset(&c.in);
	client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			"Transfer-Encoding: chunked\r\n\r\n");
	help_pump(MS);
	client_send(&c, "5\r\nhello\r\n");
	help_pump(MS);
	client_send(&c, "6\r\n world\r\n0\r\n\r\n" GET("/after"));
	ok(client_wait(&c, "\r\n\r\nhello world"), "chunks are put together");
	ok(client_wait(&c, "\r\n\r\n/after"), "and end where they end");
	client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			"Content-Length: 100001\r\n\r\n");
	ok(client_wait(&c, "HTTP/1.1 413 "), "a body too long is refused");
	is_int(1, (int64_t)http_server_counts(t.server)->rejected,
		"and counted");
	client_close(&c);
	server_close();
}

static void test_pipeline(void)
{
	struct client c;
	struct buf many = BUF_INIT;
	char last[32];
	int i;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(
		&c, GET("/1") GET("/late") GET("/3") GET("/late") GET("/5"));
	ok(client_wait(&c, "/1"), "the first of five is answered");
	help_pump(5 * MS);
	is_int(1, (int64_t)t.late_count, "the second holds up the others");
	is_int(1, http_server_counts(t.server)->in_flight, "one is in hand");
	is_str("/late", http_request_path(t.late[0]), "its path stays");
	reply_text(t.late[0], "/2");
	ok(client_wait(&c, "/3"), "then it goes on");
	reply_text(t.late[1], "/4");
	ok(client_wait(&c, "/5"), "to the end");
	ok(strstr(c.in.data, "/1") < strstr(c.in.data, "/2") &&
			strstr(c.in.data, "/2") < strstr(c.in.data, "/3") &&
			strstr(c.in.data, "/3") < strstr(c.in.data, "/4"),
		"answers come in the order of the requests");
	buf_reset(&c.in);
	for (i = 0; i < 2000; i++)
		buf_printf(
			&many, "GET /number-%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
	client_send_bytes(&c, many.data, many.len);
	snprintf(last, sizeof(last), "/number-%d", i - 1);
	ok(client_wait(&c, last), "2000 in a row are answered");
	is_int(2000, client_answers(&c), "each once");
	buf_done(&many);
	client_close(&c);
	server_close();
}

static void test_split(void)
{
	static const char text[] =
		"\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n"
		"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nef" GET(
			"/end");
	struct client c;
	size_t cut;
	int bad = 0;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	for (cut = 1; cut < sizeof(text) - 1; cut++) {
		buf_reset(&c.in);
		client_send_bytes(&c, text, cut);
		help_pump(MS / 2);
		client_send_bytes(&c, text + cut, sizeof(text) - 1 - cut);
		bad += !client_wait(&c, "\r\n\r\n/end") ||
		       strstr(c.in.data, "\r\n\r\nabcd") == NULL ||
		       strstr(c.in.data, "\r\n\r\nef") == NULL ||
		       client_answers(&c) != 3;
	}
	is_int(0, bad, "requests cut at any byte are answered all the same");
	for (cut = 0; cut < sizeof(text) - 1; cut++) {
		client_send_bytes(&c, text + cut, 1);
		help_pump(MS / 4);
	}
	buf_reset(&c.in);
	ok(client_wait(&c, "\r\n\r\n/end"), "and byte by byte");
	client_close(&c);
	server_close();
}

static void test_bad(void)
{
	struct client c;
	char more[20000];

	server_open(&help_limits, AF_INET);
	client_open(&c);
	memset(more, 'x', sizeof(more));
	client_send(&c, "GET / HTTP/1.1\r\n\r\n");
	client_send_bytes(&c, more, sizeof(more));
	ok(client_wait(&c, "HTTP/1.1 400 Bad Request\r\n"),
		"a bad request is answered");
	client_send_bytes(&c, more, sizeof(more));
	ok(client_wait(&c, NULL),
		"and the stream ends well though more has come");
	has_str("Content-Type: application/problem+json\r\n", c.in.data,
		"with a problem document");
	has_str("\"detail\":\"a Host field is missing\"", c.in.data,
		"that tells why");
	has_str("Connection: close\r\n", c.in.data, "and that this is all");
	is_int(1, http_server_counts(t.server)->connections,
		"the server waits for the client to close");
	client_close(&c);
	help_pump(5 * MS);
	is_int(0, http_server_counts(t.server)->connections, "which it does");
	is_int(400, t.last.status, "the answer was told");
	ok(t.last.is_refused, "as one that the server gave itself");
	is_str("127.0.0.1", t.last_client, "and to whom");
	server_close();
}

static void test_slow(void)
{
	struct http_limits slow = help_limits;
	struct client silent, trickle, idle, body;
	int64_t start = clock_now();

	slow.header_timeout_us = 150 * MS;
	slow.body_timeout_us = 150 * MS;
	slow.idle_timeout_us = 200 * MS;
	server_open(&slow, AF_INET);
	client_open(&silent);
	client_open(&trickle);
	client_open(&idle);
	client_open(&body);
	client_send(&idle, GET("/idle"));
	ok(client_wait(&idle, "/idle"), "one client is answered");
	client_send(&body, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			   "Content-Length: 10\r\n\r\n12");
	while (!client_is_over(&trickle) && clock_now() < start + 5000 * MS) {
		if (trickle.in.len == 0)
			client_send(&trickle, "G");
		help_pump(10 * MS);
		client_read(&trickle);
	}
	ok(trickle.is_eof, "one that trickles is cut");
	has_str("HTTP/1.1 408 Request Timeout\r\n", buf_str(&trickle.in),
		"and told why");
	ok(client_wait(&body, NULL) &&
			strstr(body.in.data, "HTTP/1.1 408 ") != NULL,
		"so is one whose body does not come");
	ok(client_wait(&silent, NULL) && silent.in.len == 0,
		"one that says nothing is closed without a word");
	ok(client_wait(&idle, NULL) && client_answers(&idle) == 1,
		"and so is an idle one");
	is_int(3, (int64_t)http_server_counts(t.server)->timeouts,
		"three were too slow");
	client_close(&silent);
	client_close(&trickle);
	client_close(&idle);
	client_close(&body);
	server_close();
}

static void test_slow_reader(void)
{
	struct http_limits slow = help_limits;
	struct client c;
	int64_t deadline = clock_now() + 10000 * MS;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, GET("/big") GET("/after"));
	while (c.in.len <= BIG_SIZE && clock_now() < deadline) {
		help_pump(MS);
		client_read(&c);
	}
	ok(c.in.len > BIG_SIZE, "a big answer comes whole");
	buf_drop(&c.in, BIG_SIZE);
	ok(client_wait(&c, "\r\n\r\n/after"), "and then the next");
	client_close(&c);
	server_close();

	slow.write_timeout_us = 100 * MS;
	server_open(&slow, AF_INET);
	client_open(&c);
	client_send(&c, GET("/big"));
	deadline = clock_now() + 10000 * MS;
	while (http_server_counts(t.server)->timeouts == 0 &&
		clock_now() < deadline)
		help_pump(10 * MS);
	is_int(0, http_server_counts(t.server)->connections,
		"a client that does not read is cut");
	client_close(&c);
	server_close();
}

static void test_late(void)
{
	struct client a, b, gone;

	server_open(&help_limits, AF_INET);
	client_open(&a);
	client_open(&b);
	client_open(&gone);
	client_send(&a, GET("/late"));
	client_send(&b, GET("/fast"));
	client_send(&gone, GET("/late"));
	ok(client_wait(&b, "/fast"), "others don't wait for a late answer");
	while (t.late_count < 2)
		help_pump(MS);
	client_close(&gone);
	help_pump(MS);
	reply_text(t.late[0], "now");
	reply_text(t.late[1], "now");
	ok(client_wait(&a, "now"), "a late answer arrives");
	help_pump(5 * MS);
	is_int(2, http_server_counts(t.server)->connections,
		"an answer to a client that is gone does no harm");
	is_int(0, http_server_counts(t.server)->in_flight, "none is in hand");
	client_send(&a, GET("/late"));
	while (t.late_count < 3)
		help_pump(MS);
	http_server_free(t.server);
	t.server = NULL;
	is_str("/late", http_request_path(t.late[2]),
		"a request outlives the server");
	reply_text(t.late[2], "never");
	ok(true, "and can be answered into the void");
	client_close(&a);
	client_close(&b);
	server_close();
}

static void wait_late(size_t count)
{
	while (t.late_count < count)
		help_pump(MS);
}

static void test_own(void)
{
	const char *body;
	struct client c;
	size_t len;

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, "POST /own?a=b HTTP/1.1\r\nHost: a\r\nX: y\r\n"
			"Content-Length: 4\r\n\r\nbody" GET("/1") GET("/late")
				GET("/2"));
	wait_late(1);
	body = http_request_body(t.late[0], &len);
	ok(len == 4 && memcmp(body, "body", 4) == 0,
		"a request with memory of its own has its body");
	is_str("/own", http_request_path(t.late[0]), "its path");
	is_str("b", http_request_query(t.late[0], "a"), "its query");
	is_str("y", http_request_header(t.late[0], "x"), "its header");
	reply_text(t.late[0], "own");
	wait_late(2);
	ok(client_wait(&c, "\r\n\r\n/1"),
		"what came in the same piece is answered behind it");
	reply_text(t.late[1], "late");
	ok(client_wait(&c, "\r\n\r\n/2"), "up to the last");
	client_close(&c);
	server_close();
}

static void test_drain(void)
{
	struct client idle, fresh, busy;

	server_open(&help_limits, AF_INET);
	client_open(&idle);
	client_open(&fresh);
	client_open(&busy);
	client_send(&idle, GET("/1"));
	client_send(&busy, GET("/late"));
	ok(client_wait(&idle, "/1"), "a client is served");
	while (t.late_count == 0)
		help_pump(MS);
	http_server_drain(t.server, on_drained, NULL);
	help_pump(20 * MS);
	is_int(3, http_server_counts(t.server)->connections,
		"draining cuts no connection at once");
	client_send(&idle, GET("/2"));
	ok(client_wait(&idle, "Connection: close\r\n\r\n/2"),
		"the next request of an idle one is answered with close");
	ok(client_wait(&idle, NULL), "and ends well");
	client_send(&fresh, GET("/3"));
	ok(client_wait(&fresh, "Connection: close\r\n\r\n/3"),
		"so is the first request of a new one");
	client_close(&idle);
	client_close(&fresh);
	help_pump(5 * MS);
	is_int(0, t.drained, "it is not over while one is in hand");
	reply_text(t.late[0], "late");
	ok(client_wait(&busy, "Connection: close\r\n\r\nlate"),
		"that is answered too");
	client_close(&busy);
	help_pump(5 * MS);
	is_int(1, t.drained, "and then it is over");
	server_close();
}

static void test_drain_idle(void)
{
	struct http_limits quick = help_limits;
	struct client idle, backlog;
	int64_t start;

	quick.linger_us = 100 * MS;
	server_open(&quick, AF_INET);
	client_open(&idle);
	client_send(&idle, GET("/1"));
	ok(client_wait(&idle, "/1"), "a client is served");
	start = clock_now();
	http_server_drain(t.server, on_drained, NULL);
	client_open(&backlog);
	client_send(&backlog, GET("/backlog"));
	ok(client_wait(&idle, NULL), "an idle one is cut in the end");
	ok(clock_now() - start >= 100 * MS, "but not before linger");
	client_close(&idle);
	help_pump(5 * MS);
	is_int(1, t.drained, "then it is over");
	is_int(1, (int64_t)http_server_counts(t.server)->accepted,
		"a connection in the backlog is left to others");
	client_close(&backlog);
	server_close();

	server_open(&help_limits, AF_INET);
	http_server_drain(t.server, on_drained, NULL);
	is_int(0, t.drained, "with no connection it is over");
	help_pump(5 * MS);
	is_int(1, t.drained, "in the next turn");
	server_close();
}

static void test_full(void)
{
	struct http_limits few = help_limits;
	struct client a, b, c;

	few.connections_max = 2;
	server_open(&few, AF_INET);
	client_open(&a);
	client_open(&b);
	client_open(&c);
	client_send(&a, GET("/a"));
	client_send(&b, GET("/b"));
	client_send(&c, GET("/c"));
	ok(client_wait(&a, "/a") && client_wait(&b, "/b"), "two are served");
	help_pump(20 * MS);
	client_read(&c);
	ok(c.in.len == 0, "a third one waits");
	client_close(&a);
	ok(client_wait(&c, "/c"), "until there is room");
	client_close(&b);
	client_close(&c);
	server_close();
}

static void test_spare(void)
{
	struct http_limits few = help_limits;
	struct client a, b, c, d;

	few.connections_max = 2;
	server_open(&few, AF_INET);
	client_open(&a);
	client_open(&b);
	client_send(&a, GET("/a"));
	client_send(&b, GET("/b"));
	ok(client_wait(&a, "/a") && client_wait(&b, "/b"), "two are served");
	help_pump(600 * MS);
	client_send(&a, GET("/again"));
	ok(client_wait(&a, "/again"), "one of them again");
	client_open(&c);
	client_open(&d);
	client_send(&c, GET("/c"));
	client_send(&d, GET("/d"));
	help_pump(100 * MS);
	client_read(&b);
	client_read(&c);
	ok(c.in.len == 0 && !client_is_over(&b), "others wait for a second");
	ok(client_wait(&c, "/c"), "then one takes the place");
	ok(client_wait(&b, NULL), "of the one that was idle for longer");
	client_send(&a, GET("/more"));
	ok(client_wait(&a, "/more"), "the other is served");
	client_read(&d);
	ok(d.in.len == 0, "and no more than may be are open");
	client_close(&a);
	ok(client_wait(&d, "/d"), "one that leaves makes room at once");
	client_close(&b);
	client_close(&c);
	client_close(&d);
	server_close();
}

/* Who says nothing, or trickles, has no claim to a place either. */
static void test_spare_slow(void)
{
	struct http_limits few = help_limits;
	struct client a, b, c, d;

	few.connections_max = 2;
	server_open(&few, AF_INET);
	client_open(&a);
	help_pump(5 * MS);
	client_open(&b);
	client_send(&b, "GET /b HTTP/1.1\r\n");
	help_pump(5 * MS);
	client_open(&c);
	client_send(&c, GET("/c"));
	ok(client_wait(&c, "/c"), "one that asks takes the place");
	ok(client_wait(&a, NULL), "of one that says nothing");
	client_send(&c, GET("/again"));
	client_open(&d);
	client_send(&d, GET("/d"));
	ok(client_wait(&d, "/d"), "and another that");
	ok(client_wait(&b, NULL), "of one that is slow to ask");
	ok(client_wait(&c, "/again"), "not of who was served just now");
	is_int(2, (int64_t)http_server_counts(t.server)->timeouts,
		"both are counted as slow");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	client_close(&d);
	server_close();
}

/* Bodies that are not whole lie in memory, of which there is so much. */
static void test_held(void)
{
	static const char piece[65536];
	struct http_limits large = help_limits;
	struct client a, b;
	size_t sent;

	large.body_max = 64 << 20;
	server_open(&large, AF_INET);
	client_open(&a);
	client_open(&b);
	client_send(&a, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			"Content-Length: 60000000\r\n\r\n");
	for (sent = 0; sent < (34 << 20); sent += sizeof(piece)) {
		client_send_bytes(&a, piece, sizeof(piece));
		help_pump(MS / 10);
	}
	client_send(&b, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			"Content-Length: 5\r\n\r\nx");
	help_pump(MS);
	client_send(&b, "y");
	help_pump(MS);
	client_send(&b, "yyz");
	ok(client_wait(&b, "xyyyz"), "beyond it others are served");
	ok(client_wait(&a, "HTTP/1.1 503 "), "who was there first is refused");
	ok(strstr(buf_str(&a.in), "\r\nRetry-After: 1\r\n") != NULL,
		"for the time being");
	ok(client_wait(&a, NULL), "and closed");
	client_close(&a);
	client_close(&b);
	server_close();
}

static void test_descriptors(void)
{
	struct rlimit old, low;
	struct client a, b, c;
	int turns;

	server_open(&help_limits, AF_INET);
	client_open(&a);
	client_send(&a, GET("/a"));
	ok(client_wait(&a, "/a"), "a client is served");
	client_open(&b);
	client_send(&b, GET("/b"));
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)b.fd + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	turns = t.turns;
	help_pump(150 * MS);
	setrlimit(RLIMIT_NOFILE, &old);
	ok(t.turns - turns < 10, "without descriptors it does not spin");
	ok(client_wait(&b, "/b"), "and serves when there are some again");
	client_open(&c);
	client_send(&c, GET("/c"));
	low.rlim_cur = (rlim_t)c.fd + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	ok(client_wait(&c, "/c"), "or when one was idle for a second");
	ok(client_wait(&a, NULL), "which is closed for it");
	setrlimit(RLIMIT_NOFILE, &old);
	client_close(&a);
	client_close(&b);
	client_close(&c);
	server_close();
}

static void test_unix(void)
{
	struct client c;
	char wanted[64];

	server_open(&help_limits, AF_UNIX);
	client_open(&c);
	snprintf(wanted, sizeof(wanted), "\r\n\r\n%d %d", (int)getpid(),
		(int)getuid());
	client_send(&c, GET("/peer"));
	ok(client_wait(&c, wanted), "the peer of a unix socket is known");
	client_close(&c);
	server_close();

	server_open(&help_limits, AF_INET);
	client_open(&c);
	client_send(&c, GET("/peer"));
	ok(client_wait(&c, "none"), "that of a TCP connection is not");
	client_close(&c);
	help_pump(5 * MS);
	t.turns = 0;
	help_pump(50 * MS);
	is_int(1, t.turns, "a server without connections never wakes up");
	server_close();
}

int main(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	test_keep_alive();
	test_forms();
	test_body();
	test_pipeline();
	test_split();
	test_bad();
	test_slow();
	test_slow_reader();
	test_late();
	test_own();
	test_drain();
	test_drain_idle();
	test_full();
	test_spare();
	test_spare_slow();
	test_held();
	test_descriptors();
	test_unix();
	return tap_done();
}
