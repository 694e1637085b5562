/* SPDX-License-Identifier: ISC */
/*
 * tasks - tasks that are run now, or at a time.
 */
#ifndef API_TASKS_H
#define API_TASKS_H

#include "api/route.h"

extern const struct route task_routes[];

#endif
