/* SPDX-License-Identifier: ISC */
/*
 * leader - the one worker of all nodes that does the duties.
 *
 *	FOLLOWING -> LEADING: the row in PostgreSQL was free, or its holder
 *	          <-          silent for three seconds
 *	RESTING: it has resigned, or could not do its duties
 *
 * Each time another leads the term is one higher.  Runs are fired without it.
 */
#ifndef CRON_LEADER_H
#define CRON_LEADER_H

#include <stdbool.h>
#include <stdint.h>

struct crontab;
struct leader;

struct leader *leader_start(struct crontab *c);
void leader_stop(struct leader *l);
/* PostgreSQL is there (again), or the leader has resigned. */
void leader_try(struct leader *l);
bool leader_is_leading(const struct leader *l);
/* A duty could not be done, or could: too often not, and it resigns. */
void leader_fault(struct leader *l, const char *what, const char *why);
void leader_well(struct leader *l);
/* A process of some node is gone: what it had is to be looked for soon. */
void leader_orphans(struct leader *l);
/* Let another lead, at once. */
void leader_resign(struct leader *l);
/* Is nothing of it on the way to PostgreSQL? */
bool leader_is_idle(const struct leader *l);

#endif
