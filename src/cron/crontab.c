/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/due.h"
#include "cron/inline.h"
#include "cron/later.h"
#include "cron/leader.h"
#include "cron/load.h"
#include "cron/registry.h"
#include "store/outbox.h"
#include "worker/worker.h"

int64_t crontab_now(const struct crontab *c)
{
	return clock_now() + c->clock_ahead_us;
}

void crontab_count(struct crontab *c)
{
	struct outbox_figures now;

	outbox_figures(c->outbox, &now);
	atomic_fetch_add(&c->series->outbox_sent, now.sent - c->counted.sent);
	atomic_fetch_add(
		&c->series->outbox_failed, now.failed - c->counted.failed);
	c->counted = now;
}

static void crontab_on_drained(void *arg)
{
	struct crontab *c = arg;

	c->drain = CRONTAB_DRAINED;
	worker_done(c->worker);
}

/* What was fired last is taken to the queue yet. */
void crontab_settle(struct crontab *c)
{
	if (c->drain != CRONTAB_DRAINING || !due_is_idle(c->due) ||
		!later_is_idle(c->later) || !inlines_is_idle(c->inlines) ||
		!leader_is_idle(c->leader))
		return;
	c->drain = CRONTAB_EMPTYING;
	outbox_drain(c->outbox, crontab_on_drained, c);
}

static void crontab_on_redis(enum redis_state state, const char *why, void *arg)
{
	(void)arg;
	if (state == REDIS_DOWN)
		log_warn("%s", why);
}

static void crontab_on_pg(enum pg_state state, const char *why, void *arg)
{
	struct crontab *c = arg;

	inlines_on_pg(c->inlines);
	if (state == PG_DOWN) {
		log_warn("%s", why);
		return;
	}
	load_on_up(c->load);
	leader_try(c->leader);
	/* What was said meanwhile was not heard. */
	leader_orphans(c->leader);
	registry_say(c->registry);
}

static void crontab_on_trouble(const char *text, void *arg)
{
	(void)arg;
	log_warn("%s", text);
}

static int crontab_connect(struct crontab *c, struct err *err)
{
	const struct conf *conf = c->conf;
	const struct redis_options r = { .url = conf->redis_url,
		.sentinel_master = conf->redis_sentinel_master,
		.sentinel_nodes = &conf->redis_sentinel_nodes,
		.name = c->name,
		.command_timeout_us = 10 * US_PER_S };
	const struct pg_options p = { .url = conf->database_url,
		.connections = (unsigned)conf->database_connections,
		.name = c->name,
		.connect_timeout_us = conf->database_connect_timeout_us,
		.statement_timeout_us = conf->database_statement_timeout_us,
		.setup = "SET enable_seqscan = off; SET jit = off" };
	const struct outbox_options o = { .conf = conf,
		.name = c->name,
		.batch = c->options->outbox_batch,
		.listens = true,
		.trouble = crontab_on_trouble };

	c->redis = redis_open(c->loop, &r, crontab_on_redis, c, err);
	if (c->redis == NULL)
		return -1;
	c->pg = pg_open(c->loop, &p, crontab_on_pg, c, err);
	if (c->pg == NULL)
		return -1;
	c->outbox = outbox_open(c->loop, &o, err);
	return c->outbox != NULL ? 0 : -1;
}

static void crontab_stop(void *self)
{
	struct crontab *c = self;

	c->drain = CRONTAB_DRAINED;
	/* First those who may still answer: the others hear of it. */
	outbox_close(c->outbox);
	redis_close(c->redis);
	pg_close(c->pg);
	inlines_stop(c->inlines);
	registry_stop(c->registry);
	leader_stop(c->leader);
	due_stop(c->due);
	later_stop(c->later);
	load_stop(c->load);
	plan_done(&c->plan);
	free(c);
}

static void *crontab_start(struct worker *w, struct err *err)
{
	const struct child *child = worker_child(w);
	struct crontab *c = xcalloc(1, sizeof(*c));

	c->worker = w;
	c->loop = worker_loop(w);
	c->conf = child->conf;
	c->pool = child->pool;
	c->options = child->pool->own;
	c->series = &child->board->map->series.cron;
	snprintf(c->name, sizeof(c->name), "%s/%s.%d/%d", c->conf->node,
		c->pool->name, child->index, (int)getpid());
	plan_init(&c->plan);
	if (crontab_connect(c, err) != 0 ||
		(c->inlines = inlines_start(c, err)) == NULL) {
		crontab_stop(c);
		return NULL;
	}
	c->due = due_start(c);
	c->later = later_start(c);
	c->load = load_start(c);
	c->leader = leader_start(c);
	c->registry = registry_start(c);
	return c;
}

static void crontab_drain(void *self)
{
	struct crontab *c = self;

	c->drain = CRONTAB_DRAINING;
	due_schedule(c->due);
	later_hurry(c->later);
	inlines_drain(c->inlines);
	leader_resign(c->leader);
	crontab_settle(c);
}

const struct role role_crontab = {
	.name = "crontab",
	.kind = &conf_kind_crontab,
	.start = crontab_start,
	.drain = crontab_drain,
	.stop = crontab_stop,
};
