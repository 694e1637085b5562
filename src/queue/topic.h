/* SPDX-License-Identifier: ISC */
/*
 * topic - one stream that a worker reads: its connection, its group, its
 * delayed entries.
 */
#ifndef QUEUE_TOPIC_H
#define QUEUE_TOPIC_H

#include "queue/consumer.h"

/* Keys and connection of topic `name`.  0, or -1 with err. */
int topic_init(
	struct topic *t, struct consumer *c, const char *name, struct err *err);
void topic_done(struct topic *t);
/* Ask for up to `count` entries and either wait for them or not.  The acks
 * that are due go along in the same write. */
void topic_read(struct topic *t, int64_t count, bool wait);
/* Make a waiting read return: draining, paused, to look first. */
void topic_unblock(struct topic *t);
/* Its answer is not there yet: entries may be on their way. */
bool topic_is_reading(const struct topic *t);
void topic_set_paused(struct topic *t, bool paused);
/* Move what is due in the delayed set, and learn when the next is. */
void topic_move_due(struct topic *t);
/* An entry was put there that is due at `ms` of Redis' clock. */
void topic_note_due(struct topic *t, int64_t ms);
/* Ask how old the oldest undelivered entry is. */
void topic_ask_head(struct topic *t);

#endif
