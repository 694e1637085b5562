/* SPDX-License-Identifier: ISC */
/*
 * task_list - the last tracked tasks, of whatever they come.
 */
#ifndef CTL_TASK_LIST_H
#define CTL_TASK_LIST_H

#include <jansson.h>

struct ctl;

int task_list_command(struct ctl *c);

/* Tasks as JSON: printed, and let go of. */
void task_list_tell(const struct ctl *c, json_t *list);

#endif
