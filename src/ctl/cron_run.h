/* SPDX-License-Identifier: ISC */
/*
 * cron_run - a run of a definition now, by hand.
 */
#ifndef CTL_CRON_RUN_H
#define CTL_CRON_RUN_H

#include <jansson.h>

struct ctl;

int cron_run_command(struct ctl *c);

/* Are the params of the words JSON?  0, or EXIT_USAGE, printed. */
int cron_run_check(const struct ctl *c);
/* That it was begun, or how it ended: {"id", "state", "result", "error"}, by
 * which the exit code is. */
void cron_run_tell_begun(const struct ctl *c, const char *id);
int cron_run_tell(const struct ctl *c, const char *id, json_t *row);

#endif
