/* SPDX-License-Identifier: ISC */
/*
 * record - a plugin that writes the id of each task into the file which its
 * config names, a line each, and takes a little while for it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reeve_plugin.h"

#define RECORD_PAUSE_US 100

static int record_init(const struct reeve_host *host, const char *config,
	void **ret_state, char *err, size_t err_size)
{
	int fd = open(config, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	(void)host;
	if (fd == -1) {
		snprintf(err, err_size, "cannot open \"%s\"", config);
		return -1;
	}
	*ret_state = (void *)(intptr_t)fd;
	return 0;
}

static void record_run(void *state, struct reeve_task *task)
{
	int fd = (int)(intptr_t)state;
	char line[128];
	int n = snprintf(line, sizeof(line), "%s\n", task->id);

	if (write(fd, line, (size_t)n) != n) {
		reeve_task_done(task, REEVE_RETRY, "disk full", 9);
		return;
	}
	usleep(RECORD_PAUSE_US);
	reeve_task_done(task, REEVE_SUCCESS, "{}", 2);
}

static void record_free(void *state)
{
	close((int)(intptr_t)state);
}

static const struct reeve_plugin record = {
	.abi = REEVE_PLUGIN_ABI,
	.name = "record",
	.init = record_init,
	.run = record_run,
	.free = record_free,
};

int reeve_plugin_abi(void)
{
	return REEVE_PLUGIN_ABI;
}

const struct reeve_plugin *reeve_plugin(void)
{
	return &record;
}
