/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/definition_body.h"
#include "api/definition_run.h"
#include "api/definitions.h"
#include "api/hidden.h"
#include "api/instances.h"
#include "api/match.h"
#include "api/once.h"
#include "when/rule.h"

static const char *const definition_states[] = { "ENABLED", "DISABLED", NULL };
static const char *const definition_last_states[] = { "PENDING", "RUNNING",
	"SUCCESS", "FAILED", "TIMEOUT", "CANCELLED", "MISFIRED", "SKIPPED",
	NULL };

/* In the order of DEFINITION_COLUMNS. */
const struct field definition_fields[] = {
	{ .name = "id", .type = FIELD_UUID, .is_required = true },
	{ .name = "taskName", .type = FIELD_STRING, .is_required = true },
	{ .name = "taskHandler", .type = FIELD_STRING, .is_required = true },
	{ .name = "description", .type = FIELD_STRING, .is_required = true },
	{ .name = "scheduleType",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = definition_types },
	{ .name = "cronExpression", .type = FIELD_STRING, .help = "the first" },
	{ .name = "rule",
		.type = FIELD_OBJECT,
		.is_required = true,
		.help = "all that says when" },
	{ .name = "timeZone", .type = FIELD_STRING, .is_required = true },
	{ .name = "taskParams", .type = FIELD_OBJECT, .is_required = true },
	{ .name = "topic", .type = FIELD_STRING, .is_required = true },
	{ .name = "priority", .type = FIELD_INT, .is_required = true },
	{ .name = "timeout", .type = FIELD_DURATION },
	{ .name = "retry", .type = FIELD_INT },
	{ .name = "misfire",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = definition_misfires },
	{ .name = "misfireMax", .type = FIELD_INT, .is_required = true },
	{ .name = "overlap",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = definition_overlaps },
	{ .name = "inline", .type = FIELD_BOOL, .is_required = true },
	{ .name = "dependsOn", .type = FIELD_UUID },
	{ .name = "enabled", .type = FIELD_BOOL, .is_required = true },
	{ .name = "nextFire", .type = FIELD_TIME },
	{ .name = "lastFire", .type = FIELD_TIME },
	{ .name = "lastEnd", .type = FIELD_TIME },
	{ .name = "lastState",
		.type = FIELD_ENUM,
		.words = definition_last_states },
	{ .name = "source", .type = FIELD_STRING, .is_required = true },
	{ .name = "creator", .type = FIELD_STRING, .is_required = true },
	{ .name = "version", .type = FIELD_INT, .is_required = true },
	{ .name = "createdAt", .type = FIELD_TIME, .is_required = true },
	{ .name = "updatedAt", .type = FIELD_TIME, .is_required = true },
	HIDDEN_ANSWER_FIELD,
	{ .name = NULL },
};

#define DEFINITION_COLUMNS(d)                                                  \
	d ".id, " d ".task_name, " d ".task_handler, " d ".description, " d    \
	  ".schedule_type, " d ".cron_expression, " d ".rule, " d              \
	  ".time_zone, " d ".task_params, " d ".topic, " d ".priority, " d     \
	  ".timeout_ms, " d ".retry_max, " d ".misfire, " d ".misfire_max, " d \
	  ".overlap, " d ".inline, " d ".depends_on, " d                       \
	  ".status = 'ENABLED', reeve.iso(" d ".next_fire), reeve.iso(" d      \
	  ".last_fire), reeve.iso(" d ".last_end), " d ".last_state, " d       \
	  ".source, " d ".creator, " d ".version, reeve.iso(" d                \
	  ".created_at), reeve.iso(" d ".updated_at), " d ".secret_names"
/* The column of `version` in it. */
#define DEFINITION_VERSION 25

static const char *definition_match(const struct call *call)
{
	return match_versions(call->arena, call_header(call, ROUTE_MATCH));
}

static void definition_put_etag(
	struct call *call, const struct pg_result *r, int column)
{
	once_header(call, "ETag",
		arena_printf(
			call->arena, "\"%s\"", pg_result_text(r, 0, column)));
}

static void definition_on_one(struct call *call, const struct pg_result *r)
{
	const char *known = call_header(call, ROUTE_NONE_MATCH);

	if (pg_result_rows(r) == 0) {
		call_fail(call, 404, "there is no such definition");
		return;
	}
	definition_put_etag(call, r, DEFINITION_VERSION);
	if (match_knows(known, pg_result_text(r, 0, DEFINITION_VERSION))) {
		call->status = 304;
		return;
	}
	answer_one(call, r);
}

/* Of a file of a node, which would have it back with its next reload. */
#define DEFINITION_FILED \
	"(old.source LIKE 'file:%' AND old.source NOT LIKE '% (gone)')"
#define DEFINITION_WAS                                   \
	"CASE WHEN " DEFINITION_FILED " THEN old.source" \
	" ELSE old.version::text END"

/* A change: column 0 is the version that was there, or the file that it is of
 * and that says what it is; the definition is after it, NULL when the version
 * was another. */
static void definition_on_changed(struct call *call, const struct pg_result *r)
{
	static const char file[] = "file:";
	struct jsonw j;

	if (pg_result_rows(r) == 0 || pg_result_text(r, 0, 0) == NULL) {
		call_fail(call, 404, "there is no such definition");
	} else if (strncmp(pg_result_text(r, 0, 0), file, sizeof(file) - 1) ==
		   0) {
		call_fail(call, 409,
			arena_printf(call->arena,
				"it comes from the process.yaml of %s: change "
				"it there",
				pg_result_text(r, 0, 0) + sizeof(file) - 1));
	} else if (pg_result_text(r, 0, 1) == NULL) {
		call_fail(call, 412,
			"it has changed since: get it again, and then change "
			"that");
	} else if (call->route->shape != ROUTE_NOTHING) {
		definition_put_etag(call, r, 1 + DEFINITION_VERSION);
		jsonw_init(&j, &call->out);
		answer_put(&j, NULL, definition_fields, r, 0, 1);
	}
}

static void definition_on_created(struct call *call, const struct pg_result *r)
{
	once_header(call, "Location",
		arena_printf(call->arena, "/api/v1/tasks/definitions/%s",
			pg_result_text(r, 0, 0)));
	definition_on_one(call, r);
}

static const struct pg_statement definition_create = {
	.name = "api_definition_create",
	.text = "WITH room AS (SELECT reeve.definitions_room()),"
		" new AS (INSERT INTO reeve.task_definitions (task_name,"
		" task_handler, description, schedule_type, cron_expression,"
		" rule, time_zone, start_at, end_at, task_params, topic,"
		" priority, timeout_ms, retry_max, misfire, misfire_max,"
		" overlap, inline, depends_on, status, next_fire, tenant_id,"
		" source, creator, id, secret_params, secret_names)"
		" SELECT $1, $2, $3, $4, $5, $6::jsonb, $7, $8::timestamptz,"
		" $9::timestamptz, $10, $11, $12::bigint, $13::bigint,"
		" $14::int, $15, $16::int, $17, $18::boolean, $19::uuid, $20,"
		" $21::timestamptz, $22, 'api', $23, $25::uuid, $26::bytea,"
		" $27::jsonb FROM room"
		" RETURNING *),"
		" audit AS (INSERT INTO reeve.audit_log (tenant_id, who,"
		" action, object, object_id, after, request_id)"
		" SELECT tenant_id, $23, 'createDefinition', 'definition', id,"
		" to_jsonb(new) - 'secret_params', $24 FROM new)"
		" SELECT " DEFINITION_COLUMNS("new") " FROM new",
	.params = VALUE_VERSION,
};

static const struct pg_statement definition_update = {
	.name = "api_definition_update",
	.text = "WITH old AS (SELECT * FROM reeve.task_definitions"
		" WHERE id = $25::uuid AND tenant_id = $22 FOR UPDATE),"
		" new AS (UPDATE reeve.task_definitions d SET task_name = $1,"
		" task_handler = $2, description = $3, schedule_type = $4,"
		" cron_expression = $5, rule = $6::jsonb, time_zone = $7,"
		" start_at = $8::timestamptz, end_at = $9::timestamptz,"
		" task_params = $10, topic = $11, priority = $12::bigint,"
		" timeout_ms = $13::bigint, retry_max = $14::int,"
		" misfire = $15, misfire_max = $16::int, overlap = $17,"
		" inline = $18::boolean, depends_on = $19::uuid, status = $20,"
		" secret_params = CASE WHEN $29::boolean THEN d.secret_params"
		" ELSE $26::bytea END, secret_names = CASE WHEN $29::boolean"
		" THEN d.secret_names ELSE $27::jsonb END,"
		" next_fire = CASE WHEN old.rule = $6::jsonb AND"
		" old.status = $20 THEN d.next_fire WHEN $4 = 'FIXED_DELAY' AND"
		" reeve.definition_is_busy(d.id) THEN NULL"
		" ELSE $21::timestamptz END"
		" FROM old WHERE d.id = old.id AND NOT " DEFINITION_FILED
		" AND ($28::bigint[] IS NULL OR old.version = ANY ($28::bigint[]))"
		" RETURNING d.*),"
		" audit AS (INSERT INTO reeve.audit_log (tenant_id, who,"
		" action, object, object_id, before, after, request_id)"
		" SELECT new.tenant_id, $23, 'updateDefinition', 'definition',"
		" new.id, to_jsonb(old) - 'secret_params',"
		" to_jsonb(new) - 'secret_params', $24 FROM old, new)"
		" SELECT " DEFINITION_WAS ", " DEFINITION_COLUMNS(
			"new") " FROM old LEFT JOIN new ON true",
	.params = DEFINITION_VALUES,
};

/* $1 id, $2 tenant, $3 who, $4 request, $5 versions, $6 status, $7 next fire,
 * $8 operation, $9 the rule that $7 was told by */
static const struct pg_statement definition_switch = {
	.name = "api_definition_switch",
	.text = "WITH old AS (SELECT * FROM reeve.task_definitions"
		" WHERE id = $1::uuid AND tenant_id = $2 FOR UPDATE),"
		" new AS (UPDATE reeve.task_definitions d SET status = $6,"
		" next_fire = CASE WHEN old.status = $6 THEN d.next_fire"
		" WHEN d.schedule_type = 'FIXED_DELAY' AND"
		" reeve.definition_is_busy(d.id) THEN NULL"
		" ELSE $7::timestamptz END FROM old WHERE d.id = old.id"
		" AND ($5::bigint[] IS NULL OR old.version = ANY ($5::bigint[]))"
		" AND ($9::jsonb IS NULL OR old.rule = $9::jsonb)"
		" RETURNING d.*),"
		" audit AS (INSERT INTO reeve.audit_log (tenant_id, who,"
		" action, object, object_id, before, after, request_id)"
		" SELECT new.tenant_id, $3, $8, 'definition', new.id,"
		" jsonb_build_object('status', old.status),"
		" jsonb_build_object('status', new.status), $4 FROM old, new)"
		" SELECT old.version, " DEFINITION_COLUMNS(
			"new") " FROM old LEFT JOIN new ON true",
	.params = 9,
};

static const struct pg_statement definition_delete = {
	.name = "api_definition_delete",
	.text = "WITH old AS (SELECT * FROM reeve.task_definitions"
		" WHERE id = $1::uuid AND tenant_id = $2 FOR UPDATE),"
		" gone AS (DELETE FROM reeve.task_definitions d USING old"
		" WHERE d.id = old.id AND NOT " DEFINITION_FILED
		" AND ($5::bigint[] IS NULL OR old.version = ANY ($5::bigint[]))"
		" RETURNING d.id),"
		" audit AS (INSERT INTO reeve.audit_log (tenant_id, who,"
		" action, object, object_id, before, request_id)"
		" SELECT old.tenant_id, $3, 'deleteDefinition', 'definition',"
		" old.id, to_jsonb(old) - 'secret_params', $4 FROM old, gone)"
		" SELECT " DEFINITION_WAS ", gone.id"
		" FROM old LEFT JOIN gone ON true",
	.params = 5,
};

static const struct pg_statement definition_get = {
	.name = "api_definition_get",
	.text = "SELECT " DEFINITION_COLUMNS(
		"d") " FROM reeve.task_definitions d"
		     " WHERE id = $1::uuid AND tenant_id = $2",
	.params = 2,
};

#define DEFINITION_LIST(key, type, behind, order)                              \
	"SELECT d." key                                                        \
	", " DEFINITION_COLUMNS("d") " FROM (SELECT *, " ANSWER_BYTES(         \
		"octet_length(task_params)",                                   \
		key " " order) " AS bytes FROM (SELECT *"                      \
			       " FROM reeve.task_definitions"                  \
			       " WHERE tenant_id = $3"                         \
			       " AND ($2::" type " IS NULL OR " key " " behind \
			       " $2::" type ")"                                \
			       " AND ($4::text IS NULL OR status = $4)"        \
			       " AND ($5::text IS NULL OR"                     \
			       " task_handler = $5)"                           \
			       " AND ($6::text IS NULL OR"                     \
			       " schedule_type = $6)"                          \
			       " AND ($7::text IS NULL OR task_name = $7)"     \
			       " AND ($8::text IS NULL OR last_state = $8)"    \
			       " ORDER BY " key " " order                      \
			       " LIMIT $1::int) all_of_it) d"                  \
			       " WHERE bytes < " ANSWER_BYTES_MAX              \
			       " ORDER BY " key " " order

enum definition_order {
	DEFINITION_NEWEST = 0,
	DEFINITION_OLDEST = 1,
	DEFINITION_A_TO_Z = 2,
	DEFINITION_Z_TO_A = 3,
	DEFINITION_ORDER_COUNT
};

static const char *const definition_orders[DEFINITION_ORDER_COUNT + 1] = {
	[DEFINITION_NEWEST] = "-createdAt",
	[DEFINITION_OLDEST] = "createdAt",
	[DEFINITION_A_TO_Z] = "taskName",
	[DEFINITION_Z_TO_A] = "-taskName",
};

static const struct pg_statement definition_lists[DEFINITION_ORDER_COUNT] = {
	[DEFINITION_NEWEST] = { .name = "api_definition_list",
		.text = DEFINITION_LIST("id", "uuid", "<", "DESC"),
		.params = 8 },
	[DEFINITION_OLDEST] = { .name = "api_definition_list_up",
		.text = DEFINITION_LIST("id", "uuid", ">", "ASC"),
		.params = 8 },
	[DEFINITION_A_TO_Z] = { .name = "api_definition_list_name",
		.text = DEFINITION_LIST("task_name", "text", ">", "ASC"),
		.params = 8 },
	[DEFINITION_Z_TO_A] = { .name = "api_definition_list_name_down",
		.text = DEFINITION_LIST("task_name", "text", "<", "DESC"),
		.params = 8 },
};

static const struct pg_statement definition_rule = {
	.name = "api_definition_rule",
	.text = "SELECT rule FROM reeve.task_definitions"
		" WHERE id = $1::uuid AND tenant_id = $2",
	.params = 2,
};

static const struct once_made definition_made = { &definition_get,
	definition_on_created };

static void definition_serve_create(struct call *call)
{
	const char *values[DEFINITION_VALUES] = { NULL };

	if (!definition_body_read(call, values) ||
		!once_begin(call, values[VALUE_ID], &definition_made))
		return;
	db_add(call, &definition_create, values, definition_on_created);
	once_send(call, NULL);
}

static void definition_serve_update(struct call *call)
{
	const char *values[DEFINITION_VALUES] = { NULL };

	values[VALUE_VERSION] = definition_match(call);
	if (definition_body_read(call, values))
		db_query(call, &definition_update, values,
			definition_on_changed);
}

static void definition_serve_get(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant };

	db_query(call, &definition_get, values, definition_on_one);
}

static void definition_serve_delete(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant,
		call->access.who, http_request_id(call->req),
		definition_match(call) };

	db_query(call, &definition_delete, values, definition_on_changed);
}

static void definition_serve_list(struct call *call)
{
	int64_t order = field_get(&call->query, "sort")->number;
	struct answer_page page;

	if (order >= DEFINITION_A_TO_Z ? !answer_page(call, &page)
				       : !answer_page_by_id(call, &page))
		return;
	db_query(call, &definition_lists[order],
		(const char *[]){ page.limit, page.cursor, call->access.tenant,
			call_parameter(call, "status"),
			call_parameter(call, "handler"),
			call_parameter(call, "scheduleType"),
			call_parameter(call, "name"),
			call_parameter(call, "lastState") },
		answer_list);
}

/* rule: what next was told by; NULL: whatever it is. */
static void definition_set_status(struct call *call, const char *status,
	const char *next, const char *rule, db_rows_fn rows, db_next_fn then)
{
	const char *values[] = { call->name, call->access.tenant,
		call->access.who, http_request_id(call->req),
		definition_match(call), status, next, call->route->operation,
		rule };

	db_begin(call);
	db_add(call, &definition_switch, values, rows);
	db_send_then(call, then);
}

static void definition_on_rule(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0)
		call_fail(call, 404, "there is no such definition");
	else
		call->own = arena_strdup(call->arena, pg_result_text(r, 0, 0));
}

/* Another rule came in between: its next fire is another. */
static void definition_on_enabled(struct call *call, const struct pg_result *r)
{
	call->own = NULL;
	if (pg_result_rows(r) == 1 && pg_result_text(r, 0, 1) == NULL &&
		call_header(call, ROUTE_MATCH) == NULL)
		return;
	call->own = call;
	definition_on_changed(call, r);
}

static void definition_serve_enable(struct call *call);

static void definition_enabled(struct call *call)
{
	if (call->own == NULL)
		definition_serve_enable(call);
	else
		call_reply_json(call, 0, &call->out);
}

/* What was due while it was disabled is not made up for. */
static void definition_enable_next(struct call *call)
{
	const char *text = call->own;
	struct rule *rule;
	struct err err;
	const char *next;

	rule = rule_parse(text, strlen(text), &err);
	if (rule == NULL) {
		call_reply_problem(call, 409,
			arena_printf(call->arena, "its rule can't be read: %s",
				err.text));
		return;
	}
	next = definition_body_next(call, rule);
	rule_free(rule);
	if (next == NULL) {
		call_reply_problem(
			call, 409, "it would never fire: its times are over");
		return;
	}
	definition_set_status(call, "ENABLED", next, text,
		definition_on_enabled, definition_enabled);
}

static void definition_serve_enable(struct call *call)
{
	const char *values[] = { call->name, call->access.tenant };

	db_begin(call);
	db_add(call, &definition_rule, values, definition_on_rule);
	db_send_then(call, definition_enable_next);
}

static void definition_serve_disable(struct call *call)
{
	definition_set_status(
		call, "DISABLED", NULL, NULL, definition_on_changed, NULL);
}

static const struct field definition_query[] = {
	{ .name = "status", .type = FIELD_ENUM, .words = definition_states },
	{ .name = "handler", .type = FIELD_STRING },
	{ .name = "scheduleType",
		.type = FIELD_ENUM,
		.words = definition_types },
	{ .name = "name", .type = FIELD_STRING },
	{ .name = "lastState",
		.type = FIELD_ENUM,
		.words = definition_last_states },
	{ .name = "sort",
		.type = FIELD_ENUM,
		.words = definition_orders,
		.default_text = "-createdAt",
		.help = "- is from the last to the first" },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

#define DEFINITION_ROW                                     \
	.tag = "definitions", .answer_name = "Definition", \
	.answer = definition_fields

const struct route definition_routes[] = {
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/definitions",
		.operation = "createDefinition",
		.summary = "create a definition; Idempotency-Key: once",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_KEY,
		.body = definition_body_fields,
		.shape = ROUTE_ONE,
		.status = 201,
		DEFINITION_ROW,
		.serve = definition_serve_create },
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/definitions",
		.operation = "listDefinitions",
		.summary = "the tenant's definitions",
		.role = ROUTE_VIEWER,
		.query = definition_query,
		.shape = ROUTE_LIST,
		DEFINITION_ROW,
		.serve = definition_serve_list },
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/definitions/{id}",
		.operation = "getDefinition",
		.summary = "one definition; ETag is its version",
		.role = ROUTE_VIEWER,
		.heeds = ROUTE_NONE_MATCH,
		.shape = ROUTE_ONE,
		DEFINITION_ROW,
		.serve = definition_serve_get },
	{ .method = HTTP_PUT,
		.path = "/api/v1/tasks/definitions/{id}",
		.operation = "updateDefinition",
		.summary = "put another in its place; If-Match: no lost update",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_MATCH,
		.body = definition_body_fields,
		.shape = ROUTE_ONE,
		DEFINITION_ROW,
		.serve = definition_serve_update },
	{ .method = HTTP_DELETE,
		.path = "/api/v1/tasks/definitions/{id}",
		.operation = "deleteDefinition",
		.summary = "delete it; its runs stay",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_MATCH,
		.tag = "definitions",
		.serve = definition_serve_delete },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/definitions/{id}/enable",
		.operation = "enableDefinition",
		.summary = "let it fire from now on",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_MATCH,
		.shape = ROUTE_ONE,
		DEFINITION_ROW,
		.serve = definition_serve_enable },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/definitions/{id}/disable",
		.operation = "disableDefinition",
		.summary = "let it fire no more; what runs goes on",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_MATCH,
		.shape = ROUTE_ONE,
		DEFINITION_ROW,
		.serve = definition_serve_disable },
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks/definitions/{id}/run",
		.operation = "runDefinition",
		.tag = "definitions",
		.summary = "run it now, whatever its schedule says; "
			   "Idempotency-Key: once",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_KEY,
		.body = definition_run_body,
		.is_body_optional = true,
		.shape = ROUTE_ONE,
		.status = 201,
		.answer_name = "Instance",
		.answer = instance_fields,
		.serve = definition_run_serve },
	{ .path = NULL },
};
