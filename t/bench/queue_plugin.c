/* SPDX-License-Identifier: ISC */
/*
 * queue_plugin - handlers that do nothing, or next to it.
 *
 * Without a config a task is done at once.  The config is else the path of a
 * file: the time that each task was on its way, as its params tell, is added
 * to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "task/reeve_plugin.h"

static int stamp_init(const struct reeve_host *host, const char *config,
	void **ret_state, char *err, size_t err_size)
{
	(void)host;
	*ret_state = NULL;
	if (config[0] == '\0')
		return 0;
	*ret_state = fopen(config, "a");
	if (*ret_state == NULL)
		snprintf(err, err_size, "%s: it can't be opened", config);
	return *ret_state != NULL ? 0 : -1;
}

/* clock_now of the daemon. */
static long long stamp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void stamp_task(FILE *file, const struct reeve_task *task)
{
	const char *at = strstr(task->params, "\"at\":");

	if (at != NULL)
		fprintf(file, "wait_us %lld\n",
			stamp_now() - strtoll(at + 5, NULL, 10));
	fflush(file);
}

static void stamp_run(void *state, struct reeve_task *task)
{
	if (state != NULL)
		stamp_task(state, task);
	reeve_task_done(task, REEVE_SUCCESS, NULL, 0);
}

static void stamp_free(void *state)
{
	if (state != NULL)
		fclose(state);
}

static const struct reeve_plugin stamp = {
	.abi = REEVE_PLUGIN_ABI,
	.name = "stamp",
	.init = stamp_init,
	.run = stamp_run,
	.free = stamp_free,
};

int reeve_plugin_abi(void)
{
	return REEVE_PLUGIN_ABI;
}

const struct reeve_plugin *reeve_plugin(void)
{
	return &stamp;
}
