/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/call.h"
#include "api/db.h"
#include "api/service.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

/* A call of the first moments. */
struct db_waiter {
	STAILQ_ENTRY(db_waiter) entry;
	struct call *call;
	void (*next)(struct call *call);
};

struct db {
	struct pg *pg;
	bool is_known; /* it was up, or could not be reached */
	STAILQ_HEAD(, db_waiter) waiters;
};

static const struct pg_statement db_set_tenant = {
	.name = "api_tenant",
	.text = "SELECT set_config('reeve.tenant', $1, true)",
	.params = 1,
};

static void db_on_state(enum pg_state state, const char *why, void *arg)
{
	struct db *db = arg;
	struct db_waiter *w;

	if (state == PG_UP)
		log_info("database: %s", why);
	else
		log_warn("database: %s", why);
	db->is_known = true;
	while ((w = STAILQ_FIRST(&db->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&db->waiters, entry);
		w->next(w->call);
	}
}

void db_await(struct call *call, void (*next)(struct call *call))
{
	struct db *db = call->service->db;
	struct db_waiter *w;

	if (db == NULL || db->is_known) {
		next(call);
		return;
	}
	w = arena_alloc(call->arena, sizeof(*w));
	w->call = call;
	w->next = next;
	STAILQ_INSERT_TAIL(&db->waiters, w, entry);
}

struct db *db_open(struct loop *l, const struct conf *conf, struct err *err)
{
	struct pg_options o = {
		.url = conf->database_url,
		.connections = (unsigned)conf->database_connections,
		.name = "reeve http",
		.connect_timeout_us = conf->database_connect_timeout_us,
		.statement_timeout_us = conf->database_statement_timeout_us,
		/* A table that was never analyzed is small to the planner,
		 * and a scan of it cheap. */
		.setup = "SET ROLE reeve_api; SET enable_seqscan = off;"
			 " SET jit = off",
	};
	struct db *db;

	if (o.url == NULL) {
		(void)err_set(err, 0, "no database is configured");
		return NULL;
	}
	db = xcalloc(1, sizeof(*db));
	STAILQ_INIT(&db->waiters);
	db->pg = pg_open(l, &o, db_on_state, db, err);
	if (db->pg == NULL) {
		free(db);
		return NULL;
	}
	return db;
}

void db_close(struct db *db)
{
	struct db_waiter *w;

	if (db == NULL)
		return;
	pg_close(db->pg);
	while ((w = STAILQ_FIRST(&db->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&db->waiters, entry);
		call_reply_away(w->call, "the database");
	}
	free(db);
}

bool db_is_up(const struct db *db)
{
	return db != NULL && pg_is_up(db->pg);
}

struct pg *db_pg(struct db *db)
{
	return db->pg;
}

/* A statement's rows on their way to the route. */
struct db_ask {
	struct call *call;
	db_rows_fn rows;
};

static void db_on_rows(const struct pg_result *r, void *arg)
{
	struct db_ask *ask = arg;

	if (ask->call->failed == 0 && !pg_result_is_error(r))
		ask->rows(ask->call, r);
}

void db_add_tenant(struct pg_batch *batch, const char *tenant)
{
	pg_batch_add(batch, &db_set_tenant, &tenant, NULL, NULL);
}

void db_begin(struct call *call)
{
	if (call->service->db == NULL)
		return;
	call->batch = pg_batch_new(call->service->db->pg);
	db_add_tenant(call->batch, call->access.tenant);
}

void db_add(struct call *call, const struct pg_statement *s,
	const char *const *values, db_rows_fn rows)
{
	struct db_ask *ask = NULL;

	if (call->batch == NULL)
		return;
	if (rows != NULL) {
		ask = arena_alloc(call->arena, sizeof(*ask));
		ask->call = call;
		ask->rows = rows;
	}
	pg_batch_add(
		call->batch, s, values, rows != NULL ? db_on_rows : NULL, ask);
}

static void db_answer(struct call *call)
{
	if (call->failed != 0)
		call_reply_problem(call, call->failed, call->failure);
	else if (call->next != NULL)
		call->next(call);
	else if (call->out.len == 0)
		call_reply_nothing(call, call->status);
	else
		call_reply_json(call, call->status, &call->out);
}

/* "version: …", where the body has such a field. */
static bool db_refuse_field(struct call *call, const char *text)
{
	const char *colon = strstr(text, ": ");
	const char *name;

	if (colon == NULL)
		return false;
	name = arena_strndup(call->arena, text, (size_t)(colon - text));
	if (call->body.fields == NULL || !field_get(&call->body, name)->is_set)
		return false;
	call_reply_wrong(call, name, colon + 2);
	return true;
}

/* What an error of the database is to the client; never its own words, save
 * where a statement of ours has chosen them (RVNNN). */
void db_refuse(struct call *call, const struct pg_result *error)
{
	const char *state = pg_result_sqlstate(error);
	const char *text = arena_strdup(call->arena, pg_result_error(error));
	int status = strncmp(state, "RV", 2) == 0 ? atoi(state + 2) : 0;

	if (status == 200 && call->repeat != NULL) {
		call->repeat(call);
	} else if (status == 422 && *pg_result_column(error) != '\0') {
		call_reply_wrong(call,
			arena_strdup(call->arena, pg_result_column(error)),
			text);
	} else if (status == 429) {
		call_reply_later(call, status, text, 1);
	} else if (status == 422 && db_refuse_field(call, text)) {
		return;
	} else if (status >= 400 && status <= 599) {
		call_reply_problem(call, status, text);
	} else if (strcmp(state, "23505") == 0) {
		call_reply_problem(
			call, 409, "something has that name already");
	} else if (strncmp(state, "23", 2) == 0) {
		call_reply_problem(call, 409, "it does not fit what is stored");
	} else if (pg_result_is_passing(error)) {
		call_reply_away(call, "the database");
	} else {
		log_error("%s: database: %s: %s", call->route->operation, state,
			text);
		call_reply_problem(
			call, 500, "the database refused it: the log says why");
	}
}

static void db_on_end(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct call *call = arg;

	if (call->ended != NULL) {
		call->ended(call, verdict == PG_COMMITTED && call->failed == 0);
		return;
	}
	switch (verdict) {
	case PG_COMMITTED: db_answer(call); break;
	case PG_REFUSED: db_refuse(call, error); break;
	case PG_LOST: call_reply_away(call, "the database"); break;
	}
}

void db_send_then(struct call *call, db_next_fn next)
{
	struct pg_batch *batch = call->batch;

	call->next = next;
	call->batch = NULL;
	if (batch == NULL || pg_batch_send(batch, db_on_end, call) != 0)
		call_reply_away(call, "the database");
}

int db_send_quietly(struct call *call, db_ended_fn fn)
{
	struct pg_batch *batch = call->batch;

	call->ended = fn;
	call->batch = NULL;
	if (batch == NULL)
		return -1;
	return pg_batch_send(batch, db_on_end, call);
}

void db_drop(struct call *call)
{
	pg_batch_free(call->batch);
	call->batch = NULL;
}

void db_send(struct call *call)
{
	db_send_then(call, NULL);
}

void db_query(struct call *call, const struct pg_statement *s,
	const char *const *values, db_rows_fn rows)
{
	db_begin(call);
	db_add(call, s, values, rows);
	db_send(call);
}
