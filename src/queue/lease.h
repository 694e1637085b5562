/* SPDX-License-Identifier: ISC */
/*
 * lease - whose an entry is: renewals, self-fencing, taking over.
 *
 * An entry is ours for lease_us after it was read or renewed, by the monotonic
 * clock.  A worker that could not renew in time kills what it runs before
 * another may begin the same.
 */
#ifndef QUEUE_LEASE_H
#define QUEUE_LEASE_H

#include "queue/consumer.h"

void lease_start(struct consumer *c);
void lease_stop(struct consumer *c);
/* A flight began: heartbeat and renewals are on. */
void lease_on_taken(struct consumer *c, int64_t now_us);
/* So recently renewed that it can't be another's. */
bool lease_is_young(const struct flight *f, int64_t now_us);
/* Not renewed in time: it may be another's. */
bool lease_is_over(const struct flight *f, int64_t now_us);
/* Is this worker alive, as far as this node can know?  f->ask is set until
 * judged is called, from the loop or at once. */
void lease_ask_worker(struct flight *f, const char *name,
	void (*judged)(struct flight *f, bool is_live));
/* Look for what dead workers of this topic have left. */
void lease_sweep(struct topic *t);

#endif
