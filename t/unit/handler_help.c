/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "handler_help.h"
#include "tap.h"

#define HELP_LIMIT_US  (20 * (int64_t)US_PER_S)
#define HELP_WORDS_MAX 7

static int help_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

void help_init(struct help *h)
{
	memset(h, 0, sizeof(*h));
	signal(SIGPIPE, SIG_IGN);
	snprintf(h->log_path, sizeof(h->log_path), "/tmp/reeve-test.%d",
		(int)getpid());
	h->log_fd =
		open(h->log_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (h->log_fd == -1)
		bail("%s: %s", h->log_path, strerror(errno));
	unlink(h->log_path);
	log_to(h->log_fd, LOG_PLAIN);
	h->fds = help_count_fds();
	h->loop = loop_new();
	if (h->loop == NULL)
		bail("loop: %s", strerror(errno));
	h->conf.handlers = h->rows;
}

struct conf_handler *help_add(
	struct help *h, const char *name, enum conf_handler_kind kind)
{
	struct conf_handler *c = &h->rows[h->conf.handler_count++];

	*c = (struct conf_handler){ .name = name,
		.kind = kind,
		.timeout_us = 10 * US_PER_S,
		.kill_after_us = 5 * US_PER_S,
		.output_max = 65536,
		.rate_per_us = US_PER_S,
		.processes = 1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	return c;
}

void help_command(struct conf_handler *c, ...)
{
	static char *words[HELP_HANDLERS_MAX * (HELP_WORDS_MAX + 1)];
	static size_t used;
	va_list ap;
	char *word;

	c->command.items = words + used;
	va_start(ap, c);
	while ((word = va_arg(ap, char *)) != NULL) {
		words[used++] = word;
		c->command.count++;
	}
	va_end(ap);
	used++;
}

void help_open(struct help *h)
{
	struct handler_context ctx = {
		.node = "box", .pool = "queue.high", .topic = "high", .index = 3
	};
	struct err err;

	h->handlers = handlers_new(h->loop, &h->conf, &ctx, &err);
	if (h->handlers == NULL)
		bail("handlers: %s", err.text);
}

void help_done(struct help *h)
{
	handlers_free(h->handlers);
	loop_free(h->loop);
	ok(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
		"no child is left");
	is_int(h->fds, help_count_fds(), "no descriptor is left");
	log_to(2, LOG_FULL);
	close(h->log_fd);
}

static void help_on_done(const struct handler_result *r, void *arg)
{
	struct help_run *run = arg;

	run->answers++;
	run->run = NULL;
	run->r = *r;
	run->took_us = clock_now() - run->began_us;
	buf_reset(&run->text);
	buf_add(&run->text, r->text, r->text_len);
	run->r.text = NULL;
	if (--run->owner->open == 0)
		loop_stop(run->owner->loop);
}

static void help_on_progress(int percent, const char *text, void *arg)
{
	struct help_run *run = arg;

	buf_printf(
		&run->progress, "%d %s;", percent, text != NULL ? text : "-");
}

void help_start(struct help *h, struct help_run *run, const char *name,
	const char *params, int64_t timeout_us)
{
	const struct conf_handler *c = handlers_find(h->handlers, name);

	if (c == NULL)
		bail("no handler %s", name);
	memset(run, 0, sizeof(*run));
	run->owner = h;
	run->task = task_new(name, params);
	run->began_us = clock_now();
	h->open++;
	run->run = handler_run(h->handlers, c, run->task, timeout_us,
		help_on_done, help_on_progress, run);
}

static void help_on_limit(void *arg)
{
	(void)arg;
	bail("the runs do not end");
}

static void help_on_over(void *arg)
{
	loop_stop(arg);
}

void help_wait(struct help *h)
{
	struct loop_timer *limit = loop_timer_new(h->loop, help_on_limit, h);

	loop_timer_start(limit, HELP_LIMIT_US);
	if (h->open > 0)
		(void)loop_run(h->loop);
	loop_timer_free(limit);
}

void help_turn(struct help *h, int64_t us)
{
	struct loop_timer *over =
		loop_timer_new(h->loop, help_on_over, h->loop);

	loop_timer_start(over, us);
	(void)loop_run(h->loop);
	loop_timer_free(over);
}

void help_do(struct help *h, struct help_run *run, const char *name,
	const char *params)
{
	help_start(h, run, name, params,
		handlers_find(h->handlers, name)->timeout_us);
	help_wait(h);
}

void help_run_done(struct help_run *run)
{
	task_free(run->task);
	buf_done(&run->text);
	buf_done(&run->progress);
}

char *help_log(struct help *h)
{
	off_t size = lseek(h->log_fd, 0, SEEK_END);
	char *text = xcalloc(1, (size_t)size + 1);

	if (pread(h->log_fd, text, (size_t)size, 0) != size)
		bail("log: %s", strerror(errno));
	return text;
}
