/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/view.h"
#include "cron/crontab.h"
#include "cron/registry.h"
#include "worker/worker.h"

#define REGISTRY_SAY_US (10 * (int64_t)US_PER_S)

struct registry {
	struct crontab *crontab;
	struct loop_timer *timer;
};

static const struct pg_statement registry_upsert = {
	.name = "registry_upsert",
	.text = "WITH was AS (SELECT pids FROM reeve.worker_registry"
		" WHERE worker_id = $1), now AS ("
		"INSERT INTO reeve.worker_registry AS w (worker_id, version,"
		" pid, pools, pids, started_at) "
		"VALUES ($1, $2, $3::int, $4::jsonb, $5::int[],"
		" reeve.us_time($6::bigint)) "
		"ON CONFLICT (worker_id) DO UPDATE SET"
		" version = excluded.version, pid = excluded.pid,"
		" pools = excluded.pools, pids = excluded.pids,"
		" started_at = excluded.started_at, state = 'ONLINE',"
		" heartbeat_at = now() RETURNING pids) "
		/* A process is gone: the leader looks what it has left. */
		"SELECT pg_notify('reeve_scheduler', 'orphans') FROM was, now"
		" WHERE NOT was.pids <@ now.pids",
	.params = 6,
};

static void registry_on_said(const struct pg_result *r, void *arg)
{
	(void)arg;
	if (r != NULL && pg_result_is_error(r))
		log_warn("this node can't be registered: %s, trying again",
			pg_result_error(r));
}

/* Pools with what they have, and the processes that tasks may run in. */
static void registry_describe(
	const struct board *b, struct buf *pools, struct pg_array *pids)
{
	const struct view_entry *entries;
	struct board_pool p;
	struct jsonw j;
	struct view v;
	size_t i, n;
	int pool;

	view_init(&v, b);
	jsonw_init(&j, pools);
	jsonw_array(&j, NULL);
	for (pool = 0; pool < v.pool_limit; pool++) {
		if (!view_pool(&v, pool, &p) || p.is_internal)
			continue;
		jsonw_object(&j, NULL);
		jsonw_str(&j, "name", p.name);
		jsonw_str(&j, "kind", p.kind);
		jsonw_int(&j, "desired", p.desired);
		jsonw_int(&j, "ready", p.ready);
		jsonw_end_object(&j);
		entries = view_entries(&v, pool, &n);
		for (i = 0; i < n; i++)
			if (b->map->slots[entries[i].slot].pid > 0)
				pg_array_add_int(pids,
					b->map->slots[entries[i].slot].pid);
	}
	jsonw_end_array(&j);
	view_done(&v);
}

static void registry_say_here(struct registry *r, const struct board_header *h)
{
	struct crontab *c = r->crontab;
	const struct board *b = worker_child(c->worker)->board;
	struct buf pools = BUF_INIT;
	struct pg_array pids = { 0 };
	char pid[24], since[24];
	const char *values[6] = { c->conf->node, h->software, pid };

	registry_describe(b, &pools, &pids);
	snprintf(pid, sizeof(pid), "%d", (int)h->pid);
	snprintf(since, sizeof(since), "%" PRId64, h->started_wall);
	values[3] = buf_str(&pools);
	values[4] = pg_array_text(&pids);
	values[5] = since;
	(void)pg_query(c->pg, &registry_upsert, values, registry_on_said, r);
	pg_array_free(&pids);
	buf_done(&pools);
}

static void registry_say_in_redis(
	struct registry *r, const struct board_header *h)
{
	struct crontab *c = r->crontab;
	const char *prefix = c->conf->redis_prefix, *node = c->conf->node;

	(void)redis_printf(c->redis, NULL, NULL, "HSET %sworker:%s pid %d",
		prefix, node, (int)h->pid);
	(void)redis_printf(c->redis, NULL, NULL, "PEXPIRE %sworker:%s %lld",
		prefix, node,
		(long long)(c->options->node_timeout_us / US_PER_MS));
}

void registry_say(struct registry *r)
{
	struct board_header h;

	if (r->crontab->drain != CRONTAB_SERVING ||
		!board_read_header(worker_child(r->crontab->worker)->board, &h))
		return;
	registry_say_here(r, &h);
	registry_say_in_redis(r, &h);
}

static int64_t registry_pause(const struct registry *r)
{
	int64_t third = r->crontab->options->node_timeout_us / 3;

	return third < REGISTRY_SAY_US ? third : REGISTRY_SAY_US;
}

static void registry_on_timer(void *arg)
{
	struct registry *r = arg;

	loop_timer_start(r->timer, registry_pause(r));
	registry_say(r);
}

struct registry *registry_start(struct crontab *c)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->crontab = c;
	r->timer = loop_timer_new(c->loop, registry_on_timer, r);
	if (worker_child(c->worker)->index == 0)
		loop_timer_start(r->timer, registry_pause(r));
	return r;
}

void registry_stop(struct registry *r)
{
	if (r == NULL)
		return;
	loop_timer_free(r->timer);
	free(r);
}
