/* SPDX-License-Identifier: ISC */
/*
 * deployments - releases of applications, brought out and back; the workers of
 * kind deploy do it.
 */
#ifndef API_DEPLOYMENTS_H
#define API_DEPLOYMENTS_H

#include "api/route.h"

extern const struct route deployment_routes[];

#endif
