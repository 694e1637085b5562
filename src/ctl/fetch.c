/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/ctl.h"
#include "ctl/fetch.h"
#include "deploy/command.h"
#include "deploy/options.h"
#include "deploy/source.h"
#include "deploy/spare.h"
#include "loop/loop.h"
#include "task/handler_child.h"

#define FETCH_REMOVE_US (10 * 60 * (int64_t)US_PER_S)

static const int fetch_signals[] = { SIGINT, SIGTERM, SIGHUP };
#define FETCH_SIGNALS (sizeof(fetch_signals) / sizeof(*fetch_signals))

struct fetch {
	struct loop *loop;
	const struct conf_pool *pool;
	struct handler_children *children;
	struct loop_signal *signals[FETCH_SIGNALS];
	bool is_interrupted;
	struct source source;
	char *dir, *tree;         /* NULL: not made */
	int lock;                 /* -1 */
	struct command *command;  /* under way */
	const char *program;      /* of it */
	const struct source *now; /* what it is a part of; NULL: of none */
	enum source_part part;
	int rc; /* of the command */
};

static const char *fetch_step(enum source_part part)
{
	if (part == SOURCE_PROVE)
		return "verify";
	return part < SOURCE_PROVE ? "fetch" : "unpack";
}

static int fetch_fail(const struct fetch *f, const char *why)
{
	if (f->now == NULL)
		return ctl_fail(EXIT_CONFIG, "%s", why);
	return ctl_fail(EXIT_CONFIG, "%s: %s: %s", f->source.version,
		fetch_step(f->part), why);
}

static void fetch_on_end(const struct command_end *end, void *arg)
{
	struct fetch *f = arg;
	struct err err = { 0, "" };

	f->command = NULL;
	loop_stop(f->loop);
	/* What could not be removed is seen by its name. */
	if (f->now == NULL)
		return;
	if (f->is_interrupted) {
		f->rc = ctl_fail(EXIT_SYSTEM, "interrupted");
		return;
	}
	if (end->code != 0)
		(void)err_set(&err, 0, "%s: %s", f->program, end->why);
	else
		(void)source_check(f->now, f->part, end->output, &err);
	if (err.text[0] == '\0')
		return;
	fwrite(end->output, 1, end->len, stderr);
	f->rc = fetch_fail(f, err.text);
}

static void fetch_on_signal(int signo, void *arg)
{
	struct fetch *f = arg;

	(void)signo;
	f->is_interrupted = true;
	if (f->command != NULL)
		command_stop(f->command);
}

/* A command to its end. */
static int fetch_run(struct fetch *f, struct command_options *o)
{
	struct err err;

	f->rc = EXIT_OK;
	f->program = o->argv->items[0];
	f->command = command_start(
		f->loop, f->children, o, NULL, fetch_on_end, f, &err);
	if (f->command == NULL)
		return fetch_fail(f, err.text);
	while (f->command != NULL)
		if (loop_run(f->loop) != 0)
			return ctl_fail(
				EXIT_SYSTEM, "the system refused to wait");
	return f->rc;
}

/* As the user of the pool, who may have put there what he likes; what he may
 * not is that a name goes out of a root that is not his. */
static void fetch_remove(struct fetch *f, char **paths, size_t count)
{
	static char rm[] = "rm", flags[] = "-rf", end[] = "--";
	char *words[SPARE_LEFT_MAX + 3] = { rm, flags, end };
	struct conf_strings argv = { .items = words, .count = count + 3 };
	struct command_options o = {
		.argv = &argv,
		.timeout_us = FETCH_REMOVE_US,
		.has_user = true,
		.uid = f->pool->uid,
		.gid = f->pool->gid,
	};
	size_t i;

	memcpy(words + 3, paths, count * sizeof(*paths));
	f->now = NULL;
	(void)fetch_run(f, &o);
	for (i = 0; i < count; i++)
		if (rmdir(paths[i]) == -1 && errno != ENOENT)
			(void)ctl_fail(EXIT_SYSTEM, "%s stays: %s", paths[i],
				strerror(errno));
}

static void fetch_remove_left_over(struct fetch *f, const char *root)
{
	char *paths[SPARE_LEFT_MAX];
	size_t n = spare_left_over(root, paths), i;

	if (n > 0)
		fetch_remove(f, paths, n);
	for (i = 0; i < n; i++)
		free(paths[i]);
}

static int fetch_part(struct fetch *f, enum source_part part, char **env)
{
	struct source_command c;
	struct conf_strings argv = { .items = c.words };
	struct command_options o = {
		.argv = &argv,
		.env = env,
		.has_user = true,
		.uid = f->pool->uid,
		.gid = f->pool->gid,
	};
	struct err err;
	int rc;

	f->now = &f->source;
	f->part = part;
	rc = source_command(&f->source, part, &c, &err);
	if (rc == -1)
		return fetch_fail(f, err.text);
	if (rc == 0)
		return EXIT_OK;
	while (c.words[argv.count] != NULL)
		argv.count++;
	o.timeout_us = c.timeout_us;
	rc = fetch_run(f, &o);
	source_command_done(&c);
	return rc;
}

static int fetch_parts(struct fetch *f)
{
	char **env = source_env(&f->source);
	int part, rc = EXIT_OK;
	size_t i;

	for (part = 0; rc == EXIT_OK && part < SOURCE_PART_COUNT; part++)
		rc = fetch_part(f, (enum source_part)part, env);
	for (i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(env);
	return rc;
}

static struct fetch *fetch_new(
	struct loop *l, const struct conf_pool *pool, const char *version)
{
	struct fetch *f = xcalloc(1, sizeof(*f));
	size_t i;

	f->loop = l;
	f->pool = pool;
	f->lock = -1;
	f->source.options = pool->own;
	f->source.version = version;
	f->children = handler_children_new(l);
	for (i = 0; i < FETCH_SIGNALS; i++)
		f->signals[i] = loop_signal_new(
			l, fetch_signals[i], fetch_on_signal, f);
	return f;
}

int fetch_open(struct loop *l, const struct conf_pool *pool,
	const char *version, struct fetch **ret_fetch)
{
	const struct deploy_options *o = pool->own;
	struct fetch *f = fetch_new(l, pool, version);
	struct err err;
	int rc;

	fetch_remove_left_over(f, o->root);
	f->lock = spare_make(o->root, pool->uid, pool->gid, &f->dir, &err);
	if (f->lock == -1) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		f->source.place = xasprintf("%s/release", f->dir);
		f->tree = xasprintf("%s.partial", f->source.place);
		rc = fetch_parts(f);
	}
	if (rc == EXIT_OK)
		*ret_fetch = f;
	else
		fetch_close(f);
	return rc;
}

const char *fetch_tree(const struct fetch *f)
{
	return f->tree;
}

void fetch_close(struct fetch *f)
{
	size_t i;

	if (f == NULL)
		return;
	if (f->dir != NULL)
		fetch_remove(f, &f->dir, 1);
	if (f->lock != -1)
		close(f->lock);
	for (i = 0; i < FETCH_SIGNALS; i++)
		loop_signal_free(f->signals[i]);
	handler_children_free(f->children);
	free(f->source.place);
	free(f->tree);
	free(f->dir);
	free(f);
}
