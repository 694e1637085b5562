/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/deployments.h"
#include "api/once.h"
#include "base/uuid.h"

#define DEPLOYMENT_NAME_MAX 100

static const char *const deployment_kinds[] = { "push", "rollback", NULL };
static const char *const deployment_strategies[] = { "rolling", "all", "canary",
	NULL };
static const char *const deployment_states[] = { "QUEUED", "RUNNING", "DONE",
	"FAILED", "ROLLED_BACK", "ABORTED", NULL };
static const char *const deployment_step_states[] = { "RUNNING", "DONE",
	"FAILED", NULL };

static const struct field deployment_step_fields[] = {
	{ .name = "node", .type = FIELD_STRING, .is_required = true },
	{ .name = "step", .type = FIELD_STRING, .is_required = true },
	{ .name = "state",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = deployment_step_states },
	{ .name = "output", .type = FIELD_STRING, .is_required = true },
	{ .name = "startedAt", .type = FIELD_TIME, .is_required = true },
	{ .name = "finishedAt", .type = FIELD_TIME },
	{ .name = NULL },
};

#define DEPLOYMENT_FIELDS                                          \
	{ .name = "id", .type = FIELD_UUID, .is_required = true }, \
		{ .name = "app",                                   \
			.type = FIELD_STRING,                      \
			.is_required = true,                       \
			.help = "the pool of kind deploy" },       \
		{ .name = "kind",                                  \
			.type = FIELD_ENUM,                        \
			.is_required = true,                       \
			.words = deployment_kinds },               \
		{ .name = "version",                               \
			.type = FIELD_STRING,                      \
			.is_required = true },                     \
		{ .name = "fromVersion",                           \
			.type = FIELD_STRING,                      \
			.help = "what was live before it" },       \
		{ .name = "strategy",                              \
			.type = FIELD_ENUM,                        \
			.words = deployment_strategies,            \
			.help = "of process.yaml, once a node "    \
				"has taken it" },                  \
		{ .name = "state",                                 \
			.type = FIELD_ENUM,                        \
			.is_required = true,                       \
			.words = deployment_states },              \
		{ .name = "reason",                                \
			.type = FIELD_STRING,                      \
			.help = "why it did not come to be; when " \
				"DONE, which nodes were lost" },   \
		{ .name = "createdBy",                             \
			.type = FIELD_STRING,                      \
			.is_required = true },                     \
		{ .name = "createdAt",                             \
			.type = FIELD_TIME,                        \
			.is_required = true },                     \
		{ .name = "startedAt", .type = FIELD_TIME },       \
	{                                                          \
		.name = "finishedAt", .type = FIELD_TIME           \
	}

static const struct field deployment_fields[] = {
	DEPLOYMENT_FIELDS,
	{ .name = NULL },
};

static const struct field deployment_whole_fields[] = {
	DEPLOYMENT_FIELDS,
	{ .name = "steps",
		.type = FIELD_LIST,
		.is_required = true,
		.rows = deployment_step_fields },
	{ .name = NULL },
};

#define DEPLOYMENT_COLUMNS                                 \
	"d.id, d.app, d.kind, d.version, d.from_version, " \
	"d.strategy, d.state, d.reason, d.created_by, "    \
	"reeve.iso(d.created_at), "                        \
	"reeve.iso(d.started_at), reeve.iso(d.finished_at)"

static const struct field deployment_body[] = {
	{ .name = "app",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = DEPLOYMENT_NAME_MAX,
		.help = "the pool of kind deploy" },
	{ .name = "version",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = DEPLOYMENT_NAME_MAX },
	{ .name = "kind",
		.type = FIELD_ENUM,
		.words = deployment_kinds,
		.default_text = "push",
		.help = "rollback: of the releases that are kept" },
	{ .name = "strategy",
		.type = FIELD_ENUM,
		.words = deployment_strategies,
		.help = "unset: as process.yaml says" },
	{ .name = "force",
		.type = FIELD_BOOL,
		.default_text = "false",
		.help = "whatever the gate finds, which is told" },
	{ .name = NULL },
};

/* Values of deployment_create. */
enum deployment_value {
	DEPLOYMENT_ID = 0,
	DEPLOYMENT_APP = 1,
	DEPLOYMENT_KIND = 2,
	DEPLOYMENT_VERSION = 3,
	DEPLOYMENT_STRATEGY = 4,
	DEPLOYMENT_FORCE = 5,
	DEPLOYMENT_WHO = 6,
	DEPLOYMENT_REQUEST = 7,
	DEPLOYMENT_VALUES
};

static const struct pg_statement deployment_create = {
	.name = "api_deployment_create",
	.text = "SELECT reeve.deployment_create($1::uuid, $2, $3, $4, $5,"
		" $6::boolean, $7, $8)",
	.params = DEPLOYMENT_VALUES,
};

static const struct pg_statement deployment_made = {
	.name = "api_deployment_made",
	.text = "SELECT " DEPLOYMENT_COLUMNS " FROM reeve.deployments d"
		" WHERE d.id = $1::uuid AND $2 = 'default'",
	.params = 2,
};

static const struct pg_statement deployment_abort = {
	.name = "api_deployment_abort",
	.text = "SELECT reeve.deployment_abort($1::uuid, $2, $3)",
	.params = 3,
};

static const struct pg_statement deployment_get = {
	.name = "api_deployment_get",
	.text = "SELECT " DEPLOYMENT_COLUMNS ", (SELECT coalesce(json_agg("
		"json_build_object('node', s.node, 'step', s.step, 'state',"
		" s.state, 'output', s.output, 'startedAt',"
		" reeve.iso(s.started_at), 'finishedAt',"
		" reeve.iso(s.finished_at)) ORDER BY s.id), '[]')"
		" FROM reeve.deployment_steps s WHERE s.deployment_id = d.id)"
		" FROM reeve.deployments d WHERE d.id = $1::uuid",
	.params = 1,
};

static const struct pg_statement deployment_list = {
	.name = "api_deployment_list",
	.text = "SELECT d.id, " DEPLOYMENT_COLUMNS " FROM reeve.deployments d"
		" WHERE ($2::uuid IS NULL OR d.id < $2::uuid)"
		" AND ($3::text IS NULL OR d.app = $3)"
		" AND ($4::text IS NULL OR d.state = $4)"
		" ORDER BY d.id DESC LIMIT $1::int",
	.params = 4,
};

/* NULL when it is not there. */
static const char *deployment_text(
	const struct field_values *values, const char *name)
{
	const struct field_value *v = field_get(values, name);

	return v->is_set ? v->text : NULL;
}

static void deployment_on_made(struct call *call, const struct pg_result *r)
{
	once_header(call, "Location",
		arena_printf(call->arena, "/api/v1/deployments/%s",
			pg_result_text(r, 0, 0)));
	answer_one(call, r);
}

static const struct once_made deployment_once = { &deployment_made,
	deployment_on_made };

static void deployment_serve_create(struct call *call)
{
	const char *kind = deployment_text(&call->body, "kind");
	const char *values[DEPLOYMENT_VALUES];
	char id[UUID_TEXT_LEN + 1];

	uuid_new(id);
	values[DEPLOYMENT_ID] = id;
	values[DEPLOYMENT_APP] = deployment_text(&call->body, "app");
	values[DEPLOYMENT_KIND] = kind != NULL ? kind : deployment_kinds[0];
	values[DEPLOYMENT_VERSION] = deployment_text(&call->body, "version");
	values[DEPLOYMENT_STRATEGY] = deployment_text(&call->body, "strategy");
	values[DEPLOYMENT_FORCE] =
		field_get(&call->body, "force")->number != 0 ? "true" : "false";
	values[DEPLOYMENT_WHO] = call->access.who;
	values[DEPLOYMENT_REQUEST] = http_request_id(call->req);
	if (!once_begin(call, id, &deployment_once))
		return;
	db_add(call, &deployment_create, values, NULL);
	db_add(call, &deployment_made,
		(const char *[]){ id, call->access.tenant },
		deployment_on_made);
	once_send(call, NULL);
}

static void deployment_serve_abort(struct call *call)
{
	const char *values[] = { call->name, call->access.who,
		http_request_id(call->req) };

	db_begin(call);
	db_add(call, &deployment_abort, values, NULL);
	db_add(call, &deployment_made,
		(const char *[]){ call->name, call->access.tenant },
		answer_one);
	db_send(call);
}

static void deployment_serve_get(struct call *call)
{
	const char *values[] = { call->name };

	db_query(call, &deployment_get, values, answer_one);
}

static void deployment_serve_list(struct call *call)
{
	struct answer_page page;

	if (!answer_page_by_id(call, &page))
		return;
	db_query(call, &deployment_list,
		(const char *[]){ page.limit, page.cursor,
			deployment_text(&call->query, "app"),
			deployment_text(&call->query, "state") },
		answer_list);
}

static const struct field deployment_query[] = {
	{ .name = "app", .type = FIELD_STRING },
	{ .name = "state", .type = FIELD_ENUM, .words = deployment_states },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

#define DEPLOYMENT_ROW                                                \
	.tag = "deployments", .role = ROUTE_ADMIN, .is_system = true, \
	.answer_name = "Deployment", .answer = deployment_fields

const struct route deployment_routes[] = {
	{ .method = HTTP_POST,
		.path = "/api/v1/deployments",
		.operation = "createDeployment",
		.summary = "bring a release out, or back to it; "
			   "Idempotency-Key: once",
		.heeds = ROUTE_KEY,
		.body = deployment_body,
		.shape = ROUTE_ONE,
		.status = 202,
		DEPLOYMENT_ROW,
		.serve = deployment_serve_create },
	{ .method = HTTP_GET,
		.path = "/api/v1/deployments",
		.operation = "listDeployments",
		.summary = "the newest first",
		.query = deployment_query,
		.shape = ROUTE_LIST,
		DEPLOYMENT_ROW,
		.serve = deployment_serve_list },
	{ .method = HTTP_GET,
		.path = "/api/v1/deployments/{id}",
		.operation = "getDeployment",
		.summary = "one, with each step on each node and its output",
		.shape = ROUTE_ONE,
		.tag = "deployments",
		.role = ROUTE_ADMIN,
		.is_system = true,
		.answer_name = "DeploymentWhole",
		.answer = deployment_whole_fields,
		.serve = deployment_serve_get },
	{ .method = HTTP_POST,
		.path = "/api/v1/deployments/{id}/abort",
		.operation = "abortDeployment",
		.summary = "go back to what was there before",
		.shape = ROUTE_ONE,
		.status = 202,
		DEPLOYMENT_ROW,
		.serve = deployment_serve_abort },
	{ .path = NULL },
};
