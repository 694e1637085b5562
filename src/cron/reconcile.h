/* SPDX-License-Identifier: ISC */
/*
 * reconcile - what PostgreSQL has and Redis has lost.
 *
 * Redis keeps a key that says it has not lost its data.  While it is there,
 * each topic's rows that wait are held against the oldest entry of its stream:
 * what was enqueued long before that, and is not done, is in no stream, and is
 * put into the outbox again.  Where the key is gone all rows that wait are.
 *
 * Too much does no harm: of two entries of one task the first to begin has it.
 */
#ifndef CRON_RECONCILE_H
#define CRON_RECONCILE_H

#include <stdbool.h>

struct crontab;
struct leader;
struct reconcile;

struct reconcile *reconcile_new(struct crontab *c, struct leader *l);
void reconcile_free(struct reconcile *r);
/* Once a second while this worker leads; is_new: since now. */
void reconcile_look(struct reconcile *r, bool is_new);
/* A node is gone: what ran there is to run again. */
void reconcile_orphans(struct reconcile *r);
/* A process is gone: what nobody has taken over in a while is to run again. */
void reconcile_orphans_soon(struct reconcile *r);

#endif
