/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/health.h"
#include "base/buf.h"
#include "base/jsonw.h"
#include "board/board.h"
#include "board/report.h"
#include "loop/http.h"

#define HEALTH_JSON    "application/json"
#define HEALTH_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* Frees what is in `out`. */
static void health_reply(
	struct http_request *req, const char *type, struct buf *out)
{
	http_reply(req, 200, type, out->data, out->len);
	buf_done(out);
}

static void health_healthz(const struct board *b, struct http_request *req)
{
	static const char text[] = "{\"status\":\"ok\"}\n";

	(void)b;
	http_reply(req, 200, HEALTH_JSON, text, sizeof(text) - 1);
}

/* While reloading or upgrading, the old workers serve. */
static bool health_is_node_ready(uint32_t state)
{
	return state == BOARD_NODE_RUNNING || state == BOARD_NODE_RELOADING ||
	       state == BOARD_NODE_UPGRADING;
}

static bool health_is_pool_ready(uint32_t state)
{
	return state == BOARD_POOL_RUNNING || state == BOARD_POOL_ROLLING ||
	       state == BOARD_POOL_DONE;
}

static void health_blame(struct buf *out, const char *what, const char *state)
{
	buf_printf(out, "%s%s is %s", out->len > 0 ? ", " : "", what, state);
}

static void health_blame_pools(const struct board *b, struct buf *out)
{
	int limit = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;
	int i;

	for (i = 0; i < limit && i < BOARD_POOLS_MAX; i++) {
		(void)board_read_pool(b, i, &p);
		if (p.state != BOARD_POOL_UNUSED &&
			p.state < BOARD_POOL_STATE_COUNT && !p.is_internal &&
			!health_is_pool_ready(p.state))
			health_blame(
				out, p.name, board_pool_state_names[p.state]);
	}
}

static void health_readyz(const struct board *b, struct http_request *req)
{
	static const char text[] = "{\"status\":\"ready\"}\n";
	struct buf why = BUF_INIT;
	struct board_header h;

	(void)board_read_header(b, &h);
	if (!health_is_node_ready(h.state) && h.state < BOARD_NODE_STATE_COUNT)
		health_blame(&why, "node", board_node_state_names[h.state]);
	health_blame_pools(b, &why);
	if (why.len == 0)
		http_reply(req, 200, HEALTH_JSON, text, sizeof(text) - 1);
	else
		http_reply_problem(req, 503, buf_str(&why));
	buf_done(&why);
}

static void health_metrics(const struct board *b, struct http_request *req)
{
	struct buf out = BUF_INIT;

	report_metrics(b, &out);
	health_reply(req, HEALTH_METRICS, &out);
}

const struct route health_routes[] = {
	{ .method = HTTP_GET,
		.path = "/healthz",
		.operation = "isAlive",
		.tag = "health",
		.summary = "200 as long as this worker serves",
		.shape = ROUTE_FREE,
		.plain = health_healthz },
	{ .method = HTTP_GET,
		.path = "/readyz",
		.operation = "isReady",
		.tag = "health",
		.summary = "200 when every pool is up, else 503 and why",
		.shape = ROUTE_FREE,
		.plain = health_readyz },
	{ .method = HTTP_GET,
		.path = "/metrics",
		.operation = "getMetrics",
		.tag = "health",
		.summary = "figures of the whole node as Prometheus text",
		.shape = ROUTE_TEXT,
		.plain = health_metrics },
	{ .path = NULL },
};
