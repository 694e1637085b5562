/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
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

static int msg_take_fd(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
		c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
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
		if (ret_fd != NULL)
			*ret_fd = got;
		else if (got != -1)
			close(got);
		if (n != (ssize_t)sizeof(*ret_msg) ||
			(h.msg_flags & MSG_TRUNC) ||
			ret_msg->type == MSG_NONE ||
			ret_msg->type >= MSG_COUNT) {
			log_warn("dropped a message of %zd bytes, type %u", n,
				n >= 4 ? ret_msg->type : 0);
			if (ret_fd != NULL && got != -1)
				close(got);
			continue;
		}
		ret_msg->name[MSG_NAME_MAX - 1] = '\0';
		ret_msg->text[MSG_TEXT_MAX - 1] = '\0';
		return 1;
	}
}
