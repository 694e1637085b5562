/* SPDX-License-Identifier: ISC */
/*
 * watch - the hooks, the gate, and a look at how the new release does.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "board/view.h"
#include "conf/conf.h"
#include "deploy/files.h"
#include "deploy/job.h"
#include "link/http.h"

#define WATCH_GATE_US    (5 * 60 * (int64_t)US_PER_S)
#define WATCH_SYNC_US    (10 * 60 * (int64_t)US_PER_S)
#define WATCH_ENV_MAX    (1 << 20)
#define WATCH_ANSWER_MAX 4096
/* So many tasks have to have ended before their failures say something. */
#define WATCH_ENDED_MIN 10

/* $1 node, $2 deployment; ended and failed here since the switch, here in the
 * hour before it, and since it on nodes that have the old release still.  What
 * was begun before the switch and ended after it says nothing. */
static const struct pg_statement watch_failures = {
	.name = "deploy_failures",
	.text = "SELECT count(*) FILTER (WHERE is_here AND is_new),"
		" count(*) FILTER (WHERE is_here AND is_new AND is_failed),"
		" count(*) FILTER (WHERE is_here AND is_old),"
		" count(*) FILTER (WHERE is_here AND is_old AND is_failed),"
		" count(*) FILTER (WHERE NOT is_here AND is_new),"
		" count(*) FILTER (WHERE NOT is_here AND is_new AND is_failed)"
		" FROM (SELECT o.node = n.node AS is_here,"
		" i.start_time > n.switched_at AS is_new,"
		" i.end_time <= n.switched_at AS is_old,"
		" i.status IN ('FAILED', 'TIMEOUT') AS is_failed"
		" FROM reeve.deployment_nodes n"
		" JOIN reeve.deployment_nodes o"
		" ON o.deployment_id = n.deployment_id"
		" AND (o.node = n.node OR o.switched_at IS NULL)"
		" JOIN reeve.task_instances i ON i.execution_node = o.node"
		" AND i.id >= reeve.uuid_floor(n.switched_at -"
		" interval '1 hour') AND i.end_time IS NOT NULL"
		" WHERE n.deployment_id = $2::uuid AND n.node = $1) t",
	.params = 2,
};

/* The same of the consumers that run it before their node does, of all before the
 * deployment began, and of the others since. */
static const struct pg_statement watch_canaries = {
	.name = "deploy_failures_canaries",
	.text = "SELECT count(*) FILTER (WHERE is_here AND is_new),"
		" count(*) FILTER (WHERE is_here AND is_new AND is_failed),"
		" count(*) FILTER (WHERE is_old),"
		" count(*) FILTER (WHERE is_old AND is_failed),"
		" count(*) FILTER (WHERE NOT is_here AND is_new),"
		" count(*) FILTER (WHERE NOT is_here AND is_new AND is_failed)"
		" FROM (SELECT split_part(substr(i.worker,"
		" length(n.node) + 2), '/', 1)"
		" = ANY (string_to_array(n.canaries, ' ')) AS is_here,"
		" i.start_time > n.canaries_at AS is_new,"
		" i.end_time <= d.started_at AS is_old,"
		" i.status IN ('FAILED', 'TIMEOUT') AS is_failed"
		" FROM reeve.deployments d"
		" JOIN reeve.deployment_nodes n ON n.deployment_id = d.id"
		" JOIN reeve.task_instances i ON i.execution_node = n.node"
		" AND i.id >= reeve.uuid_floor(d.started_at -"
		" interval '1 hour') AND i.end_time IS NOT NULL"
		" WHERE d.id = $2::uuid AND n.node = $1) t",
	.params = 2,
};

/* Hooks --------------------------------------------------------------- */

static size_t watch_count_lines(const char *text)
{
	size_t n = 1;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* NAME=VALUE lines; blank ones and comments are passed over. */
static size_t watch_take_lines(char *text, char **env, size_t count)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL) {
		line += strspn(line, " \t");
		if (*line == '#' || strchr(line, '=') == NULL || *line == '=')
			continue;
		env[count++] = xstrdup(line);
	}
	return count;
}

static int watch_read_env(struct job *job, char ***env, size_t *count,
	size_t *size, const char *path, struct err *err)
{
	char *text = files_read(path, WATCH_ENV_MAX, err);

	if (text == NULL)
		return -1;
	*size += watch_count_lines(text);
	*env = xreallocarray(*env, *size, sizeof(**env));
	*count = watch_take_lines(text, *env, *count);
	free(text);
	job_say(job, "environment of %s", path);
	return 0;
}

void job_drop_env(struct job *job)
{
	size_t i;

	for (i = 0; job->env != NULL && job->env[i] != NULL; i++)
		free(job->env[i]);
	free(job->env);
	job->env = NULL;
}

static int watch_make_env(struct job *job, const char *release, struct err *err)
{
	const struct deploy_options *o = job->deploy->options;
	size_t i, count = 0, size = 8;
	char **env = xcalloc(size, sizeof(*env));
	int rc = 0;

	job_drop_env(job);
	for (i = 0; rc == 0 && i < o->env_files.count; i++)
		rc = watch_read_env(
			job, &env, &count, &size, o->env_files.items[i], err);
	env[count++] = xasprintf("REEVE_APP=%s", job->deploy->pool->name);
	env[count++] = xasprintf("REEVE_VERSION=%s", job->version);
	env[count++] = xasprintf("REEVE_FROM_VERSION=%s", job->from);
	env[count++] = xasprintf("REEVE_RELEASE=%s", release);
	env[count++] = xasprintf("REEVE_ROOT=%s", o->root);
	env[count++] = xasprintf("REEVE_DEPLOYMENT_ID=%s", job->id);
	env[count] = NULL;
	job->env = env;
	return rc;
}

static void watch_hook(struct job *job, const struct conf_strings *hook,
	const char *version, void (*next)(struct job *job))
{
	char *release;
	struct err err;

	if (hook->count == 0 || *version == '\0') {
		next(job);
		return;
	}
	release = job_path(job, "releases/%s", version);
	if (watch_make_env(job, release, &err) != 0)
		job_step_failed(job, "%s", err.text);
	else
		job_run(job, hook, release,
			job->deploy->options->hook_timeout_us, next);
	free(release);
}

/* What a hook has made is a part of the release: on the disk before that is
 * current. */
static void watch_sync(struct job *job)
{
	char *release = job_path(job, "releases/%s", job->version);

	job_run_words(job,
		(const char *[]){ "sync", "-f", "--", release, NULL },
		WATCH_SYNC_US, job_step_done);
	free(release);
}

static void watch_hook_before(struct job *job, const struct conf_strings *hook)
{
	watch_hook(job, hook, job->version,
		hook->count > 0 ? watch_sync : job_step_done);
}

void step_prepare(struct job *job)
{
	watch_hook_before(job, &job->deploy->options->prepare);
}

void step_before_switch(struct job *job)
{
	watch_hook_before(job, &job->deploy->options->before_switch);
}

void step_after_switch(struct job *job)
{
	watch_hook(job, &job->deploy->options->after_switch, job->version,
		job_step_done);
}

/* What a fetch has left half done is of no use any more, nor are the releases
 * that have failed before this one. */
static void watch_tidy(struct job *job)
{
	release_drop_archive(job);
	release_mark_failed(job);
	release_prune(job, SIZE_MAX, release_sweep);
}

void step_rollback(struct job *job)
{
	if (job->is_switched || job->canaries != NULL)
		watch_hook(job, &job->deploy->options->rollback, job->from,
			watch_tidy);
	else
		watch_tidy(job);
}

/* The gate ------------------------------------------------------------- */

/* reevectl is beside reeved in a build tree, in PATH otherwise; heap. */
static char *watch_find_ctl(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *beside;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		beside = xasprintf("%.*s/reevectl",
			(int)(slash != NULL ? slash - self : 0), self);
		if (access(beside, X_OK) == 0)
			return beside;
		free(beside);
	}
	return xstrdup("reevectl");
}

void step_gate(struct job *job)
{
	char *ctl = watch_find_ctl();

	job_drop_env(job);
	/* It tells what it finds in any case. */
	job->is_lenient = job->is_forced;
	job_run_words(job,
		(const char *[]){ ctl, "-c", job->deploy->conf->path, "deploy",
			"gate", "--no-fetch", job->version, "--app",
			job->deploy->pool->name, NULL },
		WATCH_GATE_US, job_step_done);
	free(ctl);
}

/* The watch ------------------------------------------------------------ */

static void watch_look(struct job *job);

static void watch_on_time(void *arg)
{
	watch_look(arg);
}

static void watch_good(struct job *job)
{
	job->bad = 0;
	if (clock_now() >= job->until_us)
		job_step_done(job);
	else
		job_wait(job, job->deploy->options->health_interval_us,
			watch_on_time);
}

static void watch_bad(struct job *job, const char *why)
{
	job_say(job, "not well: %s", why);
	if (++job->bad >= job->deploy->options->health_failures)
		job_step_failed(job, "%s", why);
	else
		job_wait(job, job->deploy->options->health_interval_us,
			watch_on_time);
}

/* Is a pool of the release given up, or does it not come up? */
static bool watch_pools_are_well(
	const struct job *job, char *ret_why, size_t size)
{
	const struct deploy_options *o = job->deploy->options;
	const struct board *b = worker_child(job->deploy->worker)->board;
	int limit = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;
	size_t i;
	int k;

	for (k = 0; k < limit && k < BOARD_POOLS_MAX; k++) {
		(void)board_read_pool(b, k, &p);
		for (i = 0; i < o->pools.count; i++)
			if (p.state != BOARD_POOL_UNUSED &&
				strcmp(p.name, o->pools.items[i]) == 0 &&
				(p.state == BOARD_POOL_FAILED ||
					p.ready < p.desired)) {
				snprintf(ret_why, size,
					"pool %s: %d of %d workers are ready",
					p.name, p.ready, p.desired);
				return false;
			}
	}
	return true;
}

struct watch_ask {
	struct deploy *deploy;
	char id[UUID_TEXT_LEN + 1];
	unsigned turn;
};

/* In percent; -1: too few tasks to say something. */
static int64_t watch_share(const struct pg_result *r, int column, int64_t least)
{
	int64_t ended = pg_result_int(r, 0, column, 0);
	int64_t failed = pg_result_int(r, 0, column + 1, 0);

	return ended >= least && ended > 0 ? failed * 100 / ended : -1;
}

/* Above what it was here, and above what it is where the old release runs still:
 * what has failed before, or fails everywhere, is not the fault of this one.
 * Those that have too few tasks say nothing. */
static bool watch_has_risen(const struct job *job, const struct pg_result *r,
	char *ret_why, size_t size)
{
	int64_t share = watch_share(r, 0, WATCH_ENDED_MIN);
	int64_t before = watch_share(r, 2, 1);
	int64_t others = watch_share(r, 4, WATCH_ENDED_MIN);
	int64_t base = before > others ? before : others;
	char beside[64] = "";

	if (share <= (base > 0 ? base : 0) + job->deploy->options->failure_rise)
		return false;
	if (others >= 0)
		snprintf(beside, sizeof(beside),
			", and %lld %% where the old release runs",
			(long long)others);
	snprintf(ret_why, size,
		"%lld %% of its tasks fail; %lld %% did before%s",
		(long long)share, (long long)(before > 0 ? before : 0), beside);
	return true;
}

static void watch_on_failures(const struct pg_result *r, void *arg)
{
	struct watch_ask *ask = arg;
	struct job *job = ask->deploy->job;
	char why[160];
	bool is_ours = job != NULL && strcmp(job->id, ask->id) == 0 &&
		       job->turn == ask->turn;

	free(ask);
	if (!is_ours)
		return;
	if (r != NULL && !pg_result_is_error(r) &&
		watch_has_risen(job, r, why, sizeof(why)))
		job_step_failed(job, "%s", why);
	else
		watch_good(job);
}

static void watch_look_at_failures(struct job *job)
{
	const char *values[] = { job->deploy->conf->node, job->id };
	struct watch_ask *ask;

	if (job->deploy->options->failure_rise == 0) {
		watch_good(job);
		return;
	}
	ask = xcalloc(1, sizeof(*ask));
	ask->deploy = job->deploy;
	memcpy(ask->id, job->id, sizeof(ask->id));
	ask->turn = job->turn;
	if (pg_query(job->deploy->pg,
		    job->step == STEP_CANARY ? &watch_canaries
					     : &watch_failures,
		    values, watch_on_failures, ask) != 0) {
		free(ask);
		watch_good(job);
	}
}

static void watch_on_command(const struct command_end *end, void *arg)
{
	struct job *job = arg;

	char why[80];

	job->command = NULL;
	if (end->code == 0) {
		watch_look_at_failures(job);
		return;
	}
	if (end->len > 0)
		job_say(job, "%.*s", WATCH_ANSWER_MAX, end->output);
	snprintf(why, sizeof(why), "health.exec: %s", end->why);
	watch_bad(job, why);
}

static void watch_run(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	struct command_options c = {
		.argv = &o->health_exec,
		.directory = o->root,
		.timeout_us = o->health_timeout_us,
	};
	struct err err;

	if (o->health_exec.count == 0) {
		watch_look_at_failures(job);
		return;
	}
	job->command = command_start(job->deploy->loop, job->deploy->children,
		&c, NULL, watch_on_command, job, &err);
	if (job->command == NULL)
		watch_bad(job, err.text);
}

static void watch_on_http(const struct http_answer *a, void *arg)
{
	struct job *job = arg;
	char why[128];

	job->call = NULL;
	if (a->status >= 200 && a->status < 300) {
		watch_run(job);
		return;
	}
	if (a->status != 0)
		snprintf(why, sizeof(why), "%s answers %d",
			job->deploy->options->health_http, a->status);
	else
		snprintf(why, sizeof(why), "%s: %s",
			job->deploy->options->health_http, a->error);
	watch_bad(job, why);
}

static int watch_ask_http(struct job *job, struct err *err)
{
	struct deploy *d = job->deploy;
	struct http_call_options c = {
		.method = "GET",
		.url = d->options->health_http,
		.timeout_us = d->options->health_timeout_us,
		.answer_max = WATCH_ANSWER_MAX,
	};

	if (d->http == NULL)
		d->http = http_client_new(d->loop, 1, err);
	if (d->http == NULL)
		return -1;
	job->call = http_call_start(d->http, &c, watch_on_http, job, err);
	return job->call != NULL ? 0 : -1;
}

static void watch_ask(struct job *job)
{
	struct err err;

	if (job->deploy->options->health_http == NULL)
		watch_run(job);
	else if (watch_ask_http(job, &err) != 0)
		watch_bad(job, err.text);
}

/* The next pool of a topic, from job->at on; NULL: there is none. */
static const char *watch_topic(struct job *job)
{
	const struct conf *c = job->deploy->conf;

	for (; job->at < c->pool_count; job->at++)
		if (c->pools[job->at].topic != NULL)
			return c->pools[job->at].topic;
	return NULL;
}

static void watch_look_at_queue(struct job *job);

static void watch_on_length(struct job *job, const struct redis_reply *reply)
{
	int64_t length = redis_int(reply, 0);
	char why[128];

	if (length > job->deploy->options->queue_max) {
		snprintf(why, sizeof(why), "%lld tasks wait in topic %s",
			(long long)length, watch_topic(job));
		watch_bad(job, why);
		return;
	}
	job->at++;
	watch_look_at_queue(job);
}

static void watch_look_at_queue(struct job *job)
{
	const char *topic = watch_topic(job);
	char *key;

	if (topic == NULL || job->deploy->redis == NULL ||
		job->deploy->options->queue_max == 0) {
		watch_ask(job);
		return;
	}
	key = xasprintf("%squeue:{%s}", job->deploy->conf->redis_prefix, topic);
	job_redis(job, 2, (const char *[]){ "XLEN", key }, watch_on_length);
	free(key);
}

static void watch_look(struct job *job)
{
	char why[160];

	job->at = 0;
	if (!watch_pools_are_well(job, why, sizeof(why)))
		watch_bad(job, why);
	else
		watch_look_at_queue(job);
}

void watch_begin(struct job *job, int64_t us)
{
	job->bad = 0;
	job->until_us = clock_now() + us;
	watch_look(job);
}

void step_watch(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	bool is_first =
		job->is_canary || (job->is_share && job->canaries == NULL);

	watch_begin(job, is_first ? o->canary_for_us : o->health_for_us);
}
