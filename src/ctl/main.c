/* SPDX-License-Identifier: ISC */
/*
 * reevectl - look at and control a running reeved.
 */
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/config.h"
#include "ctl/consumers.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/handlers.h"
#include "ctl/logs.h"
#include "ctl/push.h"
#include "ctl/queue.h"
#include "ctl/socket.h"
#include "ctl/status.h"
#include "ctl/story.h"
#include "ctl/task.h"
#include "ctl/top.h"

#define MAIN_LINES_DEFAULT 10
#define MAIN_LINES_MAX     1000000
#define MAIN_COUNT_MAX     10000000
#define MAIN_HELP_COLUMN   24

/* Options that some commands take and others don't. */
enum main_option {
	MAIN_JSON = 1,
	MAIN_FOLLOW = 2,
	MAIN_LINES = 4,
	MAIN_PLAN = 8,
	MAIN_NOW = 16,
	MAIN_LOCAL = 32, /* no option: the command needs no daemon */
	MAIN_PUSH = 64,  /* --delay, --at, --unique, --count, --wait */
	MAIN_ALL = 128
};

struct main_command {
	const char *name;
	const char *sub;       /* further words that belong to it; NULL */
	const char *arguments; /* as the help shows them */
	const char *help;
	int (*run)(struct ctl *c);
	int least, most; /* arguments */
	unsigned options;
};

#define MAIN_MANY 1000

static const struct main_command main_commands[] = {
	{ "status", NULL, "[POOL]", "the node, its pools and workers",
		status_command, 0, 1, MAIN_JSON },
	{ "top", NULL, "", "the same as a live view; q leaves it", top_command,
		0, 0, 0 },
	{ "reload", NULL, "[--plan]",
		"take over the changed process.yaml, or say what would change",
		commands_reload, 0, 0, MAIN_JSON | MAIN_PLAN },
	{ "start", NULL, "POOL ...", "start what was stopped or has failed",
		commands_start, 1, MAIN_MANY, MAIN_JSON },
	{ "stop", NULL, "POOL ...", "stop the pool until it is started",
		commands_stop, 1, MAIN_MANY, MAIN_JSON },
	{ "restart", NULL, "POOL ...", "replace the workers, without a gap",
		commands_restart, 1, MAIN_MANY, MAIN_JSON },
	{ "scale", NULL, "POOL N|file",
		"run N workers, or as many as the file says", commands_scale, 2,
		2, MAIN_JSON },
	{ "logs", NULL, "[-f] [-n N] [POOL]", "the last lines of the logs",
		logs_command, 0, 1, MAIN_JSON | MAIN_FOLLOW | MAIN_LINES },
	{ "reopen", NULL, "", "open the log files anew", commands_reopen, 0, 0,
		MAIN_JSON },
	{ "upgrade", NULL, "", "run the new binary, in place", commands_upgrade,
		0, 0, MAIN_JSON },
	{ "shutdown", NULL, "[--now]", "stop everything, gracefully or fast",
		commands_shutdown, 0, 0, MAIN_JSON | MAIN_NOW },
	{ "queue", "list", "", "the topics and what is in them", queue_list, 0,
		0, MAIN_JSON | MAIN_LOCAL },
	{ "queue", "push", "TOPIC HANDLER [JSON]", "enqueue a task",
		push_command, 2, 3, MAIN_JSON | MAIN_LOCAL | MAIN_PUSH },
	{ "queue", "peek", "[-n N] TOPIC", "the oldest entries of a topic",
		queue_peek, 1, 1, MAIN_JSON | MAIN_LINES | MAIN_LOCAL },
	{ "queue", "pause", "TOPIC", "let nobody take tasks of it", queue_pause,
		1, 1, MAIN_JSON | MAIN_LOCAL },
	{ "queue", "resume", "TOPIC", "let them be taken again", queue_resume,
		1, 1, MAIN_JSON | MAIN_LOCAL },
	{ "queue", "dead list", "[-n N] TOPIC", "the oldest dead letters",
		dead_list, 1, 1, MAIN_JSON | MAIN_LINES | MAIN_LOCAL },
	{ "queue", "dead show", "TOPIC ID ...|--all", "all of one, with errors",
		dead_show, 1, MAIN_MANY, MAIN_JSON | MAIN_ALL | MAIN_LOCAL },
	{ "queue", "dead retry", "TOPIC ID ...|--all", "enqueue them again",
		dead_retry, 1, MAIN_MANY, MAIN_JSON | MAIN_ALL | MAIN_LOCAL },
	{ "queue", "dead purge", "TOPIC ID ...|--all", "throw them away",
		dead_purge, 1, MAIN_MANY, MAIN_JSON | MAIN_ALL | MAIN_LOCAL },
	{ "task", "show", "ID", "where a task is", task_show, 1, 1,
		MAIN_JSON | MAIN_LOCAL },
	{ "task", "cancel", "ID", "end it, waiting or running", task_cancel, 1,
		1, MAIN_JSON | MAIN_LOCAL },
	{ "task", "retry", "ID", "run it now, delayed or dead", task_retry, 1,
		1, MAIN_JSON | MAIN_LOCAL },
	{ "task", "explain", "ID", "what happened to it, in order",
		story_explain, 1, 1, MAIN_JSON | MAIN_LOCAL },
	{ "consumers", "get", "", "how many workers the topics have",
		consumers_get, 0, 0, MAIN_JSON },
	{ "consumers", "set", "TOPIC=N ...", "give topics so many workers",
		consumers_set, 1, MAIN_MANY, MAIN_JSON },
	{ "consumers", "unset", "", "as many as the file says again",
		consumers_unset, 0, 0, MAIN_JSON },
	{ "handlers", "check", "", "test the handlers and what is stored",
		handlers_check, 0, 0, MAIN_JSON | MAIN_LOCAL },
	{ "config", "show", "", "the configuration that is in effect",
		config_show, 0, 0, 0 },
	{ "config", "check", "[FILE]", "test a process.yaml", config_check, 0,
		1, MAIN_JSON | MAIN_LOCAL },
	{ "config", "options", "", "every setting there is", config_options, 0,
		0, MAIN_JSON | MAIN_LOCAL },
};

#define MAIN_COMMANDS (sizeof(main_commands) / sizeof(*main_commands))

static const struct {
	char letter;
	const char *words; /* "--plan" */
	unsigned option;   /* 0: for every command */
	const char *help;
} main_options[] = {
	{ 'c', "-c, --config FILE", 0, "find the socket by this process.yaml" },
	{ 'S', "-S, --socket SOCKET", 0, "use this control socket" },
	{ 'j', "    --json", MAIN_JSON, "print JSON" },
	{ 'f', "-f, --follow", MAIN_FOLLOW, "logs: go on with what is added" },
	{ 'n', "-n, --lines N", MAIN_LINES, "how many lines or entries (10)" },
	{ 'p', "    --plan", MAIN_PLAN, "reload: say what it would do" },
	{ 'w', "    --now", MAIN_NOW, "shutdown: don't wait for tasks" },
	{ 'd', "    --delay SPAN", MAIN_PUSH, "push: not before so long" },
	{ 'a', "    --at TIME", MAIN_PUSH,
		"push: not before 2026-11-22T10:00:00Z" },
	{ 'u', "    --unique KEY", MAIN_PUSH, "push: one of them at a time" },
	{ 'C', "    --count N", MAIN_PUSH, "push: so many of them" },
	{ 'W', "    --wait", MAIN_PUSH, "push: wait for its end" },
	{ 'A', "    --all", MAIN_ALL, "queue dead: all of the topic" },
	{ 'h', "-h, --help", 0, "this text, or that of a command" },
	{ 'V', "-V, --version", 0, "the version" },
};

#define MAIN_OPTIONS (sizeof(main_options) / sizeof(*main_options))

static const struct option main_long[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "socket", required_argument, NULL, 'S' },
	{ "json", no_argument, NULL, 'j' },
	{ "follow", no_argument, NULL, 'f' },
	{ "lines", required_argument, NULL, 'n' },
	{ "plan", no_argument, NULL, 'p' },
	{ "now", no_argument, NULL, 'w' },
	{ "delay", required_argument, NULL, 'd' },
	{ "at", required_argument, NULL, 'a' },
	{ "unique", required_argument, NULL, 'u' },
	{ "count", required_argument, NULL, 'C' },
	{ "wait", no_argument, NULL, 'W' },
	{ "all", no_argument, NULL, 'A' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

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

static void main_help(const struct main_command *m)
{
	size_t i;

	fputs("usage: reevectl [-c FILE | -S SOCKET] [--json] COMMAND ...\n\n",
		stdout);
	for (i = 0; i < MAIN_COMMANDS; i++) {
		if (m == NULL || m == &main_commands[i])
			main_help_command(&main_commands[i]);
	}
	fputs("\n", stdout);
	for (i = 0; i < MAIN_OPTIONS; i++) {
		unsigned option = main_options[i].option;

		if (m == NULL || option == 0 || (m->options & option) != 0)
			printf("  %-*s %s\n", MAIN_HELP_COLUMN,
				main_options[i].words, main_options[i].help);
	}
}

static int main_usage(void)
{
	fputs("Try `reevectl --help`.\n", stderr);
	return EXIT_USAGE;
}

static int main_parse_lines(struct ctl *c, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 0 || n > MAIN_LINES_MAX)
		return ctl_fail(EXIT_USAGE,
			"-n takes a number from 0 to %d, not \"%s\"",
			MAIN_LINES_MAX, text);
	c->lines = n;
	return EXIT_OK;
}

static int main_parse_count(struct ctl *c, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > MAIN_COUNT_MAX)
		return ctl_fail(EXIT_USAGE,
			"--count takes a number from 1 to %d, not \"%s\"",
			MAIN_COUNT_MAX, text);
	c->count = n;
	return EXIT_OK;
}

struct main_flags {
	unsigned seen; /* enum main_option */
	bool help, version;
};

static int main_parse(
	int argc, char **argv, struct ctl *c, struct main_flags *f)
{
	int letter, rc = EXIT_OK;

	while ((letter = getopt_long(
			argc, argv, "c:S:fn:hV", main_long, NULL)) != -1) {
		switch (letter) {
		case 'c': c->config = optarg; break;
		case 'S': c->socket = optarg; break;
		case 'j':
			c->json = true;
			f->seen |= MAIN_JSON;
			break;
		case 'f':
			c->follow = true;
			f->seen |= MAIN_FOLLOW;
			break;
		case 'n':
			f->seen |= MAIN_LINES;
			rc = main_parse_lines(c, optarg);
			break;
		case 'p':
			c->plan = true;
			f->seen |= MAIN_PLAN;
			break;
		case 'w':
			c->now = true;
			f->seen |= MAIN_NOW;
			break;
		case 'd':
			c->delay = optarg;
			f->seen |= MAIN_PUSH;
			break;
		case 'a':
			c->at = optarg;
			f->seen |= MAIN_PUSH;
			break;
		case 'u':
			c->unique = optarg;
			f->seen |= MAIN_PUSH;
			break;
		case 'C':
			f->seen |= MAIN_PUSH;
			rc = main_parse_count(c, optarg);
			break;
		case 'W':
			c->wait = true;
			f->seen |= MAIN_PUSH;
			break;
		case 'A':
			c->all = true;
			f->seen |= MAIN_ALL;
			break;
		case 'h': f->help = true; break;
		case 'V': f->version = true; break;
		default: return main_usage();
		}
		if (rc != EXIT_OK)
			return rc;
	}
	c->argc = argc - optind;
	c->argv = argv + optind;
	if (c->config != NULL && c->socket != NULL)
		return ctl_fail(EXIT_USAGE, "-c and -S exclude each other");
	return EXIT_OK;
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

static int main_check(const struct main_command *m, const struct ctl *c,
	const struct main_flags *f)
{
	unsigned wrong = f->seen & ~m->options;
	size_t i;

	for (i = 0; i < MAIN_OPTIONS; i++) {
		if ((main_options[i].option & wrong) != 0)
			return ctl_fail(EXIT_USAGE, "%s takes no %s", m->name,
				main_options[i].words +
					strspn(main_options[i].words, " "));
	}
	if (c->argc < m->least || c->argc > m->most)
		return ctl_fail(EXIT_USAGE, "usage: reevectl %s%s%s %s",
			m->name, m->sub != NULL ? " " : "",
			m->sub != NULL ? m->sub : "", m->arguments);
	return EXIT_OK;
}

static int main_run(const struct main_command *m, struct ctl *c)
{
	char *path = NULL;
	int rc = EXIT_OK;

	if ((m->options & MAIN_LOCAL) == 0) {
		rc = socket_find(c, &path);
		c->socket = path;
	}
	if (rc == EXIT_OK)
		rc = m->run(c);
	free(path);
	if (fflush(stdout) != 0 && rc == EXIT_OK)
		rc = ctl_fail(EXIT_SYSTEM, "cannot write the output");
	return rc;
}

int main(int argc, char **argv)
{
	struct ctl c = { .lines = MAIN_LINES_DEFAULT, .count = 1 };
	struct main_flags flags = { 0 };
	const struct main_command *m;
	int rc;

	setlocale(LC_CTYPE, "");
	rc = main_parse(argc, argv, &c, &flags);
	if (rc != EXIT_OK)
		return rc;
	if (flags.version) {
		puts("reevectl " PACKAGE_VERSION);
		return EXIT_OK;
	}
	m = main_find(&c);
	if (flags.help) {
		main_help(m);
		return EXIT_OK;
	}
	if (m == NULL && c.argc > 0)
		(void)ctl_fail(EXIT_USAGE, "there is no command \"%s%s%s\"",
			c.argv[0], c.argc > 1 ? " " : "",
			c.argc > 1 ? c.argv[1] : "");
	if (m == NULL)
		return main_usage();
	rc = main_check(m, &c, &flags);
	return rc == EXIT_OK ? main_run(m, &c) : rc;
}
