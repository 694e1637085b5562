/* SPDX-License-Identifier: ISC */
/*
 * system - how the whole does: the node from the scoreboard, the rest from
 * the database.
 */
#ifndef API_SYSTEM_H
#define API_SYSTEM_H

#include "api/route.h"

extern const struct route system_routes[];

#endif
