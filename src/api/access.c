/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/call.h"
#include "api/db.h"
#include "api/follow.h"
#include "api/local.h"
#include "api/service.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/board.h"
#include "conf/conf.h"
#include "loop/http.h"
#include "store/crypt.h"

#define ACCESS_BUCKETS 256
/* A tenant may save up so many seconds of its rate. */
#define ACCESS_BURST_S  2
#define ACCESS_NS_PER_S INT64_C(1000000000)

/* The rate of one tenant. */
struct access_tenant {
	struct access_tenant *next;
	char *name;
	int64_t rate; /* requests a second on this node; 0: no limit */
	/* See quota_spend: on the board, for all workers of the node; or our
	 * own when there is no room. */
	_Atomic int64_t *full_at_ns;
	_Atomic int64_t own_full_at_ns;
};

/* What is known of one token; role ROUTE_PUBLIC: it is not good. */
struct access_token {
	struct access_token *next;
	unsigned char hash[CRYPT_HASH_BYTES];
	enum route_role role;
	struct access_tenant *tenant;
	char *who;
	int64_t until_us; /* clock_now: asked again then */
	int64_t over_us;  /* clock_now of its end; INT64_MAX: none */
};

struct access_book {
	struct service *service; /* borrowed */
	struct access_token *tokens[ACCESS_BUCKETS];
	struct access_tenant *tenants;
	size_t count;
	unsigned epoch; /* raised by each change: older answers don't count */
};

/* A question to the database. */
struct access_ask {
	struct call *call;
	unsigned char hash[CRYPT_HASH_BYTES];
	unsigned epoch;
	void (*admit)(struct call *call);
};

static const struct pg_statement access_find = {
	.name = "api_token",
	.text = "SELECT tenant_id, name, role, requests_per_s,"
		" floor(extract(epoch FROM expires_at - now()) * 1000000)"
		"::bigint FROM reeve.token_find($1::bytea)",
	.params = 1,
};

static void access_forget(struct access_book *b)
{
	struct access_token *t;
	size_t i;

	for (i = 0; i < ACCESS_BUCKETS; i++)
		while ((t = b->tokens[i]) != NULL) {
			b->tokens[i] = t->next;
			free(t->who);
			free(t);
		}
	b->count = 0;
}

static void access_on_change(const char *payload, void *arg)
{
	struct access_book *b = arg;

	(void)payload;
	b->epoch++;
	access_forget(b);
	/* They were let in by a token: who still may comes again. */
	follow_stop(b->service);
}

struct access_book *access_open(struct service *s)
{
	struct access_book *b = xcalloc(1, sizeof(*b));

	b->service = s;
	if (s->db != NULL)
		pg_listen(db_pg(s->db), "reeve_tokens", access_on_change, b);
	return b;
}

void access_close(struct access_book *b)
{
	struct access_tenant *t;

	if (b == NULL)
		return;
	access_forget(b);
	while ((t = b->tenants) != NULL) {
		b->tenants = t->next;
		free(t->name);
		free(t);
	}
	free(b);
}

/* One rate for all workers. */
static void access_share(const struct access_book *b, struct access_tenant *t)
{
	struct board *board = worker_child(b->service->worker)->board;
	int rate = quota_find_rate(board, t->name);

	t->full_at_ns = rate >= 0 ? &board->map->rates[rate].full_at_ns
				  : &t->own_full_at_ns;
}

static struct access_tenant *access_tenant(
	struct access_book *b, const char *name, int64_t rate)
{
	struct access_tenant *t;

	for (t = b->tenants; t != NULL; t = t->next)
		if (strcmp(t->name, name) == 0)
			break;
	if (t == NULL) {
		t = xcalloc(1, sizeof(*t));
		t->name = xstrdup(name);
		t->next = b->tenants;
		b->tenants = t;
	}
	t->rate = rate;
	if (rate > 0 && t->full_at_ns == NULL)
		access_share(b, t);
	return t;
}

static struct access_token *access_seek(
	const struct access_book *b, const unsigned char *hash)
{
	struct access_token *t;

	for (t = b->tokens[hash[0]]; t != NULL; t = t->next)
		if (crypt_is_equal(t->hash, hash, CRYPT_HASH_BYTES))
			return t;
	return NULL;
}

/* 0: go on; else after how many us to come again.  Without room on the board
 * each worker lets its share through. */
static int64_t access_take(const struct service *s, struct access_tenant *t)
{
	int64_t span_ns = ACCESS_BURST_S * ACCESS_NS_PER_S, step_ns;

	if (t->rate <= 0)
		return 0;
	step_ns = ACCESS_NS_PER_S / t->rate;
	if (t->full_at_ns == &t->own_full_at_ns)
		step_ns *= worker_child(s->worker)->pool->count;
	return quota_spend(
		t->full_at_ns, step_ns, step_ns > span_ns ? step_ns : span_ns);
}

static void access_refuse(struct call *call, const char *challenge)
{
	(void)http_reply_header(call->req, "WWW-Authenticate", challenge);
	call_reply_problem(call, 401,
		"send `Authorization: Bearer TOKEN` with a token of `reevectl "
		"token add`");
}

/* For the access log: "acme/ops". */
static void access_name(struct call *call, const struct access_token *t)
{
	const char *name = strchr(t->who, ' ');
	char *user = xasprintf(
		"%s/%s", t->tenant->name, name == NULL ? t->who : name + 1);

	http_request_set_user(call->req, user);
	free(user);
}

static void access_grant(struct call *call, const struct access_token *t,
	void (*admit)(struct call *call))
{
	int64_t wait_us;

	if (t->role == ROUTE_PUBLIC) {
		access_refuse(call, "Bearer error=\"invalid_token\"");
		return;
	}
	access_name(call, t);
	wait_us = access_take(call->service, t->tenant);
	if (wait_us > 0) {
		call_reply_later(call, 429,
			"the tenant has used up its rate of requests",
			(int)((wait_us + US_PER_S - 1) / US_PER_S));
		return;
	}
	call->access.tenant = arena_strdup(call->arena, t->tenant->name);
	call->access.who = arena_strdup(call->arena, t->who);
	call->access.role = t->role;
	call->access.until_us = t->over_us;
	admit(call);
}

static enum route_role access_role(const char *name)
{
	int i;

	for (i = ROUTE_VIEWER; i < ROUTE_ROLE_COUNT; i++)
		if (strcmp(route_role_names[i], name) == 0)
			return (enum route_role)i;
	return ROUTE_PUBLIC;
}

static void access_fill(struct access_book *b, struct access_token *t,
	const struct pg_result *r)
{
	int64_t left_us = pg_result_int(r, 0, 4, INT64_MAX);

	t->until_us = clock_now() +
		      (left_us < ACCESS_KEEP_US ? left_us : ACCESS_KEEP_US);
	t->over_us =
		left_us < INT64_MAX / 2 ? clock_now() + left_us : INT64_MAX;
	t->role = access_role(pg_result_text(r, 0, 2));
	t->who = xasprintf("token %s", pg_result_text(r, 0, 1));
	t->tenant = access_tenant(
		b, pg_result_text(r, 0, 0), pg_result_int(r, 0, 3, 0));
}

static struct access_token *access_learn(struct access_book *b,
	const unsigned char *hash, const struct pg_result *r)
{
	struct access_token *t = access_seek(b, hash);

	if (t == NULL) {
		if (b->count >= ACCESS_TOKENS_MAX)
			access_forget(b);
		t = xcalloc(1, sizeof(*t));
		memcpy(t->hash, hash, sizeof(t->hash));
		t->next = b->tokens[hash[0]];
		b->tokens[hash[0]] = t;
		b->count++;
	}
	free(t->who);
	t->who = NULL;
	t->role = ROUTE_PUBLIC;
	t->until_us = clock_now() + ACCESS_KEEP_US;
	if (pg_result_rows(r) == 1)
		access_fill(b, t, r);
	return t;
}

static void access_ask(struct access_ask *ask);

static void access_on_found(const struct pg_result *r, void *arg)
{
	struct access_ask *ask = arg;
	struct access_book *b = ask->call->service->access;

	if (r == NULL || pg_result_is_error(r)) {
		if (r != NULL && !pg_result_is_passing(r))
			log_error(
				"looking for a token: %s", pg_result_error(r));
		call_reply_away(ask->call, "the database");
	} else if (ask->epoch != b->epoch) {
		access_ask(ask);
	} else {
		access_grant(
			ask->call, access_learn(b, ask->hash, r), ask->admit);
	}
}

static void access_ask(struct access_ask *ask)
{
	struct service *s = ask->call->service;
	char hex[2 + 2 * CRYPT_HASH_BYTES + 1] = "\\x";
	const char *values[] = { hex };

	crypt_hex(ask->hash, sizeof(ask->hash), hex + 2);
	ask->epoch = s->access->epoch;
	if (s->db == NULL || pg_query(db_pg(s->db), &access_find, values,
				     access_on_found, ask) != 0)
		call_reply_away(ask->call, "the database");
}

static const char *access_bearer(const struct http_request *req)
{
	const char *text = http_request_header(req, "Authorization");

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
		return NULL;
	text += 7;
	text += strspn(text, " ");
	return *text != '\0' ? text : NULL;
}

/* Whoever can connect, as an administrator. */
static void access_admit_all(
	struct call *call, void (*admit)(struct call *call))
{
	const char *why;

	if (!local_is_own(call->req,
		    call->service->options->trusted_proxies.count > 0, &why)) {
		call_reply_problem(call, 403,
			arena_printf(call->arena,
				"%s tells of a page of another site: without "
				"tokens the API serves this machine alone",
				why));
		return;
	}
	call->access = (struct access){ "default", ROUTE_ADMIN,
		"anybody: auth is none", INT64_MAX };
	admit(call);
}

void access_check(struct call *call, void (*admit)(struct call *call))
{
	struct access_book *b = call->service->access;
	const char *bearer = access_bearer(call->req);
	unsigned char hash[CRYPT_HASH_BYTES];
	struct access_token *known;
	struct access_ask *ask;
	struct err err;

	if (call->service->options->auth == API_AUTH_NONE) {
		access_admit_all(call, admit);
		return;
	}
	if (bearer == NULL) {
		access_refuse(call, "Bearer");
		return;
	}
	if (crypt_load(&err) != 0) {
		log_error("%s", err.text);
		call_reply_problem(call, 500, "the log says why");
		return;
	}
	crypt_hash(bearer, strlen(bearer), hash);
	known = access_seek(b, hash);
	if (known != NULL && known->until_us > clock_now()) {
		access_grant(call, known, admit);
		return;
	}
	ask = arena_alloc(call->arena, sizeof(*ask));
	ask->call = call;
	ask->admit = admit;
	memcpy(ask->hash, hash, sizeof(hash));
	access_ask(ask);
}
