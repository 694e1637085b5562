/* SPDX-License-Identifier: ISC */
/* rule: when something runs, as JSON and as times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tap.h"
#include "when/iso.h"
#include "when/rule.h"
#include "when/zone.h"

static int64_t at(const char *text)
{
	struct err err;
	int64_t us;

	if (strcmp(text, "none") == 0)
		return RULE_NO_END;
	if (iso_parse(text, strlen(text), zone_utc(), &us, &err) != 0)
		bail("%s", err.text);
	return us;
}

static struct rule *parse(const char *json)
{
	struct err err;
	struct rule *r = rule_parse(json, strlen(json), &err);

	if (r == NULL)
		bail("%s: %s", json, err.text);
	return r;
}

static const char *next(const char *json, const char *after, const char *end)
{
	static char text[ISO_MAX];
	struct rule *r = parse(json);

	iso_print(rule_next(r, at(after), at(end)), rule_zone(r), text);
	rule_free(r);
	return text;
}

static void test_cron(void)
{
	static const char both[] =
		"{\"cron\":[\"0 3 * * *\",\"0 0 12 ? * MON\"],"
		"\"timeZone\":\"Europe/Berlin\"}";
	static const char window[] = "{\"cron\":\"0 3 * * *\","
				     "\"start\":\"2026-11-22T03:00:00\","
				     "\"end\":\"2026-11-24T03:00:00\"}";

	is_str("2026-11-22T03:00:00+01:00", next(both, "2026-11-22", "none"),
		"an expression in its zone");
	is_str("2026-11-23T12:00:00+01:00",
		next(both, "2026-11-23T02:00Z", "none"),
		"the earlier of two counts");
	is_str("2026-11-22T03:00:00+00:00", next(window, "2020-01-01", "none"),
		"the start is in");
	is_str("2026-11-24T03:00:00+00:00",
		next(window, "2026-11-23T03:00:00Z", "none"), "so is the end");
	is_str("never", next(window, "2026-11-24T03:00:00Z", "none"),
		"after it comes nothing");
}

static void test_rate(void)
{
	static const char plan[] =
		"{\"every\":\"90m\",\"start\":\"2026-11-22T00:10:00Z\"}";

	is_str("2026-11-22T00:10:00+00:00", next(plan, "2026-11-01", "none"),
		"a rate begins at its start");
	is_str("2026-11-22T03:10:00+00:00",
		next(plan, "2026-11-22T01:40:00Z", "none"),
		"and goes on by the plan");
	is_str("2026-11-22T04:40:00+00:00",
		next(plan, "2026-11-22T03:10:00.000001Z", "none"),
		"whatever was late");
	is_str("2026-11-22T10:00:10+00:00",
		next("{\"every\":10000}", "2026-11-22T10:00:00Z", "none"),
		"milliseconds, counted from 1970");
	is_str("1969-12-31T23:59:50+00:00",
		next("{\"every\":\"10s\"}", "1969-12-31T23:59:45Z", "none"),
		"before it as well");
	is_str("never",
		next("{\"every\":\"1d\",\"end\":\"2026-11-22\"}",
			"2026-11-22T00:00Z", "none"),
		"until its end");
}

static void test_delay(void)
{
	static const char json[] =
		"{\"delay\":\"5m\",\"start\":\"2026-11-22T00:00:00Z\"}";

	is_str("2026-11-22T00:00:00+00:00", next(json, "2026-11-01", "none"),
		"a delay begins at its start");
	is_str("2026-11-22T10:07:00+00:00",
		next(json, "2026-11-22T10:00:00Z", "2026-11-22T10:02:00Z"),
		"and counts from the last end");
	is_str("2026-11-22T10:00:00.000001+00:00",
		next(json, "2026-11-22T10:00:00Z", "2026-11-22T09:02:00Z"),
		"what is overdue is due at once");
	is_str("2026-11-22T10:05:00+00:00",
		next(json, "2026-11-22T10:00:00Z", "none"),
		"what has never ended is not due at once");
}

static void test_once(void)
{
	static const char json[] = "{\"at\":\"2026-11-22T10:00:00.5\","
				   "\"timeZone\":\"Asia/Tokyo\"}";

	is_str("2026-11-22T10:00:00.500+09:00",
		next(json, "2026-11-01", "none"), "once, in its zone");
	is_str("never", next(json, "2026-11-22T01:00:00.5Z", "none"),
		"and no more");
}

static void test_faults(void)
{
	static const struct {
		const char *json, *wanted;
	} rows[] = {
		{ "[]", "byte 1: " },
		{ "{}", "a rule has one of cron, every, delay and at, not 0" },
		{ "{\"every\":1,\"delay\":1}",
			"a rule has one of cron, every, delay and at, not 2" },
		{ "{\"corn\":\"* * * * *\"}", "a rule has no member \"corn\"" },
		{ "{\"cron\":[]}", "cron: there is no expression in it" },
		{ "{\"cron\":[\"* * * * *\",\"* 24 * * *\"]}",
			"cron[1]: column 3: the hour is 0 to 23, not \"24\"" },
		{ "{\"cron\":[1]}", "cron[0] is a whole number, not a string" },
		{ "{\"cron\":{}}", "cron[0] is an object, not a string" },
		{ "{\"cron\":\"* * * * *\",\"dialect\":\"quartz\"}",
			"cron[0]: column 10: quartz has 6 or 7 fields" },
		{ "{\"cron\":\"* * * * *\",\"dialect\":\"x\"}",
			"dialect: there is no such dialect" },
		{ "{\"every\":\"1h\",\"dialect\":\"vixie\"}",
			"dialect goes with cron only" },
		{ "{\"every\":\"soon\"}", "every: this is no span" },
		{ "{\"every\":0}", "every: this is no span" },
		{ "{\"every\":-5}", "every: this is no span" },
		{ "{\"every\":9223372036854775807}", "every: this is no span" },
		{ "{\"every\":1.5}", "every is a number, not a string" },
		{ "{\"delay\":\"11y\"}", "delay: this is no span" },
		{ "{\"at\":\"tomorrow\"}", "at: \"tomorrow\" is no time" },
		{ "{\"at\":1}", "at is a whole number, not a string" },
		{ "{\"at\":\"2026-01-01\",\"end\":\"2026-02-01\"}",
			"at goes without start and end" },
		{ "{\"every\":\"1h\",\"start\":\"2026-02-01\","
		  "\"end\":\"2026-01-01\"}",
			"end is before start" },
		{ "{\"every\":\"1h\",\"timeZone\":\"../x\"}",
			"timeZone: this is no name of a time zone" },
		{ "{\"every\":\"1h\",\"every\":\"2h\"}", "byte " },
	};
	struct err err;
	struct rule *r;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		strcpy(err.text, "");
		r = rule_parse(rows[i].json, strlen(rows[i].json), &err);
		ok(r == NULL, "no rule: %s", rows[i].json);
		has_str(rows[i].wanted, err.text, "as is said");
		rule_free(r);
	}
}

/* As many expressions as a rule may have, and one more. */
static void test_many(void)
{
	char json[4096] = "{\"cron\":[";
	struct err err;
	struct rule *r;
	int i;

	for (i = 0; i < RULE_CRONS_MAX; i++)
		strcat(json, i > 0 ? ",\"* * * * *\"" : "\"* * * * *\"");
	strcat(json, "]}");
	r = rule_parse(json, strlen(json), &err);
	ok(r != NULL, "a rule may have many expressions");
	rule_free(r);
	strcpy(json + strlen(json) - 2, ",\"* * * * *\"]}");
	ok(rule_parse(json, strlen(json), &err) == NULL, "but not any number");
	has_str("at most 64 expressions", err.text, "as is said");
}

static void test_print(void)
{
	static const char *const rules[] = {
		"{\"cron\":[\"0 3 * * *\"]}",
		"{\"cron\":[\"0 3 * * *\",\"@daily\"],\"dialect\":\"vixie\","
		"\"start\":\"2026-11-22T00:00:00+01:00\","
		"\"end\":\"2026-12-22T00:00:00.500+01:00\","
		"\"timeZone\":\"Europe/Berlin\"}",
		"{\"every\":\"90m\"}",
		"{\"delay\":\"10s\",\"timeZone\":\"Etc/UTC\"}",
		"{\"at\":\"2026-11-22T10:00:00+00:00\"}",
	};
	struct rule *r;
	char *text;
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		r = parse(rules[i]);
		text = rule_print(r);
		is_str(rules[i], text, "a rule prints as it was read");
		free(text);
		rule_free(r);
	}
	r = parse("{ \"start\": null, \"timeZone\": null, \"every\": 60000 }");
	text = rule_print(r);
	is_str("{\"every\":\"1m\"}", text, "null is nothing");
	is_str("FIXED_RATE", rule_type_names[rule_type(r)], "with its type");
	ok(rule_start(r) == INT64_MIN && rule_end(r) == RULE_NEVER,
		"without bounds");
	free(text);
	rule_free(r);
}

static void test_extremes(void)
{
	static const char *const rules[] = {
		"{\"cron\":\"* * * * *\"}",
		"{\"every\":\"10ms\"}",
		"{\"every\":\"3650d\",\"start\":\"0001-01-01\"}",
		"{\"delay\":\"3650d\"}",
		"{\"at\":\"9999-12-31T23:59:59Z\"}",
	};
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0,
		INT64_MAX - 1, INT64_MAX };
	size_t i, k, n;
	int wrong = 0;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct rule *r = parse(rules[i]);

		for (k = 0; k < 6; k++)
			for (n = 0; n < 6; n++)
				if (rule_next(r, times[k], times[n]) <=
						times[k] &&
					times[k] != INT64_MAX)
					wrong++;
		rule_free(r);
	}
	is_int(0, wrong, "the next time is later, whatever the times are");
}

int main(void)
{
	test_cron();
	test_rate();
	test_delay();
	test_once();
	test_faults();
	test_many();
	test_print();
	test_extremes();
	return tap_done();
}
