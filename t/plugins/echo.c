/* SPDX-License-Identifier: ISC */
/*
 * echo - a sample plugin: it gives back what it is given.
 *
 *	cc -shared -fPIC -o echo.so echo.c
 *
 * Words in the params make it behave in other ways; with the config "noop" it
 * does nothing at all, as fast as it can.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reeve_plugin.h"

#define LATER_MS 20

struct echo {
	const struct reeve_host *host;
	bool is_noop;
};

/* A task that is answered later. */
struct later {
	struct reeve_task *task;
	const struct reeve_host *host;
	struct reeve_timer *timer;
	struct reeve_watch *watch;
	int fds[2];
};

static int echo_init(const struct reeve_host *host, const char *config,
	void **ret_state, char *err, size_t err_size)
{
	struct echo *e;

	if (strcmp(config, "noop") != 0 && strcmp(config, "") != 0) {
		snprintf(err, err_size, "config is \"%s\", not \"noop\"",
			config);
		return -1;
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -1;
	e->host = host;
	e->is_noop = config[0] != '\0';
	host->log(host, NULL, "ready");
	*ret_state = e;
	return 0;
}

static void echo_on_time(void *arg)
{
	struct later *l = arg;
	struct reeve_task *task = l->task;

	free(l);
	reeve_task_done(task, REEVE_SUCCESS, "\"late\"", 6);
}

static void echo_on_readable(void *arg)
{
	struct later *l = arg;
	struct reeve_task *task = l->task;

	l->host->unwatch(l->watch);
	close(l->fds[0]);
	close(l->fds[1]);
	free(l);
	reeve_task_done(task, REEVE_SUCCESS, "\"read\"", 6);
}

static void echo_later(struct echo *e, struct reeve_task *task, bool by_pipe)
{
	struct later *l = calloc(1, sizeof(*l));

	if (l == NULL || (by_pipe && pipe(l->fds) == -1)) {
		free(l);
		reeve_task_done(task, REEVE_RETRY, "no room", 7);
		return;
	}
	l->task = task;
	l->host = e->host;
	task->user = l;
	if (!by_pipe) {
		l->timer = e->host->after(e->host, LATER_MS, echo_on_time, l);
		return;
	}
	l->watch = e->host->watch(
		e->host, l->fds[0], REEVE_READ, echo_on_readable, l);
	if (write(l->fds[1], "x", 1) != 1)
		e->host->log(e->host, task, "a full pipe");
}

static bool has(const struct reeve_task *task, const char *word)
{
	return strstr(task->params, word) != NULL;
}

static void echo_run(void *state, struct reeve_task *task)
{
	struct echo *e = state;

	if (e->is_noop) {
		reeve_task_done(task, REEVE_SUCCESS, NULL, 0);
		return;
	}
	reeve_task_progress(task, 50, "half");
	if (has(task, "do-fail"))
		reeve_task_done(task, REEVE_RETRY, "no luck", 7);
	else if (has(task, "do-never"))
		reeve_task_done(task, REEVE_FATAL, "never", 5);
	else if (has(task, "do-snooze"))
		reeve_task_snooze(task, 1500);
	else if (has(task, "do-later"))
		echo_later(e, task, false);
	else if (has(task, "do-pipe"))
		echo_later(e, task, true);
	else if (!has(task, "do-hang"))
		reeve_task_done(
			task, REEVE_SUCCESS, task->params, task->params_len);
}

/* What will answer by itself is let go on. */
static void echo_cancel(void *state, struct reeve_task *task)
{
	(void)state;
	if (task->user == NULL)
		reeve_task_done(task, REEVE_RETRY, NULL, 0);
}

static void echo_free(void *state)
{
	free(state);
}

static const struct reeve_plugin echo = {
	.abi = REEVE_PLUGIN_ABI,
	.name = "echo",
	.init = echo_init,
	.run = echo_run,
	.cancel = echo_cancel,
	.free = echo_free,
};

int reeve_plugin_abi(void)
{
	return REEVE_PLUGIN_ABI;
}

const struct reeve_plugin *reeve_plugin(void)
{
	return &echo;
}
