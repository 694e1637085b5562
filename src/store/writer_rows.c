/* SPDX-License-Identifier: ISC */
/*
 * writer_rows - the statements of the writer.
 *
 * Times are sent as microseconds since 1970.  Rows stand in the order of their
 * ids, so that two workers never wait for each other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/writer_own.h"

#define ROWS_COLUMNS_MAX 16

/* Behind a number: the time that it stands for. */
#define ROWS_TIME " * '1 microsecond'::interval + 'epoch'::timestamptz"
#define ROWS_BEGUN                                                      \
	" RETURNING t.id, t.epoch, t.retry_count, t.task_definition_id" \
	" IS NOT NULL OR t.parent_id IS NOT NULL"                       \
	" OR t.unique_key IS NOT NULL OR t.is_counted IS NOT NULL,"     \
	" CASE WHEN t.secret_params IS NOT NULL THEN"                   \
	" coalesce(t.task_definition_id, t.id)::text || ' ' ||"         \
	" encode(t.secret_params, 'hex') END"

/* Around an UPDATE that ends runs: its rows are counted. */
#define ROWS_COUNT_BEGIN "WITH ended AS ("
#define ROWS_COUNT_END                                                     \
	" RETURNING t.id, t.tenant_id, t.status, t.execution_duration),"   \
	" counted AS (INSERT INTO reeve.task_ends AS e (tenant_id,"        \
	" minute, part, success, failed, cancelled, timed, duration_ms)"   \
	" SELECT tenant_id, date_trunc('minute', now()),"                  \
	" pg_backend_pid(), count(*) FILTER (WHERE status = 'SUCCESS'),"   \
	" count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT')),"        \
	" count(*) FILTER (WHERE status = 'CANCELLED'),"                   \
	" count(execution_duration), coalesce(sum(execution_duration), 0)" \
	" FROM ended WHERE status <> 'PENDING' GROUP BY tenant_id"         \
	" ON CONFLICT (tenant_id, minute, part) DO UPDATE SET"             \
	" success = e.success + excluded.success,"                         \
	" failed = e.failed + excluded.failed,"                            \
	" cancelled = e.cancelled + excluded.cancelled,"                   \
	" timed = e.timed + excluded.timed,"                               \
	" duration_ms = e.duration_ms + excluded.duration_ms)"             \
	" SELECT id FROM ended"

/*
 * A begin that was committed though nobody heard of it has left its own time
 * in the row: it is not counted twice, and one that the server carries out
 * long after its connection was lost changes nothing.  Of what comes from
 * Redis alone the epoch says whether the entry was taken over: an upsert has
 * no other place for it.
 */
static const struct pg_statement rows_insert = {
	.name = "reeve_begin_new",
	.params = 15,
	.text = "INSERT INTO reeve.task_instances AS t (id, tenant_id, handler,"
		" topic, execution_params, status, epoch, execution_node,"
		" worker, start_time, priority, timeout_ms, retry_max,"
		" retry_count, deadline, created_at)"
		" SELECT v.id, v.tenant, v.handler, v.topic, v.params,"
		" 'RUNNING', v.epoch, $1, $2, v.began" ROWS_TIME
		", v.priority, v.timeout, v.retry_max, v.attempt,"
		" v.deadline" ROWS_TIME ", v.created" ROWS_TIME
		" FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[],"
		" $7::text[], $8::bigint[], $9::bigint[], $10::bigint[],"
		" $11::bigint[], $12::int[], $13::bigint[], $14::bigint[],"
		" $15::int[]) AS v (id, tenant, handler, topic, params, epoch,"
		" began, priority, timeout, retry_max, deadline, created,"
		" attempt)"
		" ON CONFLICT (id) DO UPDATE SET status = 'RUNNING',"
		" epoch = t.epoch + (t.start_time IS DISTINCT FROM"
		" excluded.start_time)::int,"
		" execution_node = excluded.execution_node,"
		" worker = excluded.worker, start_time = excluded.start_time"
		" WHERE (t.status = 'PENDING' AND t.start_time IS DISTINCT"
		" FROM excluded.start_time) OR (t.status = 'RUNNING' AND"
		" (excluded.epoch > 1 OR (t.worker = excluded.worker"
		" AND t.start_time = excluded.start_time)))" ROWS_BEGUN,
};

static const struct pg_statement rows_begin = {
	.name = "reeve_begin",
	.params = 5,
	.text = "UPDATE reeve.task_instances t SET status = 'RUNNING',"
		" epoch = t.epoch + (t.start_time IS DISTINCT FROM"
		" v.began)::int, execution_node = $1, worker = $2,"
		" start_time = v.began"
		" FROM (SELECT id, began" ROWS_TIME " AS began, takeover"
		" FROM unnest($3::uuid[], $4::bigint[], $5::boolean[])"
		" AS v (id, began, takeover)) v"
		" WHERE t.id = v.id AND ((" WRITER_STATUS " = 'PENDING' AND"
		" t.start_time IS DISTINCT FROM v.began) OR"
		" (" WRITER_STATUS " = 'RUNNING' AND (v.takeover OR"
		" (t.worker = $2 AND t.start_time = v.began))))" ROWS_BEGUN,
};

/* The usual end: nothing but a result. */
static const struct pg_statement rows_success = {
	.name = "reeve_success",
	.params = 5,
	.text = ROWS_COUNT_BEGIN
	"UPDATE reeve.task_instances t SET status = 'SUCCESS',"
	" end_time = v.ended" ROWS_TIME ","
	" execution_duration = v.duration, result = v.result,"
	" error_message = NULL"
	" FROM unnest($1::uuid[], $2::bigint[], $3::bigint[],"
	" $4::bigint[], $5::text[])"
	" AS v (id, epoch, ended, duration, result)"
	" WHERE t.id = v.id AND t.epoch = v.epoch"
	" AND " WRITER_STATUS " = 'RUNNING'" ROWS_COUNT_END,
};

static const struct pg_statement rows_finish = {
	.name = "reeve_finish",
	.params = 12,
	.text = ROWS_COUNT_BEGIN
	"UPDATE reeve.task_instances t SET status = v.status,"
	" end_time = CASE WHEN v.status <> 'PENDING' THEN"
	" v.ended" ROWS_TIME " END,"
	" execution_duration = coalesce(v.duration,"
	" t.execution_duration),"
	" retry_count = v.attempt,"
	" due_at = v.due" ROWS_TIME ","
	" result = v.result, error_message = v.error,"
	" errors = CASE WHEN v.item IS NULL THEN t.errors ELSE"
	" coalesce(t.errors, '[]') || v.item::jsonb END,"
	" progress = coalesce(v.percent, t.progress),"
	" progress_text = coalesce(v.said, t.progress_text)"
	" FROM unnest($1::uuid[], $2::bigint[], $3::text[],"
	" $4::bigint[], $5::bigint[], $6::int[], $7::bigint[],"
	" $8::text[], $9::text[], $10::text[], $11::smallint[],"
	" $12::text[])"
	" AS v (id, epoch, status, ended, duration, attempt, due,"
	" result, error, item, percent, said)"
	" WHERE t.id = v.id AND t.epoch = v.epoch"
	" AND " WRITER_STATUS " = 'RUNNING'" ROWS_COUNT_END,
};

static const struct pg_statement rows_followers = {
	.name = "reeve_runs_ended",
	.params = 1,
	.text = "SELECT reeve.runs_ended($1::uuid[])",
};

static const struct pg_statement rows_ask = {
	.name = "reeve_ask",
	.params = 1,
	.text = "SELECT id, status, epoch, worker FROM reeve.task_instances"
		" WHERE id = ANY ($1::uuid[])",
};

struct writer_run *writer_rows_find(
	const struct writer_batch *batch, const char *id)
{
	size_t low = 0, high = batch->count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(id, batch->runs[middle]->id);
		if (order == 0)
			return batch->runs[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Columns as arrays, and what stands before them. */
struct rows {
	struct pg_array columns[ROWS_COLUMNS_MAX];
	size_t count;
};

static void rows_add_bool(struct pg_array *a, bool value)
{
	pg_array_add_bytes(a, value ? "t" : "f", 1);
}

static void rows_add_if(struct pg_array *a, bool is_there, int64_t value)
{
	if (is_there)
		pg_array_add_int(a, value);
	else
		pg_array_add(a, NULL);
}

static void rows_add_text(struct pg_array *a, const char *text, size_t len)
{
	if (text != NULL)
		store_add_text(a, text, len);
	else
		pg_array_add(a, NULL);
}

static void rows_send(struct rows *rows, int columns, struct pg_batch *b,
	const struct pg_statement *s, const char *first, const char *second,
	pg_result_fn fn, void *arg)
{
	const char *values[ROWS_COLUMNS_MAX + 2];
	int i, n = 0;

	if (first != NULL) {
		values[n++] = first;
		values[n++] = second;
	}
	for (i = 0; i < columns; i++)
		values[n++] = pg_array_text(&rows->columns[i]);
	pg_batch_add(b, s, values, fn, arg);
}

static void rows_free(struct rows *rows)
{
	size_t i;

	for (i = 0; i < ROWS_COLUMNS_MAX; i++)
		pg_array_free(&rows->columns[i]);
}

static void rows_take_secret(struct writer_run *r, const char *sealed)
{
	free(r->secret);
	r->secret = sealed != NULL ? xstrdup(sealed) : NULL;
}

static void rows_on_begun(const struct pg_result *res, void *arg)
{
	struct writer_batch *b = arg;
	struct writer_run *r;
	int row;

	for (row = 0; row < pg_result_rows(res); row++) {
		r = writer_rows_find(b, pg_result_text(res, row, 0));
		if (r == NULL)
			continue;
		r->is_answered = true;
		r->epoch = pg_result_int(res, row, 1, 0);
		r->attempt = pg_result_int(res, row, 2, 0);
		r->has_followers =
			strcmp(pg_result_text(res, row, 3), "t") == 0;
		rows_take_secret(r, pg_result_text(res, row, 4));
	}
}

static void rows_on_ended(const struct pg_result *res, void *arg)
{
	struct writer_batch *b = arg;
	struct writer_run *r;
	int row;

	for (row = 0; row < pg_result_rows(res); row++) {
		r = writer_rows_find(b, pg_result_text(res, row, 0));
		if (r != NULL)
			r->is_answered = true;
	}
}

static void rows_add_new(struct rows *rows, const struct writer_run *r)
{
	const struct task *t = r->task;
	struct pg_array *c = rows->columns;

	pg_array_add_bytes(c++, r->id, UUID_TEXT_LEN);
	pg_array_add(c++, t->tenant);
	pg_array_add(c++, t->handler);
	pg_array_add(c++, r->topic);
	store_add_text(c++, t->params, t->params_len);
	pg_array_add_int(c++, r->is_takeover ? 2 : 1);
	pg_array_add_int(c++, r->began_us);
	pg_array_add_int(c++, t->priority);
	rows_add_if(c++, t->timeout_ms > 0, t->timeout_ms);
	rows_add_if(c++, t->retry_max >= 0, t->retry_max);
	rows_add_if(c++, t->deadline_ms > 0, t->deadline_ms * US_PER_MS);
	pg_array_add_int(c++, t->created_ms * US_PER_MS);
	pg_array_add_int(c++, t->attempt);
	rows->count++;
}

static void rows_add_stored(struct rows *rows, const struct writer_run *r)
{
	struct pg_array *c = rows->columns;

	pg_array_add_bytes(c++, r->id, UUID_TEXT_LEN);
	pg_array_add_int(c++, r->began_us);
	rows_add_bool(c++, r->is_takeover);
	rows->count++;
}

void writer_rows_begin(struct writer_batch *batch, struct pg_batch *b)
{
	struct rows fresh = { .count = 0 }, stored = { .count = 0 };
	struct writer *w = batch->lane->writer;
	size_t i;

	for (i = 0; i < batch->count; i++) {
		struct writer_run *r = batch->runs[i];

		if (r->task->stored && !r->is_missing)
			rows_add_stored(&stored, r);
		else
			rows_add_new(&fresh, r);
	}
	if (fresh.count > 0)
		rows_send(&fresh, 13, b, &rows_insert, w->node, w->name,
			rows_on_begun, batch);
	if (stored.count > 0)
		rows_send(&stored, 3, b, &rows_begin, w->node, w->name,
			rows_on_begun, batch);
	rows_free(&fresh);
	rows_free(&stored);
}

static bool rows_is_plain(const struct writer_run *r)
{
	return r->end.state == TASK_SUCCESS && r->percent < 0 &&
	       r->progress == NULL && !r->is_bare;
}

static void rows_add_success(struct rows *rows, const struct writer_run *r)
{
	struct pg_array *c = rows->columns;

	pg_array_add_bytes(c++, r->id, UUID_TEXT_LEN);
	pg_array_add_int(c++, r->epoch);
	pg_array_add_int(c++, r->ended_us);
	pg_array_add_int(c++, r->end.duration_ms);
	rows_add_text(c++, r->result, r->end.result_len);
	rows->count++;
}

/* What `errors` gets of this attempt, as JSON. */
static void rows_add_item(struct pg_array *a, const struct writer_run *r)
{
	struct buf text = BUF_INIT;
	char at[CLOCK_ISO_MAX];
	struct jsonw j;

	if (!r->end.is_failure) {
		pg_array_add(a, NULL);
		return;
	}
	jsonw_init(&j, &text);
	jsonw_object(&j, NULL);
	jsonw_int(&j, "attempt", r->end.attempt);
	jsonw_str(&j, "at", clock_iso(r->ended_us, at));
	jsonw_str(&j, "error", r->is_bare || r->error == NULL ? "" : r->error);
	jsonw_end_object(&j);
	pg_array_add_bytes(a, text.data, text.len);
	buf_done(&text);
}

static void rows_add_end(struct rows *rows, const struct writer_run *r)
{
	static const char bare[] = "its texts could not be stored";
	const struct writer_end *e = &r->end;
	struct pg_array *c = rows->columns;

	pg_array_add_bytes(c++, r->id, UUID_TEXT_LEN);
	pg_array_add_int(c++, r->epoch);
	pg_array_add(c++, task_state_names[e->state]);
	pg_array_add_int(c++, r->ended_us);
	rows_add_if(c++, e->duration_ms >= 0, e->duration_ms);
	pg_array_add_int(c++, e->attempt);
	rows_add_if(c++, e->state == TASK_PENDING,
		r->ended_us + e->pause_ms * US_PER_MS);
	rows_add_text(c++, r->is_bare ? NULL : r->result, e->result_len);
	if (r->is_bare)
		pg_array_add_bytes(c++, bare, sizeof(bare) - 1);
	else
		rows_add_text(c++, r->error, e->error_len);
	rows_add_item(c++, r);
	rows_add_if(c++, r->percent >= 0, r->percent);
	rows_add_text(c++, r->progress,
		r->progress != NULL ? strlen(r->progress) : 0);
	rows->count++;
}

void writer_rows_finish(struct writer_batch *batch, struct pg_batch *b)
{
	struct rows plain = { .count = 0 }, other = { .count = 0 };
	struct pg_array followed = { NULL, 0, 0 };
	const char *values[1];
	size_t i;

	for (i = 0; i < batch->count; i++) {
		struct writer_run *r = batch->runs[i];

		if (rows_is_plain(r))
			rows_add_success(&plain, r);
		else
			rows_add_end(&other, r);
		if (r->has_followers && r->end.state != TASK_PENDING)
			pg_array_add_bytes(&followed, r->id, UUID_TEXT_LEN);
	}
	if (plain.count > 0)
		rows_send(&plain, 5, b, &rows_success, NULL, NULL,
			rows_on_ended, batch);
	if (other.count > 0)
		rows_send(&other, 12, b, &rows_finish, NULL, NULL,
			rows_on_ended, batch);
	if (followed.len > 0) {
		values[0] = pg_array_text(&followed);
		pg_batch_add(b, &rows_followers, values, NULL, NULL);
	}
	pg_array_free(&followed);
	rows_free(&plain);
	rows_free(&other);
}

int writer_rows_ask(struct writer_batch *batch, struct pg *pg, pg_result_fn fn)
{
	struct pg_array ids = { NULL, 0, 0 };
	const char *values[1];
	size_t i;
	int rc;

	for (i = 0; i < batch->count; i++)
		pg_array_add_bytes(&ids, batch->runs[i]->id, UUID_TEXT_LEN);
	values[0] = pg_array_text(&ids);
	rc = pg_query(pg, &rows_ask, values, fn, batch);
	pg_array_free(&ids);
	return rc;
}
