/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "http_help.h"
#include "tap.h"

struct help help;

const struct http_limits help_limits = {
	.header_max = 4096,
	.body_max = 100000,
	.connections_max = 1000,
	.header_timeout_us = 10000 * MS,
	.body_timeout_us = 10000 * MS,
	.write_timeout_us = 10000 * MS,
	.idle_timeout_us = 10000 * MS,
	.linger_us = 10000 * MS,
};

static void help_on_tick(void *arg)
{
	loop_stop(arg);
}

static void help_listen(int family)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&help.addr;

	help.listener =
		socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	help.addr.ss_family = (sa_family_t)family;
	help.addr_len = sizeof(sa_family_t);
	if (family == AF_INET) {
		help.addr_len = sizeof(*in);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	if (bind(help.listener, (struct sockaddr *)&help.addr, help.addr_len) !=
			0 ||
		listen(help.listener, 64) != 0)
		bail("cannot listen: %s", strerror(errno));
	help.addr_len = sizeof(help.addr);
	getsockname(
		help.listener, (struct sockaddr *)&help.addr, &help.addr_len);
}

struct http_server *help_open(
	const struct http_limits *limits, int family, http_handler_fn fn)
{
	struct http_server *s;

	memset(&help, 0, sizeof(help));
	help.loop = loop_new();
	help.tick = loop_timer_new(help.loop, help_on_tick, help.loop);
	help_listen(family);
	s = http_server_new(help.loop, limits, fn, NULL);
	http_server_listen(s, help.listener);
	return s;
}

void help_close(void)
{
	loop_timer_free(help.tick);
	loop_free(help.loop);
	close(help.listener);
}

void help_pump(int64_t span_us)
{
	loop_timer_start(help.tick, span_us);
	loop_run(help.loop);
}

void client_open(struct client *c)
{
	int on = 1;

	*c = (struct client){ .in = BUF_INIT };
	c->fd = socket(help.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&help.addr, help.addr_len) != 0)
		bail("cannot connect: %s", strerror(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void client_close(struct client *c)
{
	close(c->fd);
	buf_done(&c->in);
}

void client_send_bytes(struct client *c, const char *data, size_t len)
{
	if (send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		note("short send: %s", strerror(errno));
}

void client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

void client_read(struct client *c)
{
	ssize_t n;

	do {
		char *to = buf_reserve(&c->in, 65536);

		n = recv(c->fd, to, 65536, MSG_DONTWAIT);
		if (n > 0) {
			c->in.len += (size_t)n;
			c->in.data[c->in.len] = '\0';
		}
	} while (n > 0);
	if (n == 0)
		c->is_eof = true;
	else if (errno != EAGAIN)
		c->error = errno;
}

bool client_is_over(const struct client *c)
{
	return c->is_eof || c->error != 0;
}

bool client_wait(struct client *c, const char *text)
{
	int64_t deadline = clock_now() + 10000 * MS;

	while (clock_now() < deadline) {
		if (text != NULL && strstr(buf_str(&c->in), text) != NULL)
			return true;
		if (client_is_over(c))
			return text == NULL && c->is_eof;
		help_pump(MS);
		client_read(c);
	}
	note("deadline; seen: %.300s", buf_str(&c->in));
	return false;
}

int client_answers(const struct client *c)
{
	const char *at = buf_str(&c->in);
	int count = 0;

	while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
		count++;
		at++;
	}
	return count;
}
