/* SPDX-License-Identifier: ISC */
#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/instances.h"
#include "api/scheduler.h"

/* Fires of this time are looked at. */
#define SCHEDULER_WINDOW "interval '5 minutes'"

static const struct field scheduler_lateness[] = {
	{ .name = "window",
		.type = FIELD_DURATION,
		.is_required = true,
		.help = "fires of so long are counted" },
	{ .name = "fires", .type = FIELD_INT, .is_required = true },
	{ .name = "mean", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "p99", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "maximum", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "misfired",
		.type = FIELD_INT,
		.is_required = true,
		.help = "times that were missed and not made up for" },
	{ .name = NULL },
};

/* In the order of SCHEDULER_COLUMNS. */
static const struct field scheduler_fields[] = {
	{ .name = "running",
		.type = FIELD_BOOL,
		.is_required = true,
		.help = "false: nothing fires on any node" },
	{ .name = "leader",
		.type = FIELD_STRING,
		.help = "the worker that does the duties; null: none does" },
	{ .name = "term",
		.type = FIELD_INT,
		.is_required = true,
		.help = "how often the leader has changed" },
	{ .name = "leaderSince", .type = FIELD_TIME },
	{ .name = "changedAt",
		.type = FIELD_TIME,
		.is_required = true,
		.help = "when it was started or stopped last" },
	{ .name = "changedBy",
		.type = FIELD_STRING,
		.help = "by whom: told to the tenant default" },
	{ .name = "enabledDefinitions",
		.type = FIELD_INT,
		.is_required = true,
		.help = "of the tenant, as all that follows" },
	{ .name = "dueNow",
		.type = FIELD_INT,
		.is_required = true,
		.help = "definitions whose time has come and that have not "
			"fired" },
	{ .name = "nextFire", .type = FIELD_TIME },
	{ .name = "lateness",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = scheduler_lateness,
		.help = "from the planned time to the run's row" },
	{ .name = NULL },
};

#define SCHEDULER_COLUMNS                                                     \
	"s.is_running, CASE WHEN s.leader_until > clock_timestamp() THEN"     \
	" s.leader END, s.term, CASE WHEN s.leader_until >"                   \
	" clock_timestamp() THEN reeve.iso(s.leader_since) END,"              \
	" reeve.iso(s.changed_at), CASE WHEN $1 = 'default' THEN"             \
	" nullif(s.changed_by, '') END, d.enabled, d.due, reeve.iso(d.next)," \
	" l.lateness"

static const struct pg_statement scheduler_status = {
	.name = "api_scheduler_status",
	.text = "SELECT " SCHEDULER_COLUMNS " FROM reeve.scheduler s,"
		" (SELECT count(*) AS enabled, count(*) FILTER (WHERE"
		" next_fire <= clock_timestamp()) AS due,"
		" min(next_fire) AS next FROM reeve.task_definitions"
		" WHERE tenant_id = $1 AND status = 'ENABLED') d,"
		" (SELECT json_build_object('window', (extract(epoch FROM"
		" " SCHEDULER_WINDOW ") * 1000)::bigint,"
		" 'fires', count(late), 'mean', round(avg(late), 3),"
		" 'p99', round((percentile_cont(0.99) WITHIN GROUP"
		" (ORDER BY late))::numeric, 3), 'maximum',"
		" round(max(late), 3), 'misfired', count(*) FILTER (WHERE"
		" status = 'MISFIRED')) AS lateness"
		" FROM (SELECT i.status, CASE WHEN i.status <> 'MISFIRED' THEN"
		" extract(epoch FROM i.created_at - i.fire_time) * 1000 END"
		" AS late FROM reeve.task_instances i"
		" WHERE i.tenant_id = $1 AND i.trigger = 'cron'"
		" AND i.id >= reeve.uuid_floor(now() - " SCHEDULER_WINDOW
		")) f) l",
	.params = 1,
};

/* $1 what, $2 who, $3 request */
static const struct pg_statement scheduler_set = {
	.name = "api_scheduler_set",
	.text = "SELECT reeve.scheduler_set($1, $2, $3)",
	.params = 3,
};

static const struct pg_statement scheduler_plan = {
	.name = "api_scheduler_plan",
	.text = "SELECT set_config('plan_cache_mode', 'force_custom_plan',"
		" true)",
};

static const struct pg_statement scheduler_running = {
	.name = "api_scheduler_running",
	.text = "SELECT i.id, " INSTANCE_ITEM_COLUMNS
		" FROM reeve.task_instances i"
		" WHERE " INSTANCE_RUNS_OF(
			"$3") " AND i.status = 'RUNNING'"
			      " AND ($2::uuid IS NULL OR i.id < $2::uuid)"
			      " ORDER BY i.id DESC LIMIT $1::int",
	.params = 3,
};

static void scheduler_serve_status(struct call *call)
{
	const char *values[] = { call->access.tenant };

	db_query(call, &scheduler_status, values, answer_one);
}

static void scheduler_do(struct call *call, const char *what)
{
	const char *values[] = { what, call->access.who,
		http_request_id(call->req) };

	db_begin(call);
	db_add(call, &scheduler_set, values, NULL);
	values[0] = call->access.tenant;
	db_add(call, &scheduler_status, values, answer_one);
	db_send(call);
}

static void scheduler_serve_start(struct call *call)
{
	scheduler_do(call, "start");
}

static void scheduler_serve_stop(struct call *call)
{
	scheduler_do(call, "stop");
}

static void scheduler_serve_restart(struct call *call)
{
	scheduler_do(call, "restart");
}

static void scheduler_serve_running(struct call *call)
{
	struct answer_page page;

	if (!answer_page_by_id(call, &page))
		return;
	db_begin(call);
	db_add(call, &scheduler_plan, NULL, NULL);
	db_add(call, &scheduler_running,
		(const char *[]){
			page.limit, page.cursor, call->access.tenant },
		answer_list);
	db_send(call);
}

static const struct field scheduler_list_query[] = {
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

#define SCHEDULER_ROW                                                       \
	.tag = "scheduler", .shape = ROUTE_ONE, .answer_name = "Scheduler", \
	.answer = scheduler_fields

const struct route scheduler_routes[] = {
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/scheduler/status",
		.operation = "getScheduler",
		.summary = "who leads, whether it fires, and how late",
		.role = ROUTE_VIEWER,
		SCHEDULER_ROW,
		.serve = scheduler_serve_status },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/scheduler/start",
		.operation = "startScheduler",
		.summary = "let definitions fire, on all nodes; their misfire "
			   "says what becomes of the missed",
		.role = ROUTE_ADMIN,
		.is_system = true,
		SCHEDULER_ROW,
		.serve = scheduler_serve_start },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/scheduler/stop",
		.operation = "stopScheduler",
		.summary = "let nothing fire on any node, within a second; "
			   "what runs goes on",
		.role = ROUTE_ADMIN,
		.is_system = true,
		SCHEDULER_ROW,
		.serve = scheduler_serve_stop },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/scheduler/restart",
		.operation = "restartScheduler",
		.summary = "let all nodes look anew at what is due, and fire",
		.role = ROUTE_ADMIN,
		.is_system = true,
		SCHEDULER_ROW,
		.serve = scheduler_serve_restart },
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/scheduler/running",
		.operation = "listRunning",
		.tag = "scheduler",
		.summary = "the tenant's runs that are under way",
		.role = ROUTE_VIEWER,
		.query = scheduler_list_query,
		.shape = ROUTE_LIST,
		.answer_name = "InstanceItem",
		.answer = instance_item_fields,
		.serve = scheduler_serve_running },
	{ .path = NULL },
};
