/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/route.h"
#include "base/buf.h"
#include "base/jsonw.h"
#include "board/board.h"
#include "board/report.h"
#include "loop/http.h"

#define ROUTE_JSON    "application/json"
#define ROUTE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct route {
	enum http_method method; /* GET serves HEAD as well */
	const char *path;
	void (*serve)(const struct board *b, struct http_request *req);
	const char *help;
};

static void route_healthz(const struct board *b, struct http_request *req);
static void route_readyz(const struct board *b, struct http_request *req);
static void route_metrics(const struct board *b, struct http_request *req);
static void route_status(const struct board *b, struct http_request *req);
static void route_index(const struct board *b, struct http_request *req);

static const struct route routes[] = {
	{ HTTP_GET, "/healthz", route_healthz,
		"200 as long as this worker serves" },
	{ HTTP_GET, "/readyz", route_readyz,
		"200 when every pool is up, else 503 and why" },
	{ HTTP_GET, "/metrics", route_metrics,
		"figures of the whole node as Prometheus text" },
	{ HTTP_GET, "/api/v1/status", route_status,
		"pools and workers; pool=NAME: only that one" },
	{ HTTP_GET, "/api/v1", route_index, "this list" },
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(*routes))

static const char *const route_methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
	[HTTP_PATCH] = "PATCH",
	[HTTP_OPTIONS] = "OPTIONS",
};

/* Frees what is in `out`. */
static void route_reply(
	struct http_request *req, const char *type, struct buf *out)
{
	http_reply(req, 200, type, out->data, out->len);
	buf_done(out);
}

static void route_healthz(const struct board *b, struct http_request *req)
{
	static const char text[] = "{\"status\":\"ok\"}\n";

	(void)b;
	http_reply(req, 200, ROUTE_JSON, text, sizeof(text) - 1);
}

/* While reloading or upgrading, the old workers serve. */
static bool route_is_node_ready(uint32_t state)
{
	return state == BOARD_NODE_RUNNING || state == BOARD_NODE_RELOADING ||
	       state == BOARD_NODE_UPGRADING;
}

static bool route_is_pool_ready(uint32_t state)
{
	return state == BOARD_POOL_RUNNING || state == BOARD_POOL_ROLLING ||
	       state == BOARD_POOL_DONE;
}

static void route_blame(struct buf *out, const char *what, const char *state)
{
	buf_printf(out, "%s%s is %s", out->len > 0 ? ", " : "", what, state);
}

static void route_blame_pools(const struct board *b, struct buf *out)
{
	int limit = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;
	int i;

	for (i = 0; i < limit && i < BOARD_POOLS_MAX; i++) {
		(void)board_read_pool(b, i, &p);
		if (p.state != BOARD_POOL_UNUSED &&
			p.state < BOARD_POOL_STATE_COUNT && !p.is_internal &&
			!route_is_pool_ready(p.state))
			route_blame(
				out, p.name, board_pool_state_names[p.state]);
	}
}

static void route_readyz(const struct board *b, struct http_request *req)
{
	static const char text[] = "{\"status\":\"ready\"}\n";
	struct buf why = BUF_INIT;
	struct board_header h;

	(void)board_read_header(b, &h);
	if (!route_is_node_ready(h.state) && h.state < BOARD_NODE_STATE_COUNT)
		route_blame(&why, "node", board_node_state_names[h.state]);
	route_blame_pools(b, &why);
	if (why.len == 0)
		http_reply(req, 200, ROUTE_JSON, text, sizeof(text) - 1);
	else
		http_reply_problem(req, 503, buf_str(&why));
	buf_done(&why);
}

static void route_metrics(const struct board *b, struct http_request *req)
{
	struct buf out = BUF_INIT;

	report_metrics(b, &out);
	route_reply(req, ROUTE_METRICS, &out);
}

static void route_status(const struct board *b, struct http_request *req)
{
	const char *pool = http_request_query(req, "pool");
	struct buf out = BUF_INIT;

	if (report_status(b, pool, REPORT_PLAIN, &out) != 0) {
		buf_done(&out);
		http_reply_problem(req, 404, "no pool has that name");
		return;
	}
	buf_putc(&out, '\n');
	route_reply(req, ROUTE_JSON, &out);
}

static void route_index(const struct board *b, struct http_request *req)
{
	struct buf out = BUF_INIT;
	struct jsonw j;
	size_t i;

	(void)b;
	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_array(&j, "routes");
	for (i = 0; i < ROUTE_COUNT; i++) {
		jsonw_object(&j, NULL);
		jsonw_str(&j, "method", route_methods[routes[i].method]);
		jsonw_str(&j, "path", routes[i].path);
		jsonw_str(&j, "help", routes[i].help);
		jsonw_end_object(&j);
	}
	jsonw_end_array(&j);
	jsonw_end_object(&j);
	buf_putc(&out, '\n');
	route_reply(req, ROUTE_JSON, &out);
}

/* The methods of a path for the field Allow; "" when there is no such path. */
static void route_allow(const char *path, struct buf *out)
{
	size_t i;

	for (i = 0; i < ROUTE_COUNT; i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
			route_methods[routes[i].method]);
		if (routes[i].method == HTTP_GET)
			buf_puts(out, ", HEAD");
	}
}

void route_serve(const struct board *b, struct http_request *req)
{
	enum http_method method = http_request_method(req);
	const char *path = http_request_path(req);
	struct buf allow = BUF_INIT;
	size_t i;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (i = 0; i < ROUTE_COUNT; i++)
		if (routes[i].method == method &&
			strcmp(routes[i].path, path) == 0) {
			routes[i].serve(b, req);
			return;
		}
	route_allow(path, &allow);
	if (allow.len == 0) {
		http_reply_problem(req, 404, "there is nothing at this path");
	} else {
		(void)http_reply_header(req, "Allow", buf_str(&allow));
		http_reply_problem(
			req, 405, "this path does not take that method");
	}
	buf_done(&allow);
}
