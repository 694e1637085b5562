/* SPDX-License-Identifier: ISC */
/*
 * metrics - the scoreboard as Prometheus text exposition format 0.0.4.
 *
 * A family is one row of a table: its samples stand together under one HELP
 * and TYPE line, as the format demands.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "board/metrics_cron.h"
#include "board/metrics_task.h"
#include "board/report.h"
#include "board/view.h"

struct metrics_pool {
	struct board_pool pool;
	struct view_sum sum;
};

struct metrics {
	struct buf *out;
	const struct series_table *series;
	struct board_header header;
	struct metrics_pool *pools;
	size_t pool_count;
	uint64_t held[SERIES_MAX]; /* tasks in handlers, by series */
	int64_t now;
};

typedef double (*metrics_node_fn)(const struct metrics *m);

struct metrics_family {
	const char *name, *type, *help;
	metrics_node_fn node;  /* one sample of the node, or */
	size_t offset;         /* a uint64_t of struct view_sum, or */
	bool is_http, is_task; /* (of the pools that count such) */
	void (*write)(const struct metrics *m, const char *name);
};

static void metrics_label(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "%s=\"", name);
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			buf_puts(out, "\\n");
			continue;
		}
		if (*text == '\\' || *text == '"')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

/* `NAME{pool="…",kind="…"`: the caller adds labels and closes. */
static void metrics_pool_head(
	const struct metrics *m, const char *name, const struct board_pool *p)
{
	buf_printf(m->out, "%s{", name);
	metrics_label(m->out, "pool", p->name);
	buf_putc(m->out, ',');
	metrics_label(m->out, "kind", p->kind);
}

static bool metrics_is_http(const struct board_pool *p)
{
	return strcmp(p->kind, "http") == 0;
}

/* Pools whose workers say what they do: programs don't. */
static bool metrics_is_task(const struct board_pool *p)
{
	return p->is_internal == 0 && !metrics_is_http(p) &&
	       strcmp(p->kind, "program") != 0;
}

static double metrics_up(const struct metrics *m)
{
	return m->header.state == BOARD_NODE_STOPPING ? 0 : 1;
}

static double metrics_uptime(const struct metrics *m)
{
	int64_t us = m->now - m->header.started_us;

	return us < 0 ? 0 : (double)us / US_PER_S;
}

static double metrics_started(const struct metrics *m)
{
	return (double)m->header.started_wall / US_PER_S;
}

static double metrics_generation(const struct metrics *m)
{
	return m->header.generation;
}

static double metrics_reloads(const struct metrics *m)
{
	return (double)m->header.reloads;
}

static double metrics_reloads_failed(const struct metrics *m)
{
	return (double)m->header.reloads_failed;
}

static double metrics_upgrades(const struct metrics *m)
{
	return (double)m->header.upgrades;
}

/* A node that was never told to reload runs what it was started with. */
static double metrics_reload_ok(const struct metrics *m)
{
	return m->header.reload_at_wall == 0 || m->header.reload_ok != 0;
}

static double metrics_reload_at(const struct metrics *m)
{
	return (double)m->header.reload_at_wall / US_PER_S;
}

static void metrics_build(const struct metrics *m, const char *name)
{
	buf_printf(m->out, "%s{", name);
	metrics_label(m->out, "version", m->header.software);
	buf_putc(m->out, ',');
	metrics_label(m->out, "node", m->header.node);
	buf_puts(m->out, "} 1\n");
}

static void metrics_node_state(const struct metrics *m, const char *name)
{
	uint32_t i;

	for (i = 0; i < BOARD_NODE_STATE_COUNT; i++)
		buf_printf(m->out, "%s{state=\"%s\"} %d\n", name,
			board_node_state_names[i], m->header.state == i);
}

static void metrics_desired(const struct metrics *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->pool_count; i++) {
		metrics_pool_head(m, name, &m->pools[i].pool);
		buf_printf(m->out, "} %d\n", m->pools[i].pool.desired);
	}
}

static void metrics_ready(const struct metrics *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->pool_count; i++) {
		metrics_pool_head(m, name, &m->pools[i].pool);
		buf_printf(m->out, "} %d\n", m->pools[i].pool.ready);
	}
}

static void metrics_pool_state(const struct metrics *m, const char *name)
{
	size_t i;
	uint32_t state;

	for (i = 0; i < m->pool_count; i++) {
		const struct board_pool *p = &m->pools[i].pool;

		for (state = 1; state < BOARD_POOL_STATE_COUNT; state++) {
			metrics_pool_head(m, name, p);
			buf_printf(m->out, ",state=\"%s\"} %d\n",
				board_pool_state_names[state],
				p->state == state);
		}
	}
}

static void metrics_workers(const struct metrics *m, const char *name)
{
	size_t i;
	int state;

	for (i = 0; i < m->pool_count; i++) {
		for (state = 1; state < BOARD_STATE_COUNT; state++) {
			metrics_pool_head(m, name, &m->pools[i].pool);
			buf_printf(m->out, ",state=\"%s\"} %" PRIu64 "\n",
				board_state_names[state],
				m->pools[i].sum.by_state[state]);
		}
	}
}

static void metrics_classes(const struct metrics *m, const char *name)
{
	size_t i;
	int n;

	for (i = 0; i < m->pool_count; i++) {
		if (!metrics_is_http(&m->pools[i].pool))
			continue;
		for (n = 1; n < 6; n++) {
			buf_printf(m->out, "%s{", name);
			metrics_label(m->out, "pool", m->pools[i].pool.name);
			buf_printf(m->out, ",class=\"%dxx\"} %" PRIu64 "\n", n,
				m->pools[i].sum.by_class[n]);
		}
	}
}

static void metrics_histogram(
	const struct metrics *m, const char *name, const struct metrics_pool *p)
{
	struct buf label = BUF_INIT;
	uint64_t count = 0;
	unsigned i;

	metrics_label(&label, "pool", p->pool.name);
	for (i = 0; i < BOARD_BUCKETS; i++) {
		int64_t limit = board_bucket_limit(i);

		count += p->sum.duration_count[i];
		buf_printf(m->out, "%s_bucket{%s,le=\"", name, buf_str(&label));
		if (limit < 0)
			buf_puts(m->out, "+Inf");
		else
			buf_printf(m->out, "%.6f", (double)limit / US_PER_S);
		buf_printf(m->out, "\"} %" PRIu64 "\n", count);
	}
	buf_printf(m->out, "%s_sum{%s} %.6f\n", name, buf_str(&label),
		(double)p->sum.duration_us_sum / US_PER_S);
	buf_printf(m->out, "%s_count{%s} %" PRIu64 "\n", name, buf_str(&label),
		count);
	buf_done(&label);
}

static void metrics_http_duration(const struct metrics *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->pool_count; i++) {
		if (metrics_is_http(&m->pools[i].pool))
			metrics_histogram(m, name, &m->pools[i]);
	}
}

static void metrics_task_duration(const struct metrics *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->pool_count; i++) {
		if (metrics_is_task(&m->pools[i].pool))
			metrics_histogram(m, name, &m->pools[i]);
	}
}

/* `NAME{topic="…",handler="…"`: the caller closes. */
static void metrics_series_head(
	const struct metrics *m, const char *name, const struct series *s)
{
	buf_printf(m->out, "%s{", name);
	metrics_label(m->out, "topic", s->topic);
	buf_putc(m->out, ',');
	metrics_label(m->out, "handler", s->handler);
}

static bool metrics_series_is_used(const struct series *s)
{
	return atomic_load_explicit(&s->state, memory_order_acquire) == 2;
}

static void metrics_outcomes(const struct metrics *m, const char *name)
{
	int i, k;

	for (i = 0; i < SERIES_MAX; i++) {
		const struct series *s = &m->series->rows[i];

		for (k = 0; metrics_series_is_used(s) && k < SERIES_OUTCOMES;
			k++) {
			metrics_series_head(m, name, s);
			buf_printf(m->out, ",outcome=\"%s\"} %" PRIu64 "\n",
				series_outcome_names[k],
				atomic_load(&s->outcomes[k]));
		}
	}
}

static void metrics_series_in_flight(const struct metrics *m, const char *name)
{
	int i;

	for (i = 0; i < SERIES_MAX; i++) {
		const struct series *s = &m->series->rows[i];

		if (!metrics_series_is_used(s))
			continue;
		metrics_series_head(m, name, s);
		buf_printf(m->out, "} %" PRIu64 "\n", m->held[i]);
	}
}

static void metrics_series_histogram(const struct metrics *m, const char *name,
	const struct series *s, const struct series_histogram *h)
{
	char bucket[96], sum[96], count[96];
	uint64_t total = 0;
	unsigned i;

	snprintf(bucket, sizeof(bucket), "%s_bucket", name);
	snprintf(sum, sizeof(sum), "%s_sum", name);
	snprintf(count, sizeof(count), "%s_count", name);
	for (i = 0; i < SERIES_BUCKETS; i++) {
		int64_t limit = board_bucket_limit(i);

		total += atomic_load(&h->count[i]);
		metrics_series_head(m, bucket, s);
		if (limit < 0)
			buf_printf(
				m->out, ",le=\"+Inf\"} %" PRIu64 "\n", total);
		else
			buf_printf(m->out, ",le=\"%.6f\"} %" PRIu64 "\n",
				(double)limit / US_PER_S, total);
	}
	metrics_series_head(m, sum, s);
	buf_printf(
		m->out, "} %.6f\n", (double)atomic_load(&h->sum_us) / US_PER_S);
	metrics_series_head(m, count, s);
	buf_printf(m->out, "} %" PRIu64 "\n", total);
}

static void metrics_waits(const struct metrics *m, const char *name)
{
	int i;

	for (i = 0; i < SERIES_MAX; i++)
		if (metrics_series_is_used(&m->series->rows[i]))
			metrics_series_histogram(m, name, &m->series->rows[i],
				&m->series->rows[i].wait);
}

static void metrics_runs(const struct metrics *m, const char *name)
{
	int i;

	for (i = 0; i < SERIES_MAX; i++)
		if (metrics_series_is_used(&m->series->rows[i]))
			metrics_series_histogram(m, name, &m->series->rows[i],
				&m->series->rows[i].run);
}

static void metrics_topic(
	const struct metrics *m, const char *name, size_t offset, double unit)
{
	int i;

	for (i = 0; i < SERIES_TOPICS; i++) {
		const struct series_topic *t = &m->series->topics[i];
		const _Atomic int64_t *value =
			(const void *)((const char *)t + offset);

		if (atomic_load(&t->used) == 0)
			continue;
		buf_printf(m->out, "%s{", name);
		metrics_label(m->out, "topic", t->name);
		buf_printf(m->out, "} %g\n", (double)atomic_load(value) / unit);
	}
}

static void metrics_waiting(const struct metrics *m, const char *name)
{
	metrics_topic(m, name, offsetof(struct series_topic, waiting), 1);
}

static void metrics_pending(const struct metrics *m, const char *name)
{
	metrics_topic(m, name, offsetof(struct series_topic, pending), 1);
}

static void metrics_delayed(const struct metrics *m, const char *name)
{
	metrics_topic(m, name, offsetof(struct series_topic, delayed), 1);
}

static void metrics_dead(const struct metrics *m, const char *name)
{
	metrics_topic(m, name, offsetof(struct series_topic, dead), 1);
}

/* Of a topic that nothing has come into, or whose Redis is too old, nothing is
 * known. */
static void metrics_added(const struct metrics *m, const char *name)
{
	int i;

	for (i = 0; i < SERIES_TOPICS; i++) {
		const struct series_topic *t = &m->series->topics[i];
		int64_t added = atomic_load(&t->added);

		if (atomic_load(&t->used) == 0 || added < 0)
			continue;
		buf_printf(m->out, "%s{", name);
		metrics_label(m->out, "topic", t->name);
		buf_printf(m->out, "} %" PRId64 "\n", added);
	}
}

static void metrics_oldest(const struct metrics *m, const char *name)
{
	metrics_topic(m, name, offsetof(struct series_topic, oldest_ms), 1000);
}

#define METRICS_SUM(field) .offset = offsetof(struct view_sum, field)

static const struct metrics_family metrics_families[] = {
	{ "reeve_build_info", "gauge", "The version that runs; always 1.",
		.write = metrics_build },
	{ "reeve_up", "gauge", "1 unless the node is stopping.",
		.node = metrics_up },
	{ "reeve_uptime_seconds", "gauge", "Time since the daemon started.",
		.node = metrics_uptime },
	{ "reeve_start_time_seconds", "gauge",
		"When the daemon started, in seconds since 1970.",
		.node = metrics_started },
	{ "reeve_node_state", "gauge", "1 for the state the node is in.",
		.write = metrics_node_state },
	{ "reeve_generation", "gauge", "Number of the newest configuration.",
		.node = metrics_generation },
	{ "reeve_reloads_total", "counter", "Reloads asked for.",
		.node = metrics_reloads },
	{ "reeve_reloads_failed_total", "counter",
		"Reloads that failed and changed nothing.",
		.node = metrics_reloads_failed },
	{ "reeve_last_reload_success", "gauge",
		"1 unless the last reload failed.", .node = metrics_reload_ok },
	{ "reeve_last_reload_timestamp_seconds", "gauge",
		"When the last reload ended; 0: never.",
		.node = metrics_reload_at },
	{ "reeve_upgrades_total", "counter", "Upgrades in place.",
		.node = metrics_upgrades },
	{ "reeve_pool_desired", "gauge", "Workers the pool should have.",
		.write = metrics_desired },
	{ "reeve_pool_ready", "gauge", "Workers that are ready.",
		.write = metrics_ready },
	{ "reeve_pool_state", "gauge", "1 for the state the pool is in.",
		.write = metrics_pool_state },
	{ "reeve_pool_workers", "gauge", "Places of the pool by state.",
		.write = metrics_workers },
	{ "reeve_worker_restarts_total", "counter",
		"Deaths of workers that were no wish.", METRICS_SUM(restarts) },
	{ "reeve_http_requests_total", "counter",
		"Answers by class of their status.", .write = metrics_classes },
	{ "reeve_http_request_duration_seconds", "histogram",
		"From a request's first byte to its answer.",
		.write = metrics_http_duration },
	{ "reeve_http_requests_in_flight", "gauge",
		"Requests not yet answered.", METRICS_SUM(in_flight),
		.is_http = true },
	{ "reeve_http_connections", "gauge", "Open connections.",
		METRICS_SUM(connections), .is_http = true },
	{ "reeve_http_connections_accepted_total", "counter",
		"Connections taken.", METRICS_SUM(accepted), .is_http = true },
	{ "reeve_http_connections_rejected_total", "counter",
		"Connections refused by a limit.", METRICS_SUM(rejected),
		.is_http = true },
	{ "reeve_http_timeouts_total", "counter",
		"Connections cut because the client was too slow.",
		METRICS_SUM(timeouts), .is_http = true },
	{ "reeve_http_received_bytes_total", "counter",
		"Bytes read from clients.", METRICS_SUM(bytes_in),
		.is_http = true },
	{ "reeve_http_sent_bytes_total", "counter", "Bytes sent to clients.",
		METRICS_SUM(bytes_out), .is_http = true },
	{ "reeve_tasks_total", "counter", "Tasks finished.", METRICS_SUM(tasks),
		.is_task = true },
	{ "reeve_tasks_failed_total", "counter",
		"Tasks finished without success.", METRICS_SUM(failed),
		.is_task = true },
	{ "reeve_tasks_in_flight", "gauge", "Tasks in hand.",
		METRICS_SUM(in_flight), .is_task = true },
	{ "reeve_task_duration_seconds", "histogram",
		"From taking a task to its end.",
		.write = metrics_task_duration },
	{ "reeve_queue_tasks_total", "counter",
		"Ends of attempts, by topic, handler and outcome.",
		.write = metrics_outcomes },
	{ "reeve_queue_tasks_in_flight", "gauge", "Tasks in their handlers.",
		.write = metrics_series_in_flight },
	{ "reeve_queue_wait_seconds", "histogram",
		"From entering the queue to the start of the handler.",
		.write = metrics_waits },
	{ "reeve_queue_run_seconds", "histogram", "In the handler.",
		.write = metrics_runs },
	{ "reeve_queue_waiting", "gauge",
		"Tasks in the topic that no worker has yet.",
		.write = metrics_waiting },
	{ "reeve_queue_pending", "gauge",
		"Tasks that a worker holds, on any node.",
		.write = metrics_pending },
	{ "reeve_queue_delayed", "gauge",
		"Tasks that wait for their time or for a retry.",
		.write = metrics_delayed },
	{ "reeve_queue_dead", "gauge", "Dead letters.", .write = metrics_dead },
	{ "reeve_queue_added_total", "counter",
		"Entries that came into the topic on any node: tasks, and "
		"again for each retry.",
		.write = metrics_added },
	{ "reeve_queue_oldest_seconds", "gauge",
		"Age of the oldest task that no worker has yet.",
		.write = metrics_oldest },
};

#define METRICS_FAMILIES (sizeof(metrics_families) / sizeof(*metrics_families))

static void metrics_sums(
	const struct metrics *m, const struct metrics_family *f)
{
	size_t i;

	for (i = 0; i < m->pool_count; i++) {
		const struct metrics_pool *p = &m->pools[i];
		uint64_t value;

		if ((f->is_http && !metrics_is_http(&p->pool)) ||
			(f->is_task && !metrics_is_task(&p->pool)))
			continue;
		memcpy(&value, (const char *)&p->sum + f->offset,
			sizeof(value));
		metrics_pool_head(m, f->name, &p->pool);
		buf_printf(m->out, "} %" PRIu64 "\n", value);
	}
}

/* A family without samples is left out whole. */
static void metrics_write(
	const struct metrics *m, const struct metrics_family *f)
{
	size_t start = m->out->len, head;

	buf_printf(m->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help,
		f->name, f->type);
	head = m->out->len;
	if (f->write != NULL)
		f->write(m, f->name);
	else if (f->node != NULL)
		buf_printf(m->out, "%s %.15g\n", f->name, f->node(m));
	else
		metrics_sums(m, f);
	if (m->out->len == head) {
		m->out->len = start;
		m->out->data[start] = '\0';
	}
}

void report_metrics(const struct board *b, struct buf *out)
{
	struct metrics m = {
		.out = out, .series = &b->map->series, .now = clock_now()
	};
	bool has_cron = false, has_queue = false;
	struct view v;
	size_t i;
	int pool;

	(void)board_read_header(b, &m.header);
	view_init(&v, b);
	m.pools = xcalloc((size_t)v.pool_limit + 1, sizeof(*m.pools));
	for (pool = 0; pool < v.pool_limit; pool++) {
		struct metrics_pool *p = &m.pools[m.pool_count];

		if (!view_pool(&v, pool, &p->pool))
			continue;
		view_sum(&v, pool, &p->sum);
		if (strcmp(p->pool.kind, "queue") == 0) {
			view_held(&v, pool, m.held);
			has_queue = true;
		}
		has_cron |= strcmp(p->pool.kind, "crontab") == 0;
		m.pool_count++;
	}
	for (i = 0; i < METRICS_FAMILIES; i++)
		metrics_write(&m, &metrics_families[i]);
	metrics_machine(&v, m.now, out);
	view_done(&v);
	metrics_redis(&b->map->series.redis, m.now, out);
	if (has_queue)
		metrics_task(&b->map->series, out);
	if (has_cron)
		metrics_cron(&b->map->series.cron, m.now, out);
	free(m.pools);
}
