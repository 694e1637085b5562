/* SPDX-License-Identifier: ISC */
/*
 * later - steps of definitions that were fired in a great batch.
 *
 * The runs come first, when thousands are due at once; to write down the next
 * times, which takes as long, comes when they are out.  Should this worker die
 * before, another makes the same runs again, finds them there, and steps.
 */
#ifndef CRON_LATER_H
#define CRON_LATER_H

#include <stdbool.h>

struct crontab;
struct later;
struct planned;

struct later *later_start(struct crontab *c);
void later_stop(struct later *l);
/* It was fired at from_us, and is to be stepped to next_us. */
void later_add(struct later *l, struct planned *d);
/* Do not wait any longer: this worker ends. */
void later_hurry(struct later *l);
bool later_is_idle(const struct later *l);

#endif
