/* SPDX-License-Identifier: ISC */
/*
 * stored - a walk over all the envelopes that lie in Redis.
 */
#ifndef CTL_STORED_H
#define CTL_STORED_H

#include <stddef.h>

struct ask;

/* Where an envelope is: its topic, "in the queue", "delayed" or "dead", and
 * the id of its entry or how it begins. */
struct stored_place {
	const char *topic, *place, *where;
};

struct stored {
	/* text NULL: an entry without a field `task`. */
	void (*envelope)(const struct stored_place *at, const char *text,
		size_t len, void *arg);
	/* That was all of this place; may be NULL. */
	void (*place_end)(const struct stored_place *at, void *arg);
	void *arg;
};

/* All topics of the node's pools.  0, or the exit code, printed.  Without
 * Redis or topics there is nothing. */
int stored_walk(struct ask *ask, const struct stored *s);

#endif
