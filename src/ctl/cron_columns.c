/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "ctl/cron_columns.h"
#include "ctl/ctl.h"
#include "ctl/span.h"
#include "task/keys.h"
#include "task/task.h"
#include "when/rule.h"
#include "when/zone.h"

#define CRON_COLUMNS_PARAMS_MAX 1000000
#define CRON_COLUMNS_TEXT_MAX   10000
#define CRON_COLUMNS_EXPR_MAX   100 /* of the column for readers */
#define CRON_COLUMNS_TOPIC_MAX  48
#define CRON_COLUMNS_RETRY_MAX  1000
#define CRON_COLUMNS_MISSED_MAX 100000

void cron_columns_done(struct cron_columns *k)
{
	int i;

	for (i = 0; i < k->count; i++)
		free(k->values[i]);
	memset(k, 0, sizeof(*k));
}

void cron_columns_add(struct cron_columns *k, const char *name,
	const char *type, const char *value)
{
	k->names[k->count] = name;
	k->types[k->count] = type;
	k->values[k->count++] = value != NULL ? xstrdup(value) : NULL;
}

static void cron_columns_add_int(
	struct cron_columns *k, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	cron_columns_add(k, name, "bigint", text);
}

void cron_columns_add_time(struct cron_columns *k, const char *name, int64_t us)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, us);
	cron_columns_add(k, name, "us",
		us == RULE_NEVER || us == INT64_MIN ? NULL : text);
}

/* The first expression, as much of it as the column holds. */
static char *cron_columns_expression(const char *rule)
{
	json_t *doc = json_loads(rule, 0, NULL);
	const char *text = json_string_value(
		json_array_get(json_object_get(doc, "cron"), 0));
	char *first = text == NULL
			      ? NULL
			      : xasprintf("%.*s", CRON_COLUMNS_EXPR_MAX, text);

	json_decref(doc);
	return first;
}

void cron_columns_add_rule(struct cron_columns *k, const struct rule *r)
{
	char *text = rule_print(r), *first = cron_columns_expression(text);

	cron_columns_add(
		k, "schedule_type", "text", rule_type_names[rule_type(r)]);
	cron_columns_add(k, "rule", "jsonb", text);
	cron_columns_add(k, "cron_expression", "text", first);
	cron_columns_add(k, "time_zone", "text", zone_name(rule_zone(r)));
	cron_columns_add_time(k, "start_at", rule_start(r));
	cron_columns_add_time(k, "end_at", rule_end(r));
	free(first);
	free(text);
}

static bool cron_columns_is_none(const char *text)
{
	return strcmp(text, "none") == 0;
}

/* A text of the operator's own: UTF-8, of so many bytes, without controls. */
static int cron_columns_text(const char *option, const char *text, size_t most)
{
	size_t len = strlen(text), i;

	if (utf8_valid(text, len) != len)
		return ctl_fail(EXIT_USAGE, "%s is not UTF-8", option);
	if (len > most)
		return ctl_fail(EXIT_USAGE, "%s is longer than %zu bytes",
			option, most);
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\n' &&
			text[i] != '\t')
			return ctl_fail(EXIT_USAGE,
				"%s has a control character in it", option);
	return EXIT_OK;
}

static int cron_columns_handler(const char *text, struct cron_columns *k)
{
	if (*text == '\0')
		return ctl_fail(EXIT_USAGE, "--handler is empty");
	cron_columns_add(k, "task_handler", "text", text);
	return cron_columns_text("--handler", text, TASK_NAME_MAX);
}

static int cron_columns_params(const char *text, struct cron_columns *k)
{
	struct jsonr_value value;
	size_t len = strlen(text);
	struct err err;

	if (len > CRON_COLUMNS_PARAMS_MAX)
		return ctl_fail(EXIT_USAGE, "--params is longer than %d bytes",
			CRON_COLUMNS_PARAMS_MAX);
	if (jsonr_check(text, len, TASK_DEPTH_MAX, &value, &err) != 0)
		return ctl_fail(
			EXIT_USAGE, "--params is no JSON: %s", err.text);
	cron_columns_add(k, "task_params", "text", text);
	return EXIT_OK;
}

static int cron_columns_topic(const char *text, struct cron_columns *k)
{
	size_t len = strlen(text);

	if (len == 0 || len > CRON_COLUMNS_TOPIC_MAX ||
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		return ctl_fail(EXIT_USAGE,
			"--topic takes 1 to %d of a-z, 0-9, _ and -, not "
			"\"%s\"",
			CRON_COLUMNS_TOPIC_MAX, text);
	cron_columns_add(k, "topic", "text", keys_alias(text));
	return EXIT_OK;
}

static int cron_columns_description(const char *text, struct cron_columns *k)
{
	cron_columns_add(k, "description", "text", text);
	return cron_columns_text("--description", text, CRON_COLUMNS_TEXT_MAX);
}

static int cron_columns_priority(const char *text, struct cron_columns *k)
{
	int64_t n;

	if (!number_int(text, &n))
		return ctl_fail(EXIT_USAGE,
			"--priority takes a whole number, not \"%s\"", text);
	cron_columns_add_int(k, "priority", n);
	return EXIT_OK;
}

static int cron_columns_timeout(const char *text, struct cron_columns *k)
{
	int64_t ms;

	if (cron_columns_is_none(text)) {
		cron_columns_add(k, "timeout_ms", "bigint", NULL);
		return EXIT_OK;
	}
	if (span_delay(text, &ms) != EXIT_OK)
		return EXIT_USAGE;
	if (ms < 1)
		return ctl_fail(EXIT_USAGE,
			"--timeout takes 1ms and more, or \"none\" for that "
			"of the handler");
	cron_columns_add_int(k, "timeout_ms", ms);
	return EXIT_OK;
}

static int cron_columns_retry(const char *text, struct cron_columns *k)
{
	int64_t n;

	if (cron_columns_is_none(text)) {
		cron_columns_add(k, "retry_max", "bigint", NULL);
		return EXIT_OK;
	}
	if (!number_int(text, &n) || n < 0 || n > CRON_COLUMNS_RETRY_MAX)
		return ctl_fail(EXIT_USAGE,
			"--retry takes a number from 0 to %d, or \"none\" for "
			"that of the handler, not \"%s\"",
			CRON_COLUMNS_RETRY_MAX, text);
	cron_columns_add_int(k, "retry_max", n);
	return EXIT_OK;
}

/* "all" has a number behind it, or that of the table. */
static int cron_columns_misfire(const char *text, struct cron_columns *k)
{
	int64_t n;

	if (strncmp(text, "all:", 4) == 0) {
		if (!number_int(text + 4, &n) || n < 1 ||
			n > CRON_COLUMNS_MISSED_MAX)
			return ctl_fail(EXIT_USAGE,
				"--misfire all:N takes a number from 1 to %d, "
				"not \"%s\"",
				CRON_COLUMNS_MISSED_MAX, text + 4);
		cron_columns_add(k, "misfire", "text", "all");
		cron_columns_add_int(k, "misfire_max", n);
		return EXIT_OK;
	}
	if (strcmp(text, "skip") != 0 && strcmp(text, "once") != 0 &&
		strcmp(text, "all") != 0)
		return ctl_fail(EXIT_USAGE,
			"--misfire takes skip, once, all or all:N, not \"%s\"",
			text);
	cron_columns_add(k, "misfire", "text", text);
	return EXIT_OK;
}

static int cron_columns_overlap(const char *text, struct cron_columns *k)
{
	static const char *const words[] = { "allow", "forbid", "queue",
		"replace" };
	size_t i;

	cron_columns_add(k, "overlap", "text", text);
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return EXIT_OK;
	return ctl_fail(EXIT_USAGE,
		"--overlap takes allow, forbid, queue or replace, not \"%s\"",
		text);
}

int cron_columns_read(const struct ctl *c, struct cron_columns *k)
{
	const struct ctl_cron *o = &c->cron;
	const struct {
		const char *text;
		int (*read)(const char *text, struct cron_columns *k);
	} rows[] = {
		{ o->handler, cron_columns_handler },
		{ o->params, cron_columns_params },
		{ o->topic, cron_columns_topic },
		{ o->description, cron_columns_description },
		{ o->priority, cron_columns_priority },
		{ o->timeout, cron_columns_timeout },
		{ o->retry, cron_columns_retry },
		{ o->misfire, cron_columns_misfire },
		{ o->overlap, cron_columns_overlap },
	};
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].text != NULL)
			rc = rows[i].read(rows[i].text, k);
	if (rc == EXIT_OK && o->is_inline && o->no_inline)
		rc = ctl_fail(EXIT_USAGE,
			"--inline and --no-inline exclude each other");
	if (rc == EXIT_OK && (o->is_inline || o->no_inline))
		cron_columns_add(
			k, "inline", "boolean", o->is_inline ? "t" : "f");
	return rc;
}

/* The parameter of a column, number `i` of them. */
static void cron_columns_put(
	const struct cron_columns *k, int i, struct buf *out)
{
	if (strcmp(k->types[i], "us") == 0)
		buf_printf(out,
			"timestamptz 'epoch' + $%d::bigint * "
			"interval '1 microsecond'",
			i + 1);
	else
		buf_printf(out, "$%d::%s", i + 1, k->types[i]);
}

void cron_columns_insert(const struct cron_columns *k, struct buf *out)
{
	int i;

	for (i = 0; i < k->count; i++)
		buf_printf(out, "%s%s", i == 0 ? "(" : ", ", k->names[i]);
	buf_puts(out, ") VALUES (");
	for (i = 0; i < k->count; i++) {
		buf_puts(out, i == 0 ? "" : ", ");
		cron_columns_put(k, i, out);
	}
	buf_puts(out, ")");
}

void cron_columns_update(const struct cron_columns *k, struct buf *out)
{
	int i;

	for (i = 0; i < k->count; i++) {
		buf_printf(out, "%s%s = ", i == 0 ? "" : ", ", k->names[i]);
		cron_columns_put(k, i, out);
	}
}

/* Of these four a rule has one. */
static const char *const cron_columns_types[] = { "cron", "every", "delay",
	"at" };

static int cron_columns_type_count(const struct ctl *c)
{
	return (c->cron.exprs.count > 0) + (c->cron.every != NULL) +
	       (c->delay != NULL) + (c->at != NULL);
}

bool cron_columns_has_rule(const struct ctl *c)
{
	return cron_columns_type_count(c) > 0 || c->zone != NULL ||
	       c->cron.start != NULL || c->cron.end != NULL ||
	       c->dialect != NULL;
}

static void cron_columns_member(
	json_t *rule, const char *name, const char *text)
{
	if (text == NULL)
		return;
	if (cron_columns_is_none(text))
		json_object_del(rule, name);
	else
		json_object_set_new(rule, name, json_string(text));
}

/* Another type takes the place of what there was, with what only went with
 * that. */
static void cron_columns_type(const struct ctl *c, json_t *rule)
{
	json_t *crons = json_array();
	size_t i;

	if (cron_columns_type_count(c) > 0) {
		for (i = 0; i < 4; i++)
			json_object_del(rule, cron_columns_types[i]);
		json_object_del(rule, "dialect");
	}
	if (c->at != NULL) {
		json_object_del(rule, "start");
		json_object_del(rule, "end");
	}
	for (i = 0; i < c->cron.exprs.count; i++)
		json_array_append_new(
			crons, json_string(c->cron.exprs.items[i]));
	if (c->cron.exprs.count > 0)
		json_object_set(rule, "cron", crons);
	json_decref(crons);
	cron_columns_member(rule, "every", c->cron.every);
	cron_columns_member(rule, "delay", c->delay);
	cron_columns_member(rule, "at", c->at);
}

/* What is wrong with a rule begins with the member's name: say it with the
 * option's. */
static int cron_columns_wrong(const struct ctl *c, const char *why)
{
	const char *rest = strchr(why, ':');
	unsigned i;

	if (sscanf(why, "cron[%u]", &i) == 1 && i < c->cron.exprs.count)
		return ctl_fail(EXIT_USAGE, "--cron \"%s\"%s",
			c->cron.exprs.items[i], rest != NULL ? rest : "");
	if (strncmp(why, "timeZone:", 9) == 0)
		return ctl_fail(EXIT_USAGE, "--tz: %s", why + 10);
	if (rest != NULL && strcspn(why, " :") == (size_t)(rest - why))
		return ctl_fail(EXIT_USAGE, "--%s", why);
	return ctl_fail(EXIT_USAGE, "%s", why);
}

/* What can't be a member of the JSON at all. */
static int cron_columns_check_texts(const struct ctl *c)
{
	const struct {
		const char *option, *text;
	} rows[] = {
		{ "--every", c->cron.every },
		{ "--delay", c->delay },
		{ "--at", c->at },
		{ "--start", c->cron.start },
		{ "--end", c->cron.end },
		{ "--tz", c->zone },
		{ "--dialect", c->dialect },
	};
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].text != NULL)
			rc = cron_columns_text(rows[i].option, rows[i].text,
				CRON_COLUMNS_TEXT_MAX);
	for (i = 0; rc == EXIT_OK && i < c->cron.exprs.count; i++)
		rc = cron_columns_text("--cron", c->cron.exprs.items[i],
			CRON_COLUMNS_TEXT_MAX);
	return rc;
}

int cron_columns_rule(
	const struct ctl *c, const char *old, struct rule **ret_rule)
{
	json_t *rule;
	struct err err;
	char *text;
	int rc = cron_columns_check_texts(c);

	if (rc != EXIT_OK)
		return rc;
	if (cron_columns_type_count(c) > 1)
		return ctl_fail(EXIT_USAGE,
			"--cron, --every, --delay and --at exclude each other");
	rule = old != NULL ? json_loads(old, 0, NULL) : json_object();
	cron_columns_type(c, rule);
	cron_columns_member(rule, "start", c->cron.start);
	cron_columns_member(rule, "end", c->cron.end);
	cron_columns_member(rule, "timeZone", c->zone);
	cron_columns_member(rule, "dialect", c->dialect);
	text = json_dumps(rule, JSON_COMPACT);
	*ret_rule = rule_parse(text, strlen(text), &err);
	free(text);
	json_decref(rule);
	return *ret_rule != NULL ? EXIT_OK : cron_columns_wrong(c, err.text);
}
