/* SPDX-License-Identifier: ISC */
/*
 * once - requests that may be sent again: a POST with Idempotency-Key is
 * carried out once in 24 hours, and answered alike each time.
 *
 * The key is part of the request's own transaction, so that there is never one
 * without the other.  The answer is written down after it: who asks before
 * that, or when it could not be, is answered with what was made as it is then.
 */
#ifndef API_ONCE_H
#define API_ONCE_H

#include <stdbool.h>

#include "api/db.h"

struct call;
struct pg_statement;

/* How a request is answered by what it made. */
struct once_made {
	const struct pg_statement *get; /* its row, by id and tenant */
	db_rows_fn rows;                /* answers; there is a row */
};

/* Instead of db_begin.  id: of what the request is going to make.  False: the
 * key is none, and the call is answered. */
bool once_begin(
	struct call *call, const char *id, const struct once_made *made);
/* Instead of db_send: answers with call->out, as always or as the first time;
 * done(call), which may be NULL, is called before when it was carried out. */
void once_send(struct call *call, void (*done)(struct call *call));
/* A field of the answer, which is told the next time, too. */
void once_header(struct call *call, const char *name, const char *value);

#endif
