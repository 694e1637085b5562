/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/call.h"
#include "api/definition_body.h"
#include "api/hidden.h"
#include "api/service.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "conf/conf.h"
#include "conf/handler.h"
#include "when/iso.h"
#include "when/rule.h"
#include "when/zone.h"

#define DEFINITION_PARAMS_MAX     1000000
#define DEFINITION_TIMEOUT_MAX_MS (INT64_C(30) * 86400 * 1000)

const char *const definition_types[] = { "CRON", "FIXED_RATE", "FIXED_DELAY",
	"ONCE", NULL };
static const char *const definition_dialects[] = { "auto", "vixie", "seconds",
	"quartz", NULL };
const char *const definition_misfires[] = { "skip", "once", "all", NULL };
const char *const definition_overlaps[] = { "allow", "forbid", "queue",
	"replace", NULL };
/* What a client sends. */
const struct field definition_body_fields[] = {
	{ .name = "taskName",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = 100,
		.help = "unique in the tenant" },
	{ .name = "taskHandler",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = 128,
		.help = "a handler of process.yaml" },
	{ .name = "description",
		.type = FIELD_STRING,
		.minimum = 0,
		.maximum = 4096,
		.default_text = "" },
	{ .name = "scheduleType",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = definition_types },
	{ .name = "cronExpression",
		.type = FIELD_STRING,
		.minimum = 1,
		.maximum = 100,
		.help = "of CRON: five fields, six with seconds, or Quartz" },
	{ .name = "cronExpressions",
		.type = FIELD_STRINGS,
		.maximum = RULE_CRONS_MAX,
		.help = "of CRON, instead: the earliest counts" },
	{ .name = "dialect",
		.type = FIELD_ENUM,
		.words = definition_dialects,
		.default_text = "auto" },
	{ .name = "interval",
		.type = FIELD_DURATION,
		.minimum = RULE_SPAN_MIN_US / US_PER_MS,
		.maximum = RULE_SPAN_MAX_US / US_PER_MS,
		.help = "of FIXED_RATE: from one start to the next; of "
			"FIXED_DELAY: from an end to the next start" },
	{ .name = "runAt",
		.type = FIELD_TIME,
		.help = "of ONCE; without an offset in timeZone" },
	{ .name = "startTime",
		.type = FIELD_TIME,
		.help = "nothing fires before it; without an offset in "
			"timeZone" },
	{ .name = "endTime",
		.type = FIELD_TIME,
		.help = "nothing fires after it; without an offset in timeZone" },
	{ .name = "timeZone",
		.type = FIELD_STRING,
		.minimum = 1,
		.maximum = 64,
		.default_text = "UTC",
		.help = "of cronExpression and of times without an offset: an "
			"IANA name" },
	{ .name = "taskParams",
		.type = FIELD_OBJECT,
		.maximum = DEFINITION_PARAMS_MAX,
		.default_text = "{}",
		.help = "for the handler" },
	HIDDEN_BODY_FIELD,
	{ .name = "topic",
		.type = FIELD_STRING,
		.minimum = 1,
		.maximum = CONF_TOPIC_MAX,
		.default_text = "common" },
	{ .name = "priority",
		.type = FIELD_INT,
		.minimum = -1000000,
		.maximum = 1000000,
		.default_text = "1" },
	{ .name = "timeout",
		.type = FIELD_DURATION,
		.minimum = 1,
		.maximum = DEFINITION_TIMEOUT_MAX_MS,
		.help = "of a run; unset: the handler's" },
	{ .name = "retry",
		.type = FIELD_INT,
		.minimum = 0,
		.maximum = 1000,
		.help = "further attempts of a run; unset: the handler's" },
	{ .name = "misfire",
		.type = FIELD_ENUM,
		.words = definition_misfires,
		.default_text = "once",
		.help = "which of the fires missed are made up for" },
	{ .name = "misfireMax",
		.type = FIELD_INT,
		.minimum = 1,
		.maximum = 10000,
		.default_text = "100",
		.help = "of misfire all: at most so many" },
	{ .name = "overlap",
		.type = FIELD_ENUM,
		.words = definition_overlaps,
		.default_text = "forbid",
		.help = "what a fire does while a run is under way" },
	{ .name = "inline",
		.type = FIELD_BOOL,
		.default_text = "false",
		.help = "run in the crontab worker itself" },
	{ .name = "dependsOn",
		.type = FIELD_UUID,
		.help = "a definition whose last run must have succeeded" },
	{ .name = "enabled", .type = FIELD_BOOL, .default_text = "true" },
	{ .name = NULL },
};

static const char *definition_text(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->body, name);
	const struct field *f;

	if (v->is_set)
		return v->text;
	for (f = definition_body_fields; strcmp(f->name, name) != 0; f++)
		;
	return f->default_text;
}

static const char *definition_number(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->body, name);

	return v->is_set
		       ? arena_printf(call->arena, "%lld", (long long)v->number)
		       : definition_text(call, name);
}

static const char *definition_bool(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->body, name);

	return v->is_set ? (v->number != 0 ? "true" : "false")
			 : definition_text(call, name);
}

static const char *definition_time(const struct call *call, int64_t us)
{
	char text[ISO_MAX];

	if (us == INT64_MIN || us == RULE_NEVER)
		return NULL;
	return arena_strdup(call->arena, iso_print(us, zone_utc(), text));
}

/* Which fields go with which type of schedule alone. */
static const struct {
	const char *type, *field;
	bool is_needed;
} definition_parts[] = {
	{ "CRON", "cronExpression", true },
	{ "CRON", "cronExpressions", false },
	{ "CRON", "dialect", false },
	{ "FIXED_RATE", "interval", true },
	{ "FIXED_DELAY", "interval", true },
	{ "ONCE", "runAt", true },
};
#define DEFINITION_PARTS (sizeof(definition_parts) / sizeof(*definition_parts))

static void rule_put_span(
	struct jsonw *j, const char *key, const struct call *call)
{
	const struct field_value *v = field_get(&call->body, "interval");

	if (v->is_set)
		jsonw_int(j, key, v->number);
}

static void rule_put_text(struct jsonw *j, const char *key,
	const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->body, name);

	if (v->is_set)
		jsonw_str(j, key, v->text);
}

static void rule_put_cron(struct jsonw *j, const struct call *call)
{
	const struct field_value *list =
		field_get(&call->body, "cronExpressions");
	size_t i;

	jsonw_array(j, "cron");
	if (field_get(&call->body, "cronExpression")->is_set)
		jsonw_str(j, NULL, definition_text(call, "cronExpression"));
	for (i = 0; list->is_set && i < list->count; i++)
		jsonw_str(j, NULL, list->items[i]);
	jsonw_end_array(j);
	rule_put_text(j, "dialect", call, "dialect");
}

/* The rule as src/when reads it. */
static void rule_put(struct buf *out, const struct call *call)
{
	const char *type = definition_text(call, "scheduleType");
	struct jsonw j;

	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	if (strcmp(type, "CRON") == 0)
		rule_put_cron(&j, call);
	else if (strcmp(type, "FIXED_RATE") == 0)
		rule_put_span(&j, "every", call);
	else if (strcmp(type, "FIXED_DELAY") == 0)
		rule_put_span(&j, "delay", call);
	else
		rule_put_text(&j, "at", call, "runAt");
	rule_put_text(&j, "start", call, "startTime");
	rule_put_text(&j, "end", call, "endTime");
	jsonw_str(&j, "timeZone", definition_text(call, "timeZone"));
	jsonw_end_object(&j);
}

/* The field that an error of the rule speaks of: "cron: column 3: …". */
static const char *rule_field(const char *text)
{
	static const char *const names[][2] = { { "cron", "cronExpression" },
		{ "every", "interval" }, { "delay", "interval" },
		{ "at", "runAt" }, { "start", "startTime" },
		{ "end", "endTime" }, { "timeZone", "timeZone" },
		{ "dialect", "dialect" } };
	size_t i, len;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		len = strlen(names[i][0]);
		if (strncmp(text, names[i][0], len) == 0 &&
			strchr(":[ ", text[len]) != NULL)
			return names[i][1];
	}
	return "scheduleType";
}

static bool definition_has(const struct call *call, const char *name)
{
	return field_get(&call->body, name)->is_set;
}

static bool definition_goes(const char *field, const char *type)
{
	size_t i;

	for (i = 0; i < DEFINITION_PARTS; i++)
		if (strcmp(definition_parts[i].field, field) == 0 &&
			strcmp(definition_parts[i].type, type) == 0)
			return true;
	return false;
}

/* Each field belongs to its type of schedule, and the type has its field. */
static bool definition_check_parts(
	const struct call *call, struct field_faults *faults)
{
	const char *type = definition_text(call, "scheduleType"), *field;
	const char *wrong = NULL; /* interval is there twice */
	bool is_both = definition_has(call, "cronExpression") &&
		       definition_has(call, "cronExpressions");
	size_t i;

	for (i = 0; i < DEFINITION_PARTS; i++) {
		field = definition_parts[i].field;
		if (definition_has(call, field) &&
			!definition_goes(field, type) &&
			(wrong == NULL || strcmp(wrong, field) != 0)) {
			field_fault(faults, call->arena, field,
				"does not go with scheduleType %s", type);
			wrong = field;
		}
		if (definition_parts[i].is_needed &&
			strcmp(definition_parts[i].type, type) == 0 &&
			!definition_has(call, field) &&
			!definition_has(call, "cronExpressions"))
			field_fault(faults, call->arena, field,
				"is missing: scheduleType %s needs it", type);
	}
	if (is_both)
		field_fault(faults, call->arena, "cronExpressions",
			"does not go with cronExpression: one of the two");
	return faults->count == 0;
}

static void definition_check_name(
	const struct call *call, struct field_faults *faults)
{
	const char *at = definition_text(call, "taskName");

	while ((unsigned char)*at >= ' ' && *at != 0x7f)
		at++;
	if (*at != '\0')
		field_fault(faults, call->arena, "taskName",
			"has a control character in it");
}

static void definition_check_handler(
	const struct call *call, struct field_faults *faults)
{
	const char *name = definition_text(call, "taskHandler");

	if (conf_handler_find(call->service->conf, name) == NULL)
		field_fault(faults, call->arena, "taskHandler",
			"process.yaml of this node has no handler of that "
			"name");
}

static void definition_check_topic(
	const struct call *call, struct field_faults *faults)
{
	const char *name = definition_text(call, "topic");

	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] !=
		'\0')
		field_fault(faults, call->arena, "topic",
			"is a name of a-z, 0-9, _ and -");
}

static int64_t wall_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

const char *definition_body_next(
	const struct call *call, const struct rule *rule)
{
	return definition_time(
		call, rule_next(rule, wall_now_us(), RULE_NO_END));
}

/* One that is enabled has a time to come. */
static void definition_check_next(const struct call *call,
	const struct rule *rule, const char *next, struct field_faults *faults)
{
	const char *field = "cronExpression";

	if (next != NULL || strcmp(definition_bool(call, "enabled"), "true"))
		return;
	if (rule_type(rule) == RULE_ONCE)
		field = "runAt";
	else if (definition_has(call, "endTime"))
		field = "endTime";
	field_fault(faults, call->arena, field,
		"it would never fire: its times are over, or there is none");
}

/* The rule's parameters; a rule that can't be read is a fault. */
static void definition_take_rule(const struct call *call,
	const char *values[DEFINITION_VALUES], struct field_faults *faults)
{
	struct buf text = BUF_INIT;
	struct rule *rule;
	struct err err;
	char *printed;

	rule_put(&text, call);
	rule = rule_parse(text.data, text.len, &err);
	buf_done(&text);
	if (rule == NULL) {
		field_fault(faults, call->arena, rule_field(err.text), "%s",
			err.text);
		return;
	}
	printed = rule_print(rule);
	values[VALUE_RULE] = arena_strdup(call->arena, printed);
	free(printed);
	values[VALUE_START] = definition_time(call, rule_start(rule));
	values[VALUE_END] = definition_time(call, rule_end(rule));
	values[VALUE_NEXT] = definition_body_next(call, rule);
	definition_check_next(call, rule, values[VALUE_NEXT], faults);
	rule_free(rule);
}

static void definition_take(
	const struct call *call, const char *values[DEFINITION_VALUES])
{
	const struct field_value *crons =
		field_get(&call->body, "cronExpressions");
	const char *topic = definition_text(call, "topic");

	values[VALUE_NAME] = definition_text(call, "taskName");
	values[VALUE_HANDLER] = definition_text(call, "taskHandler");
	values[VALUE_DESCRIPTION] = definition_text(call, "description");
	values[VALUE_TYPE] = definition_text(call, "scheduleType");
	values[VALUE_CRON] = definition_text(call, "cronExpression");
	if (values[VALUE_CRON] == NULL && crons->is_set &&
		strlen(crons->items[0]) <= 100)
		values[VALUE_CRON] = crons->items[0];
	values[VALUE_ZONE] = definition_text(call, "timeZone");
	values[VALUE_PARAMS] = definition_text(call, "taskParams");
	values[VALUE_TOPIC] = strcmp(topic, "normal") == 0 ? "common" : topic;
	values[VALUE_PRIORITY] = definition_number(call, "priority");
	values[VALUE_TIMEOUT] = definition_number(call, "timeout");
	values[VALUE_RETRY] = definition_number(call, "retry");
	values[VALUE_MISFIRE] = definition_text(call, "misfire");
	values[VALUE_MISFIRE_MAX] = definition_number(call, "misfireMax");
	values[VALUE_OVERLAP] = definition_text(call, "overlap");
	values[VALUE_INLINE] = definition_bool(call, "inline");
	values[VALUE_DEPENDS_ON] = definition_text(call, "dependsOn");
	values[VALUE_STATUS] =
		strcmp(definition_bool(call, "enabled"), "true") == 0
			? "ENABLED"
			: "DISABLED";
	if (strcmp(values[VALUE_STATUS], "DISABLED") == 0)
		values[VALUE_NEXT] = NULL;
	values[VALUE_TENANT] = call->access.tenant;
	values[VALUE_WHO] = call->access.who;
	values[VALUE_REQUEST] = http_request_id(call->req);
	values[VALUE_ID] = call->name;
}

/* What is not said of them leaves them as they are: who gets a definition and
 * puts it back does not know them. */
static void definition_take_hidden(
	struct call *call, const char *values[DEFINITION_VALUES])
{
	char id[UUID_TEXT_LEN + 1];
	struct hidden hidden;

	if (call->name == NULL) {
		uuid_new(id);
		values[VALUE_ID] = arena_strdup(call->arena, id);
	}
	hidden_take(call, &call->body, values[VALUE_ID], &hidden);
	values[VALUE_SECRET] = hidden.sealed;
	values[VALUE_NAMES] = hidden.names;
	values[VALUE_KEEP] = field_get(&call->body, "secretParams")->is_there
				     ? "false"
				     : "true";
}

bool definition_body_read(
	struct call *call, const char *values[DEFINITION_VALUES])
{
	struct field_faults faults = { .count = 0 };

	if (definition_check_parts(call, &faults))
		definition_take_rule(call, values, &faults);
	definition_check_name(call, &faults);
	definition_check_handler(call, &faults);
	definition_check_topic(call, &faults);
	hidden_check(call, &call->body, "", &faults);
	if (faults.count > 0) {
		call_reply_faults(call, &faults);
		return false;
	}
	definition_take(call, values);
	definition_take_hidden(call, values);
	return true;
}
