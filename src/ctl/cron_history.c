/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cron_history.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/status.h"
#include "ctl/table.h"

/* How late it began is known of the first attempt only. */
static const char cron_history_runs[] =
	"SELECT json_build_object('id', i.id, 'name', d.task_name, "
	"'state', i.status, 'trigger', i.trigger, 'held', i.is_held, "
	"'fire_time', to_char(i.fire_time" DEFINITION_UTC ", "
	"'created', to_char(i.created_at" DEFINITION_UTC ", "
	"'start', to_char(i.start_time" DEFINITION_UTC ", "
	"'end', to_char(i.end_time" DEFINITION_UTC ", "
	"'lateness_ms', CASE WHEN i.retry_count = 0 THEN round(extract("
	"epoch FROM i.start_time - coalesce(i.fire_time, i.created_at)) "
	"* 1000) END, 'duration_ms', i.execution_duration, "
	"'retries', i.retry_count, 'node', i.execution_node, "
	"'worker', i.worker, 'result', i.result, 'error', i.error_message) "
	"FROM reeve.task_instances i "
	"LEFT JOIN reeve.task_definitions d ON d.id = i.task_definition_id "
	"WHERE i.task_definition_id IS NOT NULL AND i.tenant_id = $1 "
	"AND ($2::uuid IS NULL OR i.task_definition_id = $2) "
	"ORDER BY i.id DESC LIMIT $3";

/* Of today nobody has made the sum. */
static const char cron_history_days[] =
	"WITH today AS (SELECT i.task_definition_id, "
	"(now() AT TIME ZONE 'UTC')::date AS day, "
	"count(*) FILTER (WHERE i.status NOT IN ('MISFIRED', 'SKIPPED')) "
	"AS runs, count(*) FILTER (WHERE i.status = 'SUCCESS') AS success, "
	"count(*) FILTER (WHERE i.status = 'FAILED') AS failed, "
	"count(*) FILTER (WHERE i.status = 'TIMEOUT') AS timeout, "
	"count(*) FILTER (WHERE i.status = 'CANCELLED') AS cancelled, "
	"count(*) FILTER (WHERE i.status = 'MISFIRED') AS misfired, "
	"count(*) FILTER (WHERE i.status = 'SKIPPED') AS skipped, "
	"coalesce(sum(i.retry_count), 0) AS retries, "
	"coalesce(sum(i.execution_duration), 0) AS duration_ms_sum, "
	"coalesce(max(i.execution_duration), 0) AS duration_ms_max, "
	"coalesce(max(extract(epoch FROM i.start_time - i.fire_time) * 1000) "
	"FILTER (WHERE i.retry_count = 0), 0)::bigint AS lateness_ms_max "
	"FROM reeve.task_instances i "
	"WHERE i.id >= reeve.uuid_floor(date_trunc('day', "
	"now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') "
	"AND i.task_definition_id IS NOT NULL AND i.tenant_id = $1 "
	"GROUP BY 1), "
	"days AS (SELECT * FROM today UNION ALL "
	"SELECT s.task_definition_id, s.day, s.runs, s.success, s.failed, "
	"s.timeout, s.cancelled, s.misfired, s.skipped, s.retries, "
	"s.duration_ms_sum, s.duration_ms_max, s.lateness_ms_max "
	"FROM reeve.crontab_statistics s WHERE s.tenant_id = $1 "
	"AND s.day < (now() AT TIME ZONE 'UTC')::date "
	"AND s.day > (now() AT TIME ZONE 'UTC')::date - $2::int) "
	"SELECT json_build_object('name', d.task_name, "
	"'day', CASE WHEN $3::uuid IS NOT NULL THEN min(s.day) END, "
	"'runs', sum(s.runs), 'success', sum(s.success), "
	"'failed', sum(s.failed), 'timeout', sum(s.timeout), "
	"'cancelled', sum(s.cancelled), 'misfired', sum(s.misfired), "
	"'skipped', sum(s.skipped), 'retries', sum(s.retries), "
	"'duration_ms_average', round(sum(s.duration_ms_sum) / nullif("
	"sum(s.success + s.failed + s.timeout), 0)), "
	"'duration_ms_max', max(s.duration_ms_max), "
	"'lateness_ms_max', max(s.lateness_ms_max)) "
	"FROM days s JOIN reeve.task_definitions d "
	"ON d.id = s.task_definition_id "
	"WHERE $3::uuid IS NULL OR d.id = $3 "
	"GROUP BY d.task_name, CASE WHEN $3::uuid IS NOT NULL THEN s.day END "
	"ORDER BY d.task_name, min(s.day)";

/* The rows of a query about one definition, or all where none is named; its
 * parameter number `at`, from 0, is the id. */
static int cron_history_query(const struct ctl *c, const char *sql, int count,
	const char **values, int at, json_t **ret_rows)
{
	struct definition d = { .rule = NULL };
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	if (c->argc > 0)
		rc = definition_find(c, db, c->argv[0], &d);
	values[at] = c->argc > 0 ? d.id : NULL;
	if (rc == EXIT_OK)
		rc = db_query(db, &r, sql, count, values);
	if (rc == EXIT_OK)
		*ret_rows = definition_rows(r);
	definition_done(&d);
	db_close(db);
	return rc;
}

/* "350 ms" of a member in milliseconds, "-" where it is null. */
static void cron_history_span(
	struct table *t, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	char text[32];

	if (!json_is_number(value))
		table_cell(t, SCREEN_PLAIN, "-");
	else
		table_cell(t, SCREEN_PLAIN, "%s",
			clock_span(
				(int64_t)(json_number_value(value) * US_PER_MS),
				text, sizeof(text)));
}

static void cron_history_text(
	struct table *t, const json_t *row, const char *key)
{
	const char *text = status_text(row, key);

	table_cell(t, SCREEN_PLAIN, "%s", *text != '\0' ? text : "-");
}

static enum screen_colour cron_history_colour(const char *state)
{
	if (strcmp(state, "SUCCESS") == 0)
		return SCREEN_GOOD;
	if (strcmp(state, "PENDING") == 0 || strcmp(state, "RUNNING") == 0)
		return SCREEN_CHANGING;
	return strcmp(state, "SKIPPED") == 0 ? SCREEN_DIM : SCREEN_BAD;
}

static const struct table_column cron_history_columns[] = {
	{ "NAME", TABLE_LEFT, TABLE_FIXED },
	{ "RUN", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "BY", TABLE_LEFT, TABLE_FIXED },
	{ "PLANNED", TABLE_LEFT, TABLE_FIXED },
	{ "START", TABLE_LEFT, TABLE_FIXED },
	{ "LATE", TABLE_RIGHT, TABLE_FIXED },
	{ "TOOK", TABLE_RIGHT, TABLE_FIXED },
	{ "RETRIES", TABLE_RIGHT, TABLE_FIXED },
	{ "NODE", TABLE_LEFT, TABLE_OPTIONAL },
	{ "ERROR", TABLE_LEFT, TABLE_ELASTIC },
};

static void cron_history_row(struct table *t, const json_t *run)
{
	const char *state = status_text(run, "state");
	bool is_held = json_is_true(json_object_get(run, "held"));

	cron_history_text(t, run, "name");
	cron_history_text(t, run, "id");
	table_cell(t, cron_history_colour(state), "%s%s", state,
		is_held ? " (held)" : "");
	cron_history_text(t, run, "trigger");
	table_cell(t, SCREEN_PLAIN, "%s", definition_time(run, "fire_time"));
	table_cell(t, SCREEN_PLAIN, "%s", definition_time(run, "start"));
	cron_history_span(t, run, "lateness_ms");
	cron_history_span(t, run, "duration_ms");
	table_cell(t, SCREEN_PLAIN, "%.0f", status_number(run, "retries"));
	cron_history_text(t, run, "node");
	cron_history_text(t, run, "error");
}

static const struct table_column cron_history_stats_columns[] = {
	{ "NAME", TABLE_LEFT, TABLE_FIXED },
	{ "DAY", TABLE_LEFT, TABLE_OPTIONAL },
	{ "RUNS", TABLE_RIGHT, TABLE_FIXED },
	{ "SUCCESS", TABLE_RIGHT, TABLE_FIXED },
	{ "FAILED", TABLE_RIGHT, TABLE_FIXED },
	{ "TIMEOUT", TABLE_RIGHT, TABLE_FIXED },
	{ "CANCELLED", TABLE_RIGHT, TABLE_FIXED },
	{ "MISFIRED", TABLE_RIGHT, TABLE_FIXED },
	{ "SKIPPED", TABLE_RIGHT, TABLE_FIXED },
	{ "RETRIES", TABLE_RIGHT, TABLE_FIXED },
	{ "AVERAGE", TABLE_RIGHT, TABLE_FIXED },
	{ "LONGEST", TABLE_RIGHT, TABLE_FIXED },
	{ "LATEST", TABLE_RIGHT, TABLE_FIXED },
};

static void cron_history_stats_row(struct table *t, const json_t *day)
{
	static const char *const counts[] = { "runs", "success", "failed",
		"timeout", "cancelled", "misfired", "skipped", "retries" };
	size_t i;

	cron_history_text(t, day, "name");
	cron_history_text(t, day, "day");
	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		table_cell(
			t, SCREEN_PLAIN, "%.0f", status_number(day, counts[i]));
	cron_history_span(t, day, "duration_ms_average");
	cron_history_span(t, day, "duration_ms_max");
	cron_history_span(t, day, "lateness_ms_max");
}

/* Takes the rows. */
static void cron_history_print(const struct ctl *c, json_t *rows,
	struct table *t, void (*row)(struct table *t, const json_t *row))
{
	struct buf out = BUF_INIT;
	const json_t *one;
	struct screen s;
	size_t i;

	if (c->json) {
		lane_print(rows);
		table_free(t);
		return;
	}
	json_array_foreach(rows, i, one) row(t, one);
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fputs(buf_str(&out), stdout);
	buf_done(&out);
	table_free(t);
	json_decref(rows);
}

void cron_history_tell(const struct ctl *c, json_t *rows)
{
	cron_history_print(c, rows,
		table_new(cron_history_columns,
			sizeof(cron_history_columns) /
				sizeof(*cron_history_columns)),
		cron_history_row);
}

int cron_history_command(struct ctl *c)
{
	char most[24];
	const char *values[] = { definition_tenant(c), NULL, most };
	json_t *rows;
	int rc;

	snprintf(most, sizeof(most), "%ld", c->lines);
	rc = cron_history_query(c, cron_history_runs, 3, values, 1, &rows);
	if (rc == EXIT_OK)
		cron_history_tell(c, rows);
	return rc;
}

int cron_history_stats(struct ctl *c)
{
	char days[24];
	const char *values[] = { definition_tenant(c), days, NULL };
	json_t *rows;
	int rc;

	snprintf(days, sizeof(days), "%ld", c->cron.days);
	rc = cron_history_query(c, cron_history_days, 3, values, 2, &rows);
	if (rc == EXIT_OK)
		cron_history_print(c, rows,
			table_new(cron_history_stats_columns,
				sizeof(cron_history_stats_columns) /
					sizeof(*cron_history_stats_columns)),
			cron_history_stats_row);
	return rc;
}
