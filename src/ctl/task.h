/* SPDX-License-Identifier: ISC */
/*
 * task - one task by its id: where it is, an end, a new start.
 */
#ifndef CTL_TASK_H
#define CTL_TASK_H

struct ctl;

int task_show(struct ctl *c);
int task_cancel(struct ctl *c);
int task_retry(struct ctl *c);

#endif
