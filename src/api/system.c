/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/call.h"
#include "api/db.h"
#include "api/figures.h"
#include "api/service.h"
#include "api/system.h"
#include "base/clock.h"
#include "base/mem.h"
#include "board/report.h"
#include "board/view.h"
#include "conf/conf.h"
#include "conf/handler.h"

static const char *const system_words[] = { "healthy", "degraded", NULL };

static const struct field system_class_fields[] = {
	{ .name = "concurrentTasks",
		.type = FIELD_INT,
		.is_required = true,
		.help = "may run at a time on this node" },
	{ .name = "runningTasks",
		.type = FIELD_INT,
		.is_required = true,
		.help = "run on this node" },
	{ .name = "pendingTasks",
		.type = FIELD_INT,
		.is_required = true,
		.help = "wait, for any node" },
	{ .name = NULL },
};

static const struct field system_executor_fields[] = {
	{ .name = "standardTasks",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_class_fields },
	{ .name = "luminaTasks",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_class_fields,
		.help = "of handlers of kind poll, which wait for a service "
			"elsewhere" },
	{ .name = NULL },
};

static const struct field system_pending_fields[] = {
	{ .name = "total", .type = FIELD_INT, .is_required = true },
	{ .name = "standard", .type = FIELD_INT, .is_required = true },
	{ .name = "lumina", .type = FIELD_INT, .is_required = true },
	{ .name = NULL },
};

static const struct field system_task_fields[] = {
	{ .name = "pending",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_pending_fields,
		.help = "in the topics that this node serves, for any node" },
	{ .name = "processing", .type = FIELD_INT, .is_required = true },
	{ .name = "completed",
		.type = FIELD_INT,
		.is_required = true,
		.help = "on this node since it started, as what follows" },
	{ .name = "failed",
		.type = FIELD_INT,
		.is_required = true,
		.help = "for good: these are dead letters" },
	{ .name = "retried", .type = FIELD_INT, .is_required = true },
	{ .name = "cancelled", .type = FIELD_INT, .is_required = true },
	{ .name = "timedOut",
		.type = FIELD_INT,
		.is_required = true,
		.help = "of the failed and the retried" },
	{ .name = "dead",
		.type = FIELD_INT,
		.is_required = true,
		.help = "dead letters that lie there" },
	{ .name = "successRate",
		.type = FIELD_NUMBER,
		.help = "completed of completed and failed, 0 to 1; null: "
			"neither" },
	{ .name = "processingRate",
		.type = FIELD_NUMBER,
		.is_required = true,
		.help = "ends a second, over the last ten seconds or more" },
	{ .name = "meanDuration", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "p50", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "p95", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "p99", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = NULL },
};

static const struct field system_db_fields[] = {
	{ .name = "configured", .type = FIELD_BOOL, .is_required = true },
	{ .name = "connected", .type = FIELD_BOOL, .is_required = true },
	{ .name = "latency",
		.type = FIELD_NUMBER,
		.help = "ms from question to answer" },
	{ .name = NULL },
};

static const struct field system_db_more_fields[] = {
	{ .name = "configured", .type = FIELD_BOOL, .is_required = true },
	{ .name = "connected", .type = FIELD_BOOL, .is_required = true },
	{ .name = "latency", .type = FIELD_NUMBER },
	{ .name = "outbox",
		.type = FIELD_INT,
		.help = "tasks on their way to Redis" },
	{ .name = "server",
		.type = FIELD_OBJECT,
		.help = "version, sizeBytes, connections, activeConnections, "
			"connectionsMax, slowQueries (of more than a second), "
			"committed, rolledBack, deadlocks, cacheHitRatio, "
			"isReplica" },
	{ .name = NULL },
};

#define SYSTEM_NODE_FIELDS                                                     \
	{ .name = "status",                                                    \
		.type = FIELD_ENUM,                                            \
		.is_required = true,                                           \
		.words = system_words },                                       \
		{ .name = "reasons",                                           \
			.type = FIELD_STRINGS,                                 \
			.is_required = true,                                   \
			.help = "why it is degraded" },                        \
		{ .name = "node", .type = FIELD_STRING, .is_required = true }, \
		{ .name = "version",                                           \
			.type = FIELD_STRING,                                  \
			.is_required = true },                                 \
		{ .name = "uptime",                                            \
			.type = FIELD_DURATION,                                \
			.is_required = true },                                 \
	{                                                                      \
		.name = "startedAt", .type = FIELD_TIME, .is_required = true   \
	}

static const struct field system_status_fields[] = {
	SYSTEM_NODE_FIELDS,
	{ .name = "executorStatus",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_executor_fields },
	{ .name = "taskStats",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_task_fields },
	{ .name = "dbStatus",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_db_fields },
	{ .name = NULL },
};

static const struct field system_machine_fields[] = {
	SYSTEM_NODE_FIELDS,
	{ .name = "cpus", .type = FIELD_INT, .is_required = true },
	{ .name = "load", .type = FIELD_NUMBER, .help = "of a minute" },
	{ .name = "memoryTotal", .type = FIELD_INT, .help = "bytes" },
	{ .name = "memoryAvailable", .type = FIELD_INT, .help = "bytes" },
	{ .name = NULL },
};

static const struct field system_pool_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .is_required = true },
	{ .name = "kind", .type = FIELD_STRING, .is_required = true },
	{ .name = "state", .type = FIELD_STRING, .is_required = true },
	{ .name = "desired", .type = FIELD_INT, .is_required = true },
	{ .name = "ready", .type = FIELD_INT, .is_required = true },
	{ .name = "concurrentTasks", .type = FIELD_INT, .is_required = true },
	{ .name = "running", .type = FIELD_INT, .is_required = true },
	{ .name = "finished", .type = FIELD_INT, .is_required = true },
	{ .name = "failed", .type = FIELD_INT, .is_required = true },
	{ .name = "restarts", .type = FIELD_INT, .is_required = true },
	{ .name = NULL },
};

static const struct field system_monitoring_fields[] = {
	{ .name = "systemStatus",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_machine_fields },
	{ .name = "taskStats",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_task_fields },
	{ .name = "executorStats",
		.type = FIELD_LIST,
		.is_required = true,
		.rows = system_pool_fields,
		.help = "the pools of this node" },
	{ .name = "dbStats",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = system_db_more_fields },
	{ .name = NULL },
};

/* What the database said; all NULL or -1 when it said nothing. */
struct system {
	int64_t asked_us;
	int64_t answered_us;
	int64_t slow; /* tracked tasks that wait for a slow handler */
	int64_t outbox;
	const char *server; /* JSON */
	bool is_there;
	struct figures figures;
	double rate;
};

static const struct pg_statement system_tasks = {
	.name = "api_system_tasks",
	.text = "SELECT pending_slow, outbox"
		" FROM reeve.system_tasks($1::text[])",
	.params = 1,
};

static const struct pg_statement system_database = {
	.name = "api_system_database",
	.text = "SELECT reeve.system_database()",
};

/* -1 is unknown. */
static void system_put_int(struct jsonw *j, const char *key, int64_t value)
{
	if (value < 0)
		jsonw_null(j, key);
	else
		jsonw_int(j, key, value);
}

static void system_put_num(struct jsonw *j, const char *key, double value)
{
	if (value < 0)
		jsonw_null(j, key);
	else
		jsonw_num(j, key, value);
}

static void system_put_reasons(struct jsonw *j, const struct figures *f)
{
	char *text = xstrdup(buf_str(&f->reasons)), *rest = text, *one;

	jsonw_str(j, "status", system_words[text[0] != '\0']);
	jsonw_array(j, "reasons");
	while ((one = strsep(&rest, "\n")) != NULL)
		if (one[0] != '\0')
			jsonw_str(j, NULL, one);
	jsonw_end_array(j);
	free(text);
}

static void system_put_node(struct jsonw *j, const struct figures *f)
{
	char iso[CLOCK_ISO_MAX];

	system_put_reasons(j, f);
	jsonw_str(j, "node", f->header.node);
	jsonw_str(j, "version", f->header.software);
	jsonw_int(j, "uptime", f->uptime_us / US_PER_MS);
	jsonw_str(j, "startedAt", clock_iso(f->header.started_wall, iso));
}

static int64_t system_slow(const struct system *s)
{
	return s->slow > 0 ? s->slow : 0;
}

static int64_t system_pending(const struct system *s)
{
	return s->figures.waiting + s->figures.delayed;
}

static int64_t system_standard(const struct system *s)
{
	int64_t rest = system_pending(s) - system_slow(s);

	return rest > 0 ? rest : 0;
}

static void system_put_class(struct jsonw *j, const char *key,
	const struct system *s, enum figures_class class, int64_t pending)
{
	jsonw_object(j, key);
	jsonw_int(j, "concurrentTasks", s->figures.places);
	jsonw_int(j, "runningTasks", s->figures.running[class]);
	jsonw_int(j, "pendingTasks", pending);
	jsonw_end_object(j);
}

static void system_put_durations(struct jsonw *j, const struct figures *f)
{
	uint64_t runs = 0;
	int i;

	for (i = 0; i < SERIES_BUCKETS; i++)
		runs += f->run_count[i];
	system_put_num(j, "meanDuration",
		runs > 0 ? (double)f->run_us / (double)runs / US_PER_MS : -1);
	system_put_num(j, "p50", figures_quantile(f->run_count, 0.5));
	system_put_num(j, "p95", figures_quantile(f->run_count, 0.95));
	system_put_num(j, "p99", figures_quantile(f->run_count, 0.99));
}

static void system_put_tasks(struct jsonw *j, const struct system *s)
{
	const struct figures *f = &s->figures;
	uint64_t ends = f->completed + f->failed;

	jsonw_object(j, "taskStats");
	jsonw_object(j, "pending");
	jsonw_int(j, "total", system_standard(s) + system_slow(s));
	jsonw_int(j, "standard", system_standard(s));
	jsonw_int(j, "lumina", system_slow(s));
	jsonw_end_object(j);
	jsonw_int(j, "processing",
		f->running[FIGURES_STANDARD] + f->running[FIGURES_SLOW]);
	jsonw_int(j, "completed", (int64_t)f->completed);
	jsonw_int(j, "failed", (int64_t)f->failed);
	jsonw_int(j, "retried", (int64_t)f->retried);
	jsonw_int(j, "cancelled", (int64_t)f->cancelled);
	jsonw_int(j, "timedOut", (int64_t)f->timed_out);
	jsonw_int(j, "dead", f->dead);
	system_put_num(j, "successRate",
		ends > 0 ? (double)f->completed / (double)ends : -1);
	jsonw_num(j, "processingRate", s->rate);
	system_put_durations(j, f);
	jsonw_end_object(j);
}

static void system_put_db(
	struct jsonw *j, const struct call *call, const struct system *s)
{
	jsonw_bool(j, "configured", call->service->db != NULL);
	jsonw_bool(j, "connected", s->is_there);
	system_put_num(j, "latency",
		s->is_there ? (double)(s->answered_us - s->asked_us) / US_PER_MS
			    : -1);
}

/* Ends a second since a while ago: at least ten seconds, but for the first. */
static double system_rate(struct service *s, const struct figures *f)
{
	uint64_t ends = f->completed + f->failed;
	int64_t now = clock_now();

	if (s->rate_now.at_us == 0 ||
		now - s->rate_now.at_us >= SERVICE_RATE_US) {
		s->rate_before = s->rate_now;
		s->rate_now =
			(struct service_rate){ .at_us = now, .ends = ends };
	}
	if (s->rate_before.at_us == 0)
		s->rate_before.at_us = f->header.started_us;
	if (now <= s->rate_before.at_us || ends < s->rate_before.ends)
		return 0;
	return (double)(ends - s->rate_before.ends) * US_PER_S /
	       (double)(now - s->rate_before.at_us);
}

static void system_look(struct call *call, struct system *s)
{
	struct figures *f = &s->figures;

	figures_take(f, call->service->board, call->service->conf);
	s->rate = system_rate(call->service, f);
	if (call->service->db != NULL && !s->is_there)
		buf_printf(&f->reasons, "%sthe database does not answer",
			f->reasons.len > 0 ? "\n" : "");
}

static void system_reply_status(struct call *call, struct system *s)
{
	struct jsonw j;

	jsonw_init(&j, &call->out);
	jsonw_object(&j, NULL);
	system_put_node(&j, &s->figures);
	jsonw_object(&j, "executorStatus");
	system_put_class(
		&j, "standardTasks", s, FIGURES_STANDARD, system_standard(s));
	system_put_class(&j, "luminaTasks", s, FIGURES_SLOW, system_slow(s));
	jsonw_end_object(&j);
	system_put_tasks(&j, s);
	jsonw_object(&j, "dbStatus");
	system_put_db(&j, call, s);
	jsonw_end_object(&j);
	jsonw_end_object(&j);
}

/* Bytes of a line of /proc/meminfo; -1: there is none. */
static int64_t system_memory(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long long kb = -1;
	size_t len = strlen(name);

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ':' &&
			sscanf(line + len + 1, "%lld", &kb) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kb < 0 ? -1 : (int64_t)kb * 1024;
}

static void system_put_machine(struct jsonw *j, const struct figures *f)
{
	double load;

	jsonw_object(j, "systemStatus");
	system_put_node(j, f);
	jsonw_int(j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	system_put_num(j, "load", getloadavg(&load, 1) == 1 ? load : -1);
	system_put_int(j, "memoryTotal", system_memory("MemTotal"));
	system_put_int(j, "memoryAvailable", system_memory("MemAvailable"));
	jsonw_end_object(j);
}

static void system_put_pool(struct jsonw *j, const struct conf *conf,
	const struct board_pool *p, const struct view_sum *sum)
{
	jsonw_object(j, NULL);
	jsonw_str(j, "name", p->name);
	jsonw_str(j, "kind", p->kind);
	jsonw_str(j, "state", board_pool_state_names[p->state]);
	jsonw_int(j, "desired", p->desired);
	jsonw_int(j, "ready", p->ready);
	jsonw_int(j, "concurrentTasks", figures_places(conf, p));
	jsonw_int(j, "running", (int64_t)sum->in_flight);
	jsonw_int(j, "finished", (int64_t)sum->tasks);
	jsonw_int(j, "failed", (int64_t)sum->failed);
	jsonw_int(j, "restarts", (int64_t)sum->restarts);
	jsonw_end_object(j);
}

static void system_put_pools(struct jsonw *j, const struct service *s)
{
	struct board_pool p;
	struct view_sum sum;
	struct view v;
	int i;

	jsonw_array(j, "executorStats");
	view_init(&v, s->board);
	for (i = 0; i < v.pool_limit; i++) {
		if (!view_pool(&v, i, &p) || p.is_internal)
			continue;
		view_sum(&v, i, &sum);
		system_put_pool(j, s->conf, &p, &sum);
	}
	view_done(&v);
	jsonw_end_array(j);
}

static void system_reply_monitoring(struct call *call, struct system *s)
{
	struct jsonw j;

	jsonw_init(&j, &call->out);
	jsonw_object(&j, NULL);
	system_put_machine(&j, &s->figures);
	system_put_tasks(&j, s);
	system_put_pools(&j, call->service);
	jsonw_object(&j, "dbStats");
	system_put_db(&j, call, s);
	system_put_int(&j, "outbox", s->outbox);
	if (s->server != NULL)
		jsonw_raw(&j, "server", s->server, strlen(s->server));
	else
		jsonw_null(&j, "server");
	jsonw_end_object(&j);
	jsonw_end_object(&j);
}

static bool system_is_monitoring(const struct call *call)
{
	return strcmp(call->route->operation, "getMonitoring") == 0;
}

/* It answers without the database, too: that this is away is part of it. */
static void system_reply(struct call *call)
{
	struct system *s = call->own;

	system_look(call, s);
	if (system_is_monitoring(call))
		system_reply_monitoring(call, s);
	else
		system_reply_status(call, s);
	figures_done(&s->figures);
	call_reply_json(call, 200, &call->out);
}

static void system_on_tasks(struct call *call, const struct pg_result *r)
{
	struct system *s = call->own;

	s->answered_us = clock_now();
	s->slow = pg_result_int(r, 0, 0, 0);
	s->outbox = pg_result_int(r, 0, 1, -1);
}

static void system_on_database(struct call *call, const struct pg_result *r)
{
	struct system *s = call->own;
	const char *text = pg_result_text(r, 0, 0);

	if (text != NULL)
		s->server = arena_strdup(call->arena, text);
}

static void system_on_end(struct call *call, bool is_done)
{
	struct system *s = call->own;

	s->is_there = is_done;
	system_reply(call);
}

/* Names of the handlers that wait for a service elsewhere. */
static void system_slow_names(const struct call *call, struct pg_array *names)
{
	const struct conf *conf = call->service->conf;
	size_t i;

	for (i = 0; conf != NULL && i < conf->handler_count; i++)
		if (conf->handlers[i].kind == CONF_HANDLER_POLL)
			pg_array_add(names, conf->handlers[i].name);
}

static void system_serve(struct call *call)
{
	/* The board's records in it are whole cache lines. */
	struct system *s = arena_alloc_aligned(
		call->arena, sizeof(*s), _Alignof(struct system));
	struct pg_array names = { 0 };
	const char *values[1];

	s->outbox = -1;
	s->asked_us = clock_now();
	call->own = s;
	system_slow_names(call, &names);
	values[0] = pg_array_text(&names);
	db_begin(call);
	db_add(call, &system_tasks, values, system_on_tasks);
	if (system_is_monitoring(call))
		db_add(call, &system_database, NULL, system_on_database);
	pg_array_free(&names);
	if (db_send_quietly(call, system_on_end) != 0)
		system_on_end(call, false);
}

static void system_serve_pools(struct call *call)
{
	const struct field_value *pool = field_get(&call->query, "pool");
	struct buf out = BUF_INIT;

	if (report_status(call->service->board,
		    pool->is_set ? pool->text : NULL, REPORT_PLAIN,
		    &out) == 0) {
		call_reply_json(call, 200, &out);
		return;
	}
	buf_done(&out);
	call_reply_problem(call, 404, "no pool has that name");
}

static const struct field system_pools_query[] = {
	{ .name = "pool",
		.type = FIELD_STRING,
		.help = "only the pool of this name" },
	{ .name = NULL },
};

const struct route system_routes[] = {
	{ .method = HTTP_GET,
		.path = "/api/v1/status",
		.operation = "getSystemStatus",
		.tag = "system",
		.summary = "whether all is well, and what the executors do",
		.role = ROUTE_VIEWER,
		.is_system = true,
		.shape = ROUTE_ONE,
		.answer_name = "SystemStatus",
		.answer = system_status_fields,
		.serve = system_serve },
	{ .method = HTTP_GET,
		.path = "/api/v1/monitoring",
		.operation = "getMonitoring",
		.tag = "system",
		.summary = "the machine, tasks, executors and the database",
		.role = ROUTE_VIEWER,
		.is_system = true,
		.shape = ROUTE_ONE,
		.answer_name = "Monitoring",
		.answer = system_monitoring_fields,
		.serve = system_serve },
	{ .method = HTTP_GET,
		.path = "/api/v1/pools",
		.operation = "getPools",
		.tag = "system",
		.summary = "pools and workers of this node",
		.role = ROUTE_VIEWER,
		.is_system = true,
		.query = system_pools_query,
		.shape = ROUTE_FREE,
		.serve = system_serve_pools },
	{ .path = NULL },
};
