/* SPDX-License-Identifier: ISC */
/*
 * problem - errors as problem documents (RFC 9457).
 */
#ifndef API_PROBLEM_H
#define API_PROBLEM_H

#include "api/field.h"

struct http_request;

/* The rows of a problem, for OpenAPI. */
extern const struct field problem_fields[];

/* Answers `req`.  detail NULL: none; faults NULL: none, else the member
 * "errors" names each field. */
void problem_reply(struct http_request *req, int status, const char *detail,
	const struct field_faults *faults);
/* The same with Retry-After. */
void problem_reply_later(struct http_request *req, int status,
	const char *detail, int retry_after_s);

#endif
