/* SPDX-License-Identifier: ISC */
/*
 * cron_preview - what is going to fire, and how much of it in each minute.
 */
#ifndef CTL_CRON_PREVIEW_H
#define CTL_CRON_PREVIEW_H

struct ctl;

int cron_preview_command(struct ctl *c);

#endif
