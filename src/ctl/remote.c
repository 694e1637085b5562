/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "ctl/cron_history.h"
#include "ctl/cron_list.h"
#include "ctl/ctl.h"
#include "ctl/option.h"
#include "ctl/remote.h"
#include "ctl/remote_cron.h"
#include "ctl/remote_define.h"
#include "ctl/queue.h"
#include "ctl/remote_deploy.h"
#include "ctl/remote_logs.h"
#include "ctl/remote_queue.h"
#include "ctl/remote_task.h"
#include "ctl/scheduler.h"
#include "ctl/status.h"
#include "ctl/task_list.h"
#include "ctl/top.h"

/* The client knows the way to the document that both show. */
static int remote_status(struct remote *r)
{
	return status_command(r->ctl);
}

static int remote_top(struct remote *r)
{
	return top_command(r->ctl);
}

#define REMOTE_DEFINITIONS "/api/v1/tasks/definitions"
#define REMOTE_INSTANCES   "/api/v1/tasks/instances"
#define REMOTE_SCHEDULER   "/api/v1/tasks/scheduler"
#define REMOTE_DEPLOYMENTS "/api/v1/deployments"

#define REMOTE_ROW(words_, method_, path_, run_) \
	.words = (words_), .method = (method_), .path = (path_), .run = (run_)

static const struct remote_command remote_commands[] = {
	{ REMOTE_ROW("status", "GET", "/api/v1/pools", remote_status) },
	{ REMOTE_ROW("top", "GET", "/api/v1/pools", remote_top) },
	{ REMOTE_ROW("nodes", "GET", "/api/v1/nodes", remote_queue_nodes),
		.members = remote_queue_node },
	{ REMOTE_ROW("consumers get", "GET", "/api/v1/pools",
		remote_queue_consumers) },
	{ REMOTE_ROW("queue list", "GET", "/api/v1/queues", remote_queue_list),
		.members = remote_queue_topic, .print = queue_tell },
	{ REMOTE_ROW("queue dead list", "GET", "/api/v1/queues/{topic}/dead",
		remote_queue_dead_list) },
	{ REMOTE_ROW("queue dead show", "GET", "/api/v1/queues/{topic}/dead",
		remote_queue_dead_show) },
	{ REMOTE_ROW("queue push", "POST", "/api/v1/tasks", remote_task_push) },
	{ REMOTE_ROW("task list", "GET", REMOTE_INSTANCES, remote_task_list),
		.members = remote_task_item, .print = task_list_tell },
	{ REMOTE_ROW("task show", "GET", REMOTE_INSTANCES "/{id}",
		remote_task_show) },
	{ REMOTE_ROW("task cancel", "POST", REMOTE_INSTANCES "/{id}/cancel",
		remote_task_cancel) },
	{ REMOTE_ROW("task retry", "POST", REMOTE_INSTANCES "/{id}/retry",
		remote_task_retry) },
	{ REMOTE_ROW("task logs", "GET", REMOTE_INSTANCES "/{id}/logs",
		remote_logs) },
	{ REMOTE_ROW("cron list", "GET", REMOTE_DEFINITIONS, remote_cron_list),
		.members = remote_cron_definition, .print = cron_list_tell },
	{ REMOTE_ROW("cron show", "GET", REMOTE_DEFINITIONS "/{id}",
		  remote_cron_show),
		.members = remote_cron_definition,
		.print = cron_list_tell_one },
	{ REMOTE_ROW("cron add", "POST", REMOTE_DEFINITIONS, remote_define_add),
		.without = OPTION_FORCE },
	{ REMOTE_ROW("cron edit", "PUT", REMOTE_DEFINITIONS "/{id}",
		remote_define_edit) },
	{ REMOTE_ROW("cron rm", "DELETE", REMOTE_DEFINITIONS "/{id}",
		remote_cron_each) },
	{ REMOTE_ROW("cron enable", "POST", REMOTE_DEFINITIONS "/{id}/enable",
		remote_cron_each) },
	{ REMOTE_ROW("cron disable", "POST", REMOTE_DEFINITIONS "/{id}/disable",
		remote_cron_each) },
	{ REMOTE_ROW("cron run", "POST", REMOTE_DEFINITIONS "/{id}/run",
		remote_task_run) },
	{ REMOTE_ROW(
		  "cron history", "GET", REMOTE_INSTANCES, remote_cron_history),
		.members = remote_cron_run, .print = cron_history_tell },
	{ REMOTE_ROW("scheduler status", "GET", REMOTE_SCHEDULER "/status",
		  remote_cron_scheduler),
		.members = remote_cron_scheduling, .print = scheduler_tell },
	{ REMOTE_ROW("scheduler start", "POST", REMOTE_SCHEDULER "/start",
		remote_cron_scheduler_do) },
	{ REMOTE_ROW("scheduler stop", "POST", REMOTE_SCHEDULER "/stop",
		remote_cron_scheduler_do) },
	{ REMOTE_ROW("scheduler restart", "POST", REMOTE_SCHEDULER "/restart",
		remote_cron_scheduler_do) },
	{ REMOTE_ROW("deploy push", "POST", REMOTE_DEPLOYMENTS,
		remote_deploy_push) },
	{ REMOTE_ROW("deploy rollback", "POST", REMOTE_DEPLOYMENTS,
		remote_deploy_rollback) },
	{ REMOTE_ROW(
		  "deploy list", "GET", REMOTE_DEPLOYMENTS, remote_deploy_list),
		.members = remote_deploy_row },
	{ REMOTE_ROW("deploy show", "GET", REMOTE_DEPLOYMENTS "/{id}",
		  remote_deploy_show),
		.members = remote_deploy_row },
	{ REMOTE_ROW("deploy abort", "POST", REMOTE_DEPLOYMENTS "/{id}/abort",
		remote_deploy_abort) },
};

#define REMOTE_COMMANDS (sizeof(remote_commands) / sizeof(*remote_commands))

const struct remote_command *remote_find(const char *name, const char *sub)
{
	size_t i, len = strlen(name);

	for (i = 0; i < REMOTE_COMMANDS; i++) {
		const char *words = remote_commands[i].words;

		if (strncmp(words, name, len) != 0)
			continue;
		if (sub == NULL ? words[len] == '\0'
				: words[len] == ' ' &&
					  strcmp(words + len + 1, sub) == 0)
			return &remote_commands[i];
	}
	return NULL;
}

int remote_run(struct ctl *c, const struct remote_command *how)
{
	struct remote r = { c, how, client_new(c) };
	int rc = how->run(&r);

	client_free(r.client);
	return rc;
}

void remote_help(const struct remote_command *how)
{
	if (how != NULL)
		printf("\nWith --url: %s %s\n", how->method, how->path);
	else
		puts("\nOn the node itself only: no --url");
}
