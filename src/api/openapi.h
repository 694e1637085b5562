/* SPDX-License-Identifier: ISC */
/*
 * openapi - the description of the API, made from the table of routes.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "api/route.h"

struct buf;

/* /openapi.json, and /api/v1: a list for people. */
extern const struct route openapi_routes[];

/* The whole document (OpenAPI 3.1). */
void openapi_print(struct buf *out);

#endif
