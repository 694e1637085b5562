/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/instances.h"
#include "api/once.h"
#include "api/send.h"
#include "api/service.h"
#include "api/task_batch.h"
#include "base/mem.h"

#define TASK_BATCH_MOST  256
#define TASK_BATCH_BYTES ((size_t)1 << 20) /* of params */
#define TASK_BATCH_LISTS TASK_MINE         /* values that are arrays */

/* A call in its lane, or in the batch under way; on the call's arena. */
struct task_wait {
	STAILQ_ENTRY(task_wait) entry;
	struct call *call;
	const char *values[TASK_BATCH_LISTS];
	bool is_alone; /* was refused with others */
	bool is_made;
};
STAILQ_HEAD(task_waits, task_wait);

/* The creations of one tenant. */
struct task_lane {
	LIST_ENTRY(task_lane) entry;
	struct service *service;
	char *tenant;
	struct task_waits waiting;
	struct task_waits sent; /* the batch under way, in its order */
};

struct task_batches {
	LIST_HEAD(, task_lane) lanes;
	struct pg_array lists[TASK_BATCH_LISTS];
};

static const struct pg_statement task_batch_create = {
	.name = "api_tasks_create",
	.text = "SELECT " INSTANCE_COLUMNS " FROM reeve.tasks_create("
		"$1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[],"
		" $6::bigint[], $7::text[], $8::bigint[], $9::bigint[],"
		" $10::int[], $11::bigint[], $12::text[], $13::text[],"
		" $14::bytea[], $15::jsonb[], $16::boolean) i",
	.params = TASK_BATCH_LISTS + 1,
};

static void task_batch_send(struct task_lane *lane);

void task_batch_done(struct call *call, const char *id)
{
	once_header(call, "Location",
		arena_printf(call->arena, "/api/v1/tasks/instances/%s", id));
	send_poke(call);
}

static void task_batch_on_turn(void *arg)
{
	struct task_lane *lane = arg;

	if (STAILQ_EMPTY(&lane->sent))
		task_batch_send(lane);
}

static struct task_lane *task_batch_lane(struct call *call)
{
	struct service *s = call->service;
	struct task_lane *lane;

	if (s->task_batches == NULL) {
		s->task_batches = xcalloc(1, sizeof(*s->task_batches));
		LIST_INIT(&s->task_batches->lanes);
	}
	LIST_FOREACH(lane, &s->task_batches->lanes, entry)
		if (strcmp(lane->tenant, call->access.tenant) == 0)
			return lane;
	lane = xcalloc(1, sizeof(*lane));
	lane->service = s;
	lane->tenant = xstrdup(call->access.tenant);
	STAILQ_INIT(&lane->waiting);
	STAILQ_INIT(&lane->sent);
	LIST_INSERT_HEAD(&s->task_batches->lanes, lane, entry);
	return lane;
}

static void task_batch_free(struct task_lane *lane)
{
	loop_defer_cancel(
		worker_loop(lane->service->worker), task_batch_on_turn, lane);
	LIST_REMOVE(lane, entry);
	free(lane->tenant);
	free(lane);
}

void task_batch_add(struct call *call, const char *const values[TASK_VALUES])
{
	struct task_lane *lane = task_batch_lane(call);
	struct task_wait *w = arena_alloc(call->arena, sizeof(*w));

	w->call = call;
	memcpy(w->values, values, sizeof(w->values));
	if (STAILQ_EMPTY(&lane->waiting) && STAILQ_EMPTY(&lane->sent))
		loop_defer(worker_loop(call->service->worker),
			task_batch_on_turn, lane);
	STAILQ_INSERT_TAIL(&lane->waiting, w, entry);
}

static struct task_wait *task_batch_find(struct task_wait *w, const char *id)
{
	while (w != NULL && strcmp(w->values[TASK_ID], id) != 0)
		w = STAILQ_NEXT(w, entry);
	return w;
}

/* The answer of each is written before the commit is known, and goes out
 * after it.  Rows come in the order sent, as a rule. */
static void task_batch_on_rows(const struct pg_result *r, void *arg)
{
	struct task_lane *lane = arg;
	struct task_wait *next = STAILQ_FIRST(&lane->sent), *w;
	int row;

	if (pg_result_is_error(r))
		return;
	for (row = 0; row < pg_result_rows(r); row++) {
		const char *id = pg_result_text(r, row, 0);

		w = task_batch_find(next, id);
		if (w == NULL)
			w = task_batch_find(STAILQ_FIRST(&lane->sent), id);
		if (w == NULL)
			continue;
		answer_row(w->call, r, row);
		w->is_made = true;
		next = STAILQ_NEXT(w, entry);
	}
}

/* Those for which the tenant had no room left go again, to be told so. */
static void task_batch_made(struct task_lane *lane, struct task_waits *sent)
{
	struct task_waits left = STAILQ_HEAD_INITIALIZER(left);
	struct task_wait *w;

	while ((w = STAILQ_FIRST(sent)) != NULL) {
		STAILQ_REMOVE_HEAD(sent, entry);
		if (w->is_made) {
			task_batch_done(w->call, w->values[TASK_ID]);
			call_reply_json(w->call, 0, &w->call->out);
		} else {
			STAILQ_INSERT_TAIL(&left, w, entry);
		}
	}
	STAILQ_CONCAT(&left, &lane->waiting);
	STAILQ_CONCAT(&lane->waiting, &left);
}

static void task_batch_reply_away(struct task_waits *waits)
{
	struct task_wait *w;

	while ((w = STAILQ_FIRST(waits)) != NULL) {
		STAILQ_REMOVE_HEAD(waits, entry);
		call_reply_away(w->call, "the database");
	}
}

/* One of them is bad: each goes again, by itself, before what came since. */
static void task_batch_part(struct task_lane *lane, struct task_waits *sent)
{
	struct task_wait *w;

	STAILQ_FOREACH(w, sent, entry) {
		w->is_alone = true;
		w->is_made = false;
		buf_reset(&w->call->out);
	}
	STAILQ_CONCAT(sent, &lane->waiting);
	STAILQ_CONCAT(&lane->waiting, sent);
}

static void task_batch_refused(struct task_lane *lane, struct task_waits *sent,
	const struct pg_result *error)
{
	struct task_wait *w = STAILQ_FIRST(sent);
	bool is_of_all = pg_result_is_passing(error) ||
			 strcmp(pg_result_sqlstate(error), "RV429") == 0;

	if (STAILQ_NEXT(w, entry) != NULL && !is_of_all) {
		task_batch_part(lane, sent);
		return;
	}
	while ((w = STAILQ_FIRST(sent)) != NULL) {
		STAILQ_REMOVE_HEAD(sent, entry);
		buf_reset(&w->call->out);
		db_refuse(w->call, error);
	}
}

static void task_batch_on_end(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct task_lane *lane = arg;
	struct task_waits sent = STAILQ_HEAD_INITIALIZER(sent);

	/* An answer may let its connection's next request in. */
	STAILQ_CONCAT(&sent, &lane->sent);
	switch (verdict) {
	case PG_COMMITTED: task_batch_made(lane, &sent); break;
	case PG_REFUSED: task_batch_refused(lane, &sent, error); break;
	case PG_LOST: task_batch_reply_away(&sent); break;
	}
	task_batch_send(lane);
}

/* Moves what goes together from those that wait. */
static void task_batch_take(struct task_lane *lane)
{
	size_t bytes = 0, count = 0;
	struct task_wait *w;

	while ((w = STAILQ_FIRST(&lane->waiting)) != NULL &&
		count < TASK_BATCH_MOST && bytes < TASK_BATCH_BYTES) {
		if (w->is_alone && count > 0)
			return;
		STAILQ_REMOVE_HEAD(&lane->waiting, entry);
		STAILQ_INSERT_TAIL(&lane->sent, w, entry);
		bytes += strlen(w->values[TASK_PARAMS]);
		count++;
		if (w->is_alone)
			return;
	}
}

static struct pg_batch *task_batch_make(struct task_lane *lane)
{
	struct service *s = lane->service;
	struct pg_batch *batch = pg_batch_new(db_pg(s->db));
	const char *values[TASK_BATCH_LISTS + 1];
	struct task_wait *w = STAILQ_FIRST(&lane->sent);
	size_t i;

	values[TASK_MINE] = send_is_possible(w->call) ? "true" : "false";
	for (i = 0; i < TASK_BATCH_LISTS; i++) {
		struct pg_array *list = &s->task_batches->lists[i];

		pg_array_reset(list);
		STAILQ_FOREACH(w, &lane->sent, entry)
			pg_array_add(list, w->values[i]);
		values[i] = pg_array_text(list);
	}
	db_add_tenant(batch, lane->tenant);
	pg_batch_add(
		batch, &task_batch_create, values, task_batch_on_rows, lane);
	return batch;
}

/* Nothing of the lane is under way.  It is gone when nothing waits. */
static void task_batch_send(struct task_lane *lane)
{
	struct task_waits lost = STAILQ_HEAD_INITIALIZER(lost);

	while (!STAILQ_EMPTY(&lane->waiting)) {
		task_batch_take(lane);
		if (lane->service->db != NULL &&
			pg_batch_send(task_batch_make(lane), task_batch_on_end,
				lane) == 0)
			return;
		STAILQ_CONCAT(&lost, &lane->sent);
		task_batch_reply_away(&lost);
	}
	task_batch_free(lane);
}

void task_batch_close(struct service *s)
{
	struct task_lane *lane;
	size_t i;

	if (s->task_batches == NULL)
		return;
	while ((lane = LIST_FIRST(&s->task_batches->lanes)) != NULL) {
		task_batch_reply_away(&lane->waiting);
		task_batch_free(lane);
	}
	for (i = 0; i < TASK_BATCH_LISTS; i++)
		pg_array_free(&s->task_batches->lists[i]);
	free(s->task_batches);
	s->task_batches = NULL;
}
