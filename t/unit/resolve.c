/* SPDX-License-Identifier: ISC */
/* resolve: names, with a name server of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/resolve.h"
#include "tap.h"

static struct loop *loop;
static char dir[] = "/tmp/reeve-resolve-XXXXXX", conf[64], hosts[64];
static int questions;
static struct {
	int count, calls;
	char first[64], error[64];
	int port;
} seen;

/* A server that knows of "far.test" that it is 192.0.2.7, and of no other. */
static void on_question(int fd, unsigned events, void *arg)
{
	static const char answer[] = "\xc0\x0c\0\1\0\1\0\0\0\12\0\4\300\0\2\7";
	unsigned char m[600];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &len);
	bool is_known, is_a;

	(void)events;
	(void)arg;
	if (n < 20)
		return;
	questions++;
	/* The library mixes cases, against forged answers. */
	is_known = strncasecmp((char *)m + 12, "\3far\4test", 10) == 0;
	is_a = m[n - 3] == 1;
	if (strncasecmp((char *)m + 12, "\4mute", 5) == 0)
		return;
	m[2] = 0x81;
	m[3] = is_known ? 0x80 : 0x83;
	if (is_known && is_a) {
		m[7] = 1;
		memcpy(m + n, answer, sizeof(answer) - 1);
		n += (ssize_t)sizeof(answer) - 1;
	}
	(void)sendto(fd, m, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static int name_server(uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		bail("bind: %s", strerror(errno));
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		bail("%s: %s", path, strerror(errno));
	fputs(text, f);
	fclose(f);
}

static void on_answer(const struct resolve_answer *a, void *arg)
{
	const struct sockaddr_in *in = (const void *)&a->addresses[0].addr;
	const struct sockaddr_in6 *in6 = (const void *)in;

	(void)arg;
	seen.calls++;
	seen.count = (int)a->count;
	snprintf(seen.error, sizeof(seen.error), "%s",
		a->error != NULL ? a->error : "");
	seen.first[0] = '\0';
	if (a->count > 0 && in->sin_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, seen.first,
			sizeof(seen.first));
		seen.port = ntohs(in6->sin6_port);
	} else if (a->count > 0) {
		inet_ntop(
			AF_INET, &in->sin_addr, seen.first, sizeof(seen.first));
		seen.port = ntohs(in->sin_port);
	}
	loop_stop(loop);
}

static void on_late(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t us)
{
	struct loop_timer *t = loop_timer_new(loop, on_late, NULL);

	loop_timer_start(t, us);
	(void)loop_run(loop);
	loop_timer_free(t);
}

static const char *ask(const char *host)
{
	int calls = seen.calls;

	(void)resolve_start(loop, host, 6379, on_answer, NULL);
	if (seen.calls != calls)
		return "(called at once)";
	run_for(10 * (int64_t)US_PER_S);
	return seen.calls == calls + 1 ? seen.first : "(none)";
}

static int descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += lseek(fd, 0, SEEK_CUR) != -1 || errno != EBADF;
	return n;
}

static void test_cancel(void)
{
	int calls = seen.calls;

	resolve_cancel(resolve_start(loop, "127.0.0.1", 1, on_answer, NULL));
	resolve_cancel(resolve_start(loop, "far.test", 1, on_answer, NULL));
	resolve_cancel(resolve_start(loop, "near.test", 1, on_answer, NULL));
	resolve_cancel(resolve_start(loop, "mute.test", 1, on_answer, NULL));
	run_for(100 * US_PER_MS);
	is_int(calls, seen.calls, "a cancelled question is not answered");
}

int main(void)
{
	uint16_t port;
	int fd = name_server(&port), before;
	struct loop_fd *watch;
	char text[64];

	if (mkdtemp(dir) == NULL)
		bail("mkdtemp: %s", strerror(errno));
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	snprintf(hosts, sizeof(hosts), "%s/hosts", dir);
	snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\n",
		(unsigned)port);
	write_file(conf, text);
	write_file(hosts, "192.0.2.1 near.test nearer\n");
	resolve_set_files(conf, hosts);
	loop = loop_new();
	watch = loop_fd_new(loop, fd, LOOP_READ, on_question, NULL);
	before = descriptors();

	is_str("10.1.2.3", ask("10.1.2.3"), "a number is itself");
	is_int(6379, seen.port, "with its port");
	is_str("2001:db8::1", ask("2001:db8::1"), "also of version 6");
	is_str("127.0.0.1", ask("localhost"), "localhost is here");
	is_int(2, seen.count, "in both versions");
	is_str("192.0.2.1", ask("near.test"), "a name of the hosts file");
	is_int(6379, seen.port, "with its port");
	is_int(0, questions, "none of these asks a server");
	is_str("192.0.2.7", ask("far.test"), "a name that a server knows");
	is_int(6379, seen.port, "with its port");
	is_str("", ask("no.such.test"), "a name that it does not know");
	is_int(0, seen.count, "has no address");
	is_str("no such host", seen.error, "and a reason");
	test_cancel();
	is_int(before, descriptors(), "no descriptor is left");

	loop_fd_free(watch);
	close(fd);
	loop_free(loop);
	unlink(conf);
	unlink(hosts);
	rmdir(dir);
	return tap_done();
}
