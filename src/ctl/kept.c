/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "conf/conf.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/jtree.h"
#include "ctl/kept.h"
#include "ctl/lane.h"
#include "ctl/span.h"
#include "ctl/status.h"
#include "task/task.h"

#define KEPT_LOOK_NS 200000000

/* Around a column: the time as milliseconds. */
#define KEPT_MS "floor(1000 * extract(epoch FROM "
#define KEPT_IN "))::bigint"

struct kept {
	struct db *db;
	char *id;
	json_t *row;
};

static const char kept_sql[] =
	"SELECT json_strip_nulls(json_build_object('state', i.status,"
	" 'handler', i.handler, 'topic', i.topic, 'tenant', i.tenant_id,"
	" 'params', i.execution_params, 'attempts', i.retry_count"
	" + (i.status = 'SUCCESS')::int, 'epoch', i.epoch,"
	" 'worker', i.worker, 'node', i.execution_node,"
	" 'created', " KEPT_MS "i.created_at" KEPT_IN ", 'due', " KEPT_MS
	"i.due_at" KEPT_IN ", 'started', " KEPT_MS "i.start_time" KEPT_IN
	", 'ended', " KEPT_MS "i.end_time" KEPT_IN
	", 'duration_ms', i.execution_duration, 'error', i.error_message,"
	" 'errors', (SELECT json_agg(json_build_object('attempt',"
	" e->'attempt', 'at', " KEPT_MS "(e->>'at')::timestamptz" KEPT_IN
	", 'error', e->>'error')) FROM jsonb_array_elements(i.errors) e),"
	" 'result', i.result, 'progress', i.progress,"
	" 'progress_text', i.progress_text, 'unique', i.unique_key,"
	" 'priority', i.priority, 'timeout_ms', i.timeout_ms,"
	" 'retry_max', i.retry_max, 'deadline', " KEPT_MS "i.deadline" KEPT_IN
	", 'trigger', i.trigger, 'definition', d.task_name,"
	" 'planned', " KEPT_MS "i.fire_time" KEPT_IN
	", 'parent', i.parent_id, 'children', nullif(i.children, 0),"
	" 'children_done', nullif(i.children_done, 0), 'children_failed',"
	" nullif(i.children_failed, 0), 'is_held', i.is_held,"
	" 'lines', (SELECT count(*) FROM reeve.task_logs l"
	" WHERE l.task_instance_id = i.id)))"
	" FROM reeve.task_instances i LEFT JOIN reeve.task_definitions d"
	" ON d.id = i.task_definition_id WHERE i.id = $1";

bool kept_is_named(const struct ctl *c, const struct conf *conf)
{
	const char *from_env = getenv("REEVE_DATABASE_URL");

	return c->database != NULL || conf->database_url != NULL ||
	       (from_env != NULL && *from_env != '\0');
}

struct kept *kept_of(const char *id, json_t *row)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	k->id = xstrdup(id);
	k->row = row;
	return k;
}

int kept_refresh(struct kept *k)
{
	const char *values[1] = { k->id };
	struct db_rows *rows = NULL;
	int rc = db_query(k->db, &rows, kept_sql, 1, values);

	if (rc != EXIT_OK)
		return rc;
	json_decref(k->row);
	k->row = NULL;
	if (db_count(rows) == 1)
		k->row = jtree_read(
			db_text(rows, 0, 0), strlen(db_text(rows, 0, 0)));
	db_free(rows);
	return EXIT_OK;
}

void kept_free(struct kept *k)
{
	if (k == NULL)
		return;
	json_decref(k->row);
	db_close(k->db);
	free(k->id);
	free(k);
}

int kept_find(const struct ctl *c, const struct conf *conf, const char *id,
	struct kept **ret_kept)
{
	struct kept *k;
	int rc;

	*ret_kept = NULL;
	if (!kept_is_named(c, conf) || !uuid_is_v7(id))
		return EXIT_OK;
	k = xcalloc(1, sizeof(*k));
	k->id = xstrdup(id);
	rc = db_open(c, &k->db);
	if (rc == EXIT_OK)
		rc = kept_refresh(k);
	if (rc == EXIT_OK && k->row != NULL)
		*ret_kept = k;
	else
		kept_free(k);
	return rc;
}

int kept_open(const struct ctl *c, const char *id, struct kept **ret_kept)
{
	struct conf *conf;
	int rc = ask_read(c, &conf);

	if (rc != EXIT_OK)
		return rc;
	rc = kept_find(c, conf, id, ret_kept);
	conf_free(conf);
	if (rc == EXIT_OK && *ret_kept == NULL)
		rc = ctl_fail(EXIT_CONFIG, "PostgreSQL knows no task %s", id);
	return rc;
}

const char *kept_state(const struct kept *k)
{
	return k != NULL ? status_text(k->row, "state") : "";
}

bool kept_is_over(const struct kept *k)
{
	int state = task_state_find(kept_state(k));

	return state != TASK_PENDING && state != TASK_RUNNING;
}

const json_t *kept_json(const struct kept *k)
{
	return k->row;
}

static void kept_line(const struct kept *k, const char *label, const char *key)
{
	const char *text = status_text(k->row, key);
	char *clean;

	if (text[0] == '\0')
		return;
	clean = lane_clean(text);
	printf("%-12s%s\n", label, clean);
	free(clean);
}

static int64_t kept_number(const struct kept *k, const char *key)
{
	return json_integer_value(json_object_get(k->row, key));
}

static void kept_time(const struct kept *k, const char *label, const char *key)
{
	int64_t at = kept_number(k, key);
	char iso[CLOCK_ISO_MAX];

	if (at != 0)
		printf("%-12s%s\n", label, clock_iso(at * US_PER_MS, iso));
}

static void kept_show_errors(const struct kept *k)
{
	const json_t *errors = json_object_get(k->row, "errors"), *e;
	char *clean, iso[CLOCK_ISO_MAX];
	int64_t at;
	size_t i;

	json_array_foreach(errors, i, e)
	{
		clean = lane_clean(status_text(e, "error"));
		at = json_integer_value(json_object_get(e, "at"));
		printf("%-12s%s, attempt %.0f: %s\n", i == 0 ? "errors" : "",
			clock_iso(at * US_PER_MS, iso),
			status_number(e, "attempt"), clean);
		free(clean);
	}
}

static void kept_show_children(const struct kept *k)
{
	if (kept_number(k, "children") == 0)
		return;
	printf("%-12s%" PRId64 " of %" PRId64 " are over, %" PRId64
	       " without success\n",
		"children", kept_number(k, "children_done"),
		kept_number(k, "children"), kept_number(k, "children_failed"));
}

static void kept_show_progress(const struct kept *k)
{
	char *clean;

	if (json_object_get(k->row, "progress") == NULL)
		return;
	clean = lane_clean(status_text(k->row, "progress_text"));
	printf("%-12s%" PRId64 " %%%s%s\n", "progress",
		kept_number(k, "progress"), *clean != '\0' ? " " : "", clean);
	free(clean);
}

static void kept_show_end(const struct kept *k)
{
	char span[32];

	kept_time(k, "ended", "ended");
	if (json_object_get(k->row, "duration_ms") != NULL)
		printf("%-12s%s\n", "took",
			clock_span(kept_number(k, "duration_ms") * US_PER_MS,
				span, sizeof(span)));
	kept_line(k, "error", "error");
	kept_show_errors(k);
	kept_line(k, "result", "result");
	if (kept_number(k, "lines") > 0)
		printf("%-12s%" PRId64 " lines, see task logs\n", "log",
			kept_number(k, "lines"));
}

void kept_show(const struct kept *k)
{
	kept_line(k, "handler", "handler");
	kept_line(k, "topic", "topic");
	if (strcmp(status_text(k->row, "tenant"), "default") != 0)
		kept_line(k, "tenant", "tenant");
	kept_line(k, "definition", "definition");
	kept_line(k, "parent", "parent");
	kept_line(k, "unique", "unique");
	kept_line(k, "params", "params");
	printf("%-12s%" PRId64 "\n", "attempts", kept_number(k, "attempts"));
	if (json_object_get(k->row, "epoch") != NULL)
		printf("%-12s%" PRId64 "\n", "epoch", kept_number(k, "epoch"));
	kept_time(k, "created", "created");
	kept_time(k, "planned", "planned");
	if (!kept_is_over(k))
		kept_time(k, "due", "due");
	kept_line(k, "worker", "worker");
	kept_time(k, "started", "started");
	kept_show_progress(k);
	kept_show_children(k);
	kept_show_end(k);
}

/* As the API does it, and writes it down. */
#define KEPT_DO(function, action, when)                                 \
	"WITH was AS MATERIALIZED (SELECT reeve." function "($1::uuid)" \
	" AS status), audit AS (INSERT INTO reeve.audit_log"            \
	" (tenant_id, who, action, object, object_id, before)"          \
	" SELECT i.tenant_id, reeve.actor(), '" action "', 'instance'," \
	" i.id::text, jsonb_build_object('status', was.status)"         \
	" FROM was, reeve.task_instances i WHERE i.id = $1::uuid"       \
	" AND " when ") SELECT status FROM was"

static int kept_call(struct kept *k, const char *sql, const char **ret_was)
{
	const char *values[1] = { k->id };
	struct db_rows *rows = NULL;
	const char *was;
	int state, rc = db_query(k->db, &rows, sql, 1, values);

	if (rc != EXIT_OK)
		return rc;
	was = db_count(rows) == 1 ? db_text(rows, 0, 0) : NULL;
	state = was != NULL ? task_state_find(was) : -1;
	*ret_was = state >= 0 ? task_state_names[state] : "";
	db_free(rows);
	return EXIT_OK;
}

int kept_cancel(struct kept *k, const char **ret_was)
{
	return kept_call(k,
		KEPT_DO("task_cancel", "cancelInstance",
			"was.status IN ('PENDING', 'RUNNING')"),
		ret_was);
}

int kept_retry(struct kept *k, const char **ret_was)
{
	return kept_call(k,
		KEPT_DO("task_retry", "retryInstance",
			"was.status NOT IN ('PENDING', 'RUNNING')"
			" AND i.children = 0"),
		ret_was);
}

static void kept_pause(void)
{
	struct timespec pause = { 0, KEPT_LOOK_NS };

	fflush(stdout);
	nanosleep(&pause, NULL);
}

void kept_print_line(const struct ctl *c, const char *at, const char *level,
	const char *text)
{
	char *clean;

	if (c->json) {
		lane_print(json_pack("{s:s, s:s, s:o}", "at", at, "level",
			level, "text", lane_json(text, strlen(text))));
		return;
	}
	clean = lane_clean(text);
	printf("%s %-5s %s\n", at, level, clean);
	free(clean);
}

/* Those behind `last`, which is moved on; no more than `limit`, the newest. */
static int kept_print_logs(
	const struct ctl *c, struct kept *k, char *last, long limit)
{
	char number[24];
	const char *values[3] = { k->id, last, number };
	struct db_rows *rows = NULL;
	int i, rc;

	snprintf(number, sizeof(number), "%ld", limit);
	rc = db_query(k->db, &rows,
		"SELECT * FROM (SELECT id, to_char(log_time AT TIME ZONE"
		" 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), log_level,"
		" log_message FROM reeve.task_logs WHERE task_instance_id = $1"
		" AND id > $2 ORDER BY id DESC LIMIT $3) l ORDER BY id",
		3, values);
	if (rc != EXIT_OK)
		return rc;
	for (i = 0; i < db_count(rows); i++) {
		kept_print_line(c, db_text(rows, i, 1), db_text(rows, i, 2),
			db_text(rows, i, 3));
		snprintf(last, UUID_TEXT_LEN + 1, "%s", db_text(rows, i, 0));
	}
	db_free(rows);
	return EXIT_OK;
}

int kept_logs(struct ctl *c)
{
	char last[UUID_TEXT_LEN + 1] = "00000000-0000-0000-0000-000000000000";
	struct kept *k;
	bool is_over;
	int rc = kept_open(c, c->argv[0], &k);

	if (rc != EXIT_OK)
		return rc;
	rc = kept_print_logs(c, k, last, c->lines);
	while (rc == EXIT_OK && c->follow) {
		/* What it said last is there a moment after its end. */
		is_over = kept_is_over(k);
		kept_pause();
		rc = kept_print_logs(c, k, last, 100000);
		if (rc == EXIT_OK && is_over)
			break;
		if (rc == EXIT_OK)
			rc = kept_refresh(k);
	}
	kept_free(k);
	return rc;
}

/* Until it is over; the exit code tells how. */
static int kept_wait(struct ctl *c, struct kept *k)
{
	int rc = EXIT_OK;

	while (rc == EXIT_OK && (k->row == NULL || !kept_is_over(k))) {
		kept_pause();
		rc = kept_refresh(k);
	}
	return rc == EXIT_OK ? kept_tell_end(c, k) : rc;
}

int kept_tell_end(const struct ctl *c, const struct kept *k)
{
	const char *result = status_text(k->row, "result");
	const char *error = status_text(k->row, "error");

	if (c->json)
		lane_print(json_pack("{s:s, s:s, s:o, s:o}", "id", k->id,
			"state", kept_state(k), "result",
			lane_json(result, strlen(result)), "error",
			lane_json(error, strlen(error))));
	else if (strcmp(kept_state(k), "SUCCESS") == 0)
		printf("%s SUCCESS%s%s\n", k->id, *result != '\0' ? ": " : "",
			result);
	if (strcmp(kept_state(k), "SUCCESS") == 0)
		return EXIT_OK;
	return ctl_fail(EXIT_CONFIG, "task %s: %s%s%s", k->id, kept_state(k),
		*error != '\0' ? ": " : "", error);
}

void kept_tell_pushed(const struct ctl *c, const char *id, const char *topic)
{
	if (c->json && c->count == 1)
		lane_print(json_pack("{s:s, s:s}", "id", id, "topic", topic));
	else if (c->json)
		lane_print(json_pack("{s:I, s:s}", "enqueued",
			(json_int_t)c->count, "topic", topic));
	else if (c->count == 1)
		printf("%s\n", id);
	else
		printf("%ld enqueued\n", c->count);
}

/* The pause in ms that --delay or --at ask for, as text; "" for none. */
static int kept_pause_text(const struct ctl *c, char *text, size_t size)
{
	int64_t delay_ms = 0;
	int rc = EXIT_OK;

	if (c->delay != NULL)
		rc = span_delay(c->delay, &delay_ms);
	else if (c->at != NULL)
		rc = span_at(c->at, &delay_ms);
	snprintf(text, size, "%" PRId64, delay_ms);
	return rc;
}

/* What reeve.push answers may be the holder of the unique key. */
static int kept_commit(struct kept *k, bool *ret_is_made)
{
	const char *values[1] = { k->id };
	struct db_rows *rows = NULL;
	int rc = db_query(k->db, &rows,
		"SELECT FROM reeve.task_instances WHERE id = $1"
		" AND xmin = pg_current_xact_id()::xid",
		1, values);

	if (rc != EXIT_OK)
		return rc;
	*ret_is_made = db_count(rows) == 1;
	db_free(rows);
	return db_run(k->db, "COMMIT");
}

int kept_push(struct ctl *c, const char *topic, const char *handler,
	const char *params)
{
	struct kept k = { NULL, NULL, NULL };
	char delay[24], count[24];
	bool is_made = true;
	const char *values[6] = { topic, handler, params, delay, c->unique,
		count };
	struct db_rows *rows = NULL;
	int rc = kept_pause_text(c, delay, sizeof(delay));

	snprintf(count, sizeof(count), "%ld", c->count);
	if (rc == EXIT_OK)
		rc = db_open(c, &k.db);
	if (rc == EXIT_OK)
		rc = db_run(k.db, "BEGIN");
	if (rc == EXIT_OK)
		rc = db_query(k.db, &rows,
			"SELECT reeve.push($1, $2, $3::jsonb, delay =>"
			" nullif($4, '0')::bigint * '1 ms'::interval,"
			" unique_key => $5)"
			" FROM generate_series(1, $6::int)",
			6, values);
	if (rc == EXIT_OK) {
		k.id = xstrdup(db_text(rows, 0, 0));
		rc = kept_commit(&k, &is_made);
	}
	if (rc == EXIT_OK && !is_made) {
		rc = ctl_fail(EXIT_CONFIG,
			"not enqueued: task %s holds the key \"%s\"", k.id,
			c->unique);
	} else if (rc == EXIT_OK) {
		if (c->wait)
			rc = kept_wait(c, &k);
		else
			kept_tell_pushed(c, k.id, topic);
	}
	db_free(rows);
	db_close(k.db);
	json_decref(k.row);
	free(k.id);
	return rc;
}
