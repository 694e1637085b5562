/* SPDX-License-Identifier: ISC */
/*
 * definitions - what runs and when: /api/v1/tasks/definitions.
 */
#ifndef API_DEFINITIONS_H
#define API_DEFINITIONS_H

#include "api/route.h"

extern const struct route definition_routes[];
extern const struct field definition_fields[];

#endif
