/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/follow.h"
#include "api/hidden.h"
#include "api/instances.h"
#include "api/send.h"
#include "api/service.h"
#include "api/wire.h"
#include "conf/conf.h"

static const char *const instance_states[] = { "PENDING", "RUNNING", "SUCCESS",
	"FAILED", "TIMEOUT", "CANCELLED", "MISFIRED", "SKIPPED", NULL };
/* What others call them. */
static const char *const instance_state_aliases[][2] = {
	{ "processing", "RUNNING" },
	{ "completed", "SUCCESS" },
	{ "complete", "SUCCESS" },
	{ "error", "FAILED" },
	{ "canceled", "CANCELLED" },
	{ NULL, NULL },
};
static const char *const instance_triggers[] = { "cron", "manual", "api",
	"push", NULL };
static const char *const instance_levels[] = { "DEBUG", "INFO", "WARN", "ERROR",
	NULL };

static const struct field instance_subtasks[] = {
	{ .name = "total", .type = FIELD_INT, .is_required = true },
	{ .name = "done", .type = FIELD_INT, .is_required = true },
	{ .name = "failed", .type = FIELD_INT, .is_required = true },
	{ .name = NULL },
};

static const struct field instance_errors[] = {
	{ .name = "attempt", .type = FIELD_INT, .is_required = true },
	{ .name = "at", .type = FIELD_TIME, .is_required = true },
	{ .name = "error", .type = FIELD_STRING, .is_required = true },
	{ .name = NULL },
};

#define INSTANCE_ITEM_FIELDS                                                 \
	{ .name = "id", .type = FIELD_UUID, .is_required = true },           \
		{ .name = "taskDefinitionId", .type = FIELD_UUID },          \
		{ .name = "taskName", .type = FIELD_STRING },                \
		{ .name = "parentId", .type = FIELD_UUID },                  \
		{ .name = "taskHandler",                                     \
			.type = FIELD_STRING,                                \
			.is_required = true },                               \
		{ .name = "topic",                                           \
			.type = FIELD_STRING,                                \
			.is_required = true },                               \
		{ .name = "status",                                          \
			.type = FIELD_ENUM,                                  \
			.is_required = true,                                 \
			.words = instance_states },                          \
		{ .name = "trigger",                                         \
			.type = FIELD_ENUM,                                  \
			.is_required = true,                                 \
			.words = instance_triggers },                        \
		{ .name = "executionNode", .type = FIELD_STRING },           \
		{ .name = "worker", .type = FIELD_STRING },                  \
		{ .name = "fireTime", .type = FIELD_TIME },                  \
		{ .name = "dueAt", .type = FIELD_TIME },                     \
		{ .name = "startTime", .type = FIELD_TIME },                 \
		{ .name = "endTime", .type = FIELD_TIME },                   \
		{ .name = "executionDuration", .type = FIELD_DURATION },     \
		{ .name = "retryCount",                                      \
			.type = FIELD_INT,                                   \
			.is_required = true },                               \
		{ .name = "errorMessage", .type = FIELD_STRING },            \
		{ .name = "progress", .type = FIELD_INT },                   \
		{ .name = "progressText", .type = FIELD_STRING },            \
		{ .name = "uniqueKey", .type = FIELD_STRING },               \
		{ .name = "priority",                                        \
			.type = FIELD_INT,                                   \
			.is_required = true },                               \
		{ .name = "timeout", .type = FIELD_DURATION },               \
		{ .name = "retry", .type = FIELD_INT },                      \
		{ .name = "deadline", .type = FIELD_TIME },                  \
		{ .name = "held", .type = FIELD_BOOL, .is_required = true }, \
		{ .name = "subtasks",                                        \
			.type = FIELD_OBJECT,                                \
			.rows = instance_subtasks },                         \
	{                                                                    \
		.name = "createdAt", .type = FIELD_TIME, .is_required = true \
	}

/* In the order of INSTANCE_ITEM_COLUMNS. */
const struct field instance_item_fields[] = {
	INSTANCE_ITEM_FIELDS,
	{ .name = NULL },
};

/* In the order of INSTANCE_COLUMNS. */
const struct field instance_fields[] = {
	INSTANCE_ITEM_FIELDS,
	{ .name = "executionParams", .type = FIELD_ANY, .is_required = true },
	{ .name = "result",
		.type = FIELD_STRING,
		.help = "what the handler printed" },
	{ .name = "errors",
		.type = FIELD_LIST,
		.rows = instance_errors,
		.help = "of each attempt that failed" },
	HIDDEN_ANSWER_FIELD,
	{ .name = NULL },
};

const struct field instance_log_fields[] = {
	{ .name = "id", .type = FIELD_UUID, .is_required = true },
	{ .name = "time", .type = FIELD_TIME, .is_required = true },
	{ .name = "level",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = instance_levels },
	{ .name = "message", .type = FIELD_STRING, .is_required = true },
	{ .name = NULL },
};

static const char instance_unknown[] = "there is no such instance";

const struct pg_statement instance_get = {
	.name = "api_instance_get",
	.text = "SELECT " INSTANCE_COLUMNS " FROM reeve.task_instances i"
		" WHERE i.id = $1::uuid AND i.tenant_id = $2",
	.params = 2,
};

/* Planned for the filters that are there, so that it finds their index; and
 * read along an index that has the order, never gathered and sorted: a list
 * wants few of many rows. */
static const struct pg_statement instance_plan = {
	.name = "api_instance_plan",
	.text = "SELECT set_config('plan_cache_mode', 'force_custom_plan',"
		" true), set_config('enable_sort', 'off', true)",
};

#define INSTANCE_LIST(behind, order)                                               \
	"SELECT i.id, " INSTANCE_ITEM_COLUMNS                                      \
	" FROM reeve.task_instances i WHERE CASE WHEN"                             \
	" $4 = 'RUNNING' THEN " INSTANCE_RUNS_OF(                                  \
		"$3") " ELSE"                                                      \
		      " i.tenant_id = $3 END"                                      \
		      " AND ($2::uuid IS NULL OR i.id " behind " $2::uuid)"        \
		      " AND ($4::text IS NULL OR i.status = $4)"                   \
		      " AND ($5::uuid IS NULL OR i.task_definition_id = $5::uuid)" \
		      " AND ($6::text IS NULL OR i.handler = $6)"                  \
		      " AND ($7::text IS NULL OR i.execution_node = $7)"           \
		      " AND ($8::text IS NULL OR i.topic = $8)"                    \
		      " AND ($9::uuid IS NULL OR i.parent_id = $9::uuid)"          \
		      " AND ($10::bigint IS NULL OR i.id >= reeve.uuid_floor("     \
		      "'epoch'::timestamptz + $10::bigint * interval '1 us'))"     \
		      " AND ($11::bigint IS NULL OR i.id < reeve.uuid_floor("      \
		      "'epoch'::timestamptz + $11::bigint * interval '1 us'))"     \
		      " AND ($12::text IS NULL OR i.trigger = $12)"                \
		      " ORDER BY i.id " order " LIMIT $1::int"

static const char *const instance_orders[] = { "-createdAt", "createdAt",
	NULL };

/* In the order of instance_orders. */
static const struct pg_statement instance_lists[] = {
	{ .name = "api_instance_list",
		.text = INSTANCE_LIST("<", "DESC"),
		.params = 12 },
	{ .name = "api_instance_list_up",
		.text = INSTANCE_LIST(">", "ASC"),
		.params = 12 },
};

static const struct pg_statement instance_status = {
	.name = "api_instance_status",
	.text = "SELECT status, children FROM reeve.task_instances"
		" WHERE id = $1::uuid AND tenant_id = $2",
	.params = 2,
};

static const struct pg_statement instance_logs = {
	.name = "api_instance_logs",
	.text = "SELECT id, id, reeve.iso(log_time), log_level, log_message"
		" FROM reeve.task_logs WHERE task_instance_id = $3::uuid"
		" AND tenant_id = $4 AND ($2::uuid IS NULL OR id > $2::uuid)"
		" AND log_level = ANY ($5::text[]) ORDER BY id LIMIT $1::int",
	.params = 5,
};

/* $1 id, $2 tenant, $3 who, $4 request */
static const struct pg_statement instance_cancel = {
	.name = "api_instance_cancel",
	.text = "WITH was AS MATERIALIZED (SELECT reeve.task_cancel($1::uuid)"
		" AS status), audit AS (INSERT INTO reeve.audit_log"
		" (tenant_id, who, action, object, object_id, before,"
		" request_id) SELECT $2, $3, 'cancelInstance', 'instance', $1,"
		" jsonb_build_object('status', status), $4 FROM was"
		" WHERE status IN ('PENDING', 'RUNNING'))"
		" SELECT status FROM was",
	.params = 4,
};

/* What its workers have to be told: itself, or the subtasks that run. */
static const struct pg_statement instance_running = {
	.name = "api_instance_running",
	.text = "SELECT id FROM reeve.task_instances WHERE tenant_id = $2"
		" AND status = 'RUNNING' AND children = 0"
		" AND (id = $1::uuid OR parent_id = $1::uuid)",
	.params = 2,
};

static const struct pg_statement instance_retry = {
	.name = "api_instance_retry",
	.text = "WITH was AS MATERIALIZED (SELECT reeve.task_retry($1::uuid)"
		" AS status), audit AS (INSERT INTO reeve.audit_log"
		" (tenant_id, who, action, object, object_id, before,"
		" request_id) SELECT $2, $3, 'retryInstance', 'instance', $1,"
		" jsonb_build_object('status', status), $4 FROM was"
		" WHERE status NOT IN ('PENDING', 'RUNNING'))"
		" SELECT status FROM was",
	.params = 4,
};

static const char *instance_time(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->query, name);

	return v->is_set
		       ? arena_printf(call->arena, "%lld", (long long)v->number)
		       : NULL;
}

static void instance_serve_list(struct call *call)
{
	struct answer_page page;
	const char *topic = call_parameter(call, "topic");

	if (!answer_page_by_id(call, &page))
		return;
	if (topic != NULL && strcmp(topic, "normal") == 0)
		topic = "common";
	db_begin(call);
	db_add(call, &instance_plan, NULL, NULL);
	db_add(call, &instance_lists[field_get(&call->query, "sort")->number],
		(const char *[]){ page.limit, page.cursor, call->access.tenant,
			call_parameter(call, "status"),
			call_parameter(call, "definition"),
			call_parameter(call, "handler"),
			call_parameter(call, "node"), topic,
			call_parameter(call, "parent"),
			instance_time(call, "from"), instance_time(call, "to"),
			call_parameter(call, "trigger") },
		answer_list);
	db_send(call);
}

static void instance_on_one(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0)
		call_fail(call, 404, instance_unknown);
	else
		answer_one(call, r);
}

static void instance_serve_get(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant };

	db_query(call, &instance_get, values, instance_on_one);
}

static bool instance_is_over(const char *status)
{
	return strcmp(status, "PENDING") != 0 && strcmp(status, "RUNNING") != 0;
}

/* Whose workers are to be told. */
struct instance_ids {
	const char **list;
	size_t count;
};

static void instance_on_cancelled(struct call *call, const struct pg_result *r)
{
	const char *was = pg_result_text(r, 0, 0);

	if (was == NULL)
		call_fail(call, 404, instance_unknown);
	else if (instance_is_over(was))
		call_fail(call, 409,
			arena_printf(call->arena, "it is over: %s", was));
}

static void instance_on_running(struct call *call, const struct pg_result *r)
{
	struct instance_ids *ids = call->own;
	int i;

	ids->count = (size_t)pg_result_rows(r);
	ids->list =
		arena_alloc(call->arena, (ids->count + 1) * sizeof(*ids->list));
	for (i = 0; i < pg_result_rows(r); i++)
		ids->list[i] =
			arena_strdup(call->arena, pg_result_text(r, i, 0));
}

/* It is RUNNING until its worker, which has been told, has ended it. */
static void instance_reply_told(struct call *call)
{
	call_reply_json(call, 0, &call->out);
}

/* What waited for its end may go now. */
static void instance_tell(struct call *call)
{
	struct instance_ids *ids = call->own;

	send_poke(call);
	if (ids->count == 0)
		instance_reply_told(call);
	else
		wire_cancel(call, ids->list, ids->count, instance_reply_told);
}

static void instance_serve_cancel(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant,
		call->access.who, http_request_id(call->req) };

	call->own = arena_alloc(call->arena, sizeof(struct instance_ids));
	db_begin(call);
	db_add(call, &instance_cancel, values, instance_on_cancelled);
	db_add(call, &instance_get, values, instance_on_one);
	db_add(call, &instance_running, values, instance_on_running);
	db_send_then(call, instance_tell);
}

static void instance_on_retried(struct call *call, const struct pg_result *r)
{
	const char *was = pg_result_text(r, 0, 0);

	if (was == NULL)
		call_fail(call, 404, instance_unknown);
	else if (!instance_is_over(was))
		call_fail(call, 409,
			arena_printf(call->arena, "it is %s already", was));
}

static void instance_on_retriable(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0)
		call_fail(call, 404, instance_unknown);
	else if (!instance_is_over(pg_result_text(r, 0, 0)))
		call_fail(call, 409,
			arena_printf(call->arena, "it is %s already",
				pg_result_text(r, 0, 0)));
	else if (pg_result_int(r, 0, 1, 0) > 0)
		call_fail(call, 409,
			"it has subtasks: retry those that have failed");
}

static void instance_sent(struct call *call)
{
	send_poke(call);
	call_reply_json(call, 0, &call->out);
}

static void instance_retry_unmarked(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant,
		call->access.who, http_request_id(call->req) };

	db_begin(call);
	db_add(call, &instance_retry, values, instance_on_retried);
	db_add(call, &instance_get, values, instance_on_one);
	db_send_then(call, instance_sent);
}

/* The mark of a cancel before it would end the new attempt. */
static void instance_unmark(struct call *call)
{
	if (send_is_possible(call))
		wire_uncancel(call, call->name, instance_retry_unmarked);
	else
		instance_retry_unmarked(call);
}

static void instance_serve_retry(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant };

	db_begin(call);
	db_add(call, &instance_status, values, instance_on_retriable);
	db_send_then(call, instance_unmark);
}

/* This level and the worse ones, as an array of PostgreSQL. */
static const char *instance_levels_from(const struct call *call)
{
	static const char *const lists[] = { "{DEBUG,INFO,WARN,ERROR}",
		"{INFO,WARN,ERROR}", "{WARN,ERROR}", "{ERROR}" };
	const struct field_value *v = field_get(&call->query, "level");

	return lists[v->is_set ? v->number : 0];
}

static void instance_on_known(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0)
		call_fail(call, 404, instance_unknown);
}

static void instance_follow(struct call *call)
{
	const char *last = call_header(call, ROUTE_LAST_EVENT);
	const char *after = call->own;

	if (last != NULL && field_is_uuid(last))
		after = arena_strdup(call->arena, last);
	follow_start(call, instance_levels_from(call), after);
}

static void instance_serve_logs(struct call *call)
{
	const char *known[] = { call->name, call->access.tenant };
	struct answer_page page;

	if (!answer_page_by_id(call, &page))
		return;
	db_begin(call);
	db_add(call, &instance_status, known, instance_on_known);
	if (field_get(&call->query, "follow")->number != 0) {
		call->own = (void *)(uintptr_t)page.cursor;
		db_send_then(call, instance_follow);
		return;
	}
	db_add(call, &instance_logs,
		(const char *[]){ page.limit, page.cursor, call->name,
			call->access.tenant, instance_levels_from(call) },
		answer_list);
	db_send(call);
}

static const struct field instance_list_query[] = {
	{ .name = "status",
		.type = FIELD_ENUM,
		.words = instance_states,
		.aliases = instance_state_aliases },
	{ .name = "definition", .type = FIELD_UUID },
	{ .name = "handler", .type = FIELD_STRING },
	{ .name = "node", .type = FIELD_STRING, .help = "that ran it" },
	{ .name = "topic", .type = FIELD_STRING, .maximum = CONF_TOPIC_MAX },
	{ .name = "parent",
		.type = FIELD_UUID,
		.help = "the subtasks of this one" },
	{ .name = "trigger", .type = FIELD_ENUM, .words = instance_triggers },
	{ .name = "from",
		.type = FIELD_TIME,
		.help = "made, or planned for, since then" },
	{ .name = "to", .type = FIELD_TIME, .help = "and before then" },
	{ .name = "sort",
		.type = FIELD_ENUM,
		.words = instance_orders,
		.default_text = "-createdAt",
		.help = "the newest first, or the oldest" },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

static const struct field instance_logs_query[] = {
	{ .name = "level",
		.type = FIELD_ENUM,
		.words = instance_levels,
		.default_text = "DEBUG",
		.help = "lines of this level or a worse one" },
	{ .name = "follow",
		.type = FIELD_BOOL,
		.default_text = "false",
		.help = "stream them as they come, as Server-Sent Events: log, "
			"state, and end when the run is over; go on with "
			"Last-Event-ID" },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

#define INSTANCE_ROW \
	.tag = "instances", .answer_name = "Instance", .answer = instance_fields

const struct route instance_routes[] = {
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/instances",
		.operation = "listInstances",
		.tag = "instances",
		.summary = "the tenant's runs",
		.role = ROUTE_VIEWER,
		.query = instance_list_query,
		.shape = ROUTE_LIST,
		.answer_name = "InstanceItem",
		.answer = instance_item_fields,
		.serve = instance_serve_list },
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/instances/{id}",
		.operation = "getInstance",
		.summary = "one run, with its params, result and errors",
		.role = ROUTE_VIEWER,
		.shape = ROUTE_ONE,
		INSTANCE_ROW,
		.serve = instance_serve_get },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/instances/{id}/cancel",
		.operation = "cancelInstance",
		.summary = "end it; one that runs is told to",
		.role = ROUTE_OPERATOR,
		.shape = ROUTE_ONE,
		INSTANCE_ROW,
		.serve = instance_serve_cancel },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/instances/{id}/retry",
		.operation = "retryInstance",
		.summary = "run it once more, from the first attempt on",
		.role = ROUTE_OPERATOR,
		.shape = ROUTE_ONE,
		INSTANCE_ROW,
		.serve = instance_serve_retry },
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/instances/{id}/logs",
		.operation = "getInstanceLogs",
		.tag = "instances",
		.summary = "what it wrote, the oldest line first",
		.role = ROUTE_VIEWER,
		.heeds = ROUTE_LAST_EVENT,
		.query = instance_logs_query,
		.shape = ROUTE_EVENTS,
		.answer_name = "LogLine",
		.answer = instance_log_fields,
		.serve = instance_serve_logs },
	{ .path = NULL },
};
