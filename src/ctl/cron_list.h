/* SPDX-License-Identifier: ISC */
/*
 * cron_list - what definitions there are.
 */
#ifndef CTL_CRON_LIST_H
#define CTL_CRON_LIST_H

#include <jansson.h>

struct ctl;

int cron_list_command(struct ctl *c);
int cron_list_show(struct ctl *c);

/* Definitions as JSON, an array of them or one: printed, and let go of. */
void cron_list_tell(const struct ctl *c, json_t *list);
void cron_list_tell_one(const struct ctl *c, json_t *d);

#endif
