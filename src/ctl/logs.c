/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/logs.h"
#include "ctl/status.h"
#include "ctl/tail.h"

/* Looked at even if the kernel tells nothing (network file systems). */
#define LOGS_LOOK_MS  1000
#define LOGS_TIME_MAX 25 /* "2026-11-22T07:48:00.123Z" */
/* The log of the master, beside those of the pools. */
#define LOGS_MASTER "reeved"

struct logs_file {
	struct tail tail;
	char *name;               /* of its pool */
	char time[LOGS_TIME_MAX]; /* of the last line that has one */
};

struct logs_line {
	const struct logs_file *file;
	char time[LOGS_TIME_MAX];
	size_t number; /* keeps the order where times are the same */
	char *text;
};

struct logs {
	const struct ctl *ctl;
	struct logs_file *files;
	size_t file_count;
	struct logs_line *lines; /* collected, to be merged */
	size_t line_count, line_cap;
	struct logs_file *at; /* whose lines come */
};

static void logs_add_file(struct logs *l, const char *name, const char *path)
{
	struct logs_file *f;
	size_t i;

	for (i = 0; i < l->file_count; i++) {
		if (strcmp(l->files[i].tail.path, path) == 0)
			return;
	}
	l->files =
		xreallocarray(l->files, l->file_count + 1, sizeof(*l->files));
	f = &l->files[l->file_count++];
	*f = (struct logs_file){ .name = xstrdup(name) };
	tail_init(&f->tail, path);
}

/* The pools that the logger itself runs in write beside the master. */
static void logs_add_master(struct logs *l, const json_t *pool)
{
	const char *path = status_text(pool, "log");
	const char *slash = strrchr(path, '/');
	char *master;

	if (slash == NULL || !json_is_true(json_object_get(pool, "internal")))
		return;
	master = xasprintf(
		"%.*s/" LOGS_MASTER ".log", (int)(slash - path), path);
	logs_add_file(l, LOGS_MASTER, master);
	free(master);
}

static void logs_find(struct logs *l, const json_t *doc)
{
	const json_t *pool;
	size_t i;

	json_array_foreach(json_object_get(doc, "pools"), i, pool)
	{
		const char *path = status_text(pool, "log");

		if (*path != '\0')
			logs_add_file(l, status_text(pool, "name"), path);
		if (l->ctl->argc == 0)
			logs_add_master(l, pool);
	}
}

static void logs_free(struct logs *l)
{
	size_t i;

	for (i = 0; i < l->line_count; i++)
		free(l->lines[i].text);
	free(l->lines);
	for (i = 0; i < l->file_count; i++) {
		tail_done(&l->files[i].tail);
		free(l->files[i].name);
	}
	free(l->files);
}

/* A line without a time of its own belongs to the one before it. */
static void logs_stamp(struct logs_file *f, const char *line, size_t len)
{
	if (len < LOGS_TIME_MAX || line[4] != '-' || line[10] != 'T' ||
		line[LOGS_TIME_MAX - 2] != 'Z')
		return;
	memcpy(f->time, line, LOGS_TIME_MAX - 1);
}

static void logs_on_line(const char *line, size_t len, void *arg)
{
	struct logs *l = arg;
	struct logs_line *to;

	if (l->line_count == l->line_cap) {
		l->line_cap = l->line_cap == 0 ? 64 : l->line_cap * 2;
		l->lines =
			xreallocarray(l->lines, l->line_cap, sizeof(*l->lines));
	}
	logs_stamp(l->at, line, len);
	to = &l->lines[l->line_count];
	*to = (struct logs_line){ .file = l->at,
		.number = l->line_count,
		.text = xstrndup(line, len) };
	memcpy(to->time, l->at->time, sizeof(to->time));
	l->line_count++;
}

static int logs_compare(const void *a, const void *b)
{
	const struct logs_line *x = a, *y = b;
	int order = strcmp(x->time, y->time);

	if (order != 0)
		return order;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void logs_print_json(const struct logs_line *line)
{
	json_t *doc = json_pack(
		"{s:s, s:s}", "pool", line->file->name, "line", line->text);

	/* Bytes that are no UTF-8 can't be told in JSON. */
	if (doc == NULL)
		return;
	json_dumpf(doc, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(doc);
}

/* Print what was collected, in the order of time, but no more than the last
 * `count` lines. */
static void logs_flush(struct logs *l, size_t count)
{
	size_t i, first;

	if (l->line_count > 0)
		qsort(l->lines, l->line_count, sizeof(*l->lines), logs_compare);
	first = l->line_count > count ? l->line_count - count : 0;
	for (i = 0; i < l->line_count; i++) {
		if (i >= first && l->ctl->json)
			logs_print_json(&l->lines[i]);
		else if (i >= first)
			puts(l->lines[i].text);
		free(l->lines[i].text);
	}
	l->line_count = 0;
	fflush(stdout);
}

static void logs_last(struct logs *l)
{
	size_t i, count = (size_t)l->ctl->lines;

	for (i = 0; i < l->file_count; i++) {
		l->at = &l->files[i];
		tail_last(&l->at->tail, count, logs_on_line, l);
	}
	logs_flush(l, count);
}

static void logs_watch(const struct logs *l, int notify)
{
	size_t i;

	for (i = 0; notify != -1 && i < l->file_count; i++) {
		const char *path = l->files[i].tail.path;
		const char *slash = strrchr(path, '/');
		char *directory =
			slash == NULL ? xstrdup(".")
				      : xstrndup(path, (size_t)(slash - path));

		(void)inotify_add_watch(notify, directory,
			IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM);
		free(directory);
	}
}

static int logs_follow(struct logs *l)
{
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p[2] = { { notify, POLLIN, 0 }, { STDOUT_FILENO, 0, 0 } };
	char events[4096];
	size_t i;

	logs_watch(l, notify);
	for (;;) {
		for (i = 0; i < l->file_count; i++) {
			l->at = &l->files[i];
			tail_more(&l->at->tail, logs_on_line, l);
		}
		logs_flush(l, SIZE_MAX);
		if (ferror(stdout))
			return EXIT_OK;
		if (poll(p, 2, LOGS_LOOK_MS) == -1 && errno != EINTR)
			return ctl_fail(EXIT_SYSTEM, "waiting failed: %s",
				strerror(errno));
		if ((p[1].revents & (POLLERR | POLLHUP)) != 0)
			return EXIT_OK; /* nobody reads any more */
		while (notify != -1 && read(notify, events, sizeof(events)) > 0)
			;
	}
}

static int logs_refuse(const struct ctl *c)
{
	if (c->argc > 0)
		return ctl_fail(EXIT_CONFIG,
			"what %s says goes to the standard error of the "
			"daemon: log_dir is not set in process.yaml",
			c->argv[0]);
	return ctl_fail(EXIT_CONFIG,
		"all logs go to the standard error of the daemon: log_dir is "
		"not set in process.yaml");
}

/* A log that is there but closed to this user would look empty. */
static int logs_check(const struct logs *l)
{
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; i < l->file_count; i++) {
		const char *path = l->files[i].tail.path;

		if (l->files[i].tail.fd == -1 && access(path, F_OK) == 0)
			rc = ctl_fail(EXIT_CONFIG, "cannot read %s", path);
	}
	return rc;
}

int logs_command(struct ctl *c)
{
	struct client *cl = client_new(c);
	struct logs l = { .ctl = c };
	struct client_answer a;
	int rc;

	rc = client_status(cl, c->argc > 0 ? c->argv[0] : NULL, &a);
	client_free(cl);
	if (rc != EXIT_OK)
		return rc;
	logs_find(&l, a.json);
	client_answer_done(&a);
	if (l.file_count == 0)
		return logs_refuse(c);
	rc = logs_check(&l);
	logs_last(&l);
	if (c->follow)
		rc = logs_follow(&l);
	logs_free(&l);
	return rc;
}
