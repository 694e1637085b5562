/* SPDX-License-Identifier: ISC */
/*
 * route - which request gets which answer: one row per route, which finds it,
 * checks what it brings, says who may, and describes it (OpenAPI).
 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/field.h"
#include "loop/http.h"

struct board;
struct call;

/* Who may: each may also do what those before it may. */
enum route_role {
	ROUTE_PUBLIC = 0, /* without a token */
	ROUTE_VIEWER = 1,
	ROUTE_OPERATOR = 2,
	ROUTE_ADMIN = 3,
	ROUTE_ROLE_COUNT
};
extern const char *const route_role_names[ROUTE_ROLE_COUNT];

/* What an answer's body is. */
enum route_shape {
	ROUTE_NOTHING = 0, /* 204 */
	ROUTE_ONE = 1,     /* an object of `answer` */
	ROUTE_LIST = 2, /* {"items": [`answer`…], "nextCursor": … or null} */
	ROUTE_TEXT = 3,  /* text/plain */
	ROUTE_FREE = 4,  /* JSON that no table describes */
	ROUTE_EVENTS = 5 /* ROUTE_LIST, or text/event-stream with ?follow=1 */
};

/* A field of the header that a route may heed. */
enum route_heed {
	ROUTE_KEY = 1,        /* see once.h */
	ROUTE_MATCH = 2,      /* see match.h, as the next */
	ROUTE_NONE_MATCH = 4, /* and 304 */
	ROUTE_LAST_EVENT = 8  /* see follow.h */
};
extern const struct route_header {
	enum route_heed heed; /* 0: behind the last */
	const char *name, *help;
} route_headers[];

struct route {
	enum http_method method; /* GET serves HEAD as well */
	/* "/api/v1/tasks/definitions/{id}": at most one name in braces, which
	 * stands for one segment: {id} is a uuid, any other a name. */
	const char *path;
	const char *operation; /* "createDefinition": of OpenAPI, unique */
	const char *tag;
	const char *summary;
	enum route_role role;
	bool is_system; /* of the whole system: for tenant default alone */
	unsigned heeds; /* of route_heed: others are passed over */
	const struct field *query; /* NULL: none */
	const struct field *body;  /* NULL: none is taken */
	bool is_body_optional;
	enum route_shape shape;
	int status; /* of success; 0: 200, or 204 for ROUTE_NOTHING */
	const char *answer_name; /* of the schema of `answer`: "Definition" */
	const struct field *answer;
	/* One of the two.  plain answers before it returns, of the board
	 * alone. */
	void (*plain)(const struct board *b, struct http_request *req);
	/* query, body and access are checked; see call.h. */
	void (*serve)(struct call *call);
};

/* All rows, table by table: NULL behind the last table; a row without a path
 * behind the last of each. */
extern const struct route *const route_tables[];

/*
 * The row for a method and path, or NULL: then ret_allow (heap, may be NULL)
 * has the methods that the path knows, or NULL when there is no such path.
 * ret_name: where the name in braces begins in path; NULL: the row has none.
 */
const struct route *route_find(enum http_method method, const char *path,
	const char **ret_name, char **ret_allow);
const char *route_method_name(enum http_method method);

#endif
