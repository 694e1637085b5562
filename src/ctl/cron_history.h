/* SPDX-License-Identifier: ISC */
/*
 * cron_history - what became of the runs of definitions: one by one, and as
 * numbers of each day.
 */
#ifndef CTL_CRON_HISTORY_H
#define CTL_CRON_HISTORY_H

#include <jansson.h>

struct ctl;

int cron_history_command(struct ctl *c);
int cron_history_stats(struct ctl *c);

/* Runs as JSON: printed, and let go of. */
void cron_history_tell(const struct ctl *c, json_t *rows);

#endif
