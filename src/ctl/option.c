/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/option.h"

#define OPTION_LINES_MAX 1000000
#define OPTION_COUNT_MAX 10000000
#define OPTION_HOURS_MAX (24 * 366)
#define OPTION_DAYS_MAX  3660
#define OPTION_LIMIT_MAX 1000000000

/* Beyond every letter: what getopt_long answers for the first row. */
#define OPTION_FIRST 256

enum option_type {
	OPTION_FLAG = 0,   /* a bool */
	OPTION_TEXT = 1,   /* a const char * */
	OPTION_NUMBER = 2, /* a long, from least to most */
	OPTION_LIST = 3,   /* a struct ctl_list */
};

/*
 * A name that means another thing to other commands has a row for each, with
 * the same letter, type, place and range, one after the other.
 */
struct option_row {
	const char *name;
	int letter;      /* 0: none */
	unsigned groups; /* 0: for every command */
	enum option_type type;
	size_t offset;               /* in struct ctl */
	long least, most, otherwise; /* OPTION_NUMBER */
	const char *value;           /* as the help shows it; NULL: a flag */
	const char *help;
};

#define OPTION_PLACE(member) .offset = offsetof(struct ctl, member)

static const struct option_row option_rows[] = {
	{ "config", 'c', 0, OPTION_TEXT, OPTION_PLACE(config), .value = "FILE",
		.help = "find the socket by this process.yaml" },
	{ "socket", 'S', 0, OPTION_TEXT, OPTION_PLACE(socket),
		.value = "SOCKET", .help = "use this control socket" },
	{ "url", 0, 0, OPTION_TEXT, OPTION_PLACE(url), .value = "URL",
		.help = "ask the HTTP API there, with REEVE_TOKEN" },
	{ "token-file", 0, 0, OPTION_TEXT, OPTION_PLACE(token_file),
		.value = "FILE", .help = "with --url: read the token there" },
	{ "cacert", 0, 0, OPTION_TEXT, OPTION_PLACE(cacert), .value = "FILE",
		.help = "with --url: trust these authorities" },
	{ "json", 0, OPTION_JSON, OPTION_FLAG, OPTION_PLACE(json),
		.help = "print JSON" },
	{ "follow", 'f', OPTION_FOLLOW, OPTION_FLAG, OPTION_PLACE(follow),
		.help = "logs: go on with what is added" },
	{ "lines", 'n', OPTION_LINES, OPTION_NUMBER, OPTION_PLACE(lines),
		.most = OPTION_LINES_MAX, .otherwise = 10, .value = "N",
		.help = "how many lines or entries (10)" },
	{ "lines", 'n', OPTION_NEXT, OPTION_NUMBER, OPTION_PLACE(lines),
		.most = OPTION_LINES_MAX, .otherwise = 1, .value = "N",
		.help = "cron next: how many times (1)" },
	{ "plan", 0, OPTION_PLAN, OPTION_FLAG, OPTION_PLACE(plan),
		.help = "reload: say what it would do" },
	{ "now", 0, OPTION_NOW, OPTION_FLAG, OPTION_PLACE(now),
		.help = "shutdown: don't wait for tasks" },
	{ "delay", 0, OPTION_PUSH, OPTION_TEXT, OPTION_PLACE(delay),
		.value = "SPAN", .help = "push: not before so long" },
	{ "delay", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(delay),
		.value = "SPAN", .help = "cron: so long after the last end" },
	{ "at", 0, OPTION_PUSH, OPTION_TEXT, OPTION_PLACE(at), .value = "TIME",
		.help = "push: not before 2026-11-22T10:00:00Z" },
	{ "at", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(at),
		.value = "TIME", .help = "cron: once, at this time" },
	{ "unique", 0, OPTION_PUSH, OPTION_TEXT, OPTION_PLACE(unique),
		.value = "KEY", .help = "push: one of them at a time" },
	{ "count", 0, OPTION_PUSH, OPTION_NUMBER, OPTION_PLACE(count),
		.least = 1, .most = OPTION_COUNT_MAX, .otherwise = 1,
		.value = "N", .help = "push: so many of them" },
	{ "wait", 0, OPTION_PUSH, OPTION_FLAG, OPTION_PLACE(wait),
		.help = "push: wait for its end" },
	{ "wait", 0, OPTION_RUN, OPTION_FLAG, OPTION_PLACE(wait),
		.help = "cron run: wait for its end" },
	{ "wait", 0, OPTION_DEPLOY, OPTION_FLAG, OPTION_PLACE(wait),
		.help = "deploy: show each step, and wait for its end" },
	{ "track", 0, OPTION_PUSH, OPTION_FLAG, OPTION_PLACE(track),
		.help = "push: by PostgreSQL, which keeps what becomes of it" },
	{ "all", 0, OPTION_ALL, OPTION_FLAG, OPTION_PLACE(all),
		.help = "queue dead: all of the topic" },
	{ "database", 0, OPTION_DATABASE, OPTION_TEXT, OPTION_PLACE(database),
		.value = "URL", .help = "where PostgreSQL is" },
	{ "migrations", 0, OPTION_MIGRATE, OPTION_TEXT,
		OPTION_PLACE(migrations), .value = "DIR",
		.help = "migrate: the files of this directory" },
	{ "dry-run", 0, OPTION_MIGRATE, OPTION_FLAG, OPTION_PLACE(dry_run),
		.help = "migrate: try it, and change nothing" },
	{ "repair", 0, OPTION_REPAIR, OPTION_FLAG, OPTION_PLACE(repair),
		.help = "fsck: mend what it finds" },
	{ "dialect", 0, OPTION_NEXT | OPTION_DEFINE, OPTION_TEXT,
		OPTION_PLACE(dialect), .value = "NAME",
		.help = "cron: vixie, seconds or quartz" },
	{ "tz", 0, OPTION_NEXT | OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(zone),
		.value = "ZONE", .help = "cron: the time zone (UTC)" },
	{ "from", 0, OPTION_NEXT, OPTION_TEXT, OPTION_PLACE(from),
		.value = "TIME", .help = "cron next: after this time (now)" },
	{ "batch", 0, OPTION_NEXT, OPTION_FLAG, OPTION_PLACE(batch),
		.help = "cron next: answer lines of standard input" },
	{ "cron", 0, OPTION_DEFINE, OPTION_LIST, OPTION_PLACE(cron.exprs),
		.value = "EXPR", .help = "cron: an expression; several times" },
	{ "every", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.every),
		.value = "SPAN", .help = "cron: at a fixed rate" },
	{ "start", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.start),
		.value = "TIME", .help = "cron: not before" },
	{ "end", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.end),
		.value = "TIME", .help = "cron: not after" },
	{ "handler", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.handler),
		.value = "NAME", .help = "cron: what it runs" },
	{ "params", 0, OPTION_DEFINE | OPTION_RUN, OPTION_TEXT,
		OPTION_PLACE(cron.params), .value = "JSON",
		.help = "cron: what the handler gets ({})" },
	{ "topic", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.topic),
		.value = "NAME", .help = "cron: the queue (common)" },
	{ "priority", 0, OPTION_DEFINE, OPTION_TEXT,
		OPTION_PLACE(cron.priority), .value = "N",
		.help = "cron: of each run (1)" },
	{ "timeout", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.timeout),
		.value = "SPAN", .help = "cron: instead of the handler's" },
	{ "retry", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.retry),
		.value = "N", .help = "cron: instead of the handler's" },
	{ "misfire", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.misfire),
		.value = "POLICY", .help = "cron: skip, once or all:N (once)" },
	{ "overlap", 0, OPTION_DEFINE, OPTION_TEXT, OPTION_PLACE(cron.overlap),
		.value = "POLICY",
		.help = "cron: allow, forbid, queue or replace (forbid)" },
	{ "depends-on", 0, OPTION_DEFINE, OPTION_TEXT,
		OPTION_PLACE(cron.depends_on), .value = "NAME",
		.help = "cron: after the run of this one" },
	{ "inline", 0, OPTION_DEFINE, OPTION_FLAG, OPTION_PLACE(cron.is_inline),
		.help = "cron: in the crontab worker itself" },
	{ "no-inline", 0, OPTION_DEFINE, OPTION_FLAG,
		OPTION_PLACE(cron.no_inline), .help = "cron: by the queue" },
	{ "disabled", 0, OPTION_DEFINE, OPTION_FLAG,
		OPTION_PLACE(cron.disabled),
		.help = "cron: don't fire it yet" },
	{ "description", 0, OPTION_DEFINE, OPTION_TEXT,
		OPTION_PLACE(cron.description), .value = "TEXT",
		.help = "cron: for people" },
	{ "tenant", 0, OPTION_TENANT, OPTION_TEXT, OPTION_PLACE(tenant),
		.value = "ID",
		.help = "cron, token, task list: of this tenant (default)" },
	{ "force", 0, OPTION_FORCE, OPTION_FLAG, OPTION_PLACE(force),
		.help = "cron, deploy: also what is refused with reason" },
	{ "hours", 0, OPTION_HOURS, OPTION_NUMBER, OPTION_PLACE(cron.hours),
		.least = 1, .most = OPTION_HOURS_MAX, .otherwise = 24,
		.value = "N", .help = "cron preview: so far ahead (24)" },
	{ "days", 0, OPTION_DAYS, OPTION_NUMBER, OPTION_PLACE(cron.days),
		.least = 1, .most = OPTION_DAYS_MAX, .otherwise = 7,
		.value = "N", .help = "cron stats: of so many days (7)" },
	{ "role", 0, OPTION_TOKEN, OPTION_TEXT, OPTION_PLACE(role),
		.value = "ROLE", .help = "token: viewer, operator or admin" },
	{ "name", 0, OPTION_TOKEN | OPTION_LIMITS, OPTION_TEXT,
		OPTION_PLACE(name), .value = "NAME",
		.help = "token, tenant: how to call it" },
	{ "expires", 0, OPTION_TOKEN, OPTION_TEXT, OPTION_PLACE(expires),
		.value = "WHEN", .help = "token: 90d, or a time (never)" },
	{ "requests-per-s", 0, OPTION_LIMITS, OPTION_NUMBER,
		OPTION_PLACE(requests_per_s), .most = OPTION_LIMIT_MAX,
		.otherwise = -1, .value = "N",
		.help = "tenant: requests a second on a node; 0: any" },
	{ "runs-max", 0, OPTION_LIMITS, OPTION_NUMBER, OPTION_PLACE(runs_max),
		.most = OPTION_LIMIT_MAX, .otherwise = -1, .value = "N",
		.help = "tenant: runs that are not over; 0: any" },
	{ "definitions-max", 0, OPTION_LIMITS, OPTION_NUMBER,
		OPTION_PLACE(definitions_max), .most = OPTION_LIMIT_MAX,
		.otherwise = -1, .value = "N",
		.help = "tenant: definitions that are stored; 0: any" },
	{ "app", 0, OPTION_APP, OPTION_TEXT, OPTION_PLACE(app), .value = "POOL",
		.help = "deploy: of this application" },
	{ "no-fetch", 0, OPTION_GATE, OPTION_FLAG, OPTION_PLACE(no_fetch),
		.help = "deploy gate: only what is in releases/" },
	{ "help", 'h', 0, OPTION_FLAG, OPTION_PLACE(help),
		.help = "this text, or that of a command" },
	{ "version", 'V', 0, OPTION_FLAG, OPTION_PLACE(version),
		.help = "the version" },
};

#define OPTION_ROWS (sizeof(option_rows) / sizeof(*option_rows))
static_assert(OPTION_ROWS <= 64, "a bit for each row of what was seen");

/* Another meaning of the row before it? */
static bool option_is_again(size_t i)
{
	return i > 0 &&
	       strcmp(option_rows[i].name, option_rows[i - 1].name) == 0;
}

/* As getopt_long wants them; the list is static, so it is called once. */
static const struct option *option_list(char letters[2 * OPTION_ROWS + 1])
{
	static struct option list[OPTION_ROWS + 1];
	size_t i, n = 0, count = 0;

	for (i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *r = &option_rows[i];

		if (option_is_again(i))
			continue;
		list[count++] = (struct option){ .name = r->name,
			.has_arg = r->value != NULL ? required_argument
						    : no_argument,
			.val = OPTION_FIRST + (int)i };
		if (r->letter != 0)
			letters[n++] = (char)r->letter;
		if (r->letter != 0 && r->value != NULL)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	return list;
}

/* The row of what getopt_long answered; OPTION_ROWS: none. */
static size_t option_find(int seen)
{
	size_t i;

	if (seen >= OPTION_FIRST)
		return (size_t)(seen - OPTION_FIRST);
	for (i = 0; i < OPTION_ROWS; i++)
		if (option_rows[i].letter == seen)
			break;
	return i;
}

static int option_number(
	const struct option_row *r, const char *text, long *ret_number)
{
	char *end;
	long n = strtol(text, &end, 10);
	char letter[2] = { (char)r->letter, '\0' };

	if (end == text || *end != '\0' || n < r->least || n > r->most)
		return ctl_fail(EXIT_USAGE,
			"-%s%s takes a number from %ld to %ld, not \"%s\"",
			r->letter != 0 ? "" : "-",
			r->letter != 0 ? letter : r->name, r->least, r->most,
			text);
	*ret_number = n;
	return EXIT_OK;
}

static int option_append(const struct option_row *r, struct ctl_list *list)
{
	if (list->count == CTL_LIST_MAX)
		return ctl_fail(EXIT_USAGE, "--%s: at most %d of them", r->name,
			CTL_LIST_MAX);
	list->items[list->count++] = optarg;
	return EXIT_OK;
}

static int option_take(const struct option_row *r, struct ctl *c)
{
	void *place = (char *)c + r->offset;

	switch (r->type) {
	case OPTION_FLAG: *(bool *)place = true; break;
	case OPTION_TEXT: *(const char **)place = optarg; break;
	case OPTION_NUMBER: return option_number(r, optarg, place);
	case OPTION_LIST: return option_append(r, place);
	}
	return EXIT_OK;
}

int option_parse(int argc, char **argv, struct ctl *c, uint64_t *ret_seen)
{
	char letters[2 * OPTION_ROWS + 1];
	const struct option *rows = option_list(letters);
	int seen, rc;
	size_t i;

	*ret_seen = 0;
	while ((seen = getopt_long(argc, argv, letters, rows, NULL)) != -1) {
		i = option_find(seen);
		if (i == OPTION_ROWS) {
			fputs("Try `reevectl --help`.\n", stderr);
			return EXIT_USAGE;
		}
		rc = option_take(&option_rows[i], c);
		if (rc != EXIT_OK)
			return rc;
		*ret_seen |= UINT64_C(1) << i;
	}
	c->argc = argc - optind;
	c->argv = argv + optind;
	if (c->config != NULL && c->socket != NULL)
		return ctl_fail(EXIT_USAGE, "-c and -S exclude each other");
	if (c->url != NULL &&
		(c->config != NULL || c->socket != NULL || c->database != NULL))
		return ctl_fail(
			EXIT_USAGE, "--url excludes -c, -S and --database");
	return EXIT_OK;
}

/* For one of its meanings. */
static bool option_is_taken(const char *name, unsigned groups)
{
	size_t i;

	for (i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *r = &option_rows[i];

		if (strcmp(r->name, name) == 0 &&
			(r->groups == 0 || (r->groups & groups) != 0))
			return true;
	}
	return false;
}

int option_check(const char *command, unsigned groups, uint64_t seen)
{
	size_t i;

	for (i = 0; i < OPTION_ROWS; i++) {
		if ((seen >> i & 1) != 0 &&
			!option_is_taken(option_rows[i].name, groups))
			return ctl_fail(EXIT_USAGE, "%s takes no --%s", command,
				option_rows[i].name);
	}
	return EXIT_OK;
}

void option_complete(unsigned groups, uint64_t seen, struct ctl *c)
{
	size_t i, first = 0;

	for (i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *r = &option_rows[i];

		/* The first of a name's rows is the one that was seen. */
		if (!option_is_again(i))
			first = i;
		if (r->type == OPTION_NUMBER && (r->groups & groups) != 0 &&
			(seen >> first & 1) == 0)
			*(long *)((char *)c + r->offset) = r->otherwise;
	}
}

static void option_help_row(const struct option_row *r, int column)
{
	char letter[5] = "    ";
	char *words;

	if (r->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", r->letter);
	words = xasprintf("%s--%s%s%s", letter, r->name,
		r->value != NULL ? " " : "", r->value != NULL ? r->value : "");
	printf("  %-*s %s\n", column, words, r->help);
	free(words);
}

void option_help(unsigned groups, int column)
{
	size_t i;

	for (i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *r = &option_rows[i];

		if (r->groups == 0 || (r->groups & groups) != 0)
			option_help_row(r, column);
	}
}
