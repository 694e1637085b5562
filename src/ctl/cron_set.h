/* SPDX-License-Identifier: ISC */
/*
 * cron_set - definitions made and changed.
 */
#ifndef CTL_CRON_SET_H
#define CTL_CRON_SET_H

struct ctl;

int cron_set_add(struct ctl *c);
int cron_set_edit(struct ctl *c);

#endif
