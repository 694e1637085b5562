/* SPDX-License-Identifier: ISC */
/*
 * health - what the board alone can tell.
 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "api/route.h"

extern const struct route health_routes[];

#endif
