/* SPDX-License-Identifier: ISC */
/*
 * remote_task - tasks of another node: all of them are tracked.
 */
#ifndef CTL_REMOTE_TASK_H
#define CTL_REMOTE_TASK_H

#include "ctl/remote_ask.h"

/* What is kept of a task, in the words of task show and of task list. */
extern const struct remote_member remote_task_kept[];
extern const struct remote_member remote_task_item[];

int remote_task_push(struct remote *r);
/* cron run */
int remote_task_run(struct remote *r);
int remote_task_list(struct remote *r);
int remote_task_show(struct remote *r);
int remote_task_cancel(struct remote *r);
int remote_task_retry(struct remote *r);

#endif
