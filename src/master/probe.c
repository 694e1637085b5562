/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/probe.h"

#define PROBE_HOST_MAX 256

static int probe_wait(int fd, short events, int64_t until)
{
	struct pollfd p = { fd, events, 0 };
	int64_t left = until - clock_now();
	int rc;

	rc = poll(&p, 1, left > 0 ? (int)(left / US_PER_MS) + 1 : 0);
	if (rc == 1)
		return 0;
	if (rc == 0)
		errno = ETIMEDOUT;
	return -1;
}

/* A connected, non-blocking socket, or -1 with errno. */
static int probe_connect(
	int family, const struct sockaddr *a, socklen_t len, int64_t until)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd == -1)
		return -1;
	if (connect(fd, a, len) == 0)
		return fd;
	if (errno == EINPROGRESS && probe_wait(fd, POLLOUT, until) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
		if (error == 0)
			return fd;
		errno = error;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* "host:port" or "[v6]:port" in two; the port may be absent. */
static int probe_split(const char *address, char ret_host[PROBE_HOST_MAX],
	const char **ret_port)
{
	const char *start = address, *end, *colon;

	if (*address == '[') {
		start++;
		end = strchr(start, ']');
		colon = end != NULL && end[1] == ':' ? end + 1 : NULL;
	} else {
		colon = strrchr(address, ':');
		end = colon != NULL ? colon : address + strlen(address);
	}
	if (end == NULL || end == start || end - start >= PROBE_HOST_MAX)
		return -1;
	memcpy(ret_host, start, (size_t)(end - start));
	ret_host[end - start] = '\0';
	*ret_port = colon != NULL ? colon + 1 : NULL;
	return 0;
}

static int probe_dial(const char *address, const char *default_port,
	int64_t until, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	char host[PROBE_HOST_MAX];
	const char *port;
	int rc, fd = -1;

	if (probe_split(address, host, &port) != 0)
		return err_set(err, 0, "%s is no address", address);
	if (port == NULL)
		port = default_port;
	if (port == NULL)
		return err_set(err, 0, "%s has no port", address);
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0)
		return err_set(err, 0, "%s: %s", host, gai_strerror(rc));
	for (a = list; a != NULL && fd == -1; a = a->ai_next)
		fd = probe_connect(
			a->ai_family, a->ai_addr, a->ai_addrlen, until);
	if (fd == -1)
		(void)err_errno(err, "connect to %s", address);
	freeaddrinfo(list);
	return fd;
}

static int probe_dial_unix(const char *path, int64_t until, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(err, ENAMETOOLONG, "%s is too long", path);
	strcpy(a.sun_path, path);
	fd = probe_connect(AF_UNIX, (struct sockaddr *)&a, sizeof(a), until);
	if (fd == -1)
		(void)err_errno(err, "connect to %s", path);
	return fd;
}

int probe_tcp(const char *address, int64_t timeout_us, struct err *err)
{
	int fd = probe_dial(address, NULL, clock_now() + timeout_us, err);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

int probe_unix(const char *path, int64_t timeout_us, struct err *err)
{
	int fd = probe_dial_unix(path, clock_now() + timeout_us, err);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int probe_write(int fd, const char *text, int64_t until)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			left -= (size_t)n;
		} else if (errno != EAGAIN ||
			   probe_wait(fd, POLLOUT, until) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The three digits of "HTTP/1.x NNN"; -1 with errno. */
static int probe_read_status(int fd, int64_t until)
{
	char text[16] = { 0 };
	size_t have = 0;

	while (have < sizeof(text) - 1 && have < 13) {
		ssize_t n;

		if (probe_wait(fd, POLLIN, until) != 0)
			return -1;
		n = recv(fd, text + have, sizeof(text) - 1 - have, 0);
		if (n > 0)
			have += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
	}
	if (have < 12 || strncmp(text, "HTTP/1.", 7) != 0) {
		errno = EPROTO;
		return -1;
	}
	return atoi(text + 9);
}

int probe_http(const char *url, int64_t timeout_us, struct err *err)
{
	char where[PROBE_HOST_MAX + 16], request[1024];
	int64_t until = clock_now() + timeout_us;
	bool is_unix = strncmp(url, "unix:", 5) == 0;
	const char *start = is_unix ? url + 5 : url + strlen("http://");
	const char *path = is_unix ? strstr(start, ":/") : strchr(start, '/');
	size_t n = path != NULL ? (size_t)(path - start) : strlen(start);
	int fd, status;

	if (n >= sizeof(where))
		return err_set(err, 0, "%s is too long", url);
	memcpy(where, start, n);
	where[n] = '\0';
	path = path == NULL ? "/" : is_unix ? path + 1 : path;
	fd = is_unix ? probe_dial_unix(where, until, err)
		     : probe_dial(where, "80", until, err);
	if (fd == -1)
		return -1;
	snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: reeve-check\r\n"
		"Connection: close\r\n\r\n",
		path, is_unix ? "localhost" : where);
	status = probe_write(fd, request, until) == 0
			 ? probe_read_status(fd, until)
			 : -1;
	if (status == -1)
		(void)err_errno(err, "GET %s", url);
	close(fd);
	if (status == -1)
		return -1;
	if (status < 200 || status > 399)
		return err_set(err, status, "GET %s: status %d", url, status);
	return 0;
}
