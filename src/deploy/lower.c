/* SPDX-License-Identifier: ISC */
/*
 * lower - consumers down before the switch, and up again after it.
 *
 * A node's key in Redis hides the one of all nodes, so what is said there of
 * topics that are not lowered is said in it again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "board/view.h"
#include "conf/conf.h"
#include "conf/counts.h"
#include "conf/topics.h"
#include "deploy/job.h"

/* How long consumers are given to become fewer, and how often it is seen. */
#define LOWER_US      (10 * (int64_t)US_PER_S)
#define LOWER_LOOK_US (20 * (int64_t)US_PER_MS)

static const struct pg_statement lower_note_lowered = {
	.name = "deploy_note_lowered",
	.text = "UPDATE reeve.deployment_nodes SET is_lowered = true,"
		" consumers = $4 WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

static const struct pg_statement lower_note_restored = {
	.name = "deploy_note_restored",
	.text = "UPDATE reeve.deployment_nodes SET is_lowered = $4::boolean"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

static char *lower_key(const struct job *job)
{
	const struct conf *conf = job->deploy->conf;

	return xasprintf("%sconsumers:%s", conf->redis_prefix, conf->node);
}

/* Tell the governors to look at once. */
static void lower_tell(struct job *job)
{
	char *channel = xasprintf("%scontrol", job->deploy->conf->redis_prefix);

	(void)redis_printf(job->deploy->redis, NULL, NULL,
		"PUBLISH %s consumers", channel);
	free(channel);
}

static bool lower_has_counts(const struct job *job)
{
	return job->deploy->redis != NULL &&
	       job->deploy->options->consumers_during.count > 0;
}

static int64_t lower_clamp(const struct conf_pool *p, int64_t count)
{
	if (count < p->min_count)
		return p->min_count;
	return count < p->max_count ? count : p->max_count;
}

/* The pool of the setting's row i, and how many it is to have; NULL: there is
 * none on this node. */
static const struct conf_pool *lower_pool(
	const struct job *job, size_t i, int64_t *ret_count)
{
	const struct conf_map *m = &job->deploy->options->consumers_during;
	const struct conf_pool *p = conf_pool_counted(
		job->deploy->conf, topics_alias(m->items[i].name));

	if (p != NULL)
		*ret_count = lower_clamp(p, atoll(m->items[i].value));
	return p;
}

/* Is it lowered by the first n rows of the setting? */
static bool lower_has(
	const struct job *job, const struct conf_pool *p, size_t n)
{
	int64_t count;
	size_t i;

	for (i = 0; i < n; i++)
		if (lower_pool(job, i, &count) == p)
			return true;
	return false;
}

static bool lower_board_has(
	const struct board *b, const char *name, struct board_pool *ret_pool)
{
	int k, limit = atomic_load(&b->map->header.pool_limit);

	for (k = 0; k < limit && k < BOARD_POOLS_MAX; k++)
		if (board_read_pool(b, k, ret_pool) &&
			ret_pool->state != BOARD_POOL_UNUSED &&
			strcmp(ret_pool->name, name) == 0)
			return true;
	return false;
}

/* Do the pools of the topics have what was asked for? */
static bool lower_is_done(const struct job *job)
{
	size_t i, n = job->deploy->options->consumers_during.count;
	const struct board *b = worker_child(job->deploy->worker)->board;
	const struct conf_pool *p;
	struct board_pool now;
	int64_t count;

	for (i = 0; i < n; i++) {
		p = lower_pool(job, i, &count);
		if (p != NULL && lower_board_has(b, p->name, &now) &&
			(now.desired > count || now.ready > now.desired))
			return false;
	}
	return true;
}

static void lower_look(void *arg)
{
	struct job *job = arg;

	if (lower_is_done(job)) {
		job_step_done(job);
	} else if (clock_now() > job->until_us) {
		job_say(job, "some consumers are still busy: going on");
		job_step_done(job);
	} else {
		job_wait(job, LOWER_LOOK_US, lower_look);
	}
}

static void lower_on_set(struct job *job, const struct redis_reply *reply)
{
	(void)reply;
	lower_tell(job);
	job->until_us = clock_now() + LOWER_US;
	lower_look(job);
}

/* Would the governor take it?  All or nothing, as it does. */
static bool lower_is_valid(
	const struct job *job, const char *text, struct conf_counts *list)
{
	const struct conf_pool *p;
	struct err err;
	size_t i;

	if (text == NULL ||
		conf_read_counts(text, strlen(text), list, &err) != 0)
		return false;
	for (i = 0; i < list->count; i++) {
		p = conf_pool_counted(job->deploy->conf, list->items[i].topic);
		if (p == NULL || lower_clamp(p, list->items[i].count) !=
					 list->items[i].count)
			return false;
	}
	return true;
}

/* What was said of the topics that are not lowered. */
static void lower_add_others(
	const struct job *job, const char *text, struct buf *yaml)
{
	struct conf_counts *list = xcalloc(1, sizeof(*list));
	size_t i, n = job->deploy->options->consumers_during.count;

	if (!lower_is_valid(job, text, list))
		list->count = 0;
	for (i = 0; i < list->count; i++)
		if (!lower_has(job,
			    conf_pool_counted(
				    job->deploy->conf, list->items[i].topic),
			    n))
			buf_printf(yaml, "%s: %" PRId64 "\n",
				list->items[i].topic, list->items[i].count);
	free(list);
}

static void lower_set(struct job *job, const char *text)
{
	const struct conf_map *m = &job->deploy->options->consumers_during;
	const struct conf_pool *p;
	struct buf yaml = BUF_INIT;
	char *key = lower_key(job);
	int64_t count;
	size_t i;

	job->is_lowered = true;
	for (i = 0; i < m->count; i++) {
		p = lower_pool(job, i, &count);
		if (p == NULL) {
			job_say(job, "no pool is counted as %s here",
				m->items[i].name);
			continue;
		}
		if (lower_has(job, p, i))
			continue;
		buf_printf(&yaml, "%s: %" PRId64 "\n", conf_pool_counted_as(p),
			count);
		job_say(job, "%s: %" PRId64, p->name, count);
	}
	lower_add_others(job, text, &yaml);
	job_redis(job, 3, (const char *[]){ "SET", key, buf_str(&yaml) },
		lower_on_set);
	buf_done(&yaml);
	free(key);
}

static void lower_on_all(struct job *job, const struct redis_reply *reply)
{
	lower_set(job, redis_type(reply) == REDIS_STRING
			       ? redis_text(reply, NULL)
			       : NULL);
}

/* The node's own key goes before that of all. */
static void lower_begin(struct job *job)
{
	char *key;

	if (job->consumers != NULL) {
		lower_set(job, job->consumers);
		return;
	}
	key = xasprintf("%sconsumers", job->deploy->conf->redis_prefix);
	job_redis(job, 2, (const char *[]){ "GET", key }, lower_on_all);
	free(key);
}

static void lower_on_counts(struct job *job, const struct redis_reply *reply)
{
	const char *text = NULL;
	size_t len = 0;

	if (redis_type(reply) == REDIS_STRING)
		text = redis_text(reply, &len);
	if (text != NULL && (utf8_valid(text, len) != len ||
				    memchr(text, '\0', len) != NULL)) {
		job_step_failed(
			job, "what the key of consumers has is no text");
		return;
	}
	free(job->consumers);
	job->consumers = text != NULL ? xstrndup(text, len) : NULL;
	job_note(job, &lower_note_lowered, job->consumers, lower_begin);
}

void step_lower(struct job *job)
{
	char *key;

	if (!lower_has_counts(job) || (job->is_back && !job->is_switched)) {
		job_step_done(job);
	} else if (job->is_lowered) {
		lower_begin(job);
	} else {
		key = lower_key(job);
		job_redis(job, 2, (const char *[]){ "GET", key },
			lower_on_counts);
		free(key);
	}
}

static void lower_restored(struct job *job)
{
	lower_tell(job);
	job_step_done(job);
}

static void lower_on_restored(struct job *job, const struct redis_reply *reply)
{
	(void)reply;
	job->is_lowered = false;
	job_note(job, &lower_note_restored, "false", lower_restored);
}

void step_restore(struct job *job)
{
	char *key;

	if (!job->is_lowered || job->deploy->redis == NULL) {
		job_step_done(job);
		return;
	}
	key = lower_key(job);
	if (job->consumers != NULL)
		job_redis(job, 3,
			(const char *[]){ "SET", key, job->consumers },
			lower_on_restored);
	else
		job_redis(job, 2, (const char *[]){ "DEL", key },
			lower_on_restored);
	free(key);
}
