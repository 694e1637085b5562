/* SPDX-License-Identifier: ISC */
/*
 * record - what is told to those who wait for a task: the hash
 * <prefix>task:ID.
 *
 * It lies in a slot of its own, so it is no part of the scripts of a topic: an
 * outcome is written when the queue has taken it as this worker's, and the
 * flight lasts until it is there.  What one who has lost the task says is
 * never written.
 */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "queue/consumer.h"

enum record_trust {
	RECORD_SURE = 0,    /* the queue has just taken it as ours */
	RECORD_IN_DOUBT = 1 /* it may be another's: the higher epoch wins */
};

/* Keep what is to be told of the outcome that f has just got. */
void record_keep(struct flight *f);
/* Tell it, then the flight lands. */
void record_outcome(struct flight *f, enum record_trust trust);
/* How far it is. */
void record_progress(struct flight *f, int percent, const char *text);

#endif
