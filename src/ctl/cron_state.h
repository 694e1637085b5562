/* SPDX-License-Identifier: ISC */
/*
 * cron_state - definitions enabled, disabled and removed.
 */
#ifndef CTL_CRON_STATE_H
#define CTL_CRON_STATE_H

struct ctl;

int cron_state_enable(struct ctl *c);
int cron_state_disable(struct ctl *c);
int cron_state_rm(struct ctl *c);

#endif
