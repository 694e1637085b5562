/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/actor.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/lane.h"
#include "ctl/span.h"
#include "ctl/table.h"
#include "ctl/token.h"
#include "store/crypt.h"
#include "when/iso.h"
#include "when/zone.h"

#define TOKEN_TENANT "default"

static const char *const token_roles[] = { "viewer", "operator", "admin",
	NULL };

static int token_check_role(const struct ctl *c)
{
	size_t i;

	if (c->role == NULL)
		return ctl_fail(EXIT_USAGE,
			"which role?  --role viewer, operator or admin");
	for (i = 0; token_roles[i] != NULL; i++)
		if (strcmp(token_roles[i], c->role) == 0)
			return EXIT_OK;
	return ctl_fail(EXIT_USAGE,
		"\"%s\" is no role: viewer, operator or admin", c->role);
}

/* "90d", or a time; ret_text "" when none was said. */
static int token_expires(const struct ctl *c, char ret_text[ISO_MAX])
{
	int64_t at_us, span_ms;
	struct err err;

	ret_text[0] = '\0';
	if (c->expires == NULL)
		return EXIT_OK;
	if (strchr(c->expires, '-') == NULL) {
		if (span_delay(c->expires, &span_ms) != EXIT_OK)
			return EXIT_USAGE;
		at_us = clock_wall() + span_ms * US_PER_MS;
	} else if (iso_parse(c->expires, strlen(c->expires), zone_utc(), &at_us,
			   &err) != 0) {
		return ctl_fail(EXIT_USAGE, "--expires: %s", err.text);
	}
	if (at_us <= clock_wall())
		return ctl_fail(EXIT_USAGE, "--expires: that is over already");
	(void)iso_print(at_us, zone_utc(), ret_text);
	return EXIT_OK;
}

/* A token that is new to all, and what is stored of it. */
static int token_make(char ret_token[CRYPT_TOKEN_MAX],
	char ret_hash[2 * CRYPT_HASH_BYTES + 3])
{
	unsigned char hash[CRYPT_HASH_BYTES];
	struct err err;

	if (crypt_load(&err) != 0)
		return ctl_fail(EXIT_SYSTEM, "%s", err.text);
	crypt_token(ret_token);
	crypt_hash(ret_token, strlen(ret_token), hash);
	memcpy(ret_hash, "\\x", 2);
	crypt_hex(hash, sizeof(hash), ret_hash + 2);
	return EXIT_OK;
}

/* Standard output has the token and nothing else, for a script to take. */
static void token_show(
	const struct ctl *c, const struct db_rows *r, const char *token)
{
	const char *expires = db_text(r, 0, 3);

	if (c->json) {
		lane_print(json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s}", "id",
			db_text(r, 0, 0), "tenant", db_text(r, 0, 1), "name",
			db_text(r, 0, 2), "role", c->role, "expires_at",
			expires, "token", token));
		return;
	}
	fprintf(stderr,
		"reevectl: token %s of tenant %s, role %s, %s%s; it is not "
		"shown again\n",
		db_text(r, 0, 2), db_text(r, 0, 1), c->role,
		expires != NULL ? "until " : "for ever",
		expires != NULL ? expires : "");
	puts(token);
}

static int token_store(const struct ctl *c, struct db *db, const char *expires)
{
	char token[CRYPT_TOKEN_MAX], hash[2 * CRYPT_HASH_BYTES + 3];
	char *who = actor_name();
	const char *values[] = { c->tenant != NULL ? c->tenant : TOKEN_TENANT,
		c->name, c->role, hash, *expires != '\0' ? expires : NULL,
		who };
	struct db_fault fault;
	struct db_rows *r;
	int rc = token_make(token, hash);

	if (rc == EXIT_OK &&
		db_try(db, &r,
			"WITH new AS (INSERT INTO reeve.api_tokens (tenant_id,"
			" name, role, token_hash, expires_at, created_by)"
			" SELECT t.id, coalesce($2, $3 || '-' ||"
			" substr($4, 3, 6)), $3, $4::bytea, $5::timestamptz,"
			" $6 FROM reeve.tenants t WHERE t.id = $1 RETURNING *),"
			" audit AS (INSERT INTO reeve.audit_log (tenant_id,"
			" who, action, object, object_id, after) SELECT"
			" tenant_id, $6, 'addToken', 'token', id,"
			" to_jsonb(new) - 'token_hash' FROM new)"
			" SELECT id, tenant_id, name, expires_at FROM new",
			6, values, &fault) != 0) {
		rc = strcmp(fault.sqlstate, "23505") == 0
			     ? ctl_fail(EXIT_CONFIG,
				       "tenant %s has a token %s already",
				       values[0], c->name)
			     : db_fail(db, &fault);
	} else if (rc == EXIT_OK) {
		if (db_count(r) == 0)
			rc = ctl_fail(EXIT_CONFIG,
				"there is no tenant %s: `reevectl tenant add "
				"%s` makes it",
				values[0], values[0]);
		else
			token_show(c, r, token);
		db_free(r);
	}
	explicit_bzero(token, sizeof(token));
	free(who);
	return rc;
}

int token_add(struct ctl *c)
{
	char expires[ISO_MAX];
	struct db *db;
	int rc = token_check_role(c);

	if (rc == EXIT_OK)
		rc = token_expires(c, expires);
	if (rc == EXIT_OK && c->name != NULL && *c->name == '\0')
		rc = ctl_fail(EXIT_USAGE, "--name: it wants a letter at least");
	if (rc == EXIT_OK)
		rc = db_open(c, &db);
	if (rc != EXIT_OK)
		return rc;
	rc = token_store(c, db, expires);
	db_close(db);
	return rc;
}

static const struct table_column token_columns[] = {
	{ "NAME", TABLE_LEFT, TABLE_FIXED },
	{ "TENANT", TABLE_LEFT, TABLE_FIXED },
	{ "ROLE", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "CREATED", TABLE_LEFT, TABLE_FIXED },
	{ "BY", TABLE_LEFT, TABLE_ELASTIC },
	{ "EXPIRES", TABLE_LEFT, TABLE_OPTIONAL },
	{ "LAST USED", TABLE_LEFT, TABLE_OPTIONAL },
	{ "ID", TABLE_LEFT, TABLE_FIXED },
};

/* As token_list selects them. */
static const char *const token_keys[] = { "name", "tenant", "role", "state",
	"created_at", "created_by", "expires_at", "last_used_at", "id" };
#define TOKEN_KEYS (sizeof(token_keys) / sizeof(*token_keys))

static void token_print(const struct db_rows *r)
{
	struct table *t = table_new(token_columns, TOKEN_KEYS);
	struct buf out = BUF_INIT;
	struct screen s;
	size_t i;
	int row;

	for (row = 0; row < db_count(r); row++) {
		for (i = 0; i < TOKEN_KEYS; i++) {
			const char *text = db_text(r, row, (int)i);

			table_cell(t,
				i == 3 && strcmp(text, "good") != 0
					? SCREEN_DIM
					: SCREEN_PLAIN,
				"%s", text != NULL ? text : "-");
		}
	}
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

static void token_print_json(const struct db_rows *r)
{
	json_t *list = json_array(), *one;
	const char *text;
	size_t i;
	int row;

	for (row = 0; row < db_count(r); row++) {
		one = json_object();
		for (i = 0; i < TOKEN_KEYS; i++) {
			text = db_text(r, row, (int)i);
			json_object_set_new(one, token_keys[i],
				text != NULL ? json_string(text) : json_null());
		}
		json_array_append_new(list, one);
	}
	lane_print(list);
}

int token_list(struct ctl *c)
{
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r,
		"SELECT name, tenant_id, role, CASE WHEN revoked_at IS NOT NULL"
		" THEN 'revoked' WHEN expires_at <= now() THEN 'expired'"
		" ELSE 'good' END, date_trunc('second', created_at)::text,"
		" created_by, date_trunc('second', expires_at)::text,"
		" date_trunc('second', last_used_at)::text, id"
		" FROM reeve.api_tokens WHERE $1::text IS NULL"
		" OR tenant_id = $1 ORDER BY tenant_id, created_at",
		1, (const char *[]){ c->tenant });
	if (rc == EXIT_OK) {
		if (c->json)
			token_print_json(r);
		else
			token_print(r);
		db_free(r);
	}
	db_close(db);
	return rc;
}

static int token_revoked(const struct ctl *c, const struct db_rows *r)
{
	if (db_count(r) == 0)
		return ctl_fail(EXIT_CONFIG,
			"no token %s is good%s%s: nothing to revoke",
			c->argv[0], c->tenant != NULL ? " in tenant " : "",
			c->tenant != NULL ? c->tenant : "");
	if (c->json)
		lane_print(json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "id",
			db_text(r, 0, 0), "tenant", db_text(r, 0, 1), "name",
			db_text(r, 0, 2)));
	else
		printf("token %s of tenant %s is revoked\n", db_text(r, 0, 2),
			db_text(r, 0, 1));
	return EXIT_OK;
}

/* A name that several tenants have is not to be guessed: the statement fails,
 * and nothing is revoked. */
int token_revoke(struct ctl *c)
{
	char *who = actor_name();
	const char *values[] = { c->argv[0], c->tenant, who };
	struct db_fault fault;
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK) {
		free(who);
		return rc;
	}
	if (db_try(db, &r,
		    "WITH old AS (SELECT id FROM reeve.api_tokens WHERE"
		    " revoked_at IS NULL AND (name = $1 OR id::text ="
		    " lower($1)) AND ($2::text IS NULL OR tenant_id = $2)),"
		    " gone AS (UPDATE reeve.api_tokens t SET revoked_at = now()"
		    " WHERE id = (SELECT id FROM old) RETURNING t.*),"
		    " audit AS (INSERT INTO reeve.audit_log (tenant_id, who,"
		    " action, object, object_id, before) SELECT tenant_id, $3,"
		    " 'revokeToken', 'token', id, to_jsonb(gone) - 'token_hash'"
		    " FROM gone) SELECT id, tenant_id, name FROM gone",
		    3, values, &fault) == 0) {
		rc = token_revoked(c, r);
		db_free(r);
	} else if (strcmp(fault.sqlstate, "21000") == 0) {
		rc = ctl_fail(EXIT_CONFIG,
			"several tenants have a token %s: say which with "
			"--tenant, or give its id",
			c->argv[0]);
	} else {
		rc = db_fail(db, &fault);
	}
	db_close(db);
	free(who);
	return rc;
}
