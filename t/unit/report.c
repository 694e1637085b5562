/* SPDX-License-Identifier: ISC */
/* report: a board made by hand, as status document and as metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "board/procfs.h"
#include "board/report.h"
#include "tap.h"

static struct board board;
static int http_pool, cron_pool;

static int add_pool(const char *name, const char *kind, int desired)
{
	int i = board_pool_take(&board);
	struct board_pool *p = &board.map->pools[i];

	board_write_begin(&p->version);
	p->state = BOARD_POOL_RUNNING;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->kind, sizeof(p->kind), "%s", kind);
	snprintf(p->source, sizeof(p->source), "file");
	p->desired = desired;
	p->ready = desired;
	p->generation = 3;
	board_write_end(&p->version);
	return i;
}

static int add_slot(int pool, int index, enum board_state state, int pid)
{
	int i = board_slot_take(&board);
	struct board_slot *s = &board.map->slots[i];

	board_write_begin(&s->version);
	s->state = state;
	s->pool = pool;
	s->index = index;
	s->pid = pid;
	s->generation = 3;
	s->since_us = clock_now() - 2 * US_PER_S;
	board_write_end(&s->version);
	return i;
}

static void make_board(void)
{
	struct err err;
	struct board_header *h;

	if (board_open(&board, &err) != 0)
		bail("%s", err.text);
	h = &board.map->header;
	h->state = BOARD_NODE_RUNNING;
	snprintf(h->node, sizeof(h->node), "n\"1\"");
	snprintf(h->software, sizeof(h->software), "0.1.0");
	h->pid = 4711;
	h->generation = 3;
	h->started_us = clock_now() - 10 * US_PER_S;
	h->started_wall = clock_wall() - 10 * US_PER_S;
	cron_pool = add_pool("cron", "crontab", 1);
	http_pool = add_pool("web", "http", 2);
}

static const char *status(const char *pool, enum report_detail detail)
{
	static struct buf out;

	buf_reset(&out);
	if (report_status(&board, pool, detail, &out) != 0)
		return NULL;
	return buf_str(&out);
}

static const char *metrics(void)
{
	static struct buf out;

	buf_reset(&out);
	report_metrics(&board, &out);
	return buf_str(&out);
}

static void test_status(void)
{
	int a = add_slot(http_pool, 1, BOARD_READY, 0);
	int b = add_slot(http_pool, 0, BOARD_READY, (int)getpid());
	const char *text;

	board.map->slots[b].cpus[0] = 5;
	board.map->slots[a].state = BOARD_BACKOFF;
	board.map->slots[a].restarts = 3;
	snprintf(board.map->slots[a].why, 128, "back-off 4.2 s");
	snprintf(board.map->slots[a].last_exit, 128, "SIGSEGV");
	board.map->live[b].pulse = BOARD_PULSE_BUSY;
	board.map->live[b].pulse_at_us = clock_now() - 5 * US_PER_S;
	board.map->live[b].tasks = 7;

	text = status(NULL, REPORT_PLAIN);
	has_str("\"node\":\"n\\\"1\\\"\",\"version\":\"0.1.0\",\"pid\":4711,"
		"\"uptime_s\":10.",
		text, "status names the node");
	has_str("\"generation\":3,\"state\":\"running\"", text,
		"and its generation and state");
	has_str("\"last_reload\":{\"ok\":null,\"at\":null,\"error\":null}",
		text, "a node that never reloaded says null");
	has_str("{\"name\":\"web\",\"kind\":\"http\",\"state\":\"running\","
		"\"desired\":2,\"ready\":2,\"source\":\"file\"",
		text, "a pool is told");
	has_str("{\"slot\":0,\"pid\":", text, "workers come by place");
	has_str("\"cpus\":[0,2],\"since_s\":2.", text, "with their CPUs");
	has_str("\"heartbeat_age_ms\":50", text, "a busy one's age is told");
	has_str("\"tasks\":7,\"failed\":0", text, "and what it did");
	has_str("{\"slot\":1,\"pid\":null,\"state\":\"backoff\"", text,
		"a place without process is told");
	has_str("\"restarts\":3,\"heartbeat_age_ms\":null", text,
		"it has no heartbeat");
	has_str("\"why\":\"back-off 4.2 s\",\"last_exit\":\"SIGSEGV\"", text,
		"but a reason");
	has_str("\"pss_kb\":null,\"why\":null,\"last_exit\":null", text,
		"without detail no memory is read");
	has_str("\"pss_kb\":", status("web", REPORT_MEMORY), "with it, it is");
	ok(strstr(status("web", REPORT_PLAIN), "cron") == NULL,
		"one pool alone can be asked for");
	ok(status("none", REPORT_PLAIN) == NULL, "an unknown pool is an error");
	board.map->live[b].pulse = BOARD_PULSE_IDLE;
	has_str("\"heartbeat_age_ms\":0,", status("web", REPORT_PLAIN),
		"an idle worker is fresh");
}

static void test_reload(void)
{
	struct board_header *h = &board.map->header;

	h->reload_at_wall = INT64_C(1709164800250000);
	h->reload_ok = 0;
	snprintf(h->reload_error, sizeof(h->reload_error), "f:1:2: error: x");
	has_str("\"last_reload\":{\"ok\":false,\"at\":\"2024-02-29T00:00:00."
		"250Z\",\"error\":\"f:1:2: error: x\"}",
		status(NULL, REPORT_PLAIN), "a failed reload is told");
	has_str("\nreeve_last_reload_success 0\n", metrics(),
		"also in the metrics");
	h->reload_ok = 1;
	has_str("\"ok\":true,\"at\":\"2024-02-29T00:00:00.250Z\",\"error\":"
		"null",
		status(NULL, REPORT_PLAIN), "a good one leaves no error");
}

static void test_metrics(void)
{
	struct board_live *l = &board.map->live[1];
	const char *text;

	l->by_class[2] = 40;
	l->by_class[5] = 2;
	l->duration_count[0] = 30;
	l->duration_count[BOARD_BUCKETS - 1] = 12;
	l->duration_us_sum = 1500000;
	l->connections = 4;
	text = metrics();
	has_str("# TYPE reeve_build_info gauge\n"
		"reeve_build_info{version=\"0.1.0\",node=\"n\\\"1\\\"\"} 1\n",
		text, "metrics name the build, escaped");
	has_str("\nreeve_pool_desired{pool=\"web\",kind=\"http\"} 2\n", text,
		"and the pools");
	has_str("\nreeve_pool_state{pool=\"web\",kind=\"http\",state="
		"\"running\"} 1\n",
		text, "with their state");
	has_str("\nreeve_pool_workers{pool=\"web\",kind=\"http\",state="
		"\"backoff\"} 1\n",
		text, "and workers by state");
	has_str("\nreeve_worker_restarts_total{pool=\"web\",kind=\"http\"} 3\n",
		text, "and restarts");
	has_str("\nreeve_http_requests_total{pool=\"web\",class=\"2xx\"} 40\n",
		text, "requests are counted by class");
	has_str("_bucket{pool=\"web\",le=\"0.000064\"} 30\n", text,
		"durations are a histogram");
	has_str("_bucket{pool=\"web\",le=\"268.435456\"} 30\n", text,
		"which is cumulative");
	has_str("_bucket{pool=\"web\",le=\"+Inf\"} 42\n", text, "to the end");
	has_str("_seconds_sum{pool=\"web\"} 1.500000\n", text, "with a sum");
	has_str("\nreeve_http_connections{pool=\"web\",kind=\"http\"} 4\n",
		text, "connections are told");
	has_str("\nreeve_tasks_total{pool=\"cron\",kind=\"crontab\"} 0\n", text,
		"tasks of the pools that have some");
	ok(strstr(text, "requests_total{pool=\"cron\"") == NULL,
		"but no requests of theirs");
}

static void test_crontab(void)
{
	struct series_cron *s = &board.map->series.cron;

	has_str("\nreeve_scheduler_leader 0\n", metrics(),
		"a node that does not lead says so");
	ok(strstr(metrics(), "reeve_outbox_length") == NULL,
		"and does not know what the leader knows");
	atomic_store(&s->leader_until_us, clock_now() + US_PER_S);
	atomic_store(&s->outbox_length, 7);
	atomic_store(&s->runs[SERIES_CRON_MISFIRED], 3);
	series_observe(&s->lateness, 100);
	has_str("\nreeve_scheduler_leader 1\n", metrics(), "one that does");
	has_str("\nreeve_outbox_length 7\n", metrics(), "knows the outbox");
	has_str("\nreeve_cron_runs_total{kind=\"misfired\"} 3\n", metrics(),
		"what definitions came to is counted");
	has_str("\nreeve_cron_lateness_seconds_bucket{le=\"0.000128\"} 1\n",
		metrics(), "and how late");
}

static void test_redis(void)
{
	struct series_redis *s = &board.map->series.redis;
	struct series_topic *t = series_topic(&board, "high");

	ok(strstr(metrics(), "reeve_redis_") == NULL,
		"of Redis nothing is told before it has said something");
	atomic_store(&s->connections, 3);
	atomic_store(&s->connections_max, -1);
	atomic_store(&s->memory, 5000000000);
	atomic_store(&s->at_us, clock_now());
	has_str("\nreeve_redis_connections 3\n", metrics(), "then that");
	has_str("\nreeve_redis_memory_bytes 5000000000\n", metrics(),
		"in bytes");
	ok(strstr(metrics(), "reeve_redis_connections_max") == NULL,
		"but not what it did not say");
	atomic_store(&s->at_us, clock_now() - 31 * (int64_t)US_PER_S);
	ok(strstr(metrics(), "reeve_redis_") == NULL,
		"and no more when it is silent");
	atomic_store(&t->added, 16777217);
	has_str("\nreeve_queue_added_total{topic=\"high\"} 16777217\n",
		metrics(), "what came into a topic is told to the last task");
	atomic_store(&t->added, -1);
	ok(strstr(metrics(), "reeve_queue_added_total") == NULL,
		"unless Redis does not count it");
}

static void test_replaced(void)
{
	char *before = strdup(metrics());
	const char *line = "reeve_http_requests_total{pool=\"web\",class="
			   "\"2xx\"} 40\n";

	board_retire_counters(&board, 1, http_pool);
	board_slot_give(&board, 1);
	has_str(line, before, "a worker has counted");
	has_str(line, metrics(), "its death leaves the sum as it was");
	has_str("\nreeve_http_connections{pool=\"web\",kind=\"http\"} 0\n",
		metrics(), "but takes its connections along");
	free(before);
}

static void test_generations(void)
{
	int old = add_slot(cron_pool, 0, BOARD_DRAINING, 11);
	int new = add_slot(cron_pool, 0, BOARD_STARTING, 12);

	board.map->slots[new].generation = 4;
	board.map->slots[old].restarts = 2;
	board.map->slots[new].restarts = 2;
	has_str("\nreeve_worker_restarts_total{pool=\"cron\",kind="
		"\"crontab\"} 2\n",
		metrics(), "two generations of a place share its restarts");
	has_str("\"state\":\"draining\",\"generation\":3", status("cron", 0),
		"both are listed");
}

static void test_split(void)
{
	const char *text;

	add_pool("queue.high", "queue", 1);
	add_pool("queue.low", "queue", 1);
	add_pool("queues", "queue", 1);
	text = status("queue", 0);
	has_str("\"name\":\"queue.high\"", text, "a split pool is found");
	has_str("\"name\":\"queue.low\"", text, "with all it became");
	ok(strstr(text, "\"queues\"") == NULL, "and no other");
	text = status("queue.low", 0);
	ok(strstr(text, "queue.high") == NULL, "or one part of it");
	ok(status("que", 0) == NULL, "by its whole name");
}

static void test_procfs(void)
{
	ok(procfs_rss_kb(getpid()) > 100, "resident memory is read");
	ok(procfs_anon_kb(getpid()) > 10, "and what of it is anonymous");
	ok(procfs_pss_kb(getpid()) > 10, "and the proportional share");
	is_int(-1, procfs_anon_kb(0), "of no process nothing is known");
}

int main(void)
{
	make_board();
	test_status();
	test_reload();
	test_metrics();
	test_crontab();
	test_redis();
	test_replaced();
	test_generations();
	test_split();
	test_procfs();
	board_close(&board);
	return tap_done();
}
