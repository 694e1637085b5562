/* SPDX-License-Identifier: ISC */
/*
 * stats - how many tasks of a tenant wait, run and have ended.
 */
#ifndef API_STATS_H
#define API_STATS_H

#include "api/route.h"

extern const struct route stats_routes[];

#endif
