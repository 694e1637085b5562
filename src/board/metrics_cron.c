/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/clock.h"
#include "board/board.h"
#include "board/metrics_cron.h"
#include "board/series.h"

enum metrics_cron_how {
	CRON_COUNTER = 0,  /* uint64_t */
	CRON_UNTIL = 1,    /* a time: 1 before, 0 after it */
	CRON_OF_LEADER = 2 /* int64_t, which only the node that leads has */
};

struct metrics_cron_family {
	const char *name, *help;
	size_t offset; /* in struct series_cron */
	enum metrics_cron_how how;
	double unit; /* what is divided by it */
};

#define CRON_FIELD(field) offsetof(struct series_cron, field)

static const struct metrics_cron_family metrics_cron_families[] = {
	{ "reeve_cron_failures_total",
		"Attempts to fire that PostgreSQL refused.",
		CRON_FIELD(failures), CRON_COUNTER, 1 },
	{ "reeve_outbox_sent_total", "Rows taken from the outbox to Redis.",
		CRON_FIELD(outbox_sent), CRON_COUNTER, 1 },
	{ "reeve_outbox_failed_total",
		"Rows that Redis did not take when it was asked to.",
		CRON_FIELD(outbox_failed), CRON_COUNTER, 1 },
	{ "reeve_scheduler_leader", "1 where the leader is.",
		CRON_FIELD(leader_until_us), CRON_UNTIL, 1 },
	{ "scheduler_health_status",
		"1 while a crontab worker of this node has PostgreSQL.",
		CRON_FIELD(healthy_until_us), CRON_UNTIL, 1 },
	{ "reeve_scheduler_term", "How often another has begun to lead.",
		CRON_FIELD(term), CRON_OF_LEADER, 1 },
	{ "reeve_scheduler_definitions", "Definitions that are enabled.",
		CRON_FIELD(definitions), CRON_OF_LEADER, 1 },
	{ "reeve_scheduler_nodes_online", "Nodes with a sign of life.",
		CRON_FIELD(nodes_online), CRON_OF_LEADER, 1 },
	{ "reeve_database_connections",
		"Connections to PostgreSQL, of all its databases.",
		CRON_FIELD(connections), CRON_OF_LEADER, 1 },
	{ "reeve_database_connections_max", "As many as PostgreSQL takes.",
		CRON_FIELD(connections_max), CRON_OF_LEADER, 1 },
	{ "reeve_database_slow_queries",
		"Queries in this database that have run for over a second.",
		CRON_FIELD(slow_queries), CRON_OF_LEADER, 1 },
	{ "reeve_outbox_length", "Rows in the outbox, 100000 at most.",
		CRON_FIELD(outbox_length), CRON_OF_LEADER, 1 },
	{ "reeve_outbox_oldest_seconds", "Age of its oldest row.",
		CRON_FIELD(outbox_oldest_ms), CRON_OF_LEADER, 1000 },
};

#define CRON_FAMILIES \
	(sizeof(metrics_cron_families) / sizeof(*metrics_cron_families))

static void metrics_cron_head(
	struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metrics_cron_runs(const struct series_cron *s, struct buf *out)
{
	int i;

	metrics_cron_head(out, "reeve_cron_runs_total", "counter",
		"Runs that came of definitions, by what became of them.");
	for (i = 0; i < SERIES_CRON_KINDS; i++)
		buf_printf(out,
			"reeve_cron_runs_total{kind=\"%s\"} %" PRIu64 "\n",
			series_cron_names[i], atomic_load(&s->runs[i]));
}

static void metrics_cron_lateness(const struct series_cron *s, struct buf *out)
{
	static const char name[] = "reeve_cron_lateness_seconds";
	uint64_t total = 0;
	unsigned i;

	metrics_cron_head(out, name, "histogram",
		"From the planned time of a run to its commit.");
	for (i = 0; i < SERIES_BUCKETS; i++) {
		int64_t limit = board_bucket_limit(i);

		total += atomic_load(&s->lateness.count[i]);
		buf_printf(out, "%s_bucket{le=\"", name);
		if (limit < 0)
			buf_puts(out, "+Inf");
		else
			buf_printf(out, "%.6f", (double)limit / US_PER_S);
		buf_printf(out, "\"} %" PRIu64 "\n", total);
	}
	buf_printf(out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
		(double)atomic_load(&s->lateness.sum_us) / US_PER_S, name,
		total);
}

static void metrics_cron_write(const struct series_cron *s,
	const struct metrics_cron_family *f, int64_t now_us, bool is_leader,
	struct buf *out)
{
	const char *at = (const char *)s + f->offset;
	double value;

	if (f->how == CRON_OF_LEADER && !is_leader)
		return;
	metrics_cron_head(out, f->name,
		f->how == CRON_COUNTER ? "counter" : "gauge", f->help);
	if (f->how == CRON_COUNTER)
		value = (double)atomic_load((const _Atomic uint64_t *)at);
	else if (f->how == CRON_UNTIL)
		value = now_us < atomic_load((const _Atomic int64_t *)at);
	else
		value = (double)atomic_load((const _Atomic int64_t *)at);
	buf_printf(out, "%s %.15g\n", f->name, value / f->unit);
}

void metrics_cron(const struct series_cron *s, int64_t now_us, struct buf *out)
{
	bool is_leader = now_us < atomic_load(&s->leader_until_us);
	size_t i;

	metrics_cron_runs(s, out);
	metrics_cron_lateness(s, out);
	for (i = 0; i < CRON_FAMILIES; i++)
		metrics_cron_write(
			s, &metrics_cron_families[i], now_us, is_leader, out);
}
