/* SPDX-License-Identifier: ISC */
/*
 * reevectl - look at and control a running reeved.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ctl/commands.h"
#include "ctl/config.h"
#include "ctl/consumers.h"
#include "ctl/cron_history.h"
#include "ctl/cron_list.h"
#include "ctl/cron_next.h"
#include "ctl/cron_preview.h"
#include "ctl/cron_run.h"
#include "ctl/cron_set.h"
#include "ctl/cron_state.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/deploy.h"
#include "ctl/fsck.h"
#include "ctl/gate.h"
#include "ctl/handlers.h"
#include "ctl/kept.h"
#include "ctl/logs.h"
#include "ctl/migrate.h"
#include "ctl/nodes.h"
#include "ctl/option.h"
#include "ctl/push.h"
#include "ctl/queue.h"
#include "ctl/remote.h"
#include "ctl/scheduler.h"
#include "ctl/socket.h"
#include "ctl/status.h"
#include "ctl/story.h"
#include "ctl/task.h"
#include "ctl/task_list.h"
#include "ctl/tenant.h"
#include "ctl/token.h"
#include "ctl/top.h"
#include "ctl/url.h"

#define MAIN_HELP_COLUMN 24

struct main_command {
	const char *name;
	const char *sub;       /* further words that belong to it; NULL */
	const char *arguments; /* as the help shows them */
	const char *help;
	int (*run)(struct ctl *c);
	int least, most;  /* arguments */
	unsigned options; /* enum option_group */
};

#define MAIN_MANY   1000
#define MAIN_DEPLOY (OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_APP)
#define MAIN_CRON   (OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_TENANT)

static const struct main_command main_commands[] = {
	{ "status", NULL, "[POOL]", "the node, its pools and workers",
		status_command, 0, 1, OPTION_JSON },
	{ "top", NULL, "", "the same as a live view; q leaves it", top_command,
		0, 0, 0 },
	{ "reload", NULL, "[--plan]",
		"take over the changed process.yaml, or say what would change",
		commands_reload, 0, 0, OPTION_JSON | OPTION_PLAN },
	{ "start", NULL, "POOL ...", "start what was stopped or has failed",
		commands_start, 1, MAIN_MANY, OPTION_JSON },
	{ "stop", NULL, "POOL ...", "stop the pool until it is started",
		commands_stop, 1, MAIN_MANY, OPTION_JSON },
	{ "restart", NULL, "POOL ...", "replace the workers, without a gap",
		commands_restart, 1, MAIN_MANY, OPTION_JSON },
	{ "scale", NULL, "POOL N|file",
		"run N workers, or as many as the file says", commands_scale, 2,
		2, OPTION_JSON },
	{ "logs", NULL, "[-f] [-n N] [POOL]", "the last lines of the logs",
		logs_command, 0, 1,
		OPTION_JSON | OPTION_FOLLOW | OPTION_LINES },
	{ "reopen", NULL, "", "open the log files anew", commands_reopen, 0, 0,
		OPTION_JSON },
	{ "upgrade", NULL, "", "run the new binary, in place", commands_upgrade,
		0, 0, OPTION_JSON },
	{ "shutdown", NULL, "[--now]", "stop everything, gracefully or fast",
		commands_shutdown, 0, 0, OPTION_JSON | OPTION_NOW },
	{ "queue", "list", "", "the topics and what is in them", queue_list, 0,
		0, OPTION_JSON | OPTION_LOCAL },
	{ "queue", "push", "TOPIC HANDLER [JSON]", "enqueue a task",
		push_command, 2, 3,
		OPTION_JSON | OPTION_LOCAL | OPTION_PUSH | OPTION_DATABASE },
	{ "queue", "peek", "[-n N] TOPIC", "the oldest entries of a topic",
		queue_peek, 1, 1, OPTION_JSON | OPTION_LINES | OPTION_LOCAL },
	{ "queue", "pause", "TOPIC", "let nobody take tasks of it", queue_pause,
		1, 1, OPTION_JSON | OPTION_LOCAL },
	{ "queue", "resume", "TOPIC", "let them be taken again", queue_resume,
		1, 1, OPTION_JSON | OPTION_LOCAL },
	{ "queue", "dead list", "[-n N] TOPIC", "the oldest dead letters",
		dead_list, 1, 1, OPTION_JSON | OPTION_LINES | OPTION_LOCAL },
	{ "queue", "dead show", "TOPIC ID ...|--all", "all of one, with errors",
		dead_show, 1, MAIN_MANY,
		OPTION_JSON | OPTION_ALL | OPTION_LOCAL },
	{ "queue", "dead retry", "TOPIC ID ...|--all", "enqueue them again",
		dead_retry, 1, MAIN_MANY,
		OPTION_JSON | OPTION_ALL | OPTION_LOCAL | OPTION_DATABASE },
	{ "queue", "dead purge", "TOPIC ID ...|--all", "throw them away",
		dead_purge, 1, MAIN_MANY,
		OPTION_JSON | OPTION_ALL | OPTION_LOCAL },
	{ "task", "list", "[-n N] [--tenant ID]", "the last tracked tasks",
		task_list_command, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_TENANT |
			OPTION_LINES },
	{ "task", "show", "ID", "where a task is", task_show, 1, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "task", "cancel", "ID", "end it, waiting or running", task_cancel, 1,
		1, OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "task", "retry", "ID", "run it now, delayed or over", task_retry, 1,
		1, OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "task", "explain", "ID", "what happened to it, in order",
		story_explain, 1, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "task", "logs", "[-f] [-n N] ID", "what a tracked task said",
		kept_logs, 1, 1,
		OPTION_JSON | OPTION_FOLLOW | OPTION_LINES | OPTION_LOCAL |
			OPTION_DATABASE },
	{ "consumers", "get", "", "how many workers the topics have",
		consumers_get, 0, 0, OPTION_JSON },
	{ "consumers", "set", "TOPIC=N ...", "give topics so many workers",
		consumers_set, 1, MAIN_MANY, OPTION_JSON },
	{ "consumers", "unset", "", "as many as the file says again",
		consumers_unset, 0, 0, OPTION_JSON },
	{ "migrate", NULL, "[status|up] [--dry-run]",
		"bring the tables in PostgreSQL up to date, or say what lacks",
		migrate_command, 0, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_MIGRATE },
	{ "fsck", NULL, "[--repair]",
		"compare PostgreSQL with Redis, and mend what differs",
		fsck_command, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_REPAIR },
	{ "nodes", NULL, "", "all nodes, and how they are", nodes_command, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "cron", "add", "NAME --handler NAME --cron EXPR|--every SPAN|...",
		"make a definition", cron_set_add, 1, 1,
		MAIN_CRON | OPTION_DEFINE | OPTION_FORCE },
	{ "cron", "list", "", "the definitions, and when they fire",
		cron_list_command, 0, 0, MAIN_CRON },
	{ "cron", "show", "NAME", "all of one", cron_list_show, 1, 1,
		MAIN_CRON },
	{ "cron", "edit", "NAME --handler NAME ...", "change what is said",
		cron_set_edit, 1, 1, MAIN_CRON | OPTION_DEFINE | OPTION_FORCE },
	{ "cron", "rm", "NAME ...", "remove them", cron_state_rm, 1, MAIN_MANY,
		MAIN_CRON | OPTION_FORCE },
	{ "cron", "enable", "NAME ...", "let them fire", cron_state_enable, 1,
		MAIN_MANY, MAIN_CRON },
	{ "cron", "disable", "NAME ...", "don't", cron_state_disable, 1,
		MAIN_MANY, MAIN_CRON },
	{ "cron", "run", "NAME", "run it now", cron_run_command, 1, 1,
		MAIN_CRON | OPTION_RUN },
	{ "cron", "history", "[-n N] [NAME]", "the last runs",
		cron_history_command, 0, 1, MAIN_CRON | OPTION_LINES },
	{ "cron", "stats", "[NAME]", "the runs as numbers", cron_history_stats,
		0, 1, MAIN_CRON | OPTION_DAYS },
	{ "cron", "preview", "[NAME]", "what is going to fire, by minutes",
		cron_preview_command, 0, 1, MAIN_CRON | OPTION_HOURS },
	{ "cron", "next", "EXPRESSION|--batch",
		"the next times of a cron expression", cron_next_command, 0, 1,
		OPTION_JSON | OPTION_NEXT | OPTION_LOCAL },
	{ "scheduler", "status", "", "whether definitions fire, and how late",
		scheduler_status, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "scheduler", "start", "", "let definitions fire, on all nodes",
		scheduler_start, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "scheduler", "stop", "", "let none fire, on any node", scheduler_stop,
		0, 0, OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "scheduler", "restart", "", "start it, and look anew at what is due",
		scheduler_restart, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "token", "add", "--role ROLE [--tenant ID]",
		"make a token of the API, and print it", token_add, 0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_TENANT |
			OPTION_TOKEN },
	{ "token", "list", "[--tenant ID]", "the tokens there are", token_list,
		0, 0,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_TENANT },
	{ "token", "revoke", "NAME|ID", "let it open nothing any more",
		token_revoke, 1, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_TENANT },
	{ "tenant", "add", "ID", "a further tenant", tenant_add, 1, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_LIMITS },
	{ "tenant", "set", "ID", "change its limits", tenant_set, 1, 1,
		OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE | OPTION_LIMITS },
	{ "tenant", "list", "", "the tenants and their limits", tenant_list, 0,
		0, OPTION_JSON | OPTION_LOCAL | OPTION_DATABASE },
	{ "deploy", "push", "VERSION", "let a release go live", deploy_push, 1,
		1, MAIN_DEPLOY | OPTION_DEPLOY | OPTION_FORCE },
	{ "deploy", "rollback", "[VERSION]", "bring an earlier one back",
		deploy_rollback, 0, 1,
		MAIN_DEPLOY | OPTION_DEPLOY | OPTION_FORCE },
	{ "deploy", "list", "[-n N]", "what was deployed", deploy_list, 0, 0,
		MAIN_DEPLOY | OPTION_LINES },
	{ "deploy", "show", "[-f] ID", "its steps, and what they said",
		deploy_show, 1, 1, MAIN_DEPLOY | OPTION_FOLLOW },
	{ "deploy", "abort", "[ID]", "go back to what was there", deploy_abort,
		0, 1, MAIN_DEPLOY },
	{ "deploy", "gate", "[--no-fetch] VERSION",
		"has it the handlers that stored tasks need?", gate_command, 1,
		1, MAIN_DEPLOY | OPTION_GATE },
	{ "handlers", "check", "", "test the handlers and what is stored",
		handlers_check, 0, 0, OPTION_JSON | OPTION_LOCAL },
	{ "config", "show", "", "the configuration that is in effect",
		config_show, 0, 0, 0 },
	{ "config", "check", "[FILE]", "test a process.yaml", config_check, 0,
		1, OPTION_JSON | OPTION_LOCAL },
	{ "config", "options", "", "every setting there is", config_options, 0,
		0, OPTION_JSON | OPTION_LOCAL },
};

#define MAIN_COMMANDS (sizeof(main_commands) / sizeof(*main_commands))

int ctl_fail(int exit_code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("reevectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return exit_code;
}

static void main_help_command(const struct main_command *m)
{
	char head[80];

	snprintf(head, sizeof(head), "%s%s%s %s", m->name,
		m->sub != NULL ? " " : "", m->sub != NULL ? m->sub : "",
		m->arguments);
	if (strlen(head) > MAIN_HELP_COLUMN)
		printf("  %s\n  %-*s %s\n", head, MAIN_HELP_COLUMN, "",
			m->help);
	else
		printf("  %-*s %s\n", MAIN_HELP_COLUMN, head, m->help);
}

/* It asks no daemon, no database and no Redis. */
static bool main_is_alone(const struct main_command *m)
{
	return m->run == cron_next_command || m->run == config_check ||
	       m->run == config_options;
}

static void main_help(const struct main_command *m)
{
	size_t i;

	fputs("usage: reevectl [-c FILE | -S SOCKET | --url URL] [--json] "
	      "COMMAND ...\n\n",
		stdout);
	for (i = 0; i < MAIN_COMMANDS; i++) {
		if (m == NULL || m == &main_commands[i])
			main_help_command(&main_commands[i]);
	}
	fputs("\n", stdout);
	option_help(m != NULL ? m->options : ~0u, MAIN_HELP_COLUMN);
	if (m != NULL && !main_is_alone(m))
		remote_help(remote_find(m->name, m->sub));
}

/* No command, or half of one: then the whole ones are told. */
static int main_unknown(const struct ctl *c)
{
	struct buf there = BUF_INIT;
	size_t i;
	int rc;

	for (i = 0; i < MAIN_COMMANDS; i++) {
		const struct main_command *m = &main_commands[i];

		if (m->sub != NULL && strcmp(m->name, c->argv[0]) == 0)
			buf_printf(&there, "%s%s",
				there.len == 0 ? "; there are: " : ", ",
				m->sub);
	}
	rc = ctl_fail(EXIT_USAGE, "there is no command \"%s%s%s\"%s",
		c->argv[0], c->argc > 1 ? " " : "",
		c->argc > 1 ? c->argv[1] : "", buf_str(&there));
	buf_done(&there);
	return rc;
}

static int main_usage(void)
{
	fputs("Try `reevectl --help`.\n", stderr);
	return EXIT_USAGE;
}

/* How many of the arguments are the words of this command; 0: it is another. */
static int main_words(const struct main_command *m, const struct ctl *c)
{
	const char *rest = m->sub;
	int words = 1;

	if (strcmp(m->name, c->argv[0]) != 0)
		return 0;
	while (rest != NULL && *rest != '\0') {
		size_t len = strcspn(rest, " ");

		if (words >= c->argc || strlen(c->argv[words]) != len ||
			strncmp(c->argv[words], rest, len) != 0)
			return 0;
		words++;
		rest += len + strspn(rest + len, " ");
	}
	return words;
}

/* Finds the command and takes its words off the arguments. */
static const struct main_command *main_find(struct ctl *c)
{
	size_t i;

	for (i = 0; c->argc > 0 && i < MAIN_COMMANDS; i++) {
		const struct main_command *m = &main_commands[i];
		int words = main_words(m, c);

		if (words == 0)
			continue;
		c->argc -= words;
		c->argv += words;
		return m;
	}
	return NULL;
}

static int main_check(
	const struct main_command *m, const struct ctl *c, uint64_t seen)
{
	int rc = option_check(m->name, m->options, seen);

	if (rc != EXIT_OK)
		return rc;
	if (c->argc < m->least || c->argc > m->most)
		return ctl_fail(EXIT_USAGE, "usage: reevectl %s%s%s %s",
			m->name, m->sub != NULL ? " " : "",
			m->sub != NULL ? m->sub : "", m->arguments);
	return EXIT_OK;
}

static int main_refuse_url(const struct main_command *m, const struct ctl *c)
{
	return ctl_fail(EXIT_USAGE,
		"%s%s%s works on the node itself only: no --url%s", m->name,
		m->sub != NULL ? " " : "", m->sub != NULL ? m->sub : "",
		c->url == NULL ? "; unset REEVE_URL, or say which by -c, -S or "
				 "--database"
			       : "");
}

/* On another node, or, where `url` is NULL, on this one. */
static int main_run_there(
	const struct main_command *m, struct ctl *c, const char *url)
{
	const struct remote_command *how = remote_find(m->name, m->sub);
	struct url *there = NULL;
	int rc;

	if (how == NULL)
		return main_refuse_url(m, c);
	rc = url_read(c, url, &there);
	c->there = there;
	if (rc == EXIT_OK)
		rc = remote_run(c, how);
	url_free(there);
	return rc;
}

static int main_run_here(const struct main_command *m, struct ctl *c)
{
	char *path = NULL;
	int rc = EXIT_OK;

	if (c->token_file != NULL || c->cacert != NULL)
		return ctl_fail(EXIT_USAGE,
			"--token-file and --cacert go with --url or REEVE_URL");
	if ((m->options & OPTION_LOCAL) == 0) {
		rc = socket_find(c, &path);
		c->socket = path;
	}
	if (rc == EXIT_OK)
		rc = m->run(c);
	free(path);
	return rc;
}

/* Over the API the tenant is that of the token. */
static int main_check_there(const struct main_command *m,
	const struct remote_command *how, uint64_t seen)
{
	char *words = xasprintf("%s with --url", how->words);
	int rc = option_check(words,
		m->options & ~(how->without | OPTION_TENANT | OPTION_DATABASE),
		seen);

	free(words);
	return rc;
}

static int main_run(const struct main_command *m, struct ctl *c, uint64_t seen)
{
	const char *url = url_wanted(c);
	const struct remote_command *how = remote_find(m->name, m->sub);
	int rc = EXIT_OK;

	if (c->url == NULL && main_is_alone(m))
		url = NULL;
	if (url != NULL && how != NULL)
		rc = main_check_there(m, how, seen);
	if (rc == EXIT_OK)
		rc = url != NULL ? main_run_there(m, c, url)
				 : main_run_here(m, c);
	if (fflush(stdout) != 0 && rc == EXIT_OK)
		rc = ctl_fail(EXIT_SYSTEM, "cannot write the output");
	return rc;
}

int main(int argc, char **argv)
{
	const struct main_command *m;
	struct ctl c = { 0 };
	uint64_t seen;
	int rc;

	setlocale(LC_CTYPE, "");
	rc = option_parse(argc, argv, &c, &seen);
	if (rc != EXIT_OK)
		return rc;
	if (c.version) {
		puts("reevectl " PACKAGE_VERSION);
		return EXIT_OK;
	}
	m = main_find(&c);
	if (c.help) {
		main_help(m);
		return EXIT_OK;
	}
	if (m == NULL && c.argc > 0)
		(void)main_unknown(&c);
	if (m == NULL)
		return main_usage();
	rc = main_check(m, &c, seen);
	option_complete(m->options, seen, &c);
	return rc == EXIT_OK ? main_run(m, &c, seen) : rc;
}
