/* SPDX-License-Identifier: ISC */
/*
 * remote_queue - topics, dead letters, consumers and nodes, by the API of
 * another node.
 */
#ifndef CTL_REMOTE_QUEUE_H
#define CTL_REMOTE_QUEUE_H

#include "ctl/remote_ask.h"

/* A topic and a node, in the words of queue list and nodes. */
extern const struct remote_member remote_queue_topic[];
extern const struct remote_member remote_queue_node[];

int remote_queue_list(struct remote *r);
/* The newest first. */
int remote_queue_dead_list(struct remote *r);
int remote_queue_dead_show(struct remote *r);
int remote_queue_consumers(struct remote *r);
int remote_queue_nodes(struct remote *r);

#endif
