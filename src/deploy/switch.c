/* SPDX-License-Identifier: ISC */
/*
 * switch - the steps that change what runs: consumers down, the link, the
 * pools, consumers up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "board/view.h"
#include "conf/conf.h"
#include "deploy/files.h"
#include "deploy/job.h"

#define SWITCH_CONTROL_US (15 * 60 * (int64_t)US_PER_S)
/* How long consumers are given to become fewer, and how often it is seen. */
#define SWITCH_LOWER_US (10 * (int64_t)US_PER_S)
#define SWITCH_LOOK_US  (20 * (int64_t)US_PER_MS)

static const struct pg_statement switch_note_lowered = {
	.name = "deploy_note_lowered",
	.text = "UPDATE reeve.deployment_nodes SET is_lowered = true,"
		" consumers = $4 WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

static const struct pg_statement switch_note_restored = {
	.name = "deploy_note_restored",
	.text = "UPDATE reeve.deployment_nodes SET is_lowered = $4::boolean"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

static const struct pg_statement switch_note_from = {
	.name = "deploy_note_from",
	.text = "UPDATE reeve.deployment_nodes SET is_known = true,"
		" from_version = $4 WHERE deployment_id = $1::uuid"
		" AND node = $2 AND fence = $3::bigint RETURNING 1",
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

static void switch_again(void *arg)
{
	struct job *job = arg;

	step_begin[job->step](job);
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
		job_wait(job, US_PER_S, switch_again);
	else if (redis_type(reply) == REDIS_ERROR)
		job_step_failed(job, "redis: %s", redis_text(reply, NULL));
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
		job_wait(job, US_PER_S, switch_again);
	}
}

static char *switch_key(const struct job *job)
{
	const struct conf *conf = job->deploy->conf;

	return xasprintf("%sconsumers:%s", conf->redis_prefix, conf->node);
}

/* Tell the governors to look at once. */
static void switch_tell(struct job *job)
{
	char *channel = xasprintf("%scontrol", job->deploy->conf->redis_prefix);

	(void)redis_printf(job->deploy->redis, NULL, NULL,
		"PUBLISH %s consumers", channel);
	free(channel);
}

static bool switch_has_counts(const struct job *job)
{
	return job->deploy->redis != NULL &&
	       job->deploy->options->consumers_during.count > 0;
}

/* Do the pools of the topics have what was asked for? */
static bool switch_is_lowered(const struct job *job)
{
	const struct conf_map *m = &job->deploy->options->consumers_during;
	const struct board *b = worker_child(job->deploy->worker)->board;
	int limit = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;
	const char *topic;
	size_t i;
	int k;

	for (k = 0; k < limit && k < BOARD_POOLS_MAX; k++) {
		(void)board_read_pool(b, k, &p);
		topic = strchr(p.name, '.');
		if (p.state == BOARD_POOL_UNUSED ||
			strcmp(p.kind, "queue") != 0 || topic == NULL)
			continue;
		for (i = 0; i < m->count; i++)
			if (strcmp(m->items[i].name, topic + 1) == 0 &&
				(p.desired > atoi(m->items[i].value) ||
					p.ready > p.desired))
				return false;
	}
	return true;
}

static void switch_look_lowered(void *arg)
{
	struct job *job = arg;

	if (switch_is_lowered(job)) {
		job_step_done(job);
	} else if (clock_now() > job->until_us) {
		job_say(job, "some consumers are still busy: going on");
		job_step_done(job);
	} else {
		job_wait(job, SWITCH_LOOK_US, switch_look_lowered);
	}
}

static void switch_was_lowered(struct job *job, const struct redis_reply *reply)
{
	(void)reply;
	switch_tell(job);
	job->until_us = clock_now() + SWITCH_LOWER_US;
	switch_look_lowered(job);
}

static void switch_set_low(struct job *job)
{
	const struct conf_map *m = &job->deploy->options->consumers_during;
	struct buf yaml = BUF_INIT;
	char *key = switch_key(job);
	size_t i;

	job->is_lowered = true;
	for (i = 0; i < m->count; i++)
		buf_printf(
			&yaml, "%s: %s\n", m->items[i].name, m->items[i].value);
	job_say(job, "%s: %s", key, buf_str(&yaml));
	job_redis(job, 3, (const char *[]){ "SET", key, buf_str(&yaml) },
		switch_was_lowered);
	buf_done(&yaml);
	free(key);
}

static void switch_on_counts(struct job *job, const struct redis_reply *reply)
{
	free(job->consumers);
	job->consumers = redis_type(reply) == REDIS_STRING
				 ? xstrdup(redis_text(reply, NULL))
				 : NULL;
	job_note(job, &switch_note_lowered, job->consumers, switch_set_low);
}

void step_lower(struct job *job)
{
	char *key;

	if (!switch_has_counts(job) || (job->is_back && !job->is_switched)) {
		job_step_done(job);
	} else if (job->is_lowered) {
		switch_set_low(job);
	} else {
		key = switch_key(job);
		job_redis(job, 2, (const char *[]){ "GET", key },
			switch_on_counts);
		free(key);
	}
}

static void switch_restored(struct job *job)
{
	switch_tell(job);
	job_step_done(job);
}

static void switch_on_restored(struct job *job, const struct redis_reply *reply)
{
	(void)reply;
	job->is_lowered = false;
	job_note(job, &switch_note_restored, "false", switch_restored);
}

void step_restore(struct job *job)
{
	char *key;

	if (!job->is_lowered || job->deploy->redis == NULL) {
		job_step_done(job);
		return;
	}
	key = switch_key(job);
	if (job->consumers != NULL)
		job_redis(job, 3,
			(const char *[]){ "SET", key, job->consumers },
			switch_on_restored);
	else
		job_redis(job, 2, (const char *[]){ "DEL", key },
			switch_on_restored);
	free(key);
}

/* A link that leads nowhere is worse than the wrong one. */
static bool switch_is_there(const struct job *job, const char *version)
{
	char *path = job_path(job, "releases/%s", version);
	bool is_there = *version == '\0' || files_is_directory(path);

	free(path);
	return is_there;
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

static void switch_on_control(int status, const char *text, void *arg)
{
	struct job *job = arg;

	job->control = NULL;
	job_say(job, "%s", text);
	if (status == 200) {
		job->at++;
		switch_roll(job);
	} else if (status == 0) {
		/* The governor ended meanwhile: its successor is asked. */
		job_wait(job, US_PER_S, switch_again);
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
	job_say(job, "%s", path);
	job->control =
		control_post(job->deploy->loop, job->deploy->conf->control_path,
			path, SWITCH_CONTROL_US, switch_on_control, job, &err);
	free(path);
	if (job->control == NULL) {
		job_say(job, "%s", err.text);
		job_wait(job, US_PER_S, switch_again);
	}
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
