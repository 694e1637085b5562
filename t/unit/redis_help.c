/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "redis_help.h"
#include "tap.h"

bool help_has_server(void)
{
	return system("command -v redis-server >/dev/null") == 0;
}

static int help_bind(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(port);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		getsockname(fd, (struct sockaddr *)&in, &len) == -1) {
		close(fd);
		return -1;
	}
	*ret_port = ntohs(in.sin_port);
	close(fd);
	return 0;
}

uint16_t help_free_port(void)
{
	uint16_t port = 0, bus;
	int i;

	/* A node of a Cluster takes the port 10000 above its own, too. */
	for (i = 0; i < 1000; i++) {
		if (help_bind(0, &port) == 0 && port < 55536 &&
			help_bind((uint16_t)(port + 10000), &bus) == 0)
			return port;
	}
	bail("no free port: %s", strerror(errno));
}

static void help_write(const struct help_server *s, const char *more)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/redis.conf", s->dir);
	f = fopen(path, "w");
	if (f == NULL)
		bail("%s: %s", path, strerror(errno));
	fprintf(f,
		"port %u\nbind 127.0.0.1\nunixsocket %s\ndir %s\n"
		"save \"\"\nlogfile %s\nprotected-mode no\n%s",
		(unsigned)s->port, s->socket, s->dir, s->log, more);
	fclose(f);
}

static bool help_accepts(const struct help_server *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), held;

	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", s->socket);
	held = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0;
	close(fd);
	return held;
}

void help_start_again(struct help_server *s, const char *more)
{
	bool is_sentinel = strstr(more, "sentinel monitor") != NULL;
	int64_t end = clock_now() + HELP_WAIT_MS * (int64_t)US_PER_MS;
	char path[128];

	help_write(s, more);
	snprintf(path, sizeof(path), "%s/redis.conf", s->dir);
	unlink(s->socket);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", path,
			is_sentinel ? "--sentinel" : (char *)NULL,
			(char *)NULL);
		_exit(127);
	}
	while (!help_accepts(s)) {
		if (clock_now() > end ||
			waitpid(s->pid, NULL, WNOHANG) == s->pid)
			bail("redis-server does not start: see %s", s->log);
		usleep(2000);
	}
}

void help_start(struct help_server *s, const char *more)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/reeve-redis-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		bail("mkdtemp: %s", strerror(errno));
	snprintf(s->socket, sizeof(s->socket), "%s/sock", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	s->port = help_free_port();
	help_start_again(s, more);
}

void help_signal(const struct help_server *s, int signo)
{
	if (s->pid > 0)
		kill(s->pid, signo);
}

void help_stop(struct help_server *s, int signo)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, signo);
	kill(s->pid, SIGCONT);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void help_done(struct help_server *s)
{
	struct dirent *e;
	DIR *d;

	help_stop(s, SIGKILL);
	d = opendir(s->dir);
	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(s->dir);
}

struct help_watch {
	struct loop *loop;
	struct loop_timer *timer;
	bool (*held)(void *arg);
	void *arg;
	int64_t end;
	bool is_held;
};

static void help_on_tick(void *arg)
{
	struct help_watch *w = arg;

	w->is_held = w->held != NULL && w->held(w->arg);
	if (w->is_held || clock_now() >= w->end)
		loop_stop(w->loop);
	else
		loop_timer_start(w->timer, US_PER_MS);
}

static bool help_watch(
	struct loop *l, bool (*held)(void *arg), void *arg, int64_t ms)
{
	struct help_watch w = { .loop = l, .held = held, .arg = arg };

	w.end = clock_now() + ms * US_PER_MS;
	w.timer = loop_timer_new(l, help_on_tick, &w);
	loop_timer_start(w.timer, 0);
	(void)loop_run(l);
	loop_timer_free(w.timer);
	return w.is_held;
}

bool help_until(struct loop *l, bool (*held)(void *arg), void *arg)
{
	return help_watch(l, held, arg, HELP_WAIT_MS);
}

void help_run(struct loop *l, int64_t ms)
{
	(void)help_watch(l, NULL, NULL, ms);
}

static void help_on_state(enum redis_state state, const char *why, void *arg)
{
	struct help_link *k = arg;

	snprintf(k->why, sizeof(k->why), "%s", why);
	if (state == REDIS_UP)
		k->ups++;
	else
		k->downs++;
}

void help_open(
	struct help_link *k, struct loop *l, const struct redis_options *o)
{
	struct err err;

	*k = (struct help_link){ .loop = l };
	k->redis = redis_open(l, o, help_on_state, k, &err);
	if (k->redis == NULL)
		bail("redis_open: %s", err.text);
}

void help_close(struct help_link *k)
{
	redis_close(k->redis);
	k->redis = NULL;
}

static bool help_is_up(void *arg)
{
	const struct help_link *k = arg;

	return redis_is_up(k->redis);
}

static bool help_is_down(void *arg)
{
	const struct help_link *k = arg;

	return !redis_is_up(k->redis) && k->downs > 0;
}

static bool help_is_answered(void *arg)
{
	const struct help_link *k = arg;

	return k->answers > 0;
}

bool help_wait_up(struct help_link *k)
{
	return help_until(k->loop, help_is_up, k);
}

bool help_wait_down(struct help_link *k)
{
	return help_until(k->loop, help_is_down, k);
}

bool help_wait_answer(struct help_link *k)
{
	return help_until(k->loop, help_is_answered, k);
}

bool help_wait_text(struct help_link *k, const char *command, const char *part)
{
	int64_t end = clock_now() + HELP_WAIT_MS * (int64_t)US_PER_MS;

	while (strstr(help_ask(k, command), part) == NULL) {
		if (clock_now() > end)
			return false;
		help_run(k->loop, 20);
	}
	return true;
}

void help_on_reply(const struct redis_reply *p, void *arg)
{
	struct help_link *k = arg;

	k->answers++;
	k->type = redis_type(p);
	k->number = redis_int(p, -1);
	if (p == NULL) {
		k->losses++;
		snprintf(k->text, sizeof(k->text), "(lost)");
	} else if (k->type == REDIS_NIL) {
		snprintf(k->text, sizeof(k->text), "(nil)");
	} else if (k->type == REDIS_INTEGER) {
		snprintf(
			k->text, sizeof(k->text), "%lld", (long long)k->number);
	} else if (k->type == REDIS_ARRAY) {
		snprintf(k->text, sizeof(k->text), "[%zu]", redis_count(p));
	} else {
		snprintf(k->text, sizeof(k->text), "%.4000s",
			redis_text(p, NULL));
	}
}

const char *help_ask(struct help_link *k, const char *text)
{
	const char *words[32];
	char *copy = strdup(text), *save = NULL, *word;
	int count = 0, sent;

	for (word = strtok_r(copy, " ", &save); word != NULL && count < 32;
		word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	k->answers = 0;
	sent = redis_command(k->redis, help_on_reply, k, count, words, NULL);
	free(copy);
	if (sent != 0)
		return "(down)";
	return help_until(k->loop, help_is_answered, k) ? k->text : "(none)";
}

int help_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 3;
}
