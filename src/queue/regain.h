/* SPDX-License-Identifier: ISC */
/*
 * regain - what Redis counts as this worker's, and it never heard of: the
 * answer that brought it was lost with its connection.
 *
 * Nobody else would look for it while this worker lives, until claim_after is
 * over.  What is pending is asked while no read is under way, on the connection
 * of the takeovers: so whatever is not in hand then is not on its way either.
 */
#ifndef QUEUE_REGAIN_H
#define QUEUE_REGAIN_H

#include "queue/consumer.h"

/* A connection is new: look as soon as the topic is not read, and take what
 * there is. */
void regain_look(struct topic *t);

#endif
