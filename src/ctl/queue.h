/* SPDX-License-Identifier: ISC */
/*
 * queue - topics and their tasks, straight from Redis.
 */
#ifndef CTL_QUEUE_H
#define CTL_QUEUE_H

#include <jansson.h>

struct ctl;

int queue_list(struct ctl *c);
int queue_peek(struct ctl *c);
int queue_pause(struct ctl *c);
int queue_resume(struct ctl *c);

/* Topics as queue list prints them, and let go of; null is what is not
 * known. */
void queue_tell(const struct ctl *c, json_t *list);

#endif
