/* SPDX-License-Identifier: ISC */
/*
 * slot - a place in a pool: back-off, verdicts, and what is shown while no
 * process is in it.
 *
 *	EMPTY	 nothing stands against a start
 *	BACKOFF	 until the timer fires
 *	FAILED	 exit 78 or too many deaths: until forgiven
 *	DONE	 ended as it should: until forgiven
 *	STOPPED	 not wanted
 *	WAITING	 for a pool of `after:`
 */
#ifndef MASTER_SLOT_H
#define MASTER_SLOT_H

#include "master/node.h"

struct slot *slot_new(struct pool *p, int index);
/* Has no process any more. */
void slot_free(struct slot *s);
/* Take over give_up_deaths of the pool's settings. */
void slot_set_limits(struct slot *s);

/* A rest that forbids to start: BACKOFF, FAILED, DONE. */
bool slot_is_resting(const struct slot *s);
void slot_clear_rest(struct slot *s);
void slot_wait(struct slot *s, const char *pool);
/* reason NULL: the slot is not counted, and not shown. */
void slot_stop(struct slot *s, const char *reason);
void slot_done(struct slot *s, const char *how);
void slot_fail(struct slot *s, const char *why);
/* Unwished end of a process: at once, after a pause, or never again. */
void slot_on_death(
	struct slot *s, const struct proc *pr, int status, const char *how);
/* It could not even be forked. */
void slot_on_failure(struct slot *s, const char *why);
void slot_forgive(struct slot *s);
/* What is done may be done again. */
void slot_undo(struct slot *s);
/* The pool's settings changed: what was done with others is not done; what
 * was done with these before still is. */
void slot_on_generation(struct slot *s);

/*
 * The pause before start number deaths + 1: none after the first death, then
 * 100 ms doubled each time up to max_us, give or take a tenth.
 */
int64_t slot_pause(unsigned deaths, int64_t max_us);

#endif
