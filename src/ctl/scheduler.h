/* SPDX-License-Identifier: ISC */
/*
 * scheduler - whether definitions fire, on all nodes.
 */
#ifndef CTL_SCHEDULER_H
#define CTL_SCHEDULER_H

#include <jansson.h>
#include <stdbool.h>

struct ctl;

int scheduler_status(struct ctl *c);
int scheduler_start(struct ctl *c);
int scheduler_stop(struct ctl *c);
int scheduler_restart(struct ctl *c);

/* How it is, as JSON: printed, and let go of. */
void scheduler_tell(const struct ctl *c, json_t *doc);
/* What was done: "start", …; is_running: whether definitions fire now. */
void scheduler_tell_done(
	const struct ctl *c, const char *what, bool is_running);

#endif
