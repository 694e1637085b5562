/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "deploy/control.h"
#include "loop/loop.h"

#define CONTROL_ANSWER_MAX (1 << 20)

struct control {
	int fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct buf answer;
	control_fn fn;
	void *arg;
};

void control_cancel(struct control *c)
{
	loop_fd_free(c->watch);
	loop_timer_free(c->timer);
	if (c->fd != -1)
		close(c->fd);
	buf_done(&c->answer);
	free(c);
}

static void control_end(struct control *c, int status, const char *text)
{
	c->fn(status, text, c->arg);
	control_cancel(c);
}

/* The whole answer is there: its status and body. */
static void control_finish(struct control *c)
{
	const char *text = buf_str(&c->answer);
	const char *body = strstr(text, "\r\n\r\n");
	int status = 0;

	if (body == NULL || sscanf(text, "HTTP/1.1 %3d", &status) != 1) {
		control_end(c, 0, "the governor ended without an answer");
		return;
	}
	body += 4;
	while (c->answer.data + c->answer.len > body &&
		c->answer.data[c->answer.len - 1] == '\n')
		c->answer.data[--c->answer.len] = '\0';
	control_end(c, status, body);
}

bool control_is_away(int status)
{
	return status == 0 || status == 503;
}

static void control_on_readable(int fd, unsigned events, void *arg)
{
	struct control *c = arg;
	ssize_t n;

	(void)events;
	n = recv(fd, buf_reserve(&c->answer, 4096), 4096, MSG_DONTWAIT);
	if (n > 0 && c->answer.len < CONTROL_ANSWER_MAX) {
		c->answer.len += (size_t)n;
		c->answer.data[c->answer.len] = '\0';
	} else if (n != -1 || (errno != EAGAIN && errno != EINTR)) {
		control_finish(c);
	}
}

static void control_on_time(void *arg)
{
	control_end(arg, 0, "the governor did not answer in time");
}

static int control_connect(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, 0, "%s: too long for a socket", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_errno(err, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		(void)err_errno(err, "%s", path);
		close(fd);
		return -1;
	}
	return fd;
}

struct control *control_post(struct loop *l, const char *socket_path,
	const char *path, int64_t timeout_us, control_fn fn, void *arg,
	struct err *err)
{
	struct control *c;
	char *text;
	ssize_t n;
	int fd = control_connect(socket_path, err);

	if (fd == -1)
		return NULL;
	text = xasprintf("POST %s HTTP/1.1\r\nHost: reeve\r\n"
			 "Content-Length: 0\r\nConnection: close\r\n\r\n",
		path);
	n = send(fd, text, strlen(text), MSG_NOSIGNAL);
	if (n != (ssize_t)strlen(text)) {
		(void)err_errno(err, "%s", socket_path);
		free(text);
		close(fd);
		return NULL;
	}
	free(text);
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->fn = fn;
	c->arg = arg;
	c->watch = loop_fd_new(l, fd, LOOP_READ, control_on_readable, c);
	c->timer = loop_timer_new(l, control_on_time, c);
	loop_timer_start(c->timer, timeout_us);
	return c;
}
