/* SPDX-License-Identifier: ISC */
/*
 * fetch - which topic is read next, and how much of it.
 *
 *	one topic	a waiting read for as many as there is room
 *	strict		from the first topic on, as long as it has something
 *	weighted	as many of each, round after round, as its weight says
 *
 * In both a topic whose oldest entry waits longer than max_wait comes first.
 * Only when all are empty does the worker wait, at all of them.
 */
#ifndef QUEUE_FETCH_H
#define QUEUE_FETCH_H

struct consumer;

/* Begin the next reads; does nothing where one is under way. */
void fetch_pump(struct consumer *c);
/* There may be something new: ask every topic again. */
void fetch_wake(struct consumer *c);

#endif
