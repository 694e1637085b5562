/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/db.h"
#include "api/once.h"
#include "api/service.h"
#include "store/crypt.h"
#include "store/secret.h"

#define ONCE_KEY_MAX 255

struct once {
	const char *key;
	const struct once_made *made;
	const char *object; /* to answer by; NULL: the answer is there */
	char hash[2 + 2 * CRYPT_HASH_BYTES + 1];
	const char *headers; /* "Name: value\n"… */
	void (*done)(struct call *call);
};

static const struct pg_statement once_claim = {
	.name = "api_once_claim",
	.text = "SELECT reeve.idempotency_begin($1, $2, $3::bytea,"
		" $4::uuid)",
	.params = 4,
};

static const struct pg_statement once_keep = {
	.name = "api_once_keep",
	.text = "UPDATE reeve.idempotency_keys SET status = $3::int,"
		" headers = $4, answer = $5 WHERE tenant_id = $1 AND key = $2",
	.params = 5,
};

static const struct pg_statement once_find = {
	.name = "api_once_find",
	.text = "SELECT status, headers, answer, object_id FROM reeve.idempotency_keys"
		" WHERE tenant_id = $1 AND key = $2",
	.params = 2,
};

static bool once_is_key(const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return i > 0 && i <= ONCE_KEY_MAX;
}

static bool once_has_secrets(const struct call *call)
{
	static const char name[] = "secretParams";

	return field_get(&call->body, name)->is_there ||
	       strstr(field_get(&call->body, "subtasks")->text, name) != NULL;
}

/* Of a body with secrets it must not tell them to who reads the table and tries
 * all that they could be. */
static void once_hash(struct call *call, struct once *o)
{
	unsigned char hash[CRYPT_HASH_BYTES];
	const char *body;
	size_t len;

	body = http_request_body(call->req, &len);
	secret_hash(once_has_secrets(call) ? call->service->secret : NULL, body,
		len, hash);
	memcpy(o->hash, "\\x", 2);
	crypt_hex(hash, sizeof(hash), o->hash + 2);
}

/* What is asked for: of two definitions to run, each is another request. */
static const char *once_operation(const struct call *call)
{
	if (call->name == NULL)
		return call->route->operation;
	return arena_printf(
		call->arena, "%s %s", call->route->operation, call->name);
}

bool once_begin(struct call *call, const char *id, const struct once_made *made)
{
	const char *key = call_header(call, ROUTE_KEY);
	struct once *o = arena_alloc(call->arena, sizeof(*o));
	struct err err;

	call->once = o;
	o->headers = "";
	o->made = made;
	db_begin(call);
	if (key == NULL)
		return true;
	if (!once_is_key(key)) {
		db_drop(call);
		call_reply_problem(call, 400,
			"Idempotency-Key is of 1 to 255 visible characters");
		return false;
	}
	if (crypt_load(&err) != 0) {
		db_drop(call);
		call_reply_problem(call, 500, err.text);
		return false;
	}
	o->key = arena_strdup(call->arena, key);
	once_hash(call, o);
	db_add(call, &once_claim,
		(const char *[]){ o->key, once_operation(call), o->hash, id },
		NULL);
	return true;
}

void once_header(struct call *call, const char *name, const char *value)
{
	struct once *o = call->once;

	(void)http_reply_header(call->req, name, value);
	if (o != NULL)
		o->headers = arena_printf(
			call->arena, "%s%s: %s\n", o->headers, name, value);
}

static void once_reply(struct call *call)
{
	call_reply_json(call, call->status, &call->out);
}

/* It is done: whether the answer could be written down changes nothing. */
static void once_on_kept(struct call *call, bool is_done)
{
	(void)is_done;
	once_reply(call);
}

static void once_on_done(struct call *call)
{
	struct once *o = call->once;
	char status[16];

	if (o->done != NULL)
		o->done(call);
	if (o->key == NULL) {
		once_reply(call);
		return;
	}
	snprintf(status, sizeof(status), "%d",
		call->status != 0 ? call->status : call->route->status);
	db_begin(call);
	db_add(call, &once_keep,
		(const char *[]){ call->access.tenant, o->key, status,
			o->headers, buf_str(&call->out) },
		NULL);
	if (db_send_quietly(call, once_on_kept) != 0)
		once_reply(call);
}

static void once_put_headers(struct call *call, char *text)
{
	char *name, *value, *rest;

	for (name = strtok_r(text, "\n", &rest); name != NULL;
		name = strtok_r(NULL, "\n", &rest)) {
		value = strstr(name, ": ");
		if (value == NULL)
			continue;
		*value = '\0';
		(void)http_reply_header(call->req, name, value + 2);
	}
	(void)http_reply_header(call->req, "Idempotent-Replayed", "true");
}

static const char once_gone[] = "it was carried out, and what it made is gone";

static void once_on_found(struct call *call, const struct pg_result *r)
{
	const char *text;

	if (pg_result_rows(r) == 0) {
		call_fail(call, 409, once_gone);
		return;
	}
	if (pg_result_text(r, 0, 0) == NULL) {
		call->once->object =
			arena_strdup(call->arena, pg_result_text(r, 0, 3));
		return;
	}
	call->status = (int)pg_result_int(r, 0, 0, 200);
	text = pg_result_text(r, 0, 1);
	once_put_headers(
		call, arena_strdup(call->arena, text != NULL ? text : ""));
	text = pg_result_text(r, 0, 2);
	buf_puts(&call->out, text != NULL ? text : "");
}

static void once_on_made(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0) {
		call_fail(call, 409, once_gone);
		return;
	}
	(void)http_reply_header(call->req, "Idempotent-Replayed", "true");
	call->once->made->rows(call, r);
}

static void once_on_looked(struct call *call)
{
	struct once *o = call->once;

	if (o->object == NULL)
		once_reply(call);
	else
		db_query(call, o->made->get,
			(const char *[]){ o->object, call->access.tenant },
			once_on_made);
}

/* Of what was begun here all was rolled back. */
static void once_repeat(struct call *call)
{
	struct once *o = call->once;

	buf_reset(&call->out);
	call->repeat = NULL;
	db_begin(call);
	db_add(call, &once_find,
		(const char *[]){ call->access.tenant, o->key }, once_on_found);
	db_send_then(call, once_on_looked);
}

void once_send(struct call *call, void (*done)(struct call *call))
{
	call->once->done = done;
	call->repeat = once_repeat;
	db_send_then(call, once_on_done);
}
