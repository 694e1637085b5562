/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/env.h"
#include "master/node.h"
#include "master/notify.h"
#include "master/proc.h"

#define NOTIFY_DATAGRAM_MAX 4096
/* Datagrams of one turn: a program that floods the socket waits. */
#define NOTIFY_TURN_MAX 32

static struct {
	char *supervisor; /* $NOTIFY_SOCKET; NULL: none */
	int64_t watchdog_us;
	int fd; /* to the supervisor */
	int listen_fd;
	struct loop_fd *watch;
	char *path;
	ino_t ino;
} state = { .fd = -1, .listen_fd = -1 };

static socklen_t notify_address(const char *path, struct sockaddr_un *ret)
{
	size_t n = strlen(path);

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (n >= sizeof(ret->sun_path))
		n = sizeof(ret->sun_path) - 1;
	memcpy(ret->sun_path, path, n);
	/* '@' stands for the NUL of an abstract name, sd_notify(3). */
	if (path[0] == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

void notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (path != NULL && (path[0] == '/' || path[0] == '@')) {
		state.supervisor = xstrdup(path);
		state.fd = socket(
			AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (usec != NULL && (pid == NULL || atoi(pid) == (int)getpid()))
		state.watchdog_us = strtoll(usec, NULL, 10);
	if (state.watchdog_us < 0)
		state.watchdog_us = 0;
	env_drop_supervision();
}

void notify_send(const char *fmt, ...)
{
	char text[NOTIFY_DATAGRAM_MAX];
	struct sockaddr_un a;
	socklen_t len;
	va_list ap;
	int n;

	if (state.fd == -1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	len = notify_address(state.supervisor, &a);
	if (sendto(state.fd, text, (size_t)n, MSG_NOSIGNAL,
		    (struct sockaddr *)&a, len) == -1)
		log_warn("cannot notify %s: %s", state.supervisor,
			strerror(errno));
}

void notify_reloading(void)
{
	notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reloading",
		clock_now());
}

int64_t notify_watchdog_us(void)
{
	return state.fd == -1 ? 0 : state.watchdog_us;
}

const char *notify_supervisor(void)
{
	return state.supervisor;
}

/* The program itself, or a member of its process group. */
static struct proc *notify_sender(pid_t pid)
{
	struct proc *pr = node_proc(pid);

	return pr != NULL ? pr : node_proc(getpgid(pid));
}

static bool notify_says_ready(const char *text)
{
	for (; text != NULL; text = strchr(text, '\n')) {
		if (*text == '\n')
			text++;
		if (strncmp(text, "READY=1", 7) == 0 &&
			(text[7] == '\0' || text[7] == '\n'))
			return true;
		if (*text == '\0')
			break;
	}
	return false;
}

static int notify_receive(int fd, char *ret_text, size_t size, pid_t *ret_pid)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct iovec iov = { ret_text, size - 1 };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	struct ucred cred;

	if (n == -1)
		return -1;
	*ret_pid = 0;
	ret_text[n] = '\0';
	for (c = CMSG_FIRSTHDR(&h); c != NULL; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			*ret_pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			size_t i, count = (c->cmsg_len - CMSG_LEN(0)) /
					  sizeof(int);
			int passed;

			for (i = 0; i < count; i++) {
				memcpy(&passed, CMSG_DATA(c) + i * sizeof(int),
					sizeof(int));
				close(passed);
			}
		}
	}
	return 0;
}

static void notify_on_readable(int fd, unsigned events, void *arg)
{
	char text[NOTIFY_DATAGRAM_MAX];
	struct proc *pr;
	pid_t pid;
	int i;

	(void)events;
	(void)arg;
	for (i = 0; i < NOTIFY_TURN_MAX; i++) {
		if (notify_receive(fd, text, sizeof(text), &pid) != 0)
			return;
		pr = notify_sender(pid);
		if (pr != NULL && pr->pool->role == NULL &&
			pr->pool->conf->ready_notify && notify_says_ready(text))
			proc_said_ready(pr);
	}
}

int notify_listen(const char *path, struct err *err)
{
	struct sockaddr_un a;
	socklen_t len = notify_address(path, &a);
	const int on = 1;
	struct stat st;
	mode_t old;
	int rc;

	state.listen_fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (state.listen_fd == -1)
		return err_errno(err, "notify socket");
	/* The pid file's lock says that no other daemon uses this run_dir. */
	(void)unlink(path);
	/* Mode 0666: programs of every user write here. */
	old = umask(0111);
	rc = bind(state.listen_fd, (struct sockaddr *)&a, len);
	umask(old);
	if (rc == -1 ||
		setsockopt(state.listen_fd, SOL_SOCKET, SO_PASSCRED, &on,
			sizeof(on)) == -1 ||
		stat(path, &st) == -1) {
		(void)err_errno(err, "notify socket %s", path);
		close(state.listen_fd);
		state.listen_fd = -1;
		return -1;
	}
	state.ino = st.st_ino;
	state.path = xstrdup(path);
	state.watch = loop_fd_new(node.loop, state.listen_fd, LOOP_READ,
		notify_on_readable, NULL);
	return 0;
}

void notify_close(void)
{
	struct stat st;

	if (state.listen_fd != -1) {
		loop_fd_free(state.watch);
		if (stat(state.path, &st) == 0 && st.st_ino == state.ino)
			(void)unlink(state.path);
		close(state.listen_fd);
		state.listen_fd = -1;
		free(state.path);
		state.path = NULL;
	}
	if (state.fd != -1)
		close(state.fd);
	state.fd = -1;
	free(state.supervisor);
	state.supervisor = NULL;
}

const char *notify_path(void)
{
	return state.path;
}
