/* SPDX-License-Identifier: ISC */
/*
 * handler_exec - one process per task.
 *
 *	0  the task's params; closed behind them
 *	1  the result, up to output_max
 *	2  lines for the log
 *	3  progress: lines of "NN text"
 *
 * Exit 0 is success, 75 (EX_TEMPFAIL) and any other a failure to try again,
 * 126 and 127 (it can't be run) a failure for good.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "task/handler_child.h"
#include "task/handler_kind.h"
#include "task/handler_lines.h"
#include "task/handler_vars.h"

#define EXEC_READ_SIZE    8192
#define EXEC_READS_MAX    8    /* of one wake-up: others wait too */
#define EXEC_DRAIN_MAX    128  /* reads after the end: a full pipe */
#define EXEC_LINE_MAX     3800 /* of the log, which puts more to it */
#define EXEC_PROGRESS_MAX 512
#define EXEC_LAST_MAX     256

#define EXEC_EXIT_RETRY   75 /* EX_TEMPFAIL of sysexits.h */
#define EXEC_EXIT_CANNOT  126
#define EXEC_EXIT_MISSING 127

struct exec;

struct exec_stream {
	struct exec *x;
	int fd; /* -1: at its end */
	struct loop_fd *watch;
	void (*take)(struct exec *x, const char *data, size_t len);
};

struct exec {
	struct handler_run *run;
	struct handler_child *child; /* NULL: it has ended */
	int in_fd;                   /* -1: all is written */
	struct loop_fd *in_watch;
	size_t in_at;
	struct exec_stream out, log, progress;
	struct buf result;
	bool is_cut;
	struct handler_lines log_lines, progress_lines;
	char last[EXEC_LAST_MAX]; /* line of the log, for the error */
};

static int exec_open(struct handler *h, struct err *err)
{
	h->own = handler_command_new(h->conf, &h->all->context, err);
	return h->own != NULL ? 0 : -1;
}

static void exec_close(struct handler *h)
{
	handler_command_free(h->own);
	h->own = NULL;
}

static void exec_stream_close(struct exec_stream *s)
{
	loop_fd_free(s->watch);
	s->watch = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

static void exec_close_input(struct exec *x)
{
	loop_fd_free(x->in_watch);
	x->in_watch = NULL;
	if (x->in_fd != -1)
		close(x->in_fd);
	x->in_fd = -1;
}

static void exec_free(struct exec *x)
{
	exec_close_input(x);
	exec_stream_close(&x->out);
	exec_stream_close(&x->log);
	exec_stream_close(&x->progress);
	handler_lines_done(&x->log_lines);
	handler_lines_done(&x->progress_lines);
	buf_done(&x->result);
	free(x);
}

/* Up to `reads` pieces of what is there. */
static void exec_stream_read(struct exec_stream *s, int reads)
{
	char data[EXEC_READ_SIZE];
	ssize_t n;

	while (s->fd != -1 && reads-- > 0) {
		n = read(s->fd, data, sizeof(data));
		if (n > 0)
			s->take(s->x, data, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			exec_stream_close(s);
		if (n < (ssize_t)sizeof(data))
			return;
	}
}

static void exec_on_readable(int fd, unsigned events, void *arg)
{
	(void)fd;
	(void)events;
	exec_stream_read(arg, EXEC_READS_MAX);
}

static void exec_take_result(struct exec *x, const char *data, size_t len)
{
	size_t max = (size_t)x->run->handler->conf->output_max;
	size_t room = max - x->result.len;

	if (len > room) {
		x->is_cut = true;
		len = room;
	}
	buf_add(&x->result, data, len);
}

static void exec_take_log(struct exec *x, const char *data, size_t len)
{
	handler_lines_add(&x->log_lines, data, len);
}

static void exec_take_progress(struct exec *x, const char *data, size_t len)
{
	handler_lines_add(&x->progress_lines, data, len);
}

static void exec_on_log_line(char *line, size_t len, bool is_cut, void *arg)
{
	struct exec *x = arg;

	(void)is_cut;
	if (len == 0)
		return;
	snprintf(x->last, sizeof(x->last), "%s", line);
	handler_tell_log(x->run, line);
}

static void exec_on_progress_line(
	char *line, size_t len, bool is_cut, void *arg)
{
	struct exec *x = arg;
	int percent;

	(void)is_cut;
	(void)len;
	percent = handler_vars_percent(&line);
	handler_tell_progress(x->run, percent, *line != '\0' ? line : NULL);
}

static const char *exec_glue(const struct exec *x)
{
	return x->last[0] != '\0' ? ": " : "";
}

static void exec_finish(struct exec *x, const struct handler_exit *e)
{
	struct handler_result r = { .pause_us = -1, .peak_kb = e->peak_kb };
	char text[EXEC_LAST_MAX + 64];

	if (e->signo != 0) {
		r.outcome = HANDLER_CRASHED;
		r.signo = e->signo;
		snprintf(text, sizeof(text), "ended by SIG%s%s%s",
			handler_vars_signal(e->signo), exec_glue(x), x->last);
	} else if (e->code != 0) {
		r.outcome = e->code == EXEC_EXIT_CANNOT ||
					    e->code == EXEC_EXIT_MISSING
				    ? HANDLER_FATAL
				    : HANDLER_RETRY;
		snprintf(text, sizeof(text), "exit status %d%s%s", e->code,
			exec_glue(x), x->last);
	}
	if (r.outcome == HANDLER_SUCCESS) {
		while (x->result.len > 0 &&
			x->result.data[x->result.len - 1] == '\n')
			x->result.data[--x->result.len] = '\0';
		r.text = buf_str(&x->result);
		r.text_len = x->result.len;
		r.is_cut = x->is_cut;
	} else {
		r.text = text;
		r.text_len = strlen(text);
	}
	handler_finish(x->run, &r);
	exec_free(x);
}

static void exec_on_exit(const struct handler_exit *e, void *arg)
{
	struct exec *x = arg;

	x->child = NULL;
	exec_stream_read(&x->out, EXEC_DRAIN_MAX);
	exec_stream_read(&x->log, EXEC_DRAIN_MAX);
	exec_stream_read(&x->progress, EXEC_DRAIN_MAX);
	handler_lines_end(&x->log_lines);
	handler_lines_end(&x->progress_lines);
	exec_finish(x, e);
}

static void exec_write(struct exec *x)
{
	size_t len;
	const char *params = task_given(x->run->task, &len);
	ssize_t n;

	while (x->in_at < len) {
		n = write(x->in_fd, params + x->in_at, len - x->in_at);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1 && errno != EINTR)
			break; /* it does not want them */
		if (n > 0)
			x->in_at += (size_t)n;
	}
	exec_close_input(x);
}

static void exec_on_writable(int fd, unsigned events, void *arg)
{
	(void)fd;
	(void)events;
	exec_write(arg);
}

/* Our ends and the child's of its four pipes.  -1 with errno: what is open
 * is in the struct and in theirs. */
static int exec_make_pipes(struct exec *x, int theirs[HANDLER_CHILD_FDS])
{
	if (handler_pipe_to(&x->in_fd, &theirs[0]) == -1 ||
		handler_pipe_from(&x->out.fd, &theirs[1]) == -1 ||
		handler_pipe_from(&x->log.fd, &theirs[2]) == -1 ||
		handler_pipe_from(&x->progress.fd, &theirs[3]) == -1)
		return -1;
	return 0;
}

static void exec_stream_init(struct exec_stream *s, struct exec *x,
	void (*take)(struct exec *x, const char *data, size_t len))
{
	*s = (struct exec_stream){ .x = x, .fd = -1, .take = take };
}

static struct exec *exec_new(struct handler_run *run)
{
	struct exec *x = xcalloc(1, sizeof(*x));

	x->run = run;
	x->in_fd = -1;
	exec_stream_init(&x->out, x, exec_take_result);
	exec_stream_init(&x->log, x, exec_take_log);
	exec_stream_init(&x->progress, x, exec_take_progress);
	handler_lines_init(&x->log_lines, EXEC_LINE_MAX, exec_on_log_line, x);
	handler_lines_init(&x->progress_lines, EXEC_PROGRESS_MAX,
		exec_on_progress_line, x);
	return x;
}

static void exec_watch(struct exec *x)
{
	struct exec_stream *streams[] = { &x->out, &x->log, &x->progress };
	struct loop *l = x->run->handler->all->loop;
	size_t i;

	for (i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		streams[i]->watch = loop_fd_new(l, streams[i]->fd, LOOP_READ,
			exec_on_readable, streams[i]);
	exec_write(x);
	if (x->in_fd != -1)
		x->in_watch = loop_fd_new(
			l, x->in_fd, LOOP_WRITE, exec_on_writable, x);
}

/* A worker short of something may have it later; a command that can't be
 * run will not run later. */
static bool exec_is_final(bool is_exec, int error)
{
	return is_exec && error != EAGAIN && error != ENOMEM &&
	       error != EMFILE && error != ENFILE && error != ETXTBSY &&
	       error != EIO;
}

static void exec_start(struct handler_run *run)
{
	int theirs[HANDLER_CHILD_FDS] = { -1, -1, -1, -1 }, i;
	struct exec *x = exec_new(run);
	struct handler_vars vars;
	bool is_exec = false;
	struct err err;

	handler_vars_init(&vars, run);
	if (exec_make_pipes(x, theirs) == -1)
		err_errno(&err, "cannot make a pipe");
	else
		x->child = handler_child_start(run->handler->all->children,
			run->handler->own, vars.items, theirs,
			HANDLER_CHILD_FDS, exec_on_exit, x, &is_exec, &err);
	handler_vars_done(&vars);
	for (i = 0; i < HANDLER_CHILD_FDS; i++)
		if (theirs[i] != -1)
			close(theirs[i]);
	if (x->child == NULL) {
		exec_free(x);
		handler_finish_text(run,
			exec_is_final(is_exec, err.code) ? HANDLER_FATAL
							 : HANDLER_RETRY,
			"%s", err.text);
		return;
	}
	run->own = x;
	exec_watch(x);
}

static void exec_stop(struct handler_run *run, enum handler_force force)
{
	struct exec *x = run->own;

	handler_child_signal(
		x->child, force == HANDLER_FORCE_HARD ? SIGKILL : SIGTERM);
}

static void exec_kill(struct handler_run *run)
{
	struct exec *x = run->own;

	handler_child_abandon(x->child);
	exec_free(x);
}

const struct handler_kind handler_kind_exec = {
	.open = exec_open,
	.close = exec_close,
	.start = exec_start,
	.stop = exec_stop,
	.kill = exec_kill,
};
