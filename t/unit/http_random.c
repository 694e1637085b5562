/* SPDX-License-Identifier: ISC */
/*
 * http: clients and handlers that do whatever comes to their minds.
 *
 * Requests in pieces and many at once, answers at once, late and in pieces,
 * clients that leave at any time, and a server that drains in between: in the
 * end nothing is in hand, and every answer was told once.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http_help.h"
#include "tap.h"

#define CLIENTS   8
#define HELD_MAX  64
#define ROUNDS    12
#define STEPS     1500
#define PIECE_MAX 20000

static struct {
	struct http_server *server;
	struct http_request *held[HELD_MAX]; /* late ones and streams */
	bool is_stream[HELD_MAX], is_gone[HELD_MAX];
	size_t count;
	int taken, done, drained;
	unsigned bad; /* promises that were broken */
	char piece[PIECE_MAX];
} t;

static unsigned dice(unsigned sides)
{
	return (unsigned)random() % sides;
}

static size_t find(const struct http_request *req)
{
	size_t i;

	for (i = 0; i < t.count && t.held[i] != req; i++)
		;
	return i;
}

static void forget(size_t i)
{
	t.count--;
	t.held[i] = t.held[t.count];
	t.is_stream[i] = t.is_stream[t.count];
	t.is_gone[i] = t.is_gone[t.count];
}

static void finish(size_t i)
{
	struct http_request *req = t.held[i];
	bool is_stream = t.is_stream[i];

	forget(i);
	if (!is_stream)
		http_reply(req, 200, "text/plain", t.piece, dice(PIECE_MAX));
	else if (dice(8) == 0)
		http_reply_cut(req);
	else
		http_reply_finish(req);
}

static void on_event(
	struct http_request *req, enum http_stream_event event, void *arg)
{
	size_t i = find(req);

	t.bad += arg != &t || i == t.count;
	t.bad += t.is_gone[i];
	t.is_gone[i] = event == HTTP_STREAM_GONE;
	if (dice(2) == 0)
		finish(i);
}

static void begin(size_t i)
{
	http_reply_begin(t.held[i], 200, "text/plain");
	http_reply_on_event(t.held[i], on_event, &t);
	t.is_stream[i] = true;
}

/* One thing that an owner of a request may do. */
static void act(size_t i)
{
	int end;

	if (!t.is_stream[i]) {
		if (dice(2) == 0)
			finish(i);
		else
			begin(i);
		return;
	}
	end = http_reply_chunk(t.held[i], t.piece, dice(PIECE_MAX));
	t.bad += t.is_gone[i] && end != -1;
	if (dice(4) == 0)
		finish(i);
}

static void on_request(struct http_request *req, void *arg)
{
	size_t len;

	(void)arg;
	t.taken++;
	t.bad += http_request_path(req)[0] != '/';
	t.bad += http_request_body(req, &len) == NULL;
	if (t.count == HELD_MAX || dice(3) == 0) {
		http_reply(req, 200, "text/plain", t.piece, dice(PIECE_MAX));
		return;
	}
	if (dice(2) == 0)
		http_request_own(req);
	t.held[t.count] = req;
	t.is_stream[t.count] = t.is_gone[t.count] = false;
	t.count++;
	while (dice(2) == 0 && find(req) < t.count)
		act(find(req));
}

static void on_done(const struct http_done *d, void *arg)
{
	(void)arg;
	t.done += !d->is_refused;
	t.bad += http_request_id(d->req)[0] == '\0';
}

static void on_drained(void *arg)
{
	(void)arg;
	t.drained++;
}

static void send_some(struct client *c)
{
	static const char *const texts[] = { GET("/a"), GET("/b") GET("/c?d=e"),
		"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		"\r\n3\r\nabc\r\n0\r\n\r\n",
		"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"BREW / HTTP/1.1\r\n\r\n" };
	const char *text = texts[dice(dice(4) == 0 ? 8 : 4)];
	size_t len = strlen(text), cut = dice(4) == 0 ? dice(len) : len;

	/* Some of it may never come. */
	(void)send(c->fd, text, cut, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void step(struct client *clients)
{
	struct client *c = &clients[dice(CLIENTS)];

	switch (dice(8)) {
	case 0:
	case 1: send_some(c); break;
	case 2:
		client_read(c);
		buf_reset(&c->in);
		break;
	case 3:
		if (client_is_over(c) || dice(8) == 0) {
			client_close(c);
			client_open(c);
		}
		break;
	case 4:
		if (dice(8) == 0)
			(void)shutdown(c->fd, SHUT_WR);
		break;
	case 5:
	case 6:
		if (t.count > 0)
			act(dice((unsigned)t.count));
		break;
	default: help_pump(dice(4) == 0 ? MS / 4 : 0); break;
	}
}

/* A listener that is drained takes nobody: who comes then is left alone. */
static void play(int round)
{
	struct client clients[CLIENTS];
	struct http_limits limits = help_limits;
	int i;

	limits.linger_us = 20 * MS;
	limits.write_timeout_us = 50 * MS;
	t.server =
		help_open(&limits, round % 2 ? AF_INET : AF_UNIX, on_request);
	http_server_on_done(t.server, on_done, NULL);
	http_server_use_ids(t.server);
	http_server_use_gzip(t.server);
	t.taken = t.done = t.drained = 0;
	for (i = 0; i < CLIENTS; i++)
		client_open(&clients[i]);
	for (i = 0; i < STEPS; i++) {
		if (i == STEPS - 100 && round % 3 == 0)
			http_server_drain(t.server, on_drained, NULL);
		step(clients);
	}
	for (i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	while (t.count > 0 && round % 4 != 3)
		finish(dice((unsigned)t.count));
	help_pump(2 * MS);
	if (t.count == 0) {
		is_int(0, http_server_counts(t.server)->in_flight,
			"round %d: nothing is in hand", round);
		is_int(t.taken, t.done, "%d answers were told", t.taken);
	}
	http_server_free(t.server);
	while (t.count > 0)
		finish(0);
	help_close();
}

int main(void)
{
	const char *given = getenv("REEVE_TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
				      : (unsigned)clock_now();
	int i;

	log_set_level(LOG_LEVEL_ERROR);
	note("REEVE_TEST_SEED=%u", seed);
	srandom(seed);
	memset(t.piece, 'p', sizeof(t.piece));
	for (i = 0; i < ROUNDS; i++)
		play(i);
	is_int(0, t.bad, "no promise is broken");
	return tap_done();
}
