/* SPDX-License-Identifier: ISC */
/*
 * cron_next - the next times of a cron expression, or of many.
 */
#ifndef CTL_CRON_NEXT_H
#define CTL_CRON_NEXT_H

struct ctl;

int cron_next_command(struct ctl *c);

#endif
