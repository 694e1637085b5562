/* SPDX-License-Identifier: ISC */
/*
 * nodes - the nodes that PostgreSQL and Redis know of, and how they are.
 */
#ifndef CTL_NODES_H
#define CTL_NODES_H

struct ctl;

int nodes_command(struct ctl *c);

#endif
