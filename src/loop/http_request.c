/* SPDX-License-Identifier: ISC */
/*
 * http_request - what a handler sees of a request, and its answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "loop/http_conn.h"
#include "loop/http_gzip.h"
#include "loop/http_target.h"
#include "loop/http_token.h"

#define HTTP_ID_MAX 128 /* bytes of an id that a client gives */

struct http_request *http_request_take(struct http_server *s)
{
	struct http_request *req = s->spare;

	s->spare = NULL;
	if (req == NULL)
		req = xmalloc(sizeof(*req));
	memset(req, 0, offsetof(struct http_request, parse));
	http_parse_init(&req->parse);
	req->server = s;
	return req;
}

void http_request_drop(struct http_server *s, struct http_request *req)
{
	if (req == NULL)
		return;
	buf_done(&req->extra);
	free(req->query);
	free(req->user);
	free(req->owned);
	req->query = req->user = req->owned = NULL;
	if (s != NULL)
		s->held -= req->held;
	if (s != NULL && s->spare == NULL)
		s->spare = req;
	else
		free(req);
}

/* Takes buffer, in place of what it owns. */
static void http_request_hold(
	struct http_request *req, char *buffer, size_t size)
{
	free(req->owned);
	req->owned = buffer;
	if (req->server != NULL)
		req->server->held += size - req->held;
	req->held = size;
}

bool http_request_keep(struct http_request *req, char *buffer, size_t size)
{
	if (req->list == NULL)
		http_request_list(req, &req->server->late);
	if (req->owned != NULL)
		return false;
	http_request_hold(req, buffer, size);
	return true;
}

void http_request_shrink(struct http_request *req, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, req->data, len);
	req->data = copy;
	http_request_hold(req, copy, len + 1);
}

/* A long one fills its buffer well enough. */
void http_request_own(struct http_request *req)
{
	if (req->owned == NULL && req->parse.used <= HTTP_READ_SIZE / 2)
		http_request_shrink(req, req->parse.used);
}

void http_request_list(struct http_request *req, struct http_requests *list)
{
	if (req->list != NULL)
		TAILQ_REMOVE(req->list, req, entry);
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, req, entry);
	req->list = list;
}

enum http_method http_request_method(const struct http_request *req)
{
	return req->parse.method;
}

int http_request_minor(const struct http_request *req)
{
	return req->parse.minor;
}

const char *http_request_path(const struct http_request *req)
{
	return req->data + req->parse.path;
}

bool http_request_query_at(struct http_request *req, size_t *at,
	const char **ret_name, const char **ret_value)
{
	const char *name, *value;

	if (req->parse.query == 0)
		return false;
	if (req->query == NULL)
		req->query = http_target_query(
			req->data + req->parse.query, &req->query_len);
	while (*at < req->query_len) {
		name = req->query + *at;
		value = name + strlen(name) + 1;
		*at = (size_t)(value + strlen(value) + 1 - req->query);
		if (*name == '\0' && *value == '\0')
			continue;
		*ret_name = name;
		*ret_value = value;
		return true;
	}
	return false;
}

const char *http_request_query(struct http_request *req, const char *name)
{
	const char *have, *value;
	size_t at = 0;

	while (http_request_query_at(req, &at, &have, &value))
		if (strcmp(have, name) == 0)
			return value;
	return NULL;
}

const char *http_request_query_text(const struct http_request *req)
{
	return req->parse.query == 0 ? NULL : req->data + req->parse.query;
}

const char *http_request_header(
	const struct http_request *req, const char *name)
{
	return http_parse_field(&req->parse, req->data, name);
}

bool http_request_header_at(const struct http_request *req, unsigned index,
	const char **ret_name, const char **ret_value)
{
	if (index >= req->parse.field_count)
		return false;
	*ret_name = req->data + req->parse.fields[index].name;
	*ret_value = req->data + req->parse.fields[index].value;
	return true;
}

const char *http_request_body(const struct http_request *req, size_t *ret_len)
{
	*ret_len = req->parse.body_len;
	return req->data + req->parse.body;
}

bool http_request_peer(
	const struct http_request *req, struct http_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (req->conn == NULL || !req->conn->is_unix ||
		getsockopt(req->conn->fd, SOL_SOCKET, SO_PEERCRED, &cred,
			&len) == -1)
		return false;
	ret_peer->pid = cred.pid;
	ret_peer->uid = cred.uid;
	ret_peer->gid = cred.gid;
	return true;
}

static bool http_request_is_id(const char *text)
{
	size_t len = 0;

	while (text[len] > ' ' && text[len] <= '~')
		len++;
	return text[len] == '\0' && len > 0 && len <= HTTP_ID_MAX;
}

const char *http_request_id(struct http_request *req)
{
	const char *given;

	if (req->id[0] != '\0')
		return req->id;
	given = http_request_header(req, "X-Request-Id");
	if (given != NULL && http_request_is_id(given))
		return given;
	uuid_new(req->id);
	return req->id;
}

/* What trusted proxies say. */
static void http_request_believe(struct http_request *req)
{
	const struct http_origin *o = req->server->origin;
	struct http_origin_walk walk = { .origin = o };
	const char *wanted = http_origin_name(o), *name, *value;
	unsigned i;

	for (i = 0; http_request_header_at(req, i, &name, &value); i++)
		if (strcasecmp(name, wanted) == 0)
			http_origin_feed(&walk, value);
	if (walk.has_address)
		memcpy(req->client, walk.address, sizeof(req->client));
}

const char *http_request_client(struct http_request *req)
{
	const struct http_origin *o;

	if (req->client[0] != '\0' || req->conn == NULL)
		return req->client;
	http_conn_peer(req->conn, req->client);
	o = req->server->origin;
	if (o != NULL && http_origin_trusts(o, req->client))
		http_request_believe(req);
	return req->client;
}

void http_request_set_user(struct http_request *req, const char *user)
{
	free(req->user);
	req->user = xstrdup(user);
}

const char *http_request_user(const struct http_request *req)
{
	return req->user == NULL ? "" : req->user;
}

int http_reply_header(
	struct http_request *req, const char *name, const char *value)
{
	const char *c;

	for (c = name; http_token_is((unsigned char)*c); c++)
		;
	if (c == name || *c != '\0')
		return -1;
	for (c = value; http_token_is_value((unsigned char)*c); c++)
		;
	if (*c != '\0')
		return -1;
	buf_printf(&req->extra, "%s: %s\r\n", name, value);
	return 0;
}

struct buf *http_request_out(const struct http_request *req)
{
	struct http_server *s = req->server;

	return s->current == req->conn ? &s->out : &req->conn->out;
}

void http_request_answer(struct http_request *req, struct http_answer *a)
{
	struct http_conn *c = req->conn;

	a->extra = &req->extra;
	a->id = req->server->uses_ids ? http_request_id(req) : NULL;
	a->is_head = req->parse.method == HTTP_HEAD;
	a->says_close = req->server->is_draining || !req->parse.keep_alive;
	a->says_keep_alive = req->parse.minor == 0;
	if (!req->parse.keep_alive)
		c->end = HTTP_END_CLOSE;
	else if (a->says_close)
		c->end = HTTP_END_LINGER;
	http_answer_put(req->server, http_request_out(req), a);
}

void http_request_end(struct http_request *req, int status, uint64_t body_bytes)
{
	struct http_server *s = req->server;
	struct http_conn *c = req->conn;
	struct http_done done = {
		.req = req,
		.status = status,
		.body_bytes = body_bytes,
	};

	if (c != NULL) {
		c->req = NULL;
		c->is_handling = false;
		if (s->current != c)
			http_conn_resume(c);
	}
	http_request_list(req, NULL);
	s->counts.in_flight--;
	http_server_answered(s, &done);
	http_request_drop(s, req);
}

/* A further field of the answer is there already. */
static bool http_request_has_extra(
	const struct http_request *req, const char *name)
{
	const char *line = buf_str(&req->extra);
	size_t len = strlen(name);

	while (*line != '\0') {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return true;
		line += strcspn(line, "\n");
		line += *line != '\0';
	}
	return false;
}

/* Put a smaller body in place of a large one; `packed` holds it. */
static void http_request_pack(
	struct http_request *req, struct http_answer *a, struct buf *packed)
{
	if (!req->server->uses_gzip || a->len < HTTP_GZIP_MIN ||
		a->len > HTTP_GZIP_MAX || !http_gzip_suits(a->type) ||
		http_request_has_extra(req, "ETag") ||
		http_request_has_extra(req, "Content-Encoding"))
		return;
	/* A cache must not give it to those who asked otherwise. */
	(void)http_reply_header(req, "Vary", "Accept-Encoding");
	if (!http_gzip_is_wanted(http_request_header(req, "Accept-Encoding")) ||
		!http_gzip(a->body, a->len, packed))
		return;
	(void)http_reply_header(req, "Content-Encoding", "gzip");
	a->body = packed->data;
	a->len = packed->len;
}

void http_reply(struct http_request *req, int status, const char *content_type,
	const void *body, size_t len)
{
	struct http_answer a = {
		.status = status,
		.type = content_type,
		.body = body,
		.len = len,
	};

	struct buf packed = BUF_INIT;

	assert(status >= 200 && status <= 599 && !req->is_stream);
	if (req->server == NULL) {
		http_request_drop(NULL, req);
		return;
	}
	if (req->conn != NULL) {
		http_request_pack(req, &a, &packed);
		http_request_answer(req, &a);
		buf_done(&packed);
	}
	http_request_end(
		req, status, req->conn == NULL ? 0 : http_answer_bytes(&a));
}

void http_reply_problem(
	struct http_request *req, int status, const char *detail)
{
	struct buf body = BUF_INIT;

	http_answer_problem(&body, status, detail);
	http_reply(
		req, status, "application/problem+json", body.data, body.len);
	buf_done(&body);
}
