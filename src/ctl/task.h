/* SPDX-License-Identifier: ISC */
/*
 * task - one task by its id: where it is, an end, a new start.
 */
#ifndef CTL_TASK_H
#define CTL_TASK_H

struct ctl;
struct kept;

int task_show(struct ctl *c);
int task_cancel(struct ctl *c);
int task_retry(struct ctl *c);

/* All that is kept of a task, where nothing is known of Redis. */
void task_tell_kept(const struct ctl *c, const char *id, const struct kept *k);
/* What was done with it; what: "cancel".  EXIT_OK. */
int task_tell(const struct ctl *c, const char *id, const char *what,
	const char *text);

#endif
