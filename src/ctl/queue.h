/* SPDX-License-Identifier: ISC */
/*
 * queue - topics and their tasks, straight from Redis.
 */
#ifndef CTL_QUEUE_H
#define CTL_QUEUE_H

struct ctl;

int queue_list(struct ctl *c);
int queue_peek(struct ctl *c);
int queue_pause(struct ctl *c);
int queue_resume(struct ctl *c);

#endif
