/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "board/msg.h"

static_assert(sizeof(struct msg) == 496, "the wire format of an older worker");

union msg_control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int msg_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX,
		SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds);
}

int msg_send(int fd, const struct msg *m, int pass_fd)
{
	struct iovec iov = { (void *)(uintptr_t)m, sizeof(*m) };
	union msg_control control;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (pass_fd != -1) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		h.msg_control = control.space;
		h.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)sizeof(*m) ? 0 : -1;
}

/* The first descriptor that came along, or -1.  The padding of `control` has
 * room for another: it would stay open for good. */
static int msg_take_fd(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	size_t i, count;
	int fd = -1, passed;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
		c->cmsg_type != SCM_RIGHTS)
		return -1;
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (i = 0; i < count; i++) {
		memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (fd == -1)
			fd = passed;
		else
			close(passed);
	}
	return fd;
}

static bool msg_is_known(const struct msg *m, ssize_t size, int flags)
{
	return size == (ssize_t)sizeof(*m) && (flags & MSG_TRUNC) == 0 &&
	       m->type != MSG_NONE && m->type < MSG_COUNT;
}

int msg_recv(int fd, struct msg *ret_msg, int *ret_fd)
{
	for (;;) {
		struct iovec iov = { ret_msg, sizeof(*ret_msg) };
		union msg_control control;
		struct msghdr h = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.space,
			.msg_controllen = sizeof(control.space) };
		ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int got;

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		got = msg_take_fd(&h);
		if (!msg_is_known(ret_msg, n, h.msg_flags)) {
			log_warn("dropped a message of %zd bytes, type %u", n,
				n >= 4 ? ret_msg->type : 0);
			memset(ret_msg, 0, sizeof(*ret_msg));
		}
		if (got != -1 &&
			(ret_fd == NULL || ret_msg->type == MSG_NONE)) {
			close(got);
			got = -1;
		}
		if (ret_fd != NULL)
			*ret_fd = got;
		ret_msg->name[MSG_NAME_MAX - 1] = '\0';
		ret_msg->text[MSG_TEXT_MAX - 1] = '\0';
		return 1;
	}
}
