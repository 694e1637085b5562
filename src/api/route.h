/* SPDX-License-Identifier: ISC */
/*
 * route - which request gets which answer: one table.
 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

struct board;
struct http_request;

/* Answers `req` before it returns. */
void route_serve(const struct board *b, struct http_request *req);

#endif
