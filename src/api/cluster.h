/* SPDX-License-Identifier: ISC */
/*
 * cluster - lists of what the nodes have: nodes, topics, consumers, dead
 * letters; and the audit log.
 */
#ifndef API_CLUSTER_H
#define API_CLUSTER_H

#include "api/route.h"

extern const struct route cluster_routes[];

#endif
