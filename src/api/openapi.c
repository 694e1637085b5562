/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "api/openapi.h"
#include "api/problem.h"
#include "base/buf.h"
#include "base/jsonw.h"

static const char *openapi_methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "get",
	[HTTP_HEAD] = "head",
	[HTTP_POST] = "post",
	[HTTP_PUT] = "put",
	[HTTP_DELETE] = "delete",
	[HTTP_PATCH] = "patch",
	[HTTP_OPTIONS] = "options",
};

static int openapi_status(const struct route *r)
{
	if (r->status != 0)
		return r->status;
	return r->shape == ROUTE_NOTHING ? 204 : 200;
}

static void put_name_parameter(struct jsonw *j, const char *path)
{
	const char *open = strchr(path, '{');
	char name[64];
	size_t len;

	if (open == NULL)
		return;
	len = strcspn(open + 1, "}");
	memcpy(name, open + 1, len);
	name[len] = '\0';
	jsonw_object(j, NULL);
	jsonw_str(j, "name", name);
	jsonw_str(j, "in", "path");
	jsonw_bool(j, "required", true);
	jsonw_object(j, "schema");
	jsonw_str(j, "type", "string");
	if (strcmp(name, "id") == 0)
		jsonw_str(j, "format", "uuid");
	jsonw_end_object(j);
	jsonw_end_object(j);
}

static void put_header_parameters(struct jsonw *j, const struct route *r)
{
	const struct route_header *h;

	for (h = route_headers; h->heed != 0; h++) {
		if ((r->heeds & h->heed) == 0)
			continue;
		jsonw_object(j, NULL);
		jsonw_str(j, "name", h->name);
		jsonw_str(j, "in", "header");
		jsonw_str(j, "description", h->help);
		jsonw_object(j, "schema");
		jsonw_str(j, "type", "string");
		jsonw_end_object(j);
		jsonw_end_object(j);
	}
}

static void put_parameters(struct jsonw *j, const struct route *r)
{
	const struct field *f;

	if (strchr(r->path, '{') == NULL && r->query == NULL && r->heeds == 0)
		return;
	jsonw_array(j, "parameters");
	put_name_parameter(j, r->path);
	for (f = r->query; f != NULL && f->name != NULL; f++) {
		jsonw_object(j, NULL);
		jsonw_str(j, "name", f->name);
		jsonw_str(j, "in", "query");
		if (f->help != NULL)
			jsonw_str(j, "description", f->help);
		if (f->is_required)
			jsonw_bool(j, "required", true);
		field_describe(j, "schema", f, false);
		jsonw_end_object(j);
	}
	put_header_parameters(j, r);
	jsonw_end_array(j);
}

static void put_reference(struct jsonw *j, const char *key, const char *name)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "#/components/schemas/%s", name);
	jsonw_object(j, key);
	jsonw_str(j, "$ref", buf_str(&path));
	jsonw_end_object(j);
	buf_done(&path);
}

static void put_list(struct jsonw *j, const char *name)
{
	jsonw_object(j, "schema");
	jsonw_str(j, "type", "object");
	jsonw_object(j, "properties");
	jsonw_object(j, "items");
	jsonw_str(j, "type", "array");
	put_reference(j, "items", name);
	jsonw_end_object(j);
	jsonw_object(j, "nextCursor");
	jsonw_array(j, "type");
	jsonw_str(j, NULL, "string");
	jsonw_str(j, NULL, "null");
	jsonw_end_array(j);
	jsonw_str(j, "description",
		"send it as `cursor` for what follows; null: nothing does");
	jsonw_end_object(j);
	jsonw_end_object(j);
	jsonw_array(j, "required");
	jsonw_str(j, NULL, "items");
	jsonw_str(j, NULL, "nextCursor");
	jsonw_end_array(j);
	jsonw_end_object(j);
}

static void put_media(struct jsonw *j, const char *type)
{
	jsonw_object(j, type);
	jsonw_object(j, "schema");
	jsonw_str(j, "type", "string");
	jsonw_end_object(j);
	jsonw_end_object(j);
}

static void put_json(struct jsonw *j, const struct route *r)
{
	jsonw_object(j, "application/json");
	if (r->shape == ROUTE_FREE) {
		jsonw_object(j, "schema");
		jsonw_end_object(j);
	} else if (r->shape == ROUTE_ONE) {
		put_reference(j, "schema", r->answer_name);
	} else {
		put_list(j, r->answer_name);
	}
	jsonw_end_object(j);
}

static void put_success(struct jsonw *j, const struct route *r)
{
	char status[16];

	snprintf(status, sizeof(status), "%d", openapi_status(r));
	jsonw_object(j, status);
	jsonw_str(j, "description", r->summary);
	if (r->shape != ROUTE_NOTHING) {
		jsonw_object(j, "content");
		if (r->shape == ROUTE_TEXT)
			put_media(j, "text/plain");
		else
			put_json(j, r);
		if (r->shape == ROUTE_EVENTS)
			put_media(j, "text/event-stream");
		jsonw_end_object(j);
	}
	jsonw_end_object(j);
}

static void put_responses(struct jsonw *j, const struct route *r)
{
	jsonw_object(j, "responses");
	put_success(j, r);
	if ((r->heeds & ROUTE_NONE_MATCH) != 0) {
		jsonw_object(j, "304");
		jsonw_str(j, "description", "it is as the client has it");
		jsonw_end_object(j);
	}
	jsonw_object(j, "default");
	jsonw_str(j, "description", "what went wrong");
	jsonw_object(j, "content");
	jsonw_object(j, "application/problem+json");
	put_reference(j, "schema", "Problem");
	jsonw_end_object(j);
	jsonw_end_object(j);
	jsonw_end_object(j);
	jsonw_end_object(j);
}

static void put_body(struct jsonw *j, const struct route *r)
{
	if (r->body == NULL)
		return;
	jsonw_object(j, "requestBody");
	jsonw_bool(j, "required", !r->is_body_optional);
	jsonw_object(j, "content");
	jsonw_object(j, "application/json");
	field_describe_all(j, "schema", r->body, false);
	jsonw_end_object(j);
	jsonw_end_object(j);
	jsonw_end_object(j);
}

static void put_security(struct jsonw *j, const struct route *r)
{
	jsonw_array(j, "security");
	if (r->role != ROUTE_PUBLIC) {
		jsonw_object(j, NULL);
		jsonw_array(j, "token");
		jsonw_end_array(j);
		jsonw_end_object(j);
	}
	jsonw_end_array(j);
	if (r->role != ROUTE_PUBLIC)
		jsonw_str(j, "x-role", route_role_names[r->role]);
}

static void put_operation(struct jsonw *j, const struct route *r)
{
	jsonw_object(j, openapi_methods[r->method]);
	jsonw_str(j, "operationId", r->operation);
	jsonw_str(j, "summary", r->summary);
	jsonw_array(j, "tags");
	jsonw_str(j, NULL, r->tag);
	jsonw_end_array(j);
	put_security(j, r);
	put_parameters(j, r);
	put_body(j, r);
	put_responses(j, r);
	jsonw_end_object(j);
}

/* Calls fn for each row whose path (or answer) no earlier one has. */
static bool openapi_is_first(const struct route *r, bool by_answer)
{
	const struct route *const *table;
	const struct route *o;

	for (table = route_tables; *table != NULL; table++)
		for (o = *table; o->path != NULL; o++) {
			if (o == r)
				return true;
			if (by_answer ? o->answer_name != NULL &&
						strcmp(o->answer_name,
							r->answer_name) == 0
				      : strcmp(o->path, r->path) == 0)
				return false;
		}
	return true;
}

static void put_path(struct jsonw *j, const char *path)
{
	const struct route *const *table;
	const struct route *r;

	jsonw_object(j, path);
	for (table = route_tables; *table != NULL; table++)
		for (r = *table; r->path != NULL; r++)
			if (strcmp(r->path, path) == 0)
				put_operation(j, r);
	jsonw_end_object(j);
}

static void put_paths(struct jsonw *j)
{
	const struct route *const *table;
	const struct route *r;

	jsonw_object(j, "paths");
	for (table = route_tables; *table != NULL; table++)
		for (r = *table; r->path != NULL; r++)
			if (openapi_is_first(r, false))
				put_path(j, r->path);
	jsonw_end_object(j);
}

static void put_components(struct jsonw *j)
{
	const struct route *const *table;
	const struct route *r;

	jsonw_object(j, "components");
	jsonw_object(j, "schemas");
	field_describe_all(j, "Problem", problem_fields, true);
	for (table = route_tables; *table != NULL; table++)
		for (r = *table; r->path != NULL; r++)
			if (r->answer_name != NULL && openapi_is_first(r, true))
				field_describe_all(
					j, r->answer_name, r->answer, true);
	jsonw_end_object(j);
	jsonw_object(j, "securitySchemes");
	jsonw_object(j, "token");
	jsonw_str(j, "type", "http");
	jsonw_str(j, "scheme", "bearer");
	jsonw_end_object(j);
	jsonw_end_object(j);
	jsonw_end_object(j);
}

void openapi_print(struct buf *out)
{
	struct jsonw j;

	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "openapi", "3.1.0");
	jsonw_object(&j, "info");
	jsonw_str(&j, "title", "reeve");
	jsonw_str(&j, "version", PACKAGE_VERSION);
	jsonw_object(&j, "license");
	jsonw_str(&j, "name", "ISC");
	jsonw_str(&j, "identifier", "ISC");
	jsonw_end_object(&j);
	jsonw_end_object(&j);
	put_paths(&j);
	put_components(&j);
	jsonw_end_object(&j);
	buf_putc(out, '\n');
}

static void openapi_serve(const struct board *b, struct http_request *req)
{
	struct buf out = BUF_INIT;

	(void)b;
	openapi_print(&out);
	http_reply(req, 200, "application/json", out.data, out.len);
	buf_done(&out);
}

static void openapi_index(const struct board *b, struct http_request *req)
{
	const struct route *const *table;
	const struct route *r;
	struct buf out = BUF_INIT;
	struct jsonw j;

	(void)b;
	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_array(&j, "routes");
	for (table = route_tables; *table != NULL; table++)
		for (r = *table; r->path != NULL; r++) {
			jsonw_object(&j, NULL);
			jsonw_str(&j, "method", route_method_name(r->method));
			jsonw_str(&j, "path", r->path);
			jsonw_str(&j, "help", r->summary);
			jsonw_str(&j, "role", route_role_names[r->role]);
			jsonw_end_object(&j);
		}
	jsonw_end_array(&j);
	jsonw_end_object(&j);
	buf_putc(&out, '\n');
	http_reply(req, 200, "application/json", out.data, out.len);
	buf_done(&out);
}

const struct route openapi_routes[] = {
	{ .method = HTTP_GET,
		.path = "/openapi.json",
		.operation = "getOpenApi",
		.tag = "health",
		.summary = "this API, described after OpenAPI 3.1",
		.shape = ROUTE_FREE,
		.plain = openapi_serve },
	{ .method = HTTP_GET,
		.path = "/api/v1",
		.operation = "listRoutes",
		.tag = "health",
		.summary = "every path with its method and a line of help",
		.shape = ROUTE_FREE,
		.plain = openapi_index },
	{ .path = NULL },
};
