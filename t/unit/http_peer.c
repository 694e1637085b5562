/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http_peer.h"
#include "loop/http.h"
#include "tap.h"

#define WAITING_MAX 4096
#define JOBS_MAX    64

static struct {
	struct http_server *server;
	struct http_request *waiting[WAITING_MAX];
	int waiting_count;
	struct {
		char id[128];
		int asked;
	} jobs[JOBS_MAX];
	int life[2]; /* a pipe: the test's end open means go on */
} peer;

/* What the bad one says to "GET /NAME". */
static const struct {
	const char *name, *text;
} bad_words[] = {
	{ "/garbage", "SSH-2.0-OpenSSH_9.2\r\nnothing you know\r\n" },
	{ "/chunked",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"Connection: close\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n"
		"0\r\nTrailer: 1\r\n\r\n" },
	{ "/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		     "Connection: close\r\n\r\nzz\r\nhello\r\n" },
	{ "/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello" },
	{ "/nothing", "" },
	{ "/early", "HTTP/1.1 100 Continue\r\nRetry-After: 7\r\n\r\n"
		    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "/until-eof",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end" },
	{ "/not-json", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
		       "Connection: close\r\n\r\n{\"job\":{\"" },
	{ "/no-id", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
		    "Connection: close\r\n\r\n{\"job\":[]}" },
};

static int peer_listen(int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&a, len) == -1 ||
		listen(fd, 4096) == -1 ||
		getsockname(fd, (struct sockaddr *)&a, &len) == -1)
		bail("no socket to listen on");
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void reply_echo(struct http_request *req)
{
	static const char *const fields[] = { "X-Reeve-Task-Id",
		"X-Reeve-Attempt", "X-Reeve-Epoch", "X-Reeve-Tenant",
		"X-Reeve-Handler", "Idempotency-Key", "Content-Type",
		"User-Agent", "X-Own", "Expect" };
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "PATCH", "OPTIONS" };
	struct buf b = BUF_INIT;
	const char *value;
	size_t i, len;

	buf_printf(&b, "%s\n", methods[http_request_method(req)]);
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		value = http_request_header(req, fields[i]);
		if (value != NULL)
			buf_printf(&b, "%s: %s\n", fields[i], value);
	}
	value = http_request_body(req, &len);
	buf_putc(&b, '\n');
	buf_add(&b, value, len);
	http_reply(req, 200, "text/plain", b.data, b.len);
	buf_done(&b);
}

static void reply_big(struct http_request *req)
{
	size_t n = strtoul(http_request_query(req, "n"), NULL, 10);
	char *text = xmalloc(n + 1);

	memset(text, 'x', n);
	http_reply(req, 200, "text/plain", text, n);
	free(text);
}

static void reply_barrier(struct http_request *req)
{
	int n = atoi(http_request_query(req, "n"));

	peer.waiting[peer.waiting_count++ % WAITING_MAX] = req;
	if (peer.waiting_count < n)
		return;
	while (peer.waiting_count > 0)
		http_reply(peer.waiting[--peer.waiting_count], 200,
			"text/plain", "together", 8);
}

static int job_asked(const char *id)
{
	int i;

	for (i = 0; i < JOBS_MAX - 1 && peer.jobs[i].id[0] != '\0'; i++)
		if (strcmp(peer.jobs[i].id, id) == 0)
			break;
	(void)snprintf(peer.jobs[i].id, sizeof(peer.jobs[i].id), "%s", id);
	return ++peer.jobs[i].asked;
}

static void reply_job(struct http_request *req, const char *id)
{
	char state[32] = "", text[256];
	int after = 0, asked = job_asked(id);

	(void)sscanf(id, "%31[a-z].%d", state, &after);
	if (strcmp(state, "lost") == 0 && asked < after) {
		http_reply_problem(req, 503, "try later");
		return;
	}
	(void)snprintf(text, sizeof(text),
		"{\"job\":{\"state\":\"%s\",\"progress\":%d}}",
		asked < after                ? "running"
		: strcmp(state, "lost") == 0 ? "done"
					     : state,
		asked);
	http_reply(req, 200, "application/json", text, strlen(text));
}

static void reply_new_job(struct http_request *req)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "{\"job\":{\"id\":\"%s\"}}",
		http_request_query(req, "id"));
	http_reply(req, 202, "application/json", text, strlen(text));
}

static void on_request(struct http_request *req, void *arg)
{
	const char *path = http_request_path(req), *retry;
	char text[64];

	(void)arg;
	if (strncmp(path, "/status/", 8) == 0) {
		retry = http_request_query(req, "retry");
		if (retry != NULL)
			(void)http_reply_header(req, "Retry-After", retry);
		(void)http_reply_header(req, "Location", "/echo");
		(void)snprintf(text, sizeof(text), "status %s", path + 8);
		http_reply(
			req, atoi(path + 8), "text/plain", text, strlen(text));
	} else if (strcmp(path, "/echo") == 0) {
		reply_echo(req);
	} else if (strcmp(path, "/big") == 0) {
		reply_big(req);
	} else if (strcmp(path, "/barrier") == 0) {
		reply_barrier(req);
	} else if (strcmp(path, "/accepted") == 0) {
		(void)snprintf(text, sizeof(text), "%llu",
			(unsigned long long)http_server_counts(peer.server)
				->accepted);
		http_reply(req, 200, "text/plain", text, strlen(text));
	} else if (strcmp(path, "/jobs") == 0) {
		reply_new_job(req);
	} else if (strncmp(path, "/jobs/", 6) == 0) {
		reply_job(req, path + 6);
	}
	/* And of /slow nothing is heard. */
}

static void on_end(int fd, unsigned events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	_exit(0);
}

static void run_good(int fd)
{
	const struct http_limits limits = { .header_max = 16384,
		.body_max = 8 << 20,
		.connections_max = 4000,
		.header_timeout_us = 60 * (int64_t)US_PER_S,
		.body_timeout_us = 60 * (int64_t)US_PER_S,
		.write_timeout_us = 60 * (int64_t)US_PER_S,
		.idle_timeout_us = 60 * (int64_t)US_PER_S };
	struct loop *l = loop_new();

	peer.server = http_server_new(l, &limits, on_request, NULL);
	http_server_listen(peer.server, fd);
	(void)loop_fd_new(l, peer.life[0], LOOP_READ, on_end, NULL);
	(void)loop_run(l);
}

static void say(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void answer_badly(int fd)
{
	static char lots[65536];
	char in[8192], path[64] = "";
	size_t i, len = 0;
	ssize_t n;

	while (len < sizeof(in) - 1 &&
		(n = read(fd, in + len, sizeof(in) - 1 - len)) > 0) {
		len += (size_t)n;
		in[len] = '\0';
		if (strstr(in, "\r\n\r\n") != NULL)
			break;
	}
	(void)sscanf(in, "%*s %63s", path);
	for (i = 0; i < sizeof(bad_words) / sizeof(*bad_words); i++)
		if (strcmp(bad_words[i].name, path) == 0)
			say(fd, bad_words[i].text, strlen(bad_words[i].text));
	if (strcmp(path, "/endless") == 0) {
		memset(lots, 'x', sizeof(lots));
		say(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
		while (send(fd, lots, sizeof(lots), MSG_NOSIGNAL) > 0)
			;
	}
}

static void run_bad(int listener)
{
	struct pollfd fds[] = { { .fd = listener, .events = POLLIN },
		{ .fd = peer.life[0], .events = POLLIN } };
	int fd;

	for (;;) {
		(void)poll(fds, 2, -1);
		if (fds[1].revents != 0)
			_exit(0);
		fd = accept(listener, NULL, NULL);
		if (fd == -1)
			_exit(1);
		answer_badly(fd);
		(void)shutdown(fd, SHUT_WR);
		close(fd);
	}
}

/* Not a child of the test's process, which may count its own. */
static void peer_fork(void (*run)(int), int fd)
{
	pid_t pid = fork();

	if (pid == -1)
		bail("fork");
	if (pid == 0) {
		if (fork() != 0)
			_exit(0);
		close(peer.life[1]);
		run(fd);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	close(fd);
}

void http_peer_start(struct http_peer_ports *ret_ports)
{
	struct rlimit files;
	int fd;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (pipe2(peer.life, O_CLOEXEC) == -1)
		bail("pipe");
	close(peer_listen(&ret_ports->silent));
	fd = peer_listen(&ret_ports->good);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	peer_fork(run_good, fd);
	peer_fork(run_bad, peer_listen(&ret_ports->bad));
}

void http_peer_stop(void)
{
	close(peer.life[0]);
	close(peer.life[1]);
}
