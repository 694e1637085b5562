/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/cluster.h"
#include "api/definitions.h"
#include "api/deployments.h"
#include "api/health.h"
#include "api/instances.h"
#include "api/openapi.h"
#include "api/route.h"
#include "api/scheduler.h"
#include "api/stats.h"
#include "api/system.h"
#include "api/tasks.h"
#include "base/buf.h"

const char *const route_role_names[ROUTE_ROLE_COUNT] = {
	[ROUTE_PUBLIC] = "public",
	[ROUTE_VIEWER] = "viewer",
	[ROUTE_OPERATOR] = "operator",
	[ROUTE_ADMIN] = "admin",
};

const struct route_header route_headers[] = {
	{ ROUTE_KEY, "Idempotency-Key",
		"1 to 255 characters: sent again within 24 hours it is carried "
		"out once, and answered alike" },
	{ ROUTE_MATCH, "If-Match",
		"ETags of which it must have one, or it is left as it is: "
		"412" },
	{ ROUTE_NONE_MATCH, "If-None-Match",
		"ETags that the client has: 304 when it is one of them" },
	{ ROUTE_LAST_EVENT, "Last-Event-ID",
		"with follow: the id of a log event, what follows it" },
	{ 0, NULL, NULL },
};

static const char *const route_methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
	[HTTP_PATCH] = "PATCH",
	[HTTP_OPTIONS] = "OPTIONS",
};

/* The routes asked most often first. */
const struct route *const route_tables[] = {
	health_routes,
	task_routes,
	definition_routes,
	instance_routes,
	scheduler_routes,
	stats_routes,
	system_routes,
	cluster_routes,
	deployment_routes,
	openapi_routes,
	NULL,
};

const char *route_method_name(enum http_method method)
{
	return route_methods[method];
}

/* Does a path fit a template?  A name in braces takes one segment. */
static bool route_fits(
	const char *template, const char *path, const char **ret_name)
{
	*ret_name = NULL;
	for (; *template != '\0'; template ++, path++) {
		if (*template == '{') {
			if (*path == '\0' || *path == '/')
				return false;
			*ret_name = path;
			path += strcspn(path, "/") - 1;
			template = strchr(template, '}');
		} else if (*template != *path) {
			return false;
		}
	}
	return *path == '\0';
}

static void route_allow(struct buf *out, const struct route *r)
{
	buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
		route_methods[r->method]);
	if (r->method == HTTP_GET)
		buf_puts(out, ", HEAD");
}

const struct route *route_find(enum http_method method, const char *path,
	const char **ret_name, char **ret_allow)
{
	const struct route *const *table;
	const struct route *r;
	struct buf allow = BUF_INIT;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (table = route_tables; *table != NULL; table++) {
		for (r = *table; r->path != NULL; r++) {
			if (!route_fits(r->path, path, ret_name))
				continue;
			if (r->method == method) {
				buf_done(&allow);
				return r;
			}
			route_allow(&allow, r);
		}
	}
	if (ret_allow != NULL)
		*ret_allow = allow.len > 0 ? buf_take(&allow) : NULL;
	buf_done(&allow);
	return NULL;
}
