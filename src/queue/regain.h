/* SPDX-License-Identifier: ISC */
/*
 * regain - what Redis counts as this worker's, and it never heard of: the
 * answer that brought it was lost with its connection.
 *
 * Nobody else would look for it while this worker lives, until claim_after is
 * over.
 */
#ifndef QUEUE_REGAIN_H
#define QUEUE_REGAIN_H

#include "queue/consumer.h"

/* A connection of this topic is new: look, and take what there is. */
void regain_look(struct topic *t);

#endif
