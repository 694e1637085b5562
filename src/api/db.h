/* SPDX-License-Identifier: ISC */
/*
 * db - the API's way to PostgreSQL.
 *
 * Its connections play the role reeve_api, under row-level security, and every
 * transaction begins with naming the tenant of its call: a statement that
 * forgets its WHERE still sees no other tenant's rows.
 */
#ifndef API_DB_H
#define API_DB_H

#include "link/pg.h"

struct call;
struct conf;
struct db;
struct loop;

/* NULL with err: no database is configured, or its URL does not read. */
struct db *db_open(struct loop *l, const struct conf *conf, struct err *err);
void db_close(struct db *db);
bool db_is_up(const struct db *db);
/*
 * Go on with next(call) when it is known whether the database answers: at once,
 * save in the first moments of a worker.
 */
void db_await(struct call *call, void (*next)(struct call *call));
/* For what is no call's business: LISTEN, tokens. */
struct pg *db_pg(struct db *db);

/*
 * Rows of one statement, before the commit: fill call->out with the answer, or
 * say with call_fail what is wrong.  The answer goes out after the commit.
 * The statements behind it have been sent already: one that must not happen
 * has to be part of the same statement, or the statement raises (see below).
 */
typedef void (*db_rows_fn)(struct call *call, const struct pg_result *r);

/*
 * One transaction of several statements.  db_send answers the call in the end:
 * with call->out (empty: 204), with the failure told by a db_rows_fn, with
 * the status NNN and the message of an error whose SQLSTATE is RVNNN, with 409
 * when a unique or foreign key is hurt, with 503 when the database is away,
 * with 500 and a line in the log for the rest.
 */
void db_begin(struct call *call);
void db_add(struct call *call, const struct pg_statement *s,
	const char *const *values, db_rows_fn rows);
void db_send(struct call *call);
/* Instead of sending it; the call is not answered. */
void db_drop(struct call *call);
/* Instead of answering, go on in `next` after the commit. */
typedef void (*db_next_fn)(struct call *call);
void db_send_then(struct call *call, db_next_fn next);

/*
 * For who answers by himself: fn(call, is_done) when it is over, and nothing
 * is replied; is_done: it was committed, and call_fail was not called.
 * -1: the database is away, and fn will not be called.
 */
typedef void (*db_ended_fn)(struct call *call, bool is_done);
int db_send_quietly(struct call *call, db_ended_fn fn)
	__attribute__((warn_unused_result));

/* For a batch of several calls: its first statement names their tenant, and
 * what an error of it is to one of them answers that call. */
void db_add_tenant(struct pg_batch *batch, const char *tenant);
void db_refuse(struct call *call, const struct pg_result *error);

/* db_begin, one db_add, db_send. */
void db_query(struct call *call, const struct pg_statement *s,
	const char *const *values, db_rows_fn rows);

#endif
