/* SPDX-License-Identifier: ISC */
/*
 * cron_run - a run of a definition now, by hand.
 */
#ifndef CTL_CRON_RUN_H
#define CTL_CRON_RUN_H

struct ctl;

int cron_run_command(struct ctl *c);

#endif
