/* SPDX-License-Identifier: ISC */
/*
 * track - what PostgreSQL is told of tracked tasks.
 *
 * A tracked flight is begun there before its handler, and its outcome is
 * there before Redis lets go of its entry:
 *
 *	WAITING -> BEGINNING -> RUNNING -> STORING -> FINISHING
 *
 * So its row is the truth, and the entry only what leads to it: an entry
 * whose row says that the run is over, or another's, is dropped.  While
 * PostgreSQL is away outcomes wait, with their leases renewed; what is to
 * begin waits too, as far as there is room for it, and is put aside beyond
 * that: tasks that are not tracked go on.
 */
#ifndef QUEUE_TRACK_H
#define QUEUE_TRACK_H

#include "queue/consumer.h"

/* Connects at once where a handler is tracked.  0, or -1 with err. */
int track_start(struct consumer *c, struct err *err);
/* No connection any more; flights may still be there. */
void track_close(struct consumer *c);
/* No flight is left. */
void track_stop(struct consumer *c);

/* An entry was read: is it tracked?  false: it has ended, or was put aside. */
bool track_take(struct flight *f, int64_t deliveries);
/* Begin it: there is room at its handler.  flight_begun follows. */
void track_begin(struct flight *f);
/* It has an outcome.  true: PostgreSQL is told first, finish_kept follows. */
bool track_end(struct flight *f);
/* It leaves. */
void track_leave(struct flight *f);

/* Flights in hand that wait for PostgreSQL to come back, and keep nobody
 * from anything. */
unsigned track_parked(const struct consumer *c);
/* Outcomes that wait likewise. */
unsigned track_stuck(const struct consumer *c);
/* Nobody waits for a PostgreSQL that is away: put aside what has not begun. */
void track_drain(struct consumer *c);

#endif
