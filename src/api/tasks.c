/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/hidden.h"
#include "api/instances.h"
#include "api/once.h"
#include "api/send.h"
#include "api/service.h"
#include "api/task_batch.h"
#include "api/tasks.h"
#include "base/uuid.h"
#include "conf/conf.h"
#include "conf/handler.h"
#include "task/keys.h"

#define TASK_PARAMS_BYTES   1000000
#define TASK_SUBTASKS_MAX   1000
#define TASK_TIMEOUT_MAX_MS (INT64_C(30) * 86400 * 1000)
#define TASK_DELAY_MAX_MS   (INT64_C(3660) * 86400 * 1000)

#define TASK_COMMON_FIELDS                                             \
	{ .name = "params",                                            \
		.type = FIELD_OBJECT,                                  \
		.maximum = TASK_PARAMS_BYTES,                          \
		.default_text = "{}",                                  \
		.help = "for the handler" },                           \
		{ .name = "topic",                                     \
			.type = FIELD_STRING,                          \
			.minimum = 1,                                  \
			.maximum = CONF_TOPIC_MAX,                     \
			.help = "common; of a subtask: as the task" }, \
		{ .name = "priority",                                  \
			.type = FIELD_INT,                             \
			.minimum = -1000000,                           \
			.maximum = 1000000,                            \
			.help = "1; of a subtask: as the task" },      \
		{ .name = "timeout",                                   \
			.type = FIELD_DURATION,                        \
			.minimum = 1,                                  \
			.maximum = TASK_TIMEOUT_MAX_MS,                \
			.help = "unset: the handler's" },              \
	{                                                              \
		.name = "retry", .type = FIELD_INT, .minimum = 0,      \
		.maximum = 1000,                                       \
		.help = "further attempts; unset: the handler's"       \
	}

static const struct field task_subtask[] = {
	{ .name = "handler",
		.type = FIELD_STRING,
		.minimum = 1,
		.maximum = 128,
		.help = "unset: the task's" },
	TASK_COMMON_FIELDS,
	HIDDEN_BODY_FIELD,
	{ .name = NULL },
};

static const struct field task_body[] = {
	{ .name = "handler",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = 128,
		.help = "a handler of process.yaml" },
	TASK_COMMON_FIELDS,
	HIDDEN_BODY_FIELD,
	{ .name = "delay",
		.type = FIELD_DURATION,
		.minimum = 0,
		.maximum = TASK_DELAY_MAX_MS,
		.help = "not before so long from now" },
	{ .name = "at",
		.type = FIELD_TIME,
		.help = "not before then, instead of delay" },
	{ .name = "deadline",
		.type = FIELD_TIME,
		.help = "not begun after then: TIMEOUT" },
	{ .name = "uniqueKey",
		.type = FIELD_STRING,
		.minimum = 1,
		.maximum = 128,
		.help = "while another of the tenant with it is not over: "
			"409" },
	{ .name = "subtasks",
		.type = FIELD_LIST,
		.maximum = TASK_SUBTASKS_MAX,
		.rows = task_subtask,
		.help = "are run instead of the task, which ends with the "
			"last of them; have its secretParams, but for those "
			"with their own" },
	{ .name = NULL },
};

static const struct pg_statement task_create = {
	.name = "api_task_create",
	.text = "SELECT " INSTANCE_COLUMNS " FROM reeve.task_create($1::uuid,"
		" $2, $3, $4, $5::bigint, $6::bigint, $7, $8::bigint,"
		" $9::bigint, $10::int, $11::bigint, $12, $13, $14::bytea,"
		" $15::jsonb, $16::boolean, $17::jsonb) i",
	.params = TASK_VALUES,
};

static const char *task_number(
	const struct call *call, const struct field_values *v, const char *name)
{
	const struct field_value *one = field_get(v, name);

	return one->is_set ? arena_printf(call->arena, "%lld",
				     (long long)one->number)
			   : NULL;
}

static const char *task_text(const struct field_values *v, const char *name)
{
	const struct field_value *one = field_get(v, name);

	return one->is_set ? one->text : NULL;
}

/* What is wrong with one, besides its types; path: "subtasks[3]." */
static void task_check(const struct call *call, const struct field_values *v,
	const char *path, struct field_faults *faults)
{
	const char *handler = task_text(v, "handler");
	const char *topic = task_text(v, "topic");

	hidden_check(call, v, path, faults);
	if (handler != NULL &&
		conf_handler_find(call->service->conf, handler) == NULL)
		field_fault(faults, call->arena,
			arena_printf(call->arena, "%shandler", path),
			"process.yaml of this node has no handler of that "
			"name");
	if (topic != NULL &&
		topic[strspn(topic,
			"abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		field_fault(faults, call->arena,
			arena_printf(call->arena, "%stopic", path),
			"is a name of a-z, 0-9, _ and -");
}

static bool task_is_good(struct call *call)
{
	const struct field_value *parts = field_get(&call->body, "subtasks");
	struct field_faults faults = { .count = 0 };
	size_t i;

	task_check(call, &call->body, "", &faults);
	for (i = 0; parts->is_set && i < parts->count; i++)
		task_check(call, &parts->lists[i],
			arena_printf(call->arena, "subtasks[%zu].", i),
			&faults);
	if (field_get(&call->body, "delay")->is_set &&
		field_get(&call->body, "at")->is_set)
		field_fault(&faults, call->arena, "at",
			"does not go with delay: one of the two");
	if (faults.count > 0)
		call_reply_faults(call, &faults);
	return faults.count == 0;
}

static void task_put_number(
	struct jsonw *j, const struct field_values *v, const char *name)
{
	const struct field_value *one = field_get(v, name);

	if (one->is_set)
		jsonw_int(j, name, one->number);
}

static const char *task_or(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

/* Its row, in the words of reeve.task_create. */
static void task_put_part(struct call *call, struct jsonw *j,
	const struct field_values *v, const char *const values[TASK_VALUES])
{
	bool is_own = field_get(v, "secretParams")->is_there;
	char id[UUID_TEXT_LEN + 1];
	struct hidden hidden;

	uuid_new(id);
	hidden_take(call, is_own ? v : &call->body, id, &hidden);
	jsonw_object(j, NULL);
	jsonw_str(j, "id", id);
	jsonw_str(j, "handler",
		task_or(task_text(v, "handler"), values[TASK_HANDLER]));
	jsonw_str(j, "topic",
		keys_alias(task_or(task_text(v, "topic"), values[TASK_TOPIC])));
	jsonw_str(j, "params", task_or(task_text(v, "params"), "{}"));
	if (field_get(v, "priority")->is_set)
		task_put_number(j, v, "priority");
	else
		jsonw_int(j, "priority",
			strtoll(values[TASK_PRIORITY], NULL, 10));
	task_put_number(j, v, "timeout");
	task_put_number(j, v, "retry");
	if (hidden.sealed != NULL) {
		jsonw_str(j, "secret", hidden.sealed);
		jsonw_raw(j, "names", hidden.names, strlen(hidden.names));
	}
	jsonw_end_object(j);
}

static const char *task_parts(
	struct call *call, const char *const values[TASK_VALUES])
{
	const struct field_value *parts = field_get(&call->body, "subtasks");
	struct buf text = BUF_INIT;
	const char *kept;
	struct jsonw j;
	size_t i;

	if (!parts->is_set)
		return NULL;
	jsonw_init(&j, &text);
	jsonw_array(&j, NULL);
	for (i = 0; i < parts->count; i++)
		task_put_part(call, &j, &parts->lists[i], values);
	jsonw_end_array(&j);
	kept = arena_strndup(call->arena, text.data, text.len);
	buf_done(&text);
	return kept;
}

static void task_take(struct call *call, const char *values[TASK_VALUES])
{
	const struct field_values *b = &call->body;
	struct hidden hidden = { NULL, NULL };
	char id[UUID_TEXT_LEN + 1];

	uuid_new(id);
	values[TASK_ID] = arena_strdup(call->arena, id);
	values[TASK_HANDLER] = task_text(b, "handler");
	values[TASK_TOPIC] =
		keys_alias(task_or(task_text(b, "topic"), "common"));
	values[TASK_PARAMS] = task_or(task_text(b, "params"), "{}");
	values[TASK_DELAY] = task_number(call, b, "delay");
	values[TASK_AT] = task_number(call, b, "at");
	values[TASK_KEY] = task_text(b, "uniqueKey");
	values[TASK_PRIORITY] = task_or(task_number(call, b, "priority"), "1");
	values[TASK_TIMEOUT] = task_number(call, b, "timeout");
	values[TASK_RETRY] = task_number(call, b, "retry");
	values[TASK_DEADLINE] = task_number(call, b, "deadline");
	values[TASK_SUBTASKS] = task_parts(call, values);
	values[TASK_WHO] = call->access.who;
	values[TASK_REQUEST] = http_request_id(call->req);
	if (values[TASK_SUBTASKS] == NULL)
		hidden_take(call, b, id, &hidden);
	values[TASK_SECRET] = hidden.sealed;
	values[TASK_NAMES] = hidden.names;
	values[TASK_MINE] = send_is_possible(call) ? "true" : "false";
}

static void task_on_done(struct call *call)
{
	task_batch_done(call, call->own);
}

static bool task_is_plain(const struct call *call, const char *const *values)
{
	return values[TASK_KEY] == NULL && values[TASK_SUBTASKS] == NULL &&
	       call_header(call, ROUTE_KEY) == NULL;
}

static void task_on_made(struct call *call, const struct pg_result *r)
{
	task_batch_done(call, pg_result_text(r, 0, 0));
	answer_one(call, r);
}

static const struct once_made task_made = { &instance_get, task_on_made };

static void task_serve_create(struct call *call)
{
	const char *values[TASK_VALUES];

	if (!task_is_good(call))
		return;
	task_take(call, values);
	if (task_is_plain(call, values)) {
		task_batch_add(call, values);
		return;
	}
	if (!once_begin(call, values[TASK_ID], &task_made))
		return;
	call->own = arena_strdup(call->arena, values[TASK_ID]);
	db_add(call, &task_create, values, answer_one);
	once_send(call, task_on_done);
}

const struct route task_routes[] = {
	{ .method = HTTP_POST,
		.path = "/api/v1/tasks",
		.operation = "createTask",
		.tag = "tasks",
		.summary = "run a handler, now or at a time; Idempotency-Key: "
			   "once",
		.role = ROUTE_OPERATOR,
		.heeds = ROUTE_KEY,
		.body = task_body,
		.shape = ROUTE_ONE,
		.status = 201,
		.answer_name = "Instance",
		.answer = instance_fields,
		.serve = task_serve_create },
	{ .path = NULL },
};
