/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/call.h"
#include "api/db.h"
#include "api/service.h"

/* An id is the same in capitals: further on it is a part of keys. */
static const char *call_name(
	struct arena *a, const struct route *route, const char *from)
{
	char *name = arena_strndup(a, from, strcspn(from, "/"));
	char *at;

	if (strstr(route->path, "{id}") != NULL)
		for (at = name; *at != '\0'; at++)
			*at = (char)tolower((unsigned char)*at);
	return name;
}

static struct call *call_new(struct service *s, struct http_request *req,
	const struct route *route, const char *name)
{
	struct arena *a = arena_new();
	struct call *call = arena_alloc(a, sizeof(*call));

	call->service = s;
	call->req = req;
	call->route = route;
	call->arena = a;
	if (name != NULL)
		call->name = call_name(a, route, name);
	return call;
}

static void call_free(struct call *call)
{
	buf_done(&call->out);
	arena_free(call->arena);
}

const char *call_parameter(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->query, name);

	return v->is_set ? v->text : NULL;
}

const char *call_header(const struct call *call, enum route_heed heed)
{
	const struct route_header *h = route_headers;

	while (h->heed != heed)
		h++;
	return (call->route->heeds & heed) != 0
		       ? http_request_header(call->req, h->name)
		       : NULL;
}

void call_reply_json(struct call *call, int status, struct buf *out)
{
	if (status == 0)
		status = call->route->status != 0 ? call->route->status : 200;
	buf_putc(out, '\n');
	http_reply(call->req, status, "application/json", out->data, out->len);
	buf_done(out);
	call_free(call);
}

void call_reply_nothing(struct call *call, int status)
{
	if (status == 0)
		status = 204;
	http_reply(call->req, status, NULL, NULL, 0);
	call_free(call);
}

void call_begin_stream(struct call *call, const char *content_type)
{
	http_reply_begin(call->req, 200, content_type);
}

void call_finish(struct call *call)
{
	http_reply_finish(call->req);
	call_free(call);
}

void call_reply_problem(struct call *call, int status, const char *detail)
{
	problem_reply(call->req, status, detail, NULL);
	call_free(call);
}

void call_fail(struct call *call, int status, const char *detail)
{
	if (call->failed != 0)
		return;
	call->failed = status;
	call->failure = detail;
}

void call_reply_faults(struct call *call, const struct field_faults *faults)
{
	problem_reply(call->req, faults->is_syntax ? 400 : 422,
		faults->is_syntax ? "the body is not a JSON object"
				  : "some fields are wrong",
		faults);
	call_free(call);
}

static bool call_has_parameter(const struct call *call, const char *name)
{
	const struct field *f;

	for (f = call->route->query; f != NULL && f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return true;
	return false;
}

void call_reply_wrong(struct call *call, const char *field, const char *detail)
{
	struct field_faults faults = { .count = 0 };

	field_fault(&faults, call->arena, field, "%s", detail);
	if (!call_has_parameter(call, field)) {
		call_reply_faults(call, &faults);
		return;
	}
	problem_reply(call->req, 400, "some parameters are wrong", &faults);
	call_free(call);
}

void call_reply_later(
	struct call *call, int status, const char *detail, int retry_after_s)
{
	problem_reply_later(call->req, status, detail, retry_after_s);
	call_free(call);
}

void call_reply_away(struct call *call, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%s does not answer: try again", what);
	call_reply_later(call, 503, text, 1);
}

/* "application/json", with or without a charset of UTF-8. */
static bool call_is_json(const struct http_request *req)
{
	static const char json[] = "application/json";
	const char *type = http_request_header(req, "Content-Type");
	size_t len;

	if (type == NULL)
		return true;
	len = strcspn(type, "; \t");
	if (len != sizeof(json) - 1 || strncasecmp(type, json, len) != 0)
		return false;
	type += len + strspn(type + len, "; \t");
	return *type == '\0' || strcasecmp(type, "charset=utf-8") == 0 ||
	       strcasecmp(type, "charset=\"utf-8\"") == 0;
}

/* Nothing is unpacked here. */
static bool call_is_plain(const struct http_request *req)
{
	const char *coding = http_request_header(req, "Content-Encoding");

	return coding == NULL || strcasecmp(coding, "identity") == 0;
}

static bool call_check_name(struct call *call)
{
	if (call->name == NULL || strstr(call->route->path, "{id}") == NULL ||
		field_is_uuid(call->name))
		return true;
	call_reply_problem(call, 404, "no id is like that: it is a uuid");
	return false;
}

static bool call_check_query(struct call *call)
{
	struct field_faults faults = { .count = 0 };

	if (field_read_query(call->route->query, call->req, call->arena,
		    &call->query, &faults))
		return true;
	problem_reply(call->req, 400, "some parameters are wrong", &faults);
	call_free(call);
	return false;
}

static bool call_check_body(struct call *call)
{
	struct field_faults faults = { .count = 0 };
	const char *text;
	size_t len;

	text = http_request_body(call->req, &len);
	if (call->route->body == NULL) {
		if (len == 0)
			return true;
		call_reply_problem(call, 400, "this path takes no body");
		return false;
	}
	if (len == 0 && call->route->is_body_optional) {
		text = "{}";
		len = 2;
	}
	if (!call_is_json(call->req)) {
		(void)http_reply_header(
			call->req, "Accept-Post", "application/json");
		call_reply_problem(
			call, 415, "the body must be application/json");
		return false;
	}
	if (!call_is_plain(call->req)) {
		(void)http_reply_header(
			call->req, "Accept-Encoding", "identity");
		call_reply_problem(call, 415, "the body must not be encoded");
		return false;
	}
	if (field_read_body(call->route->body, text, len, call->arena,
		    &call->body, &faults))
		return true;
	call_reply_faults(call, &faults);
	return false;
}

static void call_refuse(struct http_request *req, char *allow)
{
	if (allow == NULL) {
		http_reply_problem(req, 404, "there is nothing at this path");
		return;
	}
	(void)http_reply_header(req, "Allow", allow);
	http_reply_problem(req, 405, "this path does not take that method");
	free(allow);
}

static void call_admit(struct call *call)
{
	const struct route *r = call->route;

	if (call->access.role < r->role)
		call_reply_problem(call, 403,
			arena_printf(call->arena,
				"this wants a token of role %s",
				route_role_names[r->role]));
	else if (r->is_system && strcmp(call->access.tenant, "default") != 0)
		call_reply_problem(
			call, 403, "this wants a token of the tenant default");
	else if (call_check_name(call) && call_check_query(call) &&
		 call_check_body(call))
		call->route->serve(call);
}

/* Access comes before the rest: who may not is told nothing of the fields. */
static void call_know(struct call *call)
{
	access_check(call, call_admit);
}

static void call_start(struct call *call)
{
	if (call->route->role == ROUTE_PUBLIC)
		call_admit(call);
	else
		db_await(call, call_know);
}

/* Its answer waits for the database: many of them may be in hand. */
static void call_later(struct call *call)
{
	http_request_own(call->req);
	call_start(call);
}

void call_begin(struct service *s, struct http_request *req)
{
	const char *name;
	const struct route *r;
	char *allow;

	r = route_find(http_request_method(req), http_request_path(req), &name,
		&allow);
	if (r == NULL)
		call_refuse(req, allow);
	else if (r->plain != NULL)
		r->plain(s->board, req);
	else
		call_later(call_new(s, req, r, name));
}
