/* SPDX-License-Identifier: ISC */
/*
 * api - the http worker: health, readiness, metrics and status of the node.
 *
 * Everything it tells it reads from the scoreboard, so it asks nobody and
 * answers even while the master is busy.
 */
#ifndef API_API_H
#define API_API_H

struct role;

extern const struct role role_http;

#endif
