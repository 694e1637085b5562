/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/redis_reply.h"
#include "link/redis_wire.h"
#include "loop/resolve.h"

/* On the stack, which never shrinks: so many at a time, and so often. */
#define READ_SIZE  (16 << 10)
#define READ_TIMES 16

/* A peer that is gone without a word is noticed within half a minute, also by
 * a blocked read that has no time limit. */
#define KEEPALIVE_IDLE_S     15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      3
#define UNACKED_MS           30000

void redis_wire_init(struct redis_wire *w, struct loop *l)
{
	*w = (struct redis_wire){ .loop = l, .fd = -1 };
}

void redis_wire_close(struct redis_wire *w)
{
	loop_fd_free(w->watch);
	w->watch = NULL;
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
	w->is_connecting = false;
}

void redis_wire_done(struct redis_wire *w)
{
	redis_wire_close(w);
	redis_reader_free(w->reader);
	w->reader = NULL;
}

void redis_wire_trim(struct redis_wire *w)
{
	if (w->reader != NULL)
		redis_reader_trim(w->reader);
}

void redis_wire_unix(const char *path, struct resolve_address *ret)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	ret->len = sizeof(un);
	memcpy(&ret->addr, &un, sizeof(un));
}

static void wire_set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void wire_set_tcp(int fd)
{
	wire_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	wire_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	wire_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	wire_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
}

int redis_wire_open(struct redis_wire *w, const struct resolve_address *to,
	loop_fd_fn fn, void *arg, struct err *err)
{
	const struct sockaddr *addr = (const struct sockaddr *)&to->addr;
	int fd;

	redis_wire_done(w);
	fd = socket(
		addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_errno(err, "socket");
	if (addr->sa_family != AF_UNIX)
		wire_set_tcp(fd);
	if (connect(fd, addr, to->len) == -1 && errno != EINPROGRESS) {
		(void)err_set(err, errno, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	w->fd = fd;
	w->is_connecting = true;
	w->reader = redis_reader_new();
	w->watch = loop_fd_new(w->loop, fd, LOOP_WRITE, fn, arg);
	return 0;
}

int redis_wire_connected(struct redis_wire *w, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		return err_set(err, error, "%s", strerror(error));
	w->is_connecting = false;
	loop_fd_set(w->watch, LOOP_READ);
	return 0;
}

static bool wire_may_wait(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

long redis_wire_send(
	struct redis_wire *w, const char *data, size_t len, struct err *err)
{
	ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL);

	if (n == -1 && !wire_may_wait(errno))
		return err_set(err, errno, "%s", strerror(errno));
	if (n == -1)
		n = 0;
	loop_fd_set(
		w->watch, (size_t)n < len ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	return n;
}

int redis_wire_read(struct redis_wire *w, struct err *err)
{
	char data[READ_SIZE];
	ssize_t n;
	int i;

	for (i = 0; i < READ_TIMES; i++) {
		n = recv(w->fd, data, sizeof(data), 0);
		if (n == 0)
			return err_set(err, 0, "the server hung up");
		if (n == -1 && wire_may_wait(errno))
			break;
		if (n == -1)
			return err_set(err, errno, "%s", strerror(errno));
		if (redis_reader_feed(w->reader, data, (size_t)n) != 0)
			return err_set(err, 0, "bad answer: %s",
				redis_reader_error(w->reader));
		if ((size_t)n < sizeof(data))
			return 1;
	}
	return i > 0;
}

int redis_wire_next(
	struct redis_wire *w, const struct redis_reply **ret, struct err *err)
{
	int found;

	if (w->fd == -1)
		return 0;
	found = redis_reader_next(w->reader, ret);
	if (found == -1)
		return err_set(err, 0, "bad answer: %s",
			redis_reader_error(w->reader));
	return found;
}
