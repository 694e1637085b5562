/* SPDX-License-Identifier: ISC */
/* filedef: definitions as a file says them. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "cron/filedef.h"
#include "tap.h"

/* 2026-11-22T12:00:00Z */
#define NOON (INT64_C(1795348800) * US_PER_S)

static struct buf text = BUF_INIT;

/* What is stored for it, or why it is not. */
static const char *stored(const char *json)
{
	struct filedef *f;
	struct jsonw j;
	struct err err;

	buf_reset(&text);
	f = filedef_parse(json, strlen(json), NULL, &err);
	if (f == NULL) {
		buf_puts(&text, err.text);
		return buf_str(&text);
	}
	jsonw_init(&j, &text);
	filedef_write(f, NOON, &j);
	filedef_free(f);
	return buf_str(&text);
}

static void test_well(void)
{
	const char *s = stored("{\"name\":\"a\",\"handler\":\"h\","
			       "\"cron\":\"30 12 * * *\"}");

	has_str("\"task_name\":\"a\",\"task_handler\":\"h\"", s,
		"what it must have");
	has_str("\"next_us\":1795350600000000", s, "its next time");
	has_str("\"topic\":\"common\"", s, "what it need not say");
	has_str("\"overlap\":\"forbid\"", s, "has the defaults of the table");
	ok(strstr(s, "\"enabled\"") == NULL, "and is silent where it is");
	s = stored("{\"name\":\"a\",\"handler\":\"h\",\"every\":\"5m\","
		   "\"params\":{\"x\":[1,\"\\u00e9\"]},\"topic\":\"normal\","
		   "\"misfire\":\"all:7\",\"timeout\":\"90s\",\"retry\":0,"
		   "\"enabled\":false}");
	has_str("\"task_params\":\"{\\\"x\\\":[1,\\\"\\\\u00e9\\\"]}\"", s,
		"params as they stand");
	has_str("\"topic\":\"common\"", s, "the topic by its right name");
	has_str("\"misfire\":\"all\",\"misfire_max\":7", s, "how many of all");
	has_str("\"timeout_ms\":90000,\"retry_max\":0", s, "figures");
	has_str("\"enabled\":false", s, "and that it is off");
}

static void test_wrong(void)
{
	static const struct {
		const char *json, *why;
	} rows[] = {
		{ "{}", "definition without a name: \"name\" takes" },
		{ "{\"name\":\"a\"}", "definition a: \"handler\" is missing" },
		{ "{\"name\":\"a\",\"handler\":\"h\"}", "does not say when" },
		{ "{\"name\":\"a\",\"handler\":\"h\",\"every\":\"1s\","
		  "\"at\":\"2030-01-01T00:00:00Z\"}",
			"definition a: " },
		{ "{\"name\":\"a\",\"retry\":-1}", "\"retry\" takes" },
		{ "{\"name\":\"a\",\"inline\":1}", "takes true or false" },
		{ "{\"name\":\"a\",\"misfire\":\"once:3\"}",
			"takes skip, once" },
		{ "{\"name\":\"a\",\"misfire\":\"all:0\"}",
			"takes skip, once" },
		{ "{\"name\":\"a\",\"overlap\":\"x\"}", "takes allow" },
		{ "{\"name\":\"a\",\"topic\":\"A b\"}", "takes 1 to 48" },
		{ "{\"name\":\"a\",\"timeout\":30}", "takes a time" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", "a name twice" },
		{ "[]", "definition without a name: " },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		has_str(rows[i].why, stored(rows[i].json), "refused: %s",
			rows[i].json);
}

int main(void)
{
	test_well();
	test_wrong();
	buf_done(&text);
	return tap_done();
}
