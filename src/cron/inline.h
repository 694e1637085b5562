/* SPDX-License-Identifier: ISC */
/*
 * inline - runs that the crontab worker carries out itself, without the queue.
 *
 * They are tracked as any other: begun and ended in PostgreSQL by their epoch.
 * A failed one is tried again here, after its pause; what its worker leaves
 * behind when it dies is put into the queue by the next in its place.
 */
#ifndef CRON_INLINE_H
#define CRON_INLINE_H

#include <stdbool.h>

#include "base/err.h"

struct crontab;
struct inlines;

/* NULL with err: a handler can't be used. */
struct inlines *inlines_start(struct crontab *c, struct err *err);
void inlines_stop(struct inlines *s);
/* The state of PostgreSQL has changed. */
void inlines_on_pg(struct inlines *s);
/* May another be fired, beside so many that are on their way here? */
bool inlines_has_room(const struct inlines *s, unsigned coming);
/* A run that was just fired: its envelope. */
void inlines_take(struct inlines *s, const char *envelope);
/* Is none in hand?  What waits for another try is left to the queue. */
bool inlines_is_idle(const struct inlines *s);
/* Begin no more. */
void inlines_drain(struct inlines *s);

#endif
