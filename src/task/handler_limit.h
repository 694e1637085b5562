/* SPDX-License-Identifier: ISC */
/*
 * handler_limit - `concurrency` and `rate` of a handler, for all workers of
 * the node together.
 *
 * Who asks for room and gets it has the place and the token from then on, so
 * that two workers can't get the same; what no run uses goes back on the next
 * turn.  Without a board each process has limits of its own.
 */
#ifndef TASK_HANDLER_LIMIT_H
#define TASK_HANDLER_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct handler;
struct handlers;

struct handler_limit {
	int quota;      /* its record on the board; -1: none */
	int64_t places; /* that are ours */
	int64_t tokens; /* taken for runs to come */
	/* When the bucket of the rate would be full again, clock_now in
	 * nanoseconds: on the board, or our own. */
	_Atomic int64_t *full_at_ns;
	_Atomic int64_t own_full_at_ns;
};

void handler_limit_open(struct handler *h);
/* Is there a place?  As handlers_has_room. */
bool handler_limit_place(struct handler *h, int64_t *ret_wait_us);
/* And a token of the rate? */
bool handler_limit_token(struct handler *h, int64_t *ret_wait_us);
/* One run more is counted in `running` or `reserved`. */
void handler_limit_begin(struct handler *h);
/* A reserved run is counted no more: it begins now, or never. */
void handler_limit_release(struct handler *h);
/* One that ran is counted no more. */
void handler_limit_end(struct handler *h);
/* At the end of the process. */
void handler_limit_close(struct handlers *all);

#endif
