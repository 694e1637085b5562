/* SPDX-License-Identifier: ISC */
/*
 * call - a request to the API in hand, from its admission to its answer.
 *
 * The rows of route.h say what is checked before `serve` is called.  A call
 * lives until one of the call_reply functions, which may be long after serve
 * has returned; all that hangs on its arena dies with it.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/problem.h"
#include "api/route.h"
#include "base/buf.h"
#include "base/jsonw.h"

struct once;
struct pg_batch;
struct service;
struct wire_marks;

/* On whose behalf. */
struct access {
	const char *tenant;   /* "default" without authentication */
	enum route_role role; /* what it may */
	const char *who;      /* "token NAME" for the audit log */
	int64_t until_us;     /* clock_now when that ends */
};

struct call {
	struct service *service; /* borrowed */
	struct http_request *req;
	const struct route *route;
	struct arena *arena;
	struct access access;
	const char *name; /* of the path, decoded and checked; NULL: none */
	struct field_values query, body;
	/* What goes out when its transaction is over: see db.h. */
	struct buf out;
	int status; /* 0: the route's own */
	int failed; /* a status, or 0: all is well */
	const char *failure;
	struct pg_batch *batch;
	void (*next)(struct call *call);
	void (*ended)(struct call *call, bool is_done);
	struct wire_marks *marks; /* see wire.h */
	struct once *once;        /* see once.h */
	/* Called when a statement raises RV200: it was done before. */
	void (*repeat)(struct call *call);
	void *own; /* the route's, on the arena */
};

/* Find the route of a request and see it through: answers 404, 405, 413, 415,
 * 400, 401, 403, 422, 429 by itself. */
void call_begin(struct service *s, struct http_request *req);

/* A parameter of the query, or NULL: it is not there. */
const char *call_parameter(const struct call *call, const char *name);

/* A field of the header that the call's route heeds, or NULL: it is not there,
 * or not of this route. */
const char *call_header(const struct call *call, enum route_heed heed);

/* Answer with what `out` holds, which is freed, and end the call.  status 0:
 * the route's own. */
void call_reply_json(struct call *call, int status, struct buf *out);
/* status 0: 204 */
void call_reply_nothing(struct call *call, int status);
void call_reply_problem(struct call *call, int status, const char *detail);
/* 422 (400 for a parameter of the query) that names one field. */
void call_reply_wrong(struct call *call, const char *field, const char *detail);
void call_reply_faults(struct call *call, const struct field_faults *faults);
/*
 * Instead of a reply: an answer in pieces, by http_reply_chunk and so on of
 * loop/http.h, which call_finish ends together with the call.  What serve has
 * read of the request stays.
 */
void call_begin_stream(struct call *call, const char *content_type);
void call_finish(struct call *call);
/* From a db_rows_fn: this is the answer.  The first one counts. */
void call_fail(struct call *call, int status, const char *detail);
void call_reply_later(
	struct call *call, int status, const char *detail, int retry_after_s);
/* 503 with Retry-After. */
void call_reply_away(struct call *call, const char *what);

#endif
