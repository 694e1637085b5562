/* SPDX-License-Identifier: ISC */
/*
 * flight - one task from being read to having its outcome stored.
 *
 *	WAITING -> RUNNING -> FINISHING -> (landed)
 *	    \---------------/     |^
 *	                      UNSTORED
 *
 * and more states of tracked ones: see track.h.
 */
#ifndef QUEUE_FLIGHT_H
#define QUEUE_FLIGHT_H

#include "queue/consumer.h"

/* Entries came, to be taken now: their leases count from here. */
void flight_on_arrival(struct consumer *c);
/*
 * An entry was read (deliveries 0) or taken over (how often it was delivered
 * before).  What can't be read, has no handler, is cancelled, late or poison
 * is finished at once.  text NULL: no field `task`.
 */
void flight_take(struct topic *t, const char *id, const char *text, size_t len,
	int64_t deliveries);
/* Is the entry in hand, at whatever stage? */
bool flight_holds(const struct topic *t, const char *id);
/* Start those that wait for room at their handler. */
void flight_start_waiting(struct consumer *c);
/* It is another's now: kill the handler, drop the result.  What was begun in
 * PostgreSQL is given back there first. */
void flight_fence(struct flight *f);
/* PostgreSQL knows that it runs: now the handler. */
void flight_begun(struct flight *f);
/* Cancel by task id; false: not in hand here. */
bool flight_cancel(struct consumer *c, const char *task_id);
/* Keeps the counts. */
void flight_set_state(struct flight *f, enum flight_state state);
/* Its outcome is stored. */
void flight_land(struct flight *f);
/* At the end of the process. */
void flight_free_all(struct consumer *c);

#endif
