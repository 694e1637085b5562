/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "ctl/task_list.h"

/* Read along an index that has the order: a list wants few of many rows. */
static const char task_list_sql[] =
	"SELECT json_build_object('id', i.id, 'handler', i.handler, 'topic', "
	"i.topic, 'state', i.status, 'trigger', i.trigger, 'definition', "
	"(SELECT d.task_name FROM reeve.task_definitions d "
	"WHERE d.id = i.task_definition_id), 'tenant', i.tenant_id, "
	"'created', to_char(i.created_at" DEFINITION_UTC ", "
	"'due', to_char(i.due_at" DEFINITION_UTC ", "
	"'start', to_char(i.start_time" DEFINITION_UTC ", "
	"'end', to_char(i.end_time" DEFINITION_UTC ", "
	"'duration_ms', i.execution_duration, 'retries', i.retry_count, "
	"'node', i.execution_node, 'worker', i.worker, "
	"'error', i.error_message) FROM reeve.task_instances i "
	"WHERE i.tenant_id = $1 ORDER BY i.id DESC LIMIT $2";

static const struct table_column task_list_columns[] = {
	{ "TASK", TABLE_LEFT, TABLE_FIXED },
	{ "HANDLER", TABLE_LEFT, TABLE_FIXED },
	{ "TOPIC", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "BY", TABLE_LEFT, TABLE_FIXED },
	{ "DEFINITION", TABLE_LEFT, TABLE_OPTIONAL },
	{ "CREATED", TABLE_LEFT, TABLE_FIXED },
	{ "TOOK", TABLE_RIGHT, TABLE_FIXED },
	{ "RETRIES", TABLE_RIGHT, TABLE_FIXED },
	{ "NODE", TABLE_LEFT, TABLE_OPTIONAL },
	{ "ERROR", TABLE_LEFT, TABLE_ELASTIC },
};

static enum screen_colour task_list_colour(const char *state)
{
	if (strcmp(state, "SUCCESS") == 0)
		return SCREEN_GOOD;
	if (strcmp(state, "PENDING") == 0 || strcmp(state, "RUNNING") == 0)
		return SCREEN_CHANGING;
	return SCREEN_BAD;
}

static void task_list_cell(struct table *t, const json_t *row, const char *key)
{
	const char *text = status_text(row, key);

	table_cell(t, SCREEN_PLAIN, "%s", *text != '\0' ? text : "-");
}

static void task_list_row(struct table *t, const json_t *row)
{
	const json_t *took = json_object_get(row, "duration_ms");
	const char *state = status_text(row, "state");
	char span[32];

	task_list_cell(t, row, "id");
	task_list_cell(t, row, "handler");
	task_list_cell(t, row, "topic");
	table_cell(t, task_list_colour(state), "%s", state);
	task_list_cell(t, row, "trigger");
	task_list_cell(t, row, "definition");
	table_cell(t, SCREEN_PLAIN, "%s", definition_time(row, "created"));
	table_cell(t, SCREEN_PLAIN, "%s",
		json_is_number(took)
			? clock_span((int64_t)(json_number_value(took) *
					       US_PER_MS),
				  span, sizeof(span))
			: "-");
	table_cell(t, SCREEN_PLAIN, "%.0f", status_number(row, "retries"));
	task_list_cell(t, row, "node");
	task_list_cell(t, row, "error");
}

void task_list_tell(const struct ctl *c, json_t *list)
{
	struct table *t = table_new(task_list_columns,
		sizeof(task_list_columns) / sizeof(*task_list_columns));
	struct buf out = BUF_INIT;
	const json_t *row;
	struct screen s;
	size_t i;

	if (c->json) {
		lane_print(json_incref(list));
	} else {
		json_array_foreach(list, i, row) task_list_row(t, row);
		screen_init(&s);
		table_print(t, &s, 0, 0, &out);
		fputs(buf_str(&out), stdout);
	}
	json_decref(list);
	buf_done(&out);
	table_free(t);
}

int task_list_command(struct ctl *c)
{
	char most[24];
	const char *values[] = { definition_tenant(c), most };
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	snprintf(most, sizeof(most), "%ld", c->lines);
	rc = db_query(db, &r, task_list_sql, 2, values);
	if (rc == EXIT_OK)
		task_list_tell(c, definition_rows(r));
	db_close(db);
	return rc;
}
