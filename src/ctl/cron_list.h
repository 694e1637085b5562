/* SPDX-License-Identifier: ISC */
/*
 * cron_list - what definitions there are.
 */
#ifndef CTL_CRON_LIST_H
#define CTL_CRON_LIST_H

struct ctl;

int cron_list_command(struct ctl *c);
int cron_list_show(struct ctl *c);

#endif
