/* SPDX-License-Identifier: ISC */
/*
 * http_exact - a client that misses no failed request.
 *
 *	http_exact PORT CONNECTIONS PAUSE_MS keep-alive|close
 *
 * Each connection asks for /healthz, waits a random time of up to PAUSE_MS
 * and asks again, on the same connection as long as the server lets it.  A
 * request has failed when it could not be sent, when the connection ended
 * before its answer was whole, or when the answer is not the one expected.  A
 * connection that the server ends between two requests is no failure.  At
 * SIGTERM the answers under way are taken in, and then it prints "requests",
 * "failed", "reconnects", "p50_us", "p999_us" and "max_us", each with its
 * value.  The first failures are told on standard error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define CONNECTIONS_MAX 1024
#define ANSWER_MAX      4096
#define TOLD_MAX        5
/* Latencies are counted in steps of 10 us, up to 1 s. */
#define STEP_US  10
#define STEP_MAX 100000

struct conn {
	int fd;          /* -1: closed */
	bool waiting;    /* for an answer */
	int64_t due_us;  /* of the next request, while not waiting */
	int64_t sent_us; /* while waiting */
	size_t len;
	char answer[ANSWER_MAX + 1];
};

static struct conn conns[CONNECTIONS_MAX];
static int conn_count;
static struct sockaddr_in server = { .sin_family = AF_INET };
static int64_t pause_us;
static bool keep_alive;
static volatile sig_atomic_t ending;

static long requests, failed, reconnects;
static int64_t max_us;
static unsigned steps[STEP_MAX + 1];

static void on_term(int signo)
{
	(void)signo;
	ending = 1;
}

static void conn_close(struct conn *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->waiting = false;
	c->due_us = clock_now() + clock_jitter(pause_us);
}

static void conn_fail(struct conn *c, const char *why)
{
	if (++failed <= TOLD_MAX)
		fprintf(stderr, "http_exact: %s, %lld us after it was sent\n",
			why, (long long)(clock_now() - c->sent_us));
	conn_close(c);
}

static void conn_open(struct conn *c)
{
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	reconnects++;
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) == -1)
		conn_fail(c, strerror(errno));
}

static void conn_ask(struct conn *c)
{
	static const char fmt[] = "GET /healthz HTTP/1.1\r\n"
				  "Host: localhost\r\n%s\r\n";
	char text[128];
	int n = snprintf(text, sizeof(text), fmt,
		keep_alive ? "" : "Connection: close\r\n");

	requests++;
	c->sent_us = clock_now();
	if (c->fd == -1)
		conn_open(c);
	if (c->fd == -1)
		return;
	c->waiting = true;
	c->len = 0;
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		conn_fail(c, strerror(errno));
}

static void conn_done(struct conn *c, bool closes)
{
	int64_t us = clock_now() - c->sent_us;

	if (us > max_us)
		max_us = us;
	steps[us / STEP_US < STEP_MAX ? us / STEP_US : STEP_MAX]++;
	c->waiting = false;
	c->due_us = clock_now() + clock_jitter(pause_us);
	if (closes)
		conn_close(c);
}

static void conn_judge(struct conn *c)
{
	char *body = strstr(c->answer, "\r\n\r\n"), *length;
	static const char expected[] = "{\"status\":\"ok\"}\n";

	if (body == NULL) {
		if (c->len == ANSWER_MAX)
			conn_fail(c, "the head is too long");
		return;
	}
	*body = '\0';
	length = strcasestr(c->answer, "\r\nContent-Length: ");
	if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL) {
		conn_fail(c, c->answer);
		return;
	}
	if (c->len < (size_t)(body + 4 - c->answer) +
			     strtoul(length + 18, NULL, 10)) {
		*body = '\r';
		return;
	}
	if (strcmp(body + 4, expected) != 0)
		conn_fail(c, "another body");
	else
		conn_done(c, strcasestr(c->answer, "\r\nConnection: close"));
}

static void conn_read(struct conn *c)
{
	char *to = c->waiting ? c->answer + c->len : c->answer;
	ssize_t n = recv(
		c->fd, to, c->waiting ? ANSWER_MAX - c->len : ANSWER_MAX, 0);

	if (!c->waiting) {
		if (n > 0)
			conn_fail(c, "an answer to no request");
		else
			conn_close(c);
		return;
	}
	if (n <= 0) {
		conn_fail(c, n == 0 ? "closed before the answer was whole"
				    : strerror(errno));
		return;
	}
	c->len += (size_t)n;
	c->answer[c->len] = '\0';
	conn_judge(c);
}

/* One turn: ask where it is time, wait, read.  How many answers are due. */
static int turn(void)
{
	struct pollfd fds[CONNECTIONS_MAX];
	int64_t now = clock_now(), next = now + US_PER_S, wait_us;
	int i, waiting = 0;

	for (i = 0; i < conn_count; i++) {
		struct conn *c = &conns[i];

		if (!ending && !c->waiting && c->due_us <= now)
			conn_ask(c);
		if (!c->waiting && c->due_us < next)
			next = c->due_us;
		waiting += c->waiting;
		fds[i] = (struct pollfd){ c->fd, POLLIN, 0 };
	}
	wait_us = next - clock_now();
	if (poll(fds, (nfds_t)conn_count,
		    wait_us > 0 ? (int)(wait_us / 1000) + 1 : 0) <= 0)
		return waiting;
	for (i = 0; i < conn_count; i++)
		if (fds[i].revents != 0 && conns[i].fd == fds[i].fd)
			conn_read(&conns[i]);
	return waiting;
}

static long long share_us(double share)
{
	double left = (double)(requests - failed) * share;
	int i;

	for (i = 0; i < STEP_MAX; i++) {
		left -= steps[i];
		if (left <= 0)
			break;
	}
	return (long long)i * STEP_US;
}

int main(int argc, char **argv)
{
	int i, waiting;

	if (argc != 5) {
		fprintf(stderr, "usage: http_exact PORT CONNECTIONS PAUSE_MS "
				"keep-alive|close\n");
		return 2;
	}
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	conn_count = atoi(argv[2]);
	if (conn_count < 1 || conn_count > CONNECTIONS_MAX)
		return 2;
	pause_us = atoi(argv[3]) * (int64_t)US_PER_MS;
	keep_alive = strcmp(argv[4], "keep-alive") == 0;
	signal(SIGTERM, on_term);
	for (i = 0; i < conn_count; i++) {
		conns[i].fd = -1;
		conns[i].due_us = clock_now() + clock_jitter(pause_us);
	}
	do
		waiting = turn();
	while (!ending || waiting > 0);
	printf("requests %ld\nfailed %ld\nreconnects %ld\n"
	       "p50_us %lld\np999_us %lld\nmax_us %lld\n",
		requests, failed, reconnects, share_us(0.5), share_us(0.999),
		(long long)max_us);
	return 0;
}
