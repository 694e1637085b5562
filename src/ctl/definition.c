/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/jtree.h"
#include "ctl/status.h"
#include "when/rule.h"

#define DEFINITION_TIMES 4

const char *definition_tenant(const struct ctl *c)
{
	return c->tenant != NULL ? c->tenant : "default";
}

int definition_now(struct db *db, int64_t *ret_us)
{
	struct db_rows *r;
	int rc = db_query(db, &r,
		"SELECT (extract(epoch FROM clock_timestamp()) * "
		"1000000)::bigint",
		0, NULL);

	if (rc != EXIT_OK)
		return rc;
	*ret_us = db_int(r, 0, 0);
	db_free(r);
	return EXIT_OK;
}

void definition_done(struct definition *f)
{
	rule_free(f->rule);
	free(f->rule_text);
	free(f->handler);
	free(f->source);
	memset(f, 0, sizeof(*f));
}

static int definition_take(
	const char *name, const struct db_rows *r, struct definition *ret)
{
	struct err err;

	snprintf(ret->id, sizeof(ret->id), "%s", db_text(r, 0, 0));
	ret->rule_text = xstrdup(db_text(r, 0, 1));
	ret->is_enabled = db_bool(r, 0, 2);
	ret->is_system = db_bool(r, 0, 3);
	ret->last_end_us =
		db_text(r, 0, 4) != NULL ? db_int(r, 0, 4) : RULE_NO_END;
	ret->is_busy = db_bool(r, 0, 5);
	ret->handler = xstrdup(db_text(r, 0, 6));
	ret->source = xstrdup(db_text(r, 0, 7));
	ret->rule = rule_parse(ret->rule_text, strlen(ret->rule_text), &err);
	if (ret->rule == NULL)
		return ctl_fail(EXIT_CONFIG,
			"the rule of \"%s\" cannot be read: %s", name,
			err.text);
	return EXIT_OK;
}

int definition_find(const struct ctl *c, struct db *db, const char *name,
	struct definition *ret)
{
	const char *values[] = { definition_tenant(c), name };
	struct db_rows *r;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = db_query(db, &r,
		"SELECT d.id, d.rule, d.status = 'ENABLED', d.is_system, "
		"(extract(epoch FROM d.last_end) * 1000000)::bigint, "
		"EXISTS (SELECT FROM reeve.task_active a "
		"WHERE a.definition_id = d.id), d.task_handler, d.source "
		"FROM reeve.task_definitions d WHERE d.tenant_id = $1 "
		"AND (d.task_name = $2 OR d.id::text = lower($2)) "
		"ORDER BY d.task_name = $2 DESC LIMIT 1 FOR NO KEY UPDATE OF d",
		2, values);
	if (rc != EXIT_OK)
		return rc;
	if (db_count(r) == 0)
		rc = ctl_fail(EXIT_CONFIG,
			"the tenant \"%s\" has no definition called \"%s\"",
			values[0], name);
	else
		rc = definition_take(name, r, ret);
	db_free(r);
	return rc;
}

bool definition_waits(const struct definition *f, const struct rule *r)
{
	return rule_type(r) == RULE_FIXED_DELAY && f->is_busy;
}

int64_t definition_next(
	const struct definition *f, const struct rule *r, int64_t now_us)
{
	if (definition_waits(f, r))
		return RULE_NEVER;
	return rule_next(r, now_us, f->last_end_us);
}

json_t *definition_rows(struct db_rows *rows)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < db_count(rows); i++)
		json_array_append_new(
			list, jtree_read(db_text(rows, i, 0),
				      strlen(db_text(rows, i, 0))));
	db_free(rows);
	return list;
}

static void definition_put_crons(const json_t *exprs, struct buf *out)
{
	const json_t *one;
	size_t i;

	if (json_is_string(exprs))
		buf_puts(out, json_string_value(exprs));
	json_array_foreach(exprs, i, one)
	{
		buf_puts(out, i > 0 ? " | " : "");
		buf_puts(out, json_string_value(one));
	}
}

/* A span is a text, or milliseconds. */
static void definition_put_span(const json_t *span, struct buf *out)
{
	if (json_is_string(span))
		buf_puts(out, json_string_value(span));
	else
		buf_printf(out, "%.0fms", json_number_value(span));
}

char *definition_schedule(const json_t *rule)
{
	const json_t *every = json_object_get(rule, "every");
	const json_t *delay = json_object_get(rule, "delay");
	const char *zone = status_text(rule, "timeZone");
	struct buf out = BUF_INIT;

	definition_put_crons(json_object_get(rule, "cron"), &out);
	if (every != NULL) {
		buf_puts(&out, "every ");
		definition_put_span(every, &out);
	}
	if (delay != NULL) {
		definition_put_span(delay, &out);
		buf_puts(&out, " after its end");
	}
	if (json_object_get(rule, "at") != NULL)
		buf_printf(&out, "once at %s", status_text(rule, "at"));
	if (*zone != '\0')
		buf_printf(&out, " (%s)", zone);
	return buf_take(&out);
}

/* No ".000". */
static void definition_trim(char *text)
{
	size_t len = strlen(text);

	if (len > 5 && strcmp(text + len - 5, ".000Z") == 0)
		strcpy(text + len - 5, "Z");
}

const char *definition_iso(int64_t us, char ret_text[CLOCK_ISO_MAX])
{
	clock_iso(us, ret_text);
	definition_trim(ret_text);
	return ret_text;
}

const char *definition_time(const json_t *object, const char *key)
{
	static char texts[DEFINITION_TIMES][40];
	static unsigned at;
	const char *text = status_text(object, key);
	char *to = texts[at++ % DEFINITION_TIMES];

	if (*text == '\0')
		return "-";
	snprintf(to, sizeof(texts[0]), "%s", text);
	definition_trim(to);
	return to;
}
