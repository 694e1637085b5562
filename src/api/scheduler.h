/* SPDX-License-Identifier: ISC */
/*
 * scheduler - the crontab of all nodes: how it does, whether it fires, and
 * what runs.
 */
#ifndef API_SCHEDULER_H
#define API_SCHEDULER_H

#include "api/route.h"

extern const struct route scheduler_routes[];

#endif
