/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/jsonr.h"
#include "ctl/cron_run.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "task/task.h"

#define CRON_RUN_PARAMS_MAX 1000000
/* How often --wait looks. */
#define CRON_RUN_LOOK_NS 100000000

/* The instance, the mark that it is under way, and what brings it to the
 * queue: all or nothing. */
static const char cron_run_sql[] =
	"WITH made AS (INSERT INTO reeve.task_instances AS i (id, tenant_id, "
	"task_definition_id, handler, topic, execution_params, "
	"secret_params, secret_names, status, priority, timeout_ms, retry_max, trigger, "
	"is_counted, created_at) "
	"SELECT n.id, d.tenant_id, d.id, d.task_handler, "
	"d.topic, coalesce($2, d.task_params), d.secret_params, "
	"d.secret_names, 'PENDING', "
	"d.priority, d.timeout_ms, d.retry_max, 'manual', "
	"nullif(reeve.runs_count(d.tenant_id, ARRAY[n.id]), false), "
	"clock_timestamp() FROM (SELECT reeve.uuid_new() AS id OFFSET 0) n, "
	"reeve.task_definitions d WHERE d.id = $1 "
	"RETURNING i), "
	"active AS (INSERT INTO reeve.task_active "
	"(instance_id, definition_id) "
	"SELECT (m.i).id, (m.i).task_definition_id FROM made m), "
	"queued AS (INSERT INTO reeve.outbox (instance_id, topic, envelope) "
	"SELECT (m.i).id, (m.i).topic, reeve.envelope(m.i) FROM made m), "
	"audit AS (INSERT INTO reeve.audit_log "
	"(tenant_id, who, action, object, object_id, after) "
	"SELECT (m.i).tenant_id, reeve.actor(), 'runDefinition', 'definition', "
	"(m.i).task_definition_id::text, "
	"jsonb_build_object('instance', (m.i).id) FROM made m) "
	"SELECT (m.i).id FROM made m";

int cron_run_check(const struct ctl *c)
{
	const char *text = c->cron.params;
	struct jsonr_value value;
	struct err err;

	if (text == NULL)
		return EXIT_OK;
	if (strlen(text) > CRON_RUN_PARAMS_MAX)
		return ctl_fail(EXIT_USAGE, "--params is longer than %d bytes",
			CRON_RUN_PARAMS_MAX);
	if (jsonr_check(text, strlen(text), TASK_DEPTH_MAX, &value, &err) != 0)
		return ctl_fail(
			EXIT_USAGE, "--params is no JSON: %s", err.text);
	return EXIT_OK;
}

static int cron_run_insert(const struct ctl *c, struct db *db,
	const struct definition *d, char ret_id[UUID_TEXT_LEN + 1])
{
	const char *values[] = { d->id, c->cron.params };
	struct db_rows *r;
	int rc = db_query(db, &r, cron_run_sql, 2, values);

	if (rc != EXIT_OK)
		return rc;
	snprintf(ret_id, UUID_TEXT_LEN + 1, "%s", db_text(r, 0, 0));
	db_free(r);
	return db_run(db, "COMMIT");
}

int cron_run_tell(const struct ctl *c, const char *id, json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *result = json_string_value(json_object_get(row, "result"));
	const char *error = json_string_value(json_object_get(row, "error"));
	bool is_good = state != NULL && strcmp(state, "SUCCESS") == 0;

	if (c->json)
		lane_print(json_incref(row));
	else if (is_good)
		printf("%s SUCCESS%s%s\n", id, result != NULL ? ": " : "",
			result != NULL ? result : "");
	if (is_good)
		return EXIT_OK;
	return ctl_fail(EXIT_CONFIG, "run %s: %s%s%s", id,
		state != NULL ? state : "gone", error != NULL ? ": " : "",
		error != NULL ? error : "");
}

/* Until it has come to an end; the exit code tells which. */
static int cron_run_wait(const struct ctl *c, struct db *db, const char *id)
{
	const char *values[] = { id };
	const struct timespec pause = { 0, CRON_RUN_LOOK_NS };
	struct db_rows *r;
	json_t *rows;
	int rc;

	for (;;) {
		rc = db_query(db, &r,
			"SELECT json_build_object('id', id, 'state', status, "
			"'result', result, 'error', error_message) "
			"FROM reeve.task_instances WHERE id = $1 "
			"AND status NOT IN ('PENDING', 'RUNNING')",
			1, values);
		if (rc != EXIT_OK)
			return rc;
		rows = definition_rows(r);
		if (json_array_size(rows) > 0)
			break;
		json_decref(rows);
		nanosleep(&pause, NULL);
	}
	rc = cron_run_tell(c, id, json_array_get(rows, 0));
	json_decref(rows);
	return rc;
}

void cron_run_tell_begun(const struct ctl *c, const char *id)
{
	if (c->json)
		lane_print(json_pack("{s:b, s:s, s:s}", "ok", true, "id", id,
			"name", c->argv[0]));
	else
		printf("%s\n", id);
}

int cron_run_command(struct ctl *c)
{
	char id[UUID_TEXT_LEN + 1];
	struct definition d = { .rule = NULL };
	struct db *db = NULL;
	int rc = cron_run_check(c);

	if (rc == EXIT_OK)
		rc = db_open(c, &db);
	if (rc == EXIT_OK)
		rc = db_run(db, "BEGIN");
	if (rc == EXIT_OK)
		rc = definition_find(c, db, c->argv[0], &d);
	if (rc == EXIT_OK)
		rc = cron_run_insert(c, db, &d, id);
	if (rc == EXIT_OK && c->wait)
		rc = cron_run_wait(c, db, id);
	else if (rc == EXIT_OK)
		cron_run_tell_begun(c, id);
	definition_done(&d);
	db_close(db);
	return rc;
}
