/* SPDX-License-Identifier: ISC */
/*
 * pg - a few asynchronous connections to one PostgreSQL on the loop.
 *
 * libpq is known in this room only (and in ctl/), and loaded when the first
 * pool is opened.  Connections look after themselves: names are resolved
 * without blocking, the hosts of the URL are tried in turn until one is what
 * target_session_attrs wants, and a lost connection comes back with back-off:
 * 50 ms doubled to 2 s, from half of it to all of it at random.
 *
 * All goes out in pipeline mode.  A batch is what stands between two Syncs:
 * one transaction, committed or rolled back as a whole.  Text format both
 * ways.
 */
#ifndef LINK_PG_H
#define LINK_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct pg;
struct pg_batch;
struct pg_result;

struct pg_options {
	/* postgresql://[user[:password]@][host[:port],…]/db[?param=value&…] or
	 * a conninfo string of libpq; a password may come from ~/.pgpass. */
	const char *url;
	unsigned connections;         /* 0: 1 */
	const char *name;             /* application_name; NULL: reeve */
	int64_t connect_timeout_us;   /* of each host; 0: 5 s */
	int64_t statement_timeout_us; /* the server's; 0: 30 s.  A connection
					 that owes an answer for longer, by as
					 much again but at most 5 s, is
					 dropped. */
	const char *setup; /* SQL for each new connection; NULL: none */
};

enum pg_state {
	PG_DOWN = 0, /* no connection is up; the next try is scheduled */
	PG_UP = 1    /* one at least is */
};

/* Told from the loop at each change, and again when the reason for being down
 * is a new one; why: a whole text without any password. */
typedef void (*pg_state_fn)(enum pg_state state, const char *why, void *arg);

/*
 * A statement, prepared under its name on a connection that sees it first;
 * static, one object for each text.  $1 … are the parameters, all text: say
 * $1::uuid[] where the type is not plain.
 */
struct pg_statement {
	const char *name; /* unique in the program */
	const char *text;
	int params;
};

/* The answer to one statement, borrowed for the call. */
typedef void (*pg_result_fn)(const struct pg_result *r, void *arg);

/* How a batch ended. */
enum pg_verdict {
	PG_COMMITTED = 0,
	PG_REFUSED = 1, /* an error: all of it is rolled back */
	PG_LOST = 2     /* the connection is gone: it may or may not have been
			   committed */
};
/* result: PG_REFUSED, the error; else NULL.  Called once, from the loop or
 * from pg_close; after the last pg_result_fn of its batch. */
typedef void (*pg_end_fn)(
	enum pg_verdict verdict, const struct pg_result *error, void *arg);

/* Does this URL read?  0, or -1 with err (no password in it). */
int pg_check_url(const char *url, struct err *err);
/* Begins to connect; copies the options.  NULL with err: a bad URL, or libpq
 * is not there. */
struct pg *pg_open(struct loop *l, const struct pg_options *o, pg_state_fn fn,
	void *arg, struct err *err);
/* Gives up; batches under way end with PG_LOST before this returns.  Also from
 * within a callback.  NULL is a no-op. */
void pg_close(struct pg *p);
bool pg_is_up(const struct pg *p);
/* Batches sent and not ended. */
unsigned pg_pending(const struct pg *p);

/*
 * A batch: add statements, then send it.  It goes to the connection with the
 * least in hand; on one connection batches end in the order sent.  values[i]
 * NULL is an SQL NULL; they are copied.  fn gets the rows of this statement as
 * they come, BEFORE the commit is known, and is not called when an earlier one
 * failed; it may be NULL.
 */
struct pg_batch *pg_batch_new(struct pg *p);
void pg_batch_add(struct pg_batch *b, const struct pg_statement *s,
	const char *const *values, pg_result_fn fn, void *arg);
/* Takes b in any case.  -1 when no connection is up or too much waits (64 MiB):
 * nothing is called then. */
int pg_batch_send(struct pg_batch *b, pg_end_fn end, void *arg);
void pg_batch_free(struct pg_batch *b); /* instead of sending it */

/* A batch of one: fn gets its rows (or the error, or NULL when the connection
 * was lost) after the commit, exactly once.  -1 as above. */
int pg_query(struct pg *p, const struct pg_statement *s,
	const char *const *values, pg_result_fn fn, void *arg);

/* LISTEN on the first connection; fn(payload), and fn(NULL) each time it has
 * begun to listen (anew): what was said before is not heard. */
typedef void (*pg_notice_fn)(const char *payload, void *arg);
void pg_listen(struct pg *p, const char *channel, pg_notice_fn fn, void *arg);

/* Reading an answer. */
bool pg_result_is_error(const struct pg_result *r);
const char *pg_result_sqlstate(const struct pg_result *r); /* "23505"; "" */
const char *pg_result_error(const struct pg_result *r);    /* primary message */
/* What a statement of ours has named as wrong (RAISE … COLUMN); "" */
const char *pg_result_column(const struct pg_result *r);
/* What it names is not there: the tables are of another release, or missing. */
bool pg_result_is_schema(const struct pg_result *r);
/* Is the fault the server's state and not the statement's (restart, read-only,
 * out of connections or disk)?  Try again later. */
bool pg_result_is_passing(const struct pg_result *r);
int pg_result_rows(const struct pg_result *r);
int pg_result_columns(const struct pg_result *r);
int64_t pg_result_affected(const struct pg_result *r);
/* NULL for an SQL NULL; columns by number. */
const char *pg_result_text(const struct pg_result *r, int row, int column);
int64_t pg_result_int(
	const struct pg_result *r, int row, int column, int64_t otherwise);

/*
 * Arrays as parameters, for unnest: text of a one-dimensional array, quoted
 * as PostgreSQL reads it.  Begin with a zeroed one; NULL adds an SQL NULL.
 */
struct pg_array {
	char *text;
	size_t len, size;
};
void pg_array_add(struct pg_array *a, const char *value);
void pg_array_add_bytes(struct pg_array *a, const char *value, size_t len);
void pg_array_add_int(struct pg_array *a, int64_t value);
const char *pg_array_text(struct pg_array *a); /* closed; "{}" when empty */
void pg_array_reset(struct pg_array *a);       /* empty, keeps its memory */
void pg_array_free(struct pg_array *a);

#endif
