/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/duties.h"
#include "cron/leader.h"
#include "cron/reconcile.h"

#define DUTIES_HOUR_US   (3600 * (int64_t)US_PER_S)
#define DUTIES_MINUTE_US (INT64_C(60) * US_PER_S)
#define DUTIES_LOOK_US   (10 * (int64_t)US_PER_S)
/* A duty is not done for more than such a part of the time. */
#define DUTIES_SHARE 20

/* What a duty's answer means; NULL: nothing. */
typedef void (*duty_fn)(struct duties *d, const struct pg_result *r);
/* Its parameter, a number. */
typedef int64_t (*duty_value_fn)(const struct crontab *c);

struct duty {
	const char *name; /* for the log */
	struct pg_statement statement;
	int64_t every_us;    /* or: */
	size_t every_offset; /* of an option */
	duty_value_fn value; /* NULL: no parameter */
	duty_fn done;
};

static void duties_on_nodes(struct duties *d, const struct pg_result *r);
static void duties_on_figures(struct duties *d, const struct pg_result *r);
static void duties_on_dropped(struct duties *d, const struct pg_result *r);

static int64_t duties_days(const struct crontab *c)
{
	return c->options->retention_us / (24 * DUTIES_HOUR_US);
}

static int64_t duties_silence_ms(const struct crontab *c)
{
	return c->options->node_timeout_us / US_PER_MS;
}

static const struct duty duties_table[] = {
	{ .name = "partitions ahead",
		.statement = { .name = "duty_partitions",
			.text = "SELECT reeve.partitions_ahead(3)" },
		.every_us = DUTIES_HOUR_US },
	{ .name = "retention",
		.statement = { .name = "duty_retention",
			.text = "SELECT reeve.retain($1::int)",
			.params = 1 },
		.every_us = DUTIES_HOUR_US,
		.value = duties_days,
		.done = duties_on_dropped },
	{ .name = "audit retention",
		.statement = { .name = "duty_audit",
			.text = "SELECT reeve.audit_retain($1::int, 100000)",
			.params = 1 },
		.every_us = DUTIES_MINUTE_US,
		.value = duties_days },
	{ .name = "statistics",
		.statement = { .name = "duty_statistics",
			.text = "SELECT reeve.statistics_update()" },
		.every_offset =
			offsetof(struct crontab_options, statistics_us) },
	{ .name = "nodes",
		.statement = { .name = "duty_nodes",
			.text = "UPDATE reeve.worker_registry"
				" SET state = 'OFFLINE' "
				"WHERE state = 'ONLINE' AND heartbeat_at <"
				" now() - $1::bigint * interval '1 ms' "
				"RETURNING worker_id",
			.params = 1 },
		.every_us = DUTIES_LOOK_US / 5,
		.value = duties_silence_ms,
		.done = duties_on_nodes },
	{ .name = "loose ends",
		.statement = { .name = "duty_ends",
			.text = "SELECT reeve.loose_ends()" },
		.every_offset =
			offsetof(struct crontab_options, reconcile_us) },
	{ .name = "figures",
		.statement = { .name = "duty_figures",
			.text = "SELECT (SELECT count(*) FROM (SELECT FROM"
				" reeve.outbox LIMIT 100000) o),"
				" (SELECT (extract(epoch FROM"
				" clock_timestamp() - created_at)"
				" * 1000)::bigint FROM reeve.outbox"
				" ORDER BY id LIMIT 1),"
				" (SELECT count(*) FROM"
				" reeve.task_definitions"
				" WHERE status = 'ENABLED'),"
				" (SELECT count(*) FROM"
				" reeve.worker_registry"
				" WHERE state = 'ONLINE'),"
				" (SELECT sum(numbackends) FROM"
				" pg_stat_database WHERE datid <> 0),"
				" current_setting('max_connections')::int,"
				" (SELECT count(*) FROM pg_stat_activity"
				" WHERE datname = current_database()"
				" AND backend_type = 'client backend'"
				" AND state = 'active' AND query_start <"
				" clock_timestamp() - interval '1 second')" },
		.every_us = DUTIES_LOOK_US,
		.done = duties_on_figures },
};

#define DUTIES_COUNT (sizeof(duties_table) / sizeof(*duties_table))

/* One of the table, and how it stands. */
struct duty_state {
	struct duties *duties;
	const struct duty *duty;
	int64_t due_us; /* clock_now */
	int64_t asked_us;
	bool is_asking;
};

struct duties {
	struct crontab *crontab;
	struct leader *leader;
	struct reconcile *reconcile;
	struct duty_state states[DUTIES_COUNT];
};

static void duties_on_nodes(struct duties *d, const struct pg_result *r)
{
	int i, n = pg_result_rows(r);

	for (i = 0; i < n; i++)
		log_warn("node %s is offline: what ran there is put into the "
			 "queue again",
			pg_result_text(r, i, 0));
	if (n > 0)
		reconcile_orphans(d->reconcile);
}

static void duties_on_dropped(struct duties *d, const struct pg_result *r)
{
	const char *names = pg_result_text(r, 0, 0);

	(void)d;
	if (names != NULL && names[0] != '\0')
		log_info("dropped what is older than the retention: %s", names);
}

static void duties_on_figures(struct duties *d, const struct pg_result *r)
{
	struct series_cron *s = d->crontab->series;

	atomic_store(&s->outbox_length, pg_result_int(r, 0, 0, 0));
	atomic_store(&s->outbox_oldest_ms, pg_result_int(r, 0, 1, 0));
	atomic_store(&s->definitions, pg_result_int(r, 0, 2, 0));
	atomic_store(&s->nodes_online, pg_result_int(r, 0, 3, 0));
	atomic_store(&s->connections, pg_result_int(r, 0, 4, 0));
	atomic_store(&s->connections_max, pg_result_int(r, 0, 5, 0));
	atomic_store(&s->slow_queries, pg_result_int(r, 0, 6, 0));
}

static int64_t duties_every(const struct duties *d, const struct duty *duty)
{
	int64_t us;

	if (duty->every_us != 0)
		return duty->every_us;
	memcpy(&us, (const char *)d->crontab->options + duty->every_offset,
		sizeof(us));
	return us;
}

static void duties_on_answer(const struct pg_result *r, void *arg)
{
	struct duty_state *s = arg;
	struct duties *d = s->duties;
	int64_t now = clock_now();
	int64_t pause = duties_every(d, s->duty);
	int64_t least = (now - s->asked_us) * DUTIES_SHARE;

	s->is_asking = false;
	s->due_us = now + (pause > least ? pause : least);
	if (r == NULL)
		return;
	if (pg_result_is_error(r)) {
		leader_fault(d->leader, s->duty->name, pg_result_error(r));
		return;
	}
	leader_well(d->leader);
	if (s->duty->done != NULL)
		s->duty->done(d, r);
}

static void duties_do(struct duty_state *s, int64_t now)
{
	struct crontab *c = s->duties->crontab;
	char number[24];
	const char *value = number;

	if (s->duty->value != NULL)
		snprintf(number, sizeof(number), "%" PRId64, s->duty->value(c));
	s->asked_us = now;
	s->is_asking = pg_query(c->pg, &s->duty->statement, &value,
			       duties_on_answer, s) == 0;
}

void duties_on_lead(struct duties *d, bool is_new)
{
	int64_t now = clock_now();
	size_t i;

	for (i = 0; i < DUTIES_COUNT; i++)
		if (!d->states[i].is_asking &&
			(is_new || now >= d->states[i].due_us))
			duties_do(&d->states[i], now);
	reconcile_look(d->reconcile, is_new);
}

void duties_orphans(struct duties *d)
{
	reconcile_orphans_soon(d->reconcile);
}

struct duties *duties_new(struct crontab *c, struct leader *l)
{
	struct duties *d = xcalloc(1, sizeof(*d));
	size_t i;

	d->crontab = c;
	d->leader = l;
	d->reconcile = reconcile_new(c, l);
	for (i = 0; i < DUTIES_COUNT; i++) {
		d->states[i].duties = d;
		d->states[i].duty = &duties_table[i];
	}
	return d;
}

void duties_free(struct duties *d)
{
	reconcile_free(d->reconcile);
	free(d);
}
