/* SPDX-License-Identifier: ISC */
/*
 * due - what is due now is fired.
 *
 *	WAITING -> LOCKING -> FIRING -> WAITING for its next time, or gone
 *	                  \         `-> CHECKING: another was first, or the
 *	                   \            answer was lost: it is read again
 *	                    `---------> WAITING, to be read again a second
 *	                                later: another has its lock
 */
#ifndef CRON_DUE_H
#define CRON_DUE_H

#include <stdbool.h>
#include <stdint.h>

struct crontab;
struct due;
struct planned;

struct due *due_start(struct crontab *c);
void due_stop(struct due *u);
/* The plan or the clock has changed: when is the next one due? */
void due_schedule(struct due *u);
/* Does anything fire at all? */
void due_set_running(struct due *u, bool is_running);
/* When to look after a definition that waits for its next time. */
int64_t due_wake(const struct due *u, const struct planned *d);
/* A definition whose step has come back, made or not. */
void due_put_back(struct due *u, struct planned *d);
/* Is nothing on its way to PostgreSQL? */
bool due_is_idle(const struct due *u);

#endif
