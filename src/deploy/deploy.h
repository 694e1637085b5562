/* SPDX-License-Identifier: ISC */
/*
 * deploy - the role: releases of one application, out and back.
 */
#ifndef DEPLOY_DEPLOY_H
#define DEPLOY_DEPLOY_H

#include "board/role.h"

extern const struct role role_deploy;

#endif
