/* SPDX-License-Identifier: ISC */
/*
 * once - requests that may be sent again: a POST with Idempotency-Key is
 * carried out once in 24 hours, and answered alike each time.
 *
 * The key is part of the request's own transaction, so that there is never one
 * without the other.
 */
#ifndef API_ONCE_H
#define API_ONCE_H

#include <stdbool.h>

struct call;

/* Instead of db_begin.  False: the key is none, and the call is answered. */
bool once_begin(struct call *call);
/* Instead of db_send: answers with call->out, as always or as the first time;
 * done(call), which may be NULL, is called before when it was carried out. */
void once_send(struct call *call, void (*done)(struct call *call));
/* A field of the answer, which is told the next time, too. */
void once_header(struct call *call, const char *name, const char *value);

#endif
