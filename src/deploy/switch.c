/* SPDX-License-Identifier: ISC */
/*
 * switch - the steps that change what runs: the link and the pools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/view.h"
#include "conf/conf.h"
#include "deploy/files.h"
#include "deploy/job.h"

#define SWITCH_AWAY       "Redis is away"
#define SWITCH_CONTROL_US (15 * 60 * (int64_t)US_PER_S)
/* A second apart. */
#define SWITCH_RESTORE_TRIES 120

static const struct pg_statement switch_note_from = {
	.name = "deploy_note_from",
	.text = "WITH d AS (SELECT id FROM reeve.deployments"
		" WHERE id = $1::uuid FOR UPDATE), n AS (UPDATE"
		" reeve.deployment_nodes x SET is_known = true,"
		" from_version = $4::text FROM d WHERE x.deployment_id = d.id"
		" AND x.node = $2 AND x.fence = $3::bigint"
		" RETURNING x.deployment_id)"
		" UPDATE reeve.deployments t SET from_version ="
		" coalesce(t.from_version, $4::text) FROM n"
		" WHERE t.id = n.deployment_id RETURNING 1",
	.params = 4,
};

static const struct pg_statement switch_note_switched = {
	.name = "deploy_note_switched",
	.text = "UPDATE reeve.deployment_nodes SET is_switched = true,"
		" switched_at = coalesce(switched_at, $4::timestamptz, now())"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

/* A question to Redis of a job that may be gone when the answer comes. */
struct switch_ask {
	struct deploy *deploy;
	char id[UUID_TEXT_LEN + 1];
	unsigned turn;
	void (*next)(struct job *job, const struct redis_reply *reply);
};

/* What the consumers were must not be forgotten because Redis has no room for a
 * while. */
static void switch_on_error(struct job *job, const char *why)
{
	char text[128];

	if (job->step != STEP_RESTORE || ++job->bad > SWITCH_RESTORE_TRIES) {
		job_step_failed(job, "redis: %s", why);
		return;
	}
	snprintf(text, sizeof(text), "redis: %s", why);
	job_retry(job, text);
}

static void switch_on_reply(const struct redis_reply *reply, void *arg)
{
	struct switch_ask *ask = arg;
	struct job *job = ask->deploy->job;
	void (*next)(struct job *, const struct redis_reply *) = ask->next;
	bool is_ours = job != NULL && strcmp(job->id, ask->id) == 0 &&
		       job->turn == ask->turn;

	free(ask);
	if (!is_ours)
		return;
	if (reply == NULL)
		job_retry(job, SWITCH_AWAY);
	else if (redis_type(reply) == REDIS_ERROR)
		switch_on_error(job, redis_text(reply, NULL));
	else
		next(job, reply);
}

void job_redis(struct job *job, int argc, const char *const *argv,
	void (*next)(struct job *job, const struct redis_reply *reply))
{
	struct switch_ask *ask = xcalloc(1, sizeof(*ask));

	ask->deploy = job->deploy;
	memcpy(ask->id, job->id, sizeof(ask->id));
	ask->turn = job->turn;
	ask->next = next;
	if (redis_command(job->deploy->redis, switch_on_reply, ask, argc, argv,
		    NULL) != 0) {
		free(ask);
		job_retry(job, SWITCH_AWAY);
	}
}

/* A link that leads nowhere is worse than the wrong one. */
static bool switch_is_there(const struct job *job, const char *version)
{
	char *path = job_path(job, "releases/%s", version);
	bool is_there = *version == '\0' || files_is_directory(path);

	free(path);
	return is_there;
}

/* Is there something to be undone? */
static bool switch_has_moved(const struct job *job)
{
	char now[JOB_VERSION_MAX + 1];
	struct err err;

	return files_current(job->deploy->options->root, now, sizeof(now),
		       &err) != 0 ||
	       strcmp(now, job->from) != 0;
}

static void switch_link(struct job *job)
{
	const char *to = job->is_back ? job->from : job->version;
	struct err err;

	job->is_switched = true;
	if (!switch_is_there(job, to)) {
		job_step_failed(job, "releases/%s is gone", to);
		return;
	}
	if (files_switch(job->deploy->options->root, to, &err) != 0) {
		job->is_switched = job->is_back || switch_has_moved(job);
		job_step_failed(job, "%s", err.text);
		return;
	}
	if (*to != '\0')
		job_say(job, "current -> releases/%s", to);
	else
		job_say(job, "there is no current release any more");
	job_step_done(job);
}

static void switch_known(struct job *job)
{
	job->is_known = true;
	job_note(job, &switch_note_switched, NULL, switch_link);
}

int switch_read_from(struct job *job, struct err *err)
{
	if (job->is_known)
		return 0;
	return files_current(
		job->deploy->options->root, job->from, sizeof(job->from), err);
}

void step_switch(struct job *job)
{
	struct err err;

	if (job->is_back) {
		if (job->is_switched)
			switch_link(job);
		else
			job_step_done(job);
	} else if (job->is_known) {
		switch_known(job);
	} else if (switch_read_from(job, &err) != 0) {
		job_step_failed(job, "%s", err.text);
	} else {
		job_note(job, &switch_note_from,
			job->from[0] != '\0' ? job->from : NULL, switch_known);
	}
}

static void switch_roll(struct job *job);

/* What was asked of the governor last. */
static const char *switch_asked(const struct job *job)
{
	if (job->at > 0)
		return job->deploy->options->pools.items[job->at - 1];
	return job->is_back ? "the configuration" : "the new configuration";
}

/* On the way back each pool gets its old release, whatever becomes of the
 * others; where there was none, they can't be told to come up. */
static void switch_refused(struct job *job)
{
	size_t len = strlen(job->missed);

	if (!job->is_back) {
		job_step_failed(job, "%s was refused", switch_asked(job));
		return;
	}
	if (job->from[0] != '\0')
		snprintf(job->missed + len, sizeof(job->missed) - len, "%s%s",
			len > 0 ? ", " : "", switch_asked(job));
	job->at++;
	switch_roll(job);
}

bool switch_is_away(const struct job *job, int status)
{
	const struct board *b = worker_child(job->deploy->worker)->board;
	struct board_header h;

	(void)board_read_header(b, &h);
	return control_is_away(status) ||
	       (status != 200 && h.state == BOARD_NODE_STOPPING);
}

static void switch_on_control(int status, const char *text, void *arg)
{
	struct job *job = arg;

	job->control = NULL;
	if (switch_is_away(job, status)) {
		/* It ended meanwhile, or is about to: its successor is asked. */
		job_retry(job, text);
		return;
	}
	job_say(job, "%s: %s",
		job->at == 0 ? "the configuration" : switch_asked(job), text);
	if (status == 200) {
		job->at++;
		switch_roll(job);
	} else {
		switch_refused(job);
	}
}

static void switch_rolled(struct job *job)
{
	if (job->missed[0] != '\0')
		job_step_failed(job, "%s was refused", job->missed);
	else
		job_step_done(job);
}

/* First the configuration, of which a release may bring a part; then each
 * pool.  Each answer is the verdict. */
static void switch_roll(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	struct err err;
	char *path;

	if (job->at > o->pools.count) {
		switch_rolled(job);
		return;
	}
	path = job->at == 0 ? xstrdup("/reload")
			    : xasprintf("/pools/%s/restart",
				      o->pools.items[job->at - 1]);
	job->control =
		control_post(job->deploy->loop, job->deploy->conf->control_path,
			path, SWITCH_CONTROL_US, switch_on_control, job, &err);
	free(path);
	if (job->control == NULL)
		job_retry(job, err.text);
}

void step_reload(struct job *job)
{
	if (job->is_back && !job->is_switched) {
		job_step_done(job);
		return;
	}
	job->at = 0;
	job->missed[0] = '\0';
	switch_roll(job);
}
