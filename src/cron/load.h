/* SPDX-License-Identifier: ISC */
/*
 * load - definitions from PostgreSQL into the plan, and its clock.
 *
 * Each scan_interval: the clock, ids and next times of all that is due within
 * `preload`, and what was changed or deleted since the last time, by
 * `modified`.  What is new or different is then read as a whole.  What
 * PostgreSQL tells on reeve_definitions is looked at within some milliseconds.
 */
#ifndef CRON_LOAD_H
#define CRON_LOAD_H

struct crontab;
struct load;

struct load *load_start(struct crontab *c);
void load_stop(struct load *l);
/* Read this definition again soon, whatever is known of it. */
void load_again(struct load *l, const char *id);
/* PostgreSQL is there (again). */
void load_on_up(struct load *l);

#endif
