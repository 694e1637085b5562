/* SPDX-License-Identifier: ISC */
/*
 * nodes - the nodes that PostgreSQL and Redis know of, and how they are.
 */
#ifndef CTL_NODES_H
#define CTL_NODES_H

#include <jansson.h>
#include <stdbool.h>

struct ctl;

int nodes_command(struct ctl *c);

/* Nodes in their order: printed, and let go of.  with_redis: what Redis knows
 * was asked. */
void nodes_tell(const struct ctl *c, json_t *list, bool with_redis);

#endif
