/* SPDX-License-Identifier: ISC */
/*
 * scripts - what has to happen in Redis as a whole.
 *
 * Every script touches the keys of one topic only, which lie in one hash slot.
 */
#ifndef QUEUE_SCRIPTS_H
#define QUEUE_SCRIPTS_H

#include "link/redis.h"

/*
 * Store outcomes.  KEYS: stream, delayed, dead, stats.  ARGV: group, consumer,
 * then seven for each entry: its id, the end ("success", "retry", "dead",
 * "cancelled", "duplicate"), envelope, pause in ms, reason, unique key or "",
 * task id.  An entry that is not pending for this consumer any more is left
 * alone.  Returns the ids of those, each followed by 1 when it is pending for
 * another, or 0 when it is gone.
 */
extern struct redis_script script_finish;
/* Move what is due.  KEYS: stream, delayed.  ARGV: at most so many.  Returns
 * how many, the score of the next or -1, and TIME in ms. */
extern struct redis_script script_move;
/* Renew leases.  KEYS: stream.  ARGV: group, consumer, ids.  Returns the ids
 * that are another's. */
extern struct redis_script script_renew;
/*
 * Take over from a dead consumer.  KEYS: stream.  ARGV: group, me, it, at most
 * so many, the deliveries that make a suspect, how many of those.  Returns
 * [id, deliveries, envelope] triples in one flat array; the dead consumer is
 * deleted when nothing is pending for it.
 */
extern struct redis_script script_takeover;
/*
 * Take what is our own and was never seen here.  KEYS: stream.  ARGV: group,
 * me, ids.  Returns triples as the above; an entry that is another's by now is
 * none of them.  Counts no delivery.
 */
extern struct redis_script script_regain;
/* Hold a uniqueness key.  KEYS: it.  ARGV: task id.  Returns 1, or 0 when
 * another task holds it. */
extern struct redis_script script_unique;
/*
 * Tell who waits for a task.  KEYS: its hash.  ARGV: epoch, "1" when it may be
 * another's by now, seconds to keep it, then fields and values.  Returns 1, or
 * 0 when in doubt a higher epoch stands there, and nothing is written.
 */
extern struct redis_script script_record;
/* The time of the oldest entry not yet delivered, ms, or 0.  KEYS: stream.
 * ARGV: group. */
extern struct redis_script script_head;

#endif
