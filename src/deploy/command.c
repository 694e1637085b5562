/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/handler.h"
#include "deploy/command.h"
#include "loop/loop.h"
#include "task/handler.h"
#include "task/handler_child.h"
#include "task/handler_vars.h"

#define COMMAND_KILL_AFTER_US (5 * US_PER_S)
#define COMMAND_READ_SIZE     8192
#define COMMAND_READS_MAX     16
#define COMMAND_LINE_MAX      4096 /* less than what is kept */

struct command {
	struct conf_handler conf; /* what a handler's command is made of */
	struct handler_command *command;
	struct handler_child *child; /* NULL: it has ended */
	int out_fd;                  /* -1: at its end */
	struct loop_fd *watch;
	struct loop_timer *timer; /* the timeout, then the kill */
	bool is_timeout, is_stopped;
	struct buf output;
	command_output_fn on_output;
	command_end_fn on_end;
	void *arg;
};

static void command_close(struct command *c)
{
	loop_fd_free(c->watch);
	c->watch = NULL;
	if (c->out_fd != -1)
		close(c->out_fd);
	c->out_fd = -1;
}

static void command_free(struct command *c)
{
	command_close(c);
	loop_timer_free(c->timer);
	handler_command_free(c->command);
	buf_done(&c->output);
	free(c);
}

/* What is kept begins with a line, unless it is a long one. */
static void command_take(struct command *c, const char *data, size_t len)
{
	const char *at;
	size_t extra;

	buf_add(&c->output, data, len);
	if (c->output.len <= COMMAND_OUTPUT_MAX)
		return;
	extra = c->output.len - COMMAND_OUTPUT_MAX;
	at = memchr(c->output.data + extra, '\n', COMMAND_LINE_MAX);
	if (at != NULL)
		extra = (size_t)(at - c->output.data) + 1;
	buf_drop(&c->output, extra);
}

static void command_read(struct command *c, int reads)
{
	char data[COMMAND_READ_SIZE];
	bool some = false;
	ssize_t n;

	while (c->out_fd != -1 && reads-- > 0) {
		n = read(c->out_fd, data, sizeof(data));
		if (n > 0) {
			command_take(c, data, (size_t)n);
			some = true;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			command_close(c);
		} else {
			break;
		}
	}
	if (some && c->on_output != NULL)
		c->on_output(c->arg);
}

const char *command_output(const struct command *c, size_t *ret_len)
{
	*ret_len = c->output.len;
	return c->output.data;
}

static void command_on_readable(int fd, unsigned events, void *arg)
{
	(void)fd;
	(void)events;
	command_read(arg, COMMAND_READS_MAX);
}

static void command_describe(const struct command *c,
	const struct handler_exit *e, char *ret, size_t n)
{
	if (c->is_timeout)
		snprintf(ret, n, "took too long");
	else if (e->signo != 0)
		snprintf(ret, n, "killed by SIG%s",
			handler_vars_signal(e->signo));
	else
		snprintf(ret, n, "exit status %d", e->code);
}

static void command_on_exit(const struct handler_exit *e, void *arg)
{
	struct command *c = arg;
	struct command_end end = {
		.code = e->signo != 0 || c->is_timeout ? -1 : e->code,
		.signo = e->signo,
		.is_timeout = c->is_timeout,
	};
	char why[64];

	c->child = NULL;
	command_read(c, COMMAND_READS_MAX);
	command_describe(c, e, why, sizeof(why));
	end.output = buf_str(&c->output);
	end.len = c->output.len;
	end.why = why;
	c->on_end(&end, c->arg);
	command_free(c);
}

static void command_on_time(void *arg)
{
	struct command *c = arg;

	if (c->child == NULL)
		return;
	if (c->is_stopped) {
		handler_child_signal(c->child, SIGKILL);
		return;
	}
	c->is_timeout = true;
	command_stop(c);
}

void command_stop(struct command *c)
{
	if (c->child == NULL || c->is_stopped)
		return;
	c->is_stopped = true;
	handler_child_signal(c->child, SIGTERM);
	loop_timer_start(c->timer, COMMAND_KILL_AFTER_US);
}

void command_kill(struct command *c)
{
	if (c->child != NULL)
		handler_child_abandon(c->child);
	command_free(c);
}

/* NAME=VALUE lines as a handler has them: they go before what is inherited. */
static void command_set_env(struct command *c, char *const *env)
{
	struct conf_map *m = &c->conf.environment;
	size_t n = 0, len;

	while (env != NULL && env[n] != NULL)
		n++;
	m->items = xcalloc(n, sizeof(*m->items));
	for (; m->count < n; m->count++) {
		len = strcspn(env[m->count], "=");
		m->items[m->count].name = xstrndup(env[m->count], len);
		m->items[m->count].value = xstrdup(env[m->count] + len + 1);
	}
}

static void command_drop_env(struct command *c)
{
	struct conf_map *m = &c->conf.environment;

	while (m->count > 0) {
		free(m->items[--m->count].name);
		free(m->items[m->count].value);
	}
	free(m->items);
	m->items = NULL;
}

static int command_launch(
	struct command *c, struct handler_children *all, struct err *err)
{
	int fds[3], childs, null_ours;
	bool is_exec = false;

	if (handler_pipe_to(&null_ours, &fds[0]) != 0)
		return err_errno(err, "pipe");
	close(null_ours);
	if (handler_pipe_from(&c->out_fd, &childs) != 0) {
		close(fds[0]);
		return err_errno(err, "pipe");
	}
	fds[1] = fds[2] = childs;
	c->child = handler_child_start(all, c->command, NULL, fds, 3,
		command_on_exit, c, &is_exec, err);
	close(fds[0]);
	close(childs);
	return c->child != NULL ? 0 : -1;
}

struct command *command_start(struct loop *l, struct handler_children *all,
	const struct command_options *o, command_output_fn output,
	command_end_fn end, void *arg, struct err *err)
{
	static const struct handler_context nowhere = { .node = "" };
	struct command *c = xcalloc(1, sizeof(*c));

	c->conf.name = o->argv->items[0];
	c->conf.command = *o->argv;
	c->conf.directory = o->directory;
	c->conf.uid = o->has_user ? o->uid : (uid_t)-1;
	c->conf.gid = o->has_user ? o->gid : (gid_t)-1;
	c->out_fd = -1;
	c->on_output = output;
	c->on_end = end;
	c->arg = arg;
	c->timer = loop_timer_new(l, command_on_time, c);
	command_set_env(c, o->env);
	c->command = handler_command_new(&c->conf, &nowhere, err);
	command_drop_env(c);
	if (c->command == NULL || command_launch(c, all, err) != 0) {
		command_free(c);
		return NULL;
	}
	c->watch = loop_fd_new(l, c->out_fd, LOOP_READ, command_on_readable, c);
	loop_timer_start(c->timer, o->timeout_us);
	return c;
}
