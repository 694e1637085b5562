/* SPDX-License-Identifier: ISC */
/*
 * routes - what the control socket answers: one row per endpoint.
 */
#ifndef GOVERN_ROUTES_H
#define GOVERN_ROUTES_H

struct command_table;
struct http_request;
struct worker;

struct routes {
	struct worker *worker;          /* borrowed */
	struct command_table *commands; /* borrowed */
};

/* Answers `req` (taken), at once or when the master has. */
void routes_serve(const struct routes *r, struct http_request *req);

#endif
