/* SPDX-License-Identifier: ISC */
/* api: what a body may hold, row by row. */
#include <string.h>

#include "api/field.h"
#include "base/buf.h"
#include "base/jsonw.h"
#include "tap.h"

static const char *const modes[] = { "SKIP", "ONCE", NULL };
static const char *const mode_aliases[][2] = { { "none", "SKIP" },
	{ NULL, NULL } };
static const struct field child_fields[] = {
	{ .name = "topic", .type = FIELD_STRING, .is_required = true },
	{ .name = NULL },
};
static const struct field fields[] = {
	{ .name = "taskName",
		.type = FIELD_STRING,
		.is_required = true,
		.minimum = 1,
		.maximum = 5 },
	{ .name = "count", .type = FIELD_INT, .minimum = 1, .maximum = 9 },
	{ .name = "enabled", .type = FIELD_BOOL, .default_text = "true" },
	{ .name = "mode",
		.type = FIELD_ENUM,
		.words = modes,
		.aliases = mode_aliases },
	{ .name = "id", .type = FIELD_UUID },
	{ .name = "at", .type = FIELD_TIME },
	{ .name = "timeout",
		.type = FIELD_DURATION,
		.minimum = 1,
		.maximum = 60000 },
	{ .name = "params", .type = FIELD_OBJECT, .maximum = 64 },
	{ .name = "tags", .type = FIELD_STRINGS, .maximum = 2 },
	{ .name = "subtasks",
		.type = FIELD_LIST,
		.maximum = 2,
		.rows = child_fields },
	{ .name = NULL },
};

static struct arena *arena;
static struct field_values values;

/* "field: detail; …", "" when all is well. */
static const char *faults_of(const char *json)
{
	struct field_faults faults = { .count = 0 };
	const char *all = "";
	size_t i;

	field_read_body(fields, json, strlen(json), arena, &values, &faults);
	for (i = 0; i < faults.count && i < FIELD_FAULTS_MAX; i++)
		all = arena_printf(arena, "%s%s%s: %s", all, i > 0 ? "; " : "",
			faults.list[i].name, faults.list[i].detail);
	return all;
}

static void refused(const char *json, const char *wanted)
{
	is_str(wanted, faults_of(json), "%s", json);
}

static void test_good(void)
{
	is_str("",
		faults_of("{\"taskName\":\"\\u00e4b\",\"count\":3,"
			  "\"enabled\":true,\"mode\":\"once\","
			  "\"id\":\"01A202EC-11C0-7B89-B5C5-252C701FC45A\","
			  "\"timeout\":\"1m\",\"params\":\"{\\\"a\\\":1}\","
			  "\"tags\":[\"x\",\"y\"],"
			  "\"subtasks\":[{\"topic\":\"a\"},{\"topic\":"
			  "\"b\"}],\"at\":\"2026-11-22T10:00:00Z\"}"),
		"all that is right is taken");
	is_str("\xc3\xa4"
	       "b",
		field_get(&values, "taskName")->text, "a string");
	is_int(3, field_get(&values, "count")->number, "a number");
	is_int(1, field_get(&values, "enabled")->number, "a boolean");
	is_str("ONCE", field_get(&values, "mode")->text,
		"a word in any case is told as in the table");
	is_str("01a202ec-11c0-7b89-b5c5-252c701fc45a",
		field_get(&values, "id")->text, "a uuid in lower case");
	is_int(60000, field_get(&values, "timeout")->number,
		"a span in milliseconds");
	is_str("{\"a\":1}", field_get(&values, "params")->text,
		"an object out of a string");
	is_int(2, (int)field_get(&values, "tags")->count, "strings");
	is_str("b",
		field_get(&field_get(&values, "subtasks")->lists[1], "topic")
			->text,
		"objects in a list");
	is_int(1795341600, field_get(&values, "at")->number / 1000000,
		"a time");
	is_str("",
		faults_of("{\"taskName\":\"a\",\"count\":null,"
			  "\"params\":{\"b\":[1,{}]},\"timeout\":250,"
			  "\"mode\":\"NONE\"}"),
		"null is the same as nothing");
	ok(!field_get(&values, "count")->is_set, "and sets nothing");
	is_str("{\"b\":[1,{}]}", field_get(&values, "params")->text,
		"an object as it stands");
	is_str("SKIP", field_get(&values, "mode")->text, "an alias");
}

static void test_bad(void)
{
	refused("{}", "taskName: is missing");
	refused("{\"taskName\":null}", "taskName: must not be null");
	refused("{\"taskName\":7}",
		"taskName: must be a string, not a whole number");
	refused("{\"taskName\":\"\"}", "taskName: must not be empty");
	refused("{\"taskName\":\"abcdef\"}",
		"taskName: is 6 characters long, and may have 5");
	refused("{\"taskName\":\"a\",\"nope\":1}",
		"nope: there is no such field");
	refused("{\"taskName\":\"a\",\"count\":10,\"enabled\":1}",
		"count: must be 1 to 9, not 10; enabled: must be true or "
		"false, not a whole number");
	refused("{\"taskName\":\"a\",\"count\":1e2}",
		"count: must be a whole number, not a number");
	refused("{\"taskName\":\"a\",\"mode\":\"x\"}",
		"mode: must be one of SKIP, ONCE");
	refused("{\"taskName\":\"a\",\"id\":\"x\"}", "id: must be a uuid");
	refused("{\"taskName\":\"a\",\"timeout\":\"2m\"}",
		"timeout: must be 1 to 60000 ms, not 120000");
	refused("{\"taskName\":\"a\",\"timeout\":\"soon\"}",
		"timeout: must be milliseconds, or text like \"30s\" or "
		"\"1h30m\"");
	refused("{\"taskName\":\"a\",\"params\":[1]}",
		"params: must be an object, or a string that holds one, not an "
		"array");
	refused("{\"taskName\":\"a\",\"params\":\"[1]\"}",
		"params: must be an object, or a string that holds one, not an "
		"array");
	refused("{\"taskName\":\"a\",\"tags\":[]}",
		"tags: must have 1 to 2 items");
	refused("{\"taskName\":\"a\",\"tags\":[1]}",
		"tags: must be an array of strings, not a whole number");
	refused("{\"taskName\":\"a\",\"subtasks\":[{\"topic\":\"a\"},{}]}",
		"subtasks[1].topic: is missing");
	ok(strstr(faults_of("{\"taskName\":\"a\"} x"), ": ") != NULL,
		"what follows the object is a fault");
	ok(strstr(faults_of("[1]"), ": ") != NULL, "a list is no object");
	ok(strstr(faults_of("{\"taskName\":\"\xff\"}"), ": ") != NULL,
		"nor are bytes that are no UTF-8");
	ok(strstr(faults_of("{\"taskName\":\"a\",\"taskName\":\"b\"}"), ": ") !=
			NULL,
		"nor is a name that is there twice");
}

static void test_describe(void)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	jsonw_init(&j, &out);
	field_describe_all(&j, NULL, fields, false);
	has_str("\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}",
		buf_str(&out), "limits are described");
	has_str("\"required\":[\"taskName\"]", buf_str(&out),
		"and what must be there");
	has_str("\"enum\":[\"SKIP\",\"ONCE\"]", buf_str(&out), "and words");
	buf_done(&out);
}

int main(void)
{
	arena = arena_new();
	test_good();
	test_bad();
	test_describe();
	arena_free(arena);
	return tap_done();
}
