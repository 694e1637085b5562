/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/cron_list.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/status.h"
#include "ctl/table.h"

/* A definition as JSON. */
static const char cron_list_object[] =
	"SELECT json_build_object('id', d.id, 'name', d.task_name, "
	"'tenant', d.tenant_id, 'handler', d.task_handler, "
	"'description', d.description, 'type', d.schedule_type, "
	"'rule', d.rule, 'params', d.task_params::json, 'topic', d.topic, "
	"'priority', d.priority, 'timeout_ms', d.timeout_ms, "
	"'retry_max', d.retry_max, 'misfire', d.misfire, "
	"'misfire_max', d.misfire_max, 'overlap', d.overlap, "
	"'inline', d.inline, 'depends_on', (SELECT p.task_name "
	"FROM reeve.task_definitions p WHERE p.id = d.depends_on), "
	"'status', d.status, "
	"'next_fire', to_char(d.next_fire" DEFINITION_UTC ", "
	"'last_fire', to_char(d.last_fire" DEFINITION_UTC ", "
	"'last_end', to_char(d.last_end" DEFINITION_UTC ", "
	"'last_state', d.last_state, 'active', (SELECT count(*) "
	"FROM reeve.task_active a WHERE a.definition_id = d.id), "
	"'source', d.source, 'creator', d.creator, 'system', d.is_system, "
	"'version', d.version, "
	"'created_at', to_char(d.created_at" DEFINITION_UTC ", "
	"'updated_at', to_char(d.updated_at" DEFINITION_UTC ") "
	"FROM reeve.task_definitions d WHERE d.tenant_id = $1 "
	"AND ($2::uuid IS NULL OR d.id = $2) ORDER BY d.task_name";

static const struct table_column cron_list_columns[] = {
	{ "NAME", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "SCHEDULE", TABLE_LEFT, TABLE_ELASTIC },
	{ "HANDLER", TABLE_LEFT, TABLE_FIXED },
	{ "TOPIC", TABLE_LEFT, TABLE_FIXED },
	{ "NEXT", TABLE_LEFT, TABLE_FIXED },
	{ "LAST", TABLE_LEFT, TABLE_FIXED },
	{ "ENDED", TABLE_LEFT, TABLE_OPTIONAL },
};

static void cron_list_row(struct table *t, const json_t *d)
{
	bool enabled = strcmp(status_text(d, "status"), "ENABLED") == 0;
	const char *last = status_text(d, "last_state");
	char *schedule = definition_schedule(json_object_get(d, "rule"));

	table_cell(t, SCREEN_PLAIN, "%s", status_text(d, "name"));
	table_cell(t, enabled ? SCREEN_GOOD : SCREEN_DIM, "%s",
		enabled ? "enabled" : "disabled");
	table_cell(t, SCREEN_PLAIN, "%s", schedule);
	table_cell(t, SCREEN_PLAIN, "%s", status_text(d, "handler"));
	table_cell(t, SCREEN_PLAIN, "%s%s", status_text(d, "topic"),
		json_is_true(json_object_get(d, "inline")) ? " (inline)" : "");
	table_cell(t, SCREEN_PLAIN, "%s", definition_time(d, "next_fire"));
	table_cell(t, SCREEN_PLAIN, "%s", definition_time(d, "last_fire"));
	table_cell(t,
		strcmp(last, "SUCCESS") == 0     ? SCREEN_GOOD
		: status_number(d, "active") > 0 ? SCREEN_CHANGING
						 : SCREEN_BAD,
		"%s", *last != '\0' ? last : "-");
	free(schedule);
}

void cron_list_tell(const struct ctl *c, json_t *list)
{
	struct table *t = table_new(cron_list_columns,
		sizeof(cron_list_columns) / sizeof(*cron_list_columns));
	struct buf out = BUF_INIT;
	const json_t *d;
	struct screen s;
	size_t i;

	if (c->json) {
		lane_print(list);
		table_free(t);
		return;
	}
	json_array_foreach(list, i, d) cron_list_row(t, d);
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fputs(buf_str(&out), stdout);
	buf_done(&out);
	table_free(t);
	json_decref(list);
}

int cron_list_command(struct ctl *c)
{
	const char *values[] = { definition_tenant(c), NULL };
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r, cron_list_object, 2, values);
	if (rc == EXIT_OK)
		cron_list_tell(c, definition_rows(r));
	db_close(db);
	return rc;
}

/* A line of `show`: values that are not set are left out. */
static void cron_list_show_line(const char *name, const json_t *value)
{
	char *text;

	if (value == NULL || json_is_null(value) ||
		(json_is_string(value) && json_string_length(value) == 0))
		return;
	if (json_is_string(value))
		text = lane_clean(json_string_value(value));
	else
		text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	printf("%-12s %s\n", name, text);
	free(text);
}

void cron_list_tell_one(const struct ctl *c, json_t *d)
{
	char *schedule;
	const char *key;
	json_t *value;

	if (c->json) {
		lane_print(d);
		return;
	}
	schedule = definition_schedule(json_object_get(d, "rule"));
	json_object_foreach(d, key, value)
	{
		cron_list_show_line(key, value);
		if (strcmp(key, "type") == 0)
			printf("%-12s %s\n", "schedule", schedule);
	}
	free(schedule);
	json_decref(d);
}

int cron_list_show(struct ctl *c)
{
	struct definition found = { 0 };
	const char *values[] = { definition_tenant(c), found.id };
	struct db_rows *r;
	struct db *db;
	json_t *list;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = definition_find(c, db, c->argv[0], &found);
	if (rc == EXIT_OK)
		rc = db_query(db, &r, cron_list_object, 2, values);
	if (rc == EXIT_OK) {
		list = definition_rows(r);
		cron_list_tell_one(c, json_incref(json_array_get(list, 0)));
		json_decref(list);
	}
	definition_done(&found);
	db_close(db);
	return rc;
}
