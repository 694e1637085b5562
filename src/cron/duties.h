/* SPDX-License-Identifier: ISC */
/*
 * duties - what only one worker of all nodes needs to do.
 *
 *	partitions	made some days ahead
 *	retention	what is too old is dropped
 *	statistics	of each definition and day
 *	nodes		that are silent are OFFLINE
 *	loose ends	runs that wait for nothing any more, and the like
 *	reconcile	Redis from PostgreSQL, see reconcile.h
 *	figures		for the metrics
 */
#ifndef CRON_DUTIES_H
#define CRON_DUTIES_H

#include <stdbool.h>

struct crontab;
struct duties;
struct leader;

struct duties *duties_new(struct crontab *c, struct leader *l);
void duties_free(struct duties *d);
/* Once a second while this worker leads: do what is due.  is_new: all of it. */
void duties_on_lead(struct duties *d, bool is_new);
/* Look soon for what ran in processes that are gone. */
void duties_orphans(struct duties *d);

#endif
