/* SPDX-License-Identifier: ISC */
/*
 * mark - what an operator says about tasks and topics while they run.
 *
 * Told at once on the channel <prefix>control ("cancel ID", "uncancel ID",
 * "pause TOPIC", "resume TOPIC", "delayed TOPIC MS"), and kept: cancelled ids in the sorted
 * set <prefix>cancels (score: when the mark ends, ms), a paused topic in its
 * key.  What the channel lost is seen at the next refresh.
 */
#ifndef QUEUE_MARK_H
#define QUEUE_MARK_H

#include "queue/consumer.h"

int mark_start(struct consumer *c, struct err *err);
void mark_stop(struct consumer *c);
bool mark_is_cancelled(const struct consumer *c, const char *task_id);
/* Tell the other workers when the next delayed task is due. */
void mark_publish_due(struct consumer *c, const struct topic *t);
/* Read what is kept. */
void mark_refresh(struct consumer *c);

#endif
