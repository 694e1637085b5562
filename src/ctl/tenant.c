/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/actor.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/lane.h"
#include "ctl/table.h"
#include "ctl/tenant.h"

#define TENANT_ID_MAX 36

/* A statement's parameters; a limit that was not said is NULL, 0 is none. */
struct tenant_values {
	char limits[3][24];
	char *who;
	const char *list[6];
};

static const char *const tenant_names[] = { "requests_per_s", "runs_max",
	"definitions_max" };

static bool tenant_is_id(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789"
				      "_.-";
	size_t len = strlen(text);

	return len > 0 && len <= TENANT_ID_MAX &&
	       strspn(text, allowed) == len && strchr("_.-", text[0]) == NULL;
}

/* $1 id, $2 name, $3 … $5 the limits, $6 who */
static void tenant_values(const struct ctl *c, struct tenant_values *v)
{
	const long said[] = { c->requests_per_s, c->runs_max,
		c->definitions_max };
	size_t i;

	v->list[0] = c->argv[0];
	v->list[1] = c->name;
	for (i = 0; i < 3; i++) {
		snprintf(v->limits[i], sizeof(v->limits[i]), "%ld", said[i]);
		v->list[2 + i] = said[i] >= 0 ? v->limits[i] : NULL;
	}
	v->who = actor_name();
	v->list[5] = v->who;
}

static int tenant_change(
	struct ctl *c, const char *sql, const char *done, const char *not_done)
{
	struct tenant_values v;
	struct db_rows *r = NULL;
	struct db *db;
	int rc;

	if (!tenant_is_id(c->argv[0]))
		return ctl_fail(EXIT_USAGE,
			"\"%s\" is no id of a tenant: up to %d letters, "
			"digits, _, . and -",
			c->argv[0], TENANT_ID_MAX);
	rc = db_open(c, &db);
	if (rc != EXIT_OK)
		return rc;
	tenant_values(c, &v);
	rc = db_query(db, &r, sql, 6, v.list);
	if (rc == EXIT_OK && db_count(r) == 0)
		rc = ctl_fail(EXIT_CONFIG, "%s %s", not_done, c->argv[0]);
	else if (rc == EXIT_OK && c->json)
		lane_print(json_pack("{s:b, s:s}", "ok", 1, "id", c->argv[0]));
	else if (rc == EXIT_OK)
		printf("tenant %s %s\n", c->argv[0], done);
	db_free(r);
	db_close(db);
	free(v.who);
	return rc;
}

int tenant_add(struct ctl *c)
{
	return tenant_change(c,
		"WITH new AS (INSERT INTO reeve.tenants (id, name,"
		" requests_per_s, runs_max, definitions_max) VALUES ($1,"
		" coalesce($2, $1), nullif($3::int, 0), nullif($4::int, 0),"
		" nullif($5::int, 0)) ON CONFLICT DO NOTHING RETURNING *)"
		" INSERT INTO reeve.audit_log (tenant_id, who, action, object,"
		" object_id, after) SELECT id, $6, 'addTenant', 'tenant', id,"
		" to_jsonb(new) FROM new RETURNING id",
		"is there", "there is already a tenant");
}

int tenant_set(struct ctl *c)
{
	return tenant_change(c,
		"WITH old AS (SELECT * FROM reeve.tenants WHERE id = $1"
		" FOR UPDATE), new AS (UPDATE reeve.tenants t SET"
		" name = coalesce($2, t.name), requests_per_s = CASE WHEN"
		" $3::int IS NULL THEN t.requests_per_s ELSE nullif($3::int,"
		" 0) END, runs_max = CASE WHEN $4::int IS NULL THEN t.runs_max"
		" ELSE nullif($4::int, 0) END, definitions_max = CASE WHEN"
		" $5::int IS NULL THEN t.definitions_max ELSE"
		" nullif($5::int, 0) END FROM old WHERE t.id = old.id"
		" RETURNING t.*)"
		" INSERT INTO reeve.audit_log (tenant_id, who, action, object,"
		" object_id, before, after) SELECT new.id, $6, 'setTenant',"
		" 'tenant', new.id, to_jsonb(old), to_jsonb(new) FROM old, new"
		" RETURNING id",
		"is set", "there is no tenant");
}

static const struct table_column tenant_columns[] = {
	{ "TENANT", TABLE_LEFT, TABLE_FIXED },
	{ "NAME", TABLE_LEFT, TABLE_ELASTIC },
	{ "REQUESTS/S", TABLE_RIGHT, TABLE_FIXED },
	{ "RUNS", TABLE_RIGHT, TABLE_FIXED },
	{ "DEFINITIONS", TABLE_RIGHT, TABLE_FIXED },
	{ "TOKENS", TABLE_RIGHT, TABLE_FIXED },
};

static void tenant_print(const struct db_rows *r)
{
	struct table *t = table_new(tenant_columns,
		sizeof(tenant_columns) / sizeof(*tenant_columns));
	struct buf out = BUF_INIT;
	struct screen s;
	int row, column;

	for (row = 0; row < db_count(r); row++) {
		table_cell(t, SCREEN_PLAIN, "%s", db_text(r, row, 0));
		table_cell(t, SCREEN_PLAIN, "%s", db_text(r, row, 1));
		for (column = 2; column < 5; column++)
			table_cell(t, SCREEN_PLAIN, "%s",
				db_text(r, row, column) != NULL
					? db_text(r, row, column)
					: "any");
		table_cell(t, SCREEN_PLAIN, "%s", db_text(r, row, 5));
	}
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

static void tenant_print_json(const struct db_rows *r)
{
	json_t *list = json_array(), *one;
	int row, column;

	for (row = 0; row < db_count(r); row++) {
		one = json_pack("{s:s, s:s}", "id", db_text(r, row, 0), "name",
			db_text(r, row, 1));
		for (column = 2; column < 5; column++)
			json_object_set_new(one, tenant_names[column - 2],
				db_text(r, row, column) != NULL
					? json_integer(db_int(r, row, column))
					: json_null());
		json_object_set_new(
			one, "tokens", json_integer(db_int(r, row, 5)));
		json_array_append_new(list, one);
	}
	lane_print(list);
}

int tenant_list(struct ctl *c)
{
	struct db_rows *r;
	struct db *db;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r,
		"SELECT t.id, t.name, t.requests_per_s, t.runs_max,"
		" t.definitions_max, (SELECT count(*) FROM reeve.api_tokens a"
		" WHERE a.tenant_id = t.id AND a.revoked_at IS NULL AND"
		" coalesce(a.expires_at, 'infinity') > now())"
		" FROM reeve.tenants t ORDER BY t.id",
		0, NULL);
	if (rc == EXIT_OK) {
		if (c->json)
			tenant_print_json(r);
		else
			tenant_print(r);
		db_free(r);
	}
	db_close(db);
	return rc;
}
