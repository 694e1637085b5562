/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "board/board.h"
#include "board/metrics_task.h"
#include "board/procfs.h"
#include "board/series.h"
#include "board/view.h"

static const double task_quantiles[] = { 0.5, 0.95, 0.99 };

/* The governor asks three times in this time. */
#define REDIS_STALE_US (30 * (int64_t)US_PER_S)

#define TASK_QUANTILES (sizeof(task_quantiles) / sizeof(*task_quantiles))

static void task_head(
	struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool task_is_used(const struct series *s)
{
	return atomic_load_explicit(&s->state, memory_order_acquire) == 2;
}

/* All handlers together. */
struct task_sums {
	uint64_t good, bad, runs, run_us;
};

static void task_sum(const struct series_table *t, struct task_sums *sums)
{
	int i, k;

	memset(sums, 0, sizeof(*sums));
	for (i = 0; i < SERIES_MAX; i++) {
		const struct series *s = &t->rows[i];

		if (!task_is_used(s))
			continue;
		sums->good += atomic_load(&s->outcomes[SERIES_SUCCESS]);
		sums->bad += atomic_load(&s->outcomes[SERIES_DEAD]);
		sums->run_us += atomic_load(&s->run.sum_us);
		for (k = 0; k < SERIES_BUCKETS; k++)
			sums->runs += atomic_load(&s->run.count[k]);
	}
}

/* NaN, as Prometheus has it, while there is nothing to divide by. */
static void task_put_share(
	struct buf *out, const char *name, double part, double whole)
{
	if (whole > 0)
		buf_printf(out, "%s %.9g\n", name, part / whole);
	else
		buf_printf(out, "%s NaN\n", name);
}

/* Names of topics and handlers need no escaping: see conf/. */
static void task_put_sizes(const struct series_table *t, struct buf *out)
{
	bool is_first = true;
	int i;

	for (i = 0; i < SERIES_TOPICS; i++) {
		const struct series_topic *topic = &t->topics[i];

		if (atomic_load(&topic->used) == 0)
			continue;
		if (is_first)
			task_head(out, "task_queue_size", "gauge",
				"Tasks that wait in the topic, for any node.");
		is_first = false;
		buf_printf(out, "task_queue_size{topic=\"%s\"} %" PRId64 "\n",
			topic->name, atomic_load(&topic->waiting));
	}
}

/* The time that a share of the runs took at most, as histogram_quantile() of
 * Prometheus reckons it. */
static double task_quantile(
	const struct series_histogram *h, uint64_t total, double share)
{
	double wanted = share * (double)total, seen = 0, low = 0, high, n;
	unsigned i;

	for (i = 0; i < SERIES_BUCKETS; i++) {
		high = (double)board_bucket_limit(i) / US_PER_S;
		n = (double)atomic_load(&h->count[i]);
		if (high < 0) /* of the last nothing more is known */
			break;
		if (n > 0 && seen + n >= wanted)
			return low + (high - low) * (wanted - seen) / n;
		seen += n;
		low = high;
	}
	return low;
}

static void task_put_summary(const struct series *s, struct buf *out)
{
	static const char name[] = "reeve_task_run_seconds";
	uint64_t total = 0;
	char labels[2 * SERIES_NAME_MAX + 32];
	size_t i;

	for (i = 0; i < SERIES_BUCKETS; i++)
		total += atomic_load(&s->run.count[i]);
	snprintf(labels, sizeof(labels), "topic=\"%s\",handler=\"%s\"",
		s->topic, s->handler);
	for (i = 0; i < TASK_QUANTILES && total > 0; i++)
		buf_printf(out, "%s{%s,quantile=\"%g\"} %.6f\n", name, labels,
			task_quantiles[i],
			task_quantile(&s->run, total, task_quantiles[i]));
	buf_printf(out, "%s_sum{%s} %.6f\n", name, labels,
		(double)atomic_load(&s->run.sum_us) / US_PER_S);
	buf_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, total);
}

static void task_put_summaries(const struct series_table *t, struct buf *out)
{
	bool is_first = true;
	int i;

	for (i = 0; i < SERIES_MAX; i++) {
		if (!task_is_used(&t->rows[i]))
			continue;
		if (is_first)
			task_head(out, "reeve_task_run_seconds", "summary",
				"In the handler, since the node started.");
		is_first = false;
		task_put_summary(&t->rows[i], out);
	}
}

void metrics_task(const struct series_table *t, struct buf *out)
{
	struct task_sums sums;

	task_sum(t, &sums);
	task_head(out, "task_execution_success_rate", "gauge",
		"Share of the tasks finished on this node that succeeded, 0 to "
		"1, since it started.");
	task_put_share(out, "task_execution_success_rate", (double)sums.good,
		(double)(sums.good + sums.bad));
	task_head(out, "task_execution_duration_avg", "gauge",
		"Mean time in the handler in seconds, since the node started.");
	task_put_share(out, "task_execution_duration_avg",
		(double)sums.run_us / US_PER_S, (double)sums.runs);
	task_put_sizes(t, out);
	task_put_summaries(t, out);
}

void metrics_redis(
	const struct series_redis *s, int64_t now_us, struct buf *out)
{
	const struct {
		const char *name, *help;
		int64_t value;
	} rows[] = {
		{ "reeve_redis_connections", "Clients connected to Redis.",
			atomic_load(&s->connections) },
		{ "reeve_redis_connections_max", "As many as Redis takes.",
			atomic_load(&s->connections_max) },
		{ "reeve_redis_memory_bytes", "Memory that Redis uses.",
			atomic_load(&s->memory) },
		{ "reeve_redis_memory_max_bytes",
			"Memory that Redis may use; 0: as much as there is.",
			atomic_load(&s->memory_max) },
	};
	int64_t at_us = atomic_load(&s->at_us);
	size_t i;

	if (at_us == 0 || now_us - at_us > REDIS_STALE_US)
		return;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].value < 0)
			continue;
		task_head(out, rows[i].name, "gauge", rows[i].help);
		buf_printf(
			out, "%s %" PRId64 "\n", rows[i].name, rows[i].value);
	}
}

/* Bytes of a line of /proc/meminfo. */
static void machine_put_memory(struct buf *out)
{
	static const char *const rows[][3] = {
		{ "MemTotal", "reeve_machine_memory_bytes",
			"Memory of the machine." },
		{ "MemAvailable", "reeve_machine_memory_available_bytes",
			"Memory that new processes could have." },
	};
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128], name[64];
	long long kb;
	size_t i;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%63[^:]: %lld", name, &kb) != 2)
			continue;
		for (i = 0; i < 2; i++) {
			if (strcmp(name, rows[i][0]) != 0)
				continue;
			task_head(out, rows[i][1], "gauge", rows[i][2]);
			buf_printf(out, "%s %lld\n", rows[i][1], kb * 1024);
		}
	}
	if (file != NULL)
		fclose(file);
}

/* Of a pool: memory, and for how long its most silent worker has been at the
 * same thing. */
struct machine_pool {
	struct board_pool pool;
	int64_t rss_kb, silent_us;
};

static void machine_look(
	const struct view *v, int pool, int64_t now_us, struct machine_pool *p)
{
	const struct board_map *map = v->board->map;
	const struct view_entry *e;
	int64_t rss, silent;
	size_t n;

	p->rss_kb = p->silent_us = 0;
	for (e = view_entries(v, pool, &n); n > 0; n--, e++) {
		const struct board_live *live = &map->live[e->slot];

		if (map->slots[e->slot].pid <= 0)
			continue;
		rss = procfs_rss_kb(map->slots[e->slot].pid);
		p->rss_kb += rss > 0 ? rss : 0;
		silent = now_us - atomic_load(&live->pulse_at_us);
		if (atomic_load(&live->pulse) == BOARD_PULSE_BUSY &&
			silent > p->silent_us)
			p->silent_us = silent;
	}
}

static void machine_put_pool(
	struct buf *out, const char *name, const struct board_pool *p)
{
	buf_printf(out, "%s{pool=\"%s\",kind=\"%s\"} ", name, p->name, p->kind);
}

static void machine_put_pools(
	const struct view *v, int64_t now_us, struct buf *out)
{
	struct buf silence = BUF_INIT;
	struct machine_pool p;
	int i;

	task_head(out, "reeve_pool_resident_memory_bytes", "gauge",
		"Resident memory of the pool's processes; pages they share "
		"count for each.");
	task_head(&silence, "reeve_pool_heartbeat_age_seconds", "gauge",
		"How long the worker that has been at the same thing longest "
		"has been at it.");
	for (i = 0; i < v->pool_limit; i++) {
		if (!view_pool(v, i, &p.pool))
			continue;
		machine_look(v, i, now_us, &p);
		machine_put_pool(
			out, "reeve_pool_resident_memory_bytes", &p.pool);
		buf_printf(out, "%" PRId64 "\n", p.rss_kb * 1024);
		machine_put_pool(
			&silence, "reeve_pool_heartbeat_age_seconds", &p.pool);
		buf_printf(&silence, "%.3f\n", (double)p.silent_us / US_PER_S);
	}
	buf_puts(out, buf_str(&silence));
	buf_done(&silence);
}

void metrics_machine(const struct view *v, int64_t now_us, struct buf *out)
{
	double load;

	if (getloadavg(&load, 1) == 1) {
		task_head(out, "reeve_machine_load", "gauge",
			"Processes that run or want to, over a minute.");
		buf_printf(out, "reeve_machine_load %.2f\n", load);
	}
	task_head(out, "reeve_machine_cpus", "gauge",
		"Processors of the machine.");
	buf_printf(
		out, "reeve_machine_cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	machine_put_memory(out);
	machine_put_pools(v, now_us, out);
}
