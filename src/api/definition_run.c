/* SPDX-License-Identifier: ISC */
#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/definition_run.h"
#include "api/instances.h"
#include "api/once.h"
#include "api/send.h"
#include "base/uuid.h"

#define DEFINITION_RUN_PARAMS_MAX 1000000

const struct field definition_run_body[] = {
	{ .name = "params",
		.type = FIELD_OBJECT,
		.maximum = DEFINITION_RUN_PARAMS_MAX,
		.help = "for the handler; unset: the definition's" },
	{ .name = NULL },
};

/* $1 definition, $2 the run's id, $3 params, $4 who, $5 request */
static const struct pg_statement definition_run = {
	.name = "api_definition_run",
	.text = "SELECT " INSTANCE_COLUMNS
		" FROM reeve.definition_run($1::uuid,"
		" $2::uuid, $3, $4, $5) i WHERE i.id IS NOT NULL",
	.params = 5,
};

static void definition_run_on_made(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0) {
		call_fail(call, 404, "there is no such definition");
		return;
	}
	once_header(call, "Location",
		arena_printf(call->arena, "/api/v1/tasks/instances/%s",
			pg_result_text(r, 0, 0)));
	answer_one(call, r);
}

static const struct once_made definition_run_made = { &instance_get,
	definition_run_on_made };

void definition_run_serve(struct call *call)
{
	const struct field_value *params = field_get(&call->body, "params");
	char id[UUID_TEXT_LEN + 1];
	const char *values[] = { call->name, id,
		params->is_set ? params->text : NULL, call->access.who,
		http_request_id(call->req) };

	uuid_new(id);
	if (!once_begin(
		    call, arena_strdup(call->arena, id), &definition_run_made))
		return;
	db_add(call, &definition_run, values, definition_run_on_made);
	once_send(call, send_poke);
}
