/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/listen.h"

#define LISTEN_BACKLOG     4096 /* the kernel cuts it to somaxconn */
#define LISTEN_PATIENCE_US (3 * US_PER_S)
#define LISTEN_FIRST_FD    3 /* SD_LISTEN_FDS_START */
#define LISTEN_FDS_MAX     64

/* Whose socket: everybody's, or the master's own until listen_guard. */
enum listen_access { LISTEN_PUBLIC, LISTEN_PRIVATE };

struct listener {
	LIST_ENTRY(listener) entry;
	char *text; /* the address, conf_listen.text */
	int fd;
	bool ours; /* opened here: its file is unlinked at the end */
	dev_t dev; /* of a unix socket's file */
	ino_t ino;
};

static LIST_HEAD(, listener) table = LIST_HEAD_INITIALIZER(table);

union listen_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static struct listener *listen_find(const char *text)
{
	struct listener *l;

	LIST_FOREACH(l, &table, entry)
		if (strcmp(l->text, text) == 0)
			return l;
	return NULL;
}

static void listen_remember_file(struct listener *l)
{
	struct stat st;

	if (strncmp(l->text, "unix:", 5) != 0 || stat(l->text + 5, &st) != 0)
		return;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
}

static struct listener *listen_add(int fd, const char *text, bool ours)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->text = xstrdup(text);
	l->fd = fd;
	l->ours = ours;
	listen_remember_file(l);
	LIST_INSERT_HEAD(&table, l, entry);
	return l;
}

void listen_adopt(int fd, const char *text, bool ours)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)listen_add(fd, text, ours);
}

/* The normal form of the address a descriptor listens on; -1: none of ours. */
static int listen_text(int fd, char *ret_text, size_t size)
{
	union listen_address a;
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN];

	memset(&a, 0, sizeof(a));
	if (getsockname(fd, &a.sa, &len) == -1)
		return -1;
	if (a.sa.sa_family == AF_INET)
		snprintf(ret_text, size, "%s:%d",
			inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)),
			ntohs(a.in.sin_port));
	else if (a.sa.sa_family == AF_INET6)
		snprintf(ret_text, size, "[%s]:%d",
			inet_ntop(
				AF_INET6, &a.in6.sin6_addr, host, sizeof(host)),
			ntohs(a.in6.sin6_port));
	else if (a.sa.sa_family == AF_UNIX && a.un.sun_path[0] != '\0')
		snprintf(ret_text, size, "unix:%s", a.un.sun_path);
	else
		return -1;
	return 0;
}

void listen_init(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int n = fds != NULL ? atoi(fds) : 0, fd;
	char text[160];

	if (pid == NULL || atoi(pid) != (int)getpid() || n < 1 ||
		n > LISTEN_FDS_MAX)
		return;
	for (fd = LISTEN_FIRST_FD; fd < LISTEN_FIRST_FD + n; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flags == -1 || listen_text(fd, text, sizeof(text)) != 0) {
			log_warn("descriptor %d of $LISTEN_FDS is not a "
				 "socket that can be used",
				fd);
			continue;
		}
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		listen_adopt(fd, text, false);
		log_info("%s was opened by the service manager", text);
	}
}

static socklen_t listen_address(
	const struct conf_listen *c, union listen_address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (c->family == LISTEN_UNIX) {
		ret->un.sun_family = AF_UNIX;
		snprintf(ret->un.sun_path, sizeof(ret->un.sun_path), "%s",
			c->host);
		return sizeof(ret->un);
	}
	if (c->family == LISTEN_TCP6) {
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons((uint16_t)c->port);
		inet_pton(AF_INET6, c->host, &ret->in6.sin6_addr);
		return sizeof(ret->in6);
	}
	ret->in.sin_family = AF_INET;
	ret->in.sin_port = htons((uint16_t)c->port);
	inet_pton(AF_INET, c->host, &ret->in.sin_addr);
	return sizeof(ret->in);
}

/* A file that nobody listens behind is left from a killed daemon. */
static int listen_clear_stale(const struct conf_listen *c, struct err *err)
{
	union listen_address a;
	socklen_t len = listen_address(c, &a);
	struct stat st;
	int fd, rc, saved;

	if (lstat(c->host, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, EEXIST,
			"%s is there and is no socket: remove it", c->host);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_errno(err, "socket");
	rc = connect(fd, &a.sa, len);
	saved = errno;
	close(fd);
	if (rc == 0 || saved == EAGAIN)
		return err_set(err, EADDRINUSE,
			"another process listens on unix:%s", c->host);
	if (saved != ECONNREFUSED)
		return err_set(err, saved, "the socket %s is in use: %s",
			c->host, strerror(saved));
	if (unlink(c->host) == -1 && errno != ENOENT)
		return err_errno(err, "stale socket %s", c->host);
	return 0;
}

/* The mode of a unix socket's file comes from the umask (unix(7)): set behind
 * the bind, it would follow a link put in its place, and be too late. */
static int listen_bind(int fd, const struct conf_listen *c,
	enum listen_access access, struct err *err)
{
	mode_t old;
	int rc;
	union listen_address a;
	socklen_t len = listen_address(c, &a);
	const int on = 1;

	if (c->family != LISTEN_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (c->family == LISTEN_TCP6)
		(void)setsockopt(
			fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	old = umask(access == LISTEN_PRIVATE ? 0177 : 0111);
	rc = bind(fd, &a.sa, len);
	umask(old);
	if (rc == -1 || listen(fd, LISTEN_BACKLOG) == -1)
		return err_errno(err, "cannot listen on %s", c->text);
	return 0;
}

static int listen_try(
	const struct conf_listen *c, enum listen_access access, struct err *err)
{
	int family = c->family == LISTEN_UNIX   ? AF_UNIX
		     : c->family == LISTEN_TCP6 ? AF_INET6
						: AF_INET;
	int fd;

	if (c->family == LISTEN_UNIX && listen_clear_stale(c, err) != 0)
		return -1;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_errno(err, "socket for %s", c->text);
	if (listen_bind(fd, c, access, err) != 0) {
		close(fd);
		return -1;
	}
	(void)listen_add(fd, c->text, true);
	return 0;
}

static void listen_close(struct listener *l)
{
	struct stat st;

	LIST_REMOVE(l, entry);
	/* Only the file that is this socket's: it may have been replaced. */
	if (l->ours && l->ino != 0 && stat(l->text + 5, &st) == 0 &&
		st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->text + 5);
	close(l->fd);
	free(l->text);
	free(l);
}

static int listen_one(const struct conf_listen *c, enum listen_access access,
	enum listen_patience patience, struct err *err)
{
	const struct timespec pause = { 0, 20 * 1000 * 1000 };
	int64_t until = clock_now() + LISTEN_PATIENCE_US;

	for (;;) {
		if (listen_try(c, access, err) == 0)
			return 0;
		if (patience == LISTEN_NOW || err->code != EADDRINUSE ||
			clock_now() > until)
			return -1;
		nanosleep(&pause, NULL);
	}
}

int listen_open(const struct conf_pool *pool, enum listen_patience patience,
	struct err *err)
{
	enum listen_access access =
		pool->kind->is_internal ? LISTEN_PRIVATE : LISTEN_PUBLIC;
	size_t i;

	for (i = 0; i < pool->listen.count; i++) {
		const struct conf_listen *c = &pool->listen.items[i];

		if (listen_find(c->text) == NULL &&
			listen_one(c, access, patience, err) != 0)
			return -1;
	}
	return 0;
}

int listen_guard(
	const struct conf_listen *l, mode_t mode, gid_t gid, struct err *err)
{
	int fd = open(l->host, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc = 0;
	struct stat st;
	char path[32];

	if (fd == -1 || fstat(fd, &st) == -1) {
		(void)err_errno(err, "%s", l->host);
		rc = -1;
	} else if (!S_ISSOCK(st.st_mode)) {
		rc = err_set(err, ENOTSOCK, "%s is no socket", l->host);
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) == -1 &&
			errno != EPERM)
			rc = err_errno(err, "group of %s", l->host);
		else if (chmod(path, mode) == -1)
			rc = err_errno(err, "mode of %s", l->host);
	}
	if (fd != -1)
		close(fd);
	return rc;
}

int *listen_table(const struct conf_pool *pool, size_t *ret_count)
{
	int *fds = xcalloc(pool->listen.count, sizeof(*fds));
	size_t i, n = 0;

	for (i = 0; i < pool->listen.count; i++) {
		struct listener *l = listen_find(pool->listen.items[i].text);

		if (l != NULL)
			fds[n++] = l->fd;
	}
	*ret_count = n;
	return fds;
}

void listen_sweep(bool (*used)(const char *text))
{
	struct listener *l, *next;

	for (l = LIST_FIRST(&table); l != NULL; l = next) {
		next = LIST_NEXT(l, entry);
		if (!used(l->text)) {
			log_info("no longer listening on %s", l->text);
			listen_close(l);
		}
	}
}

void listen_done(void)
{
	while (!LIST_EMPTY(&table))
		listen_close(LIST_FIRST(&table));
}

void listen_each(
	void (*fn)(int fd, const char *text, bool ours, void *arg), void *arg)
{
	struct listener *l;

	LIST_FOREACH(l, &table, entry)
		fn(l->fd, l->text, l->ours, arg);
}
