/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/lane.h"
#include "ctl/migrate.h"
#include "ctl/migration.h"
#include "ctl/script.h"
#include "ctl/table.h"

#define MIGRATE_DIR PKGDATADIR "/migrations"

/* The lock of those who migrate this database: the bytes of "reeve". */
#define MIGRATE_LOCK "491327420005"

/* However long it takes and whatever it waits for. */
#define MIGRATE_BEGIN                                                          \
	"BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; " \
	"SET LOCAL idle_in_transaction_session_timeout = 0"

#define MIGRATE_TABLE                                                 \
	"CREATE SCHEMA IF NOT EXISTS reeve; "                         \
	"CREATE TABLE IF NOT EXISTS reeve.migrations ("               \
	"name text PRIMARY KEY, checksum text NOT NULL, "             \
	"applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), " \
	"duration_ms bigint NOT NULL)"

struct migrate {
	const struct ctl *ctl;
	const char *dir;
	struct db *db;
	struct migration_list list;
	json_t *applied; /* what `up` did */
};

static const char *const migrate_blames[MIGRATION_STATE_COUNT] = {
	[MIGRATION_CHANGED] = "is not what was applied: its file has changed",
	[MIGRATION_MISSING] = "is applied, but its file is missing",
	[MIGRATION_LATE] = "is new, but older than one that is applied",
};

/* Say what is wrong: 0 if nothing is. */
static int migrate_check(const struct migrate *g)
{
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; i < g->list.count; i++) {
		const struct migration *m = &g->list.items[i];

		if (migrate_blames[m->state] != NULL)
			rc = ctl_fail(EXIT_CONFIG, "%s/%s %s", g->dir, m->name,
				migrate_blames[m->state]);
	}
	return rc;
}

static const struct table_column migrate_columns[] = {
	{ "MIGRATION", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "APPLIED", TABLE_LEFT, TABLE_FIXED },
	{ "TOOK", TABLE_RIGHT, TABLE_FIXED },
};

static const enum screen_colour migrate_colours[MIGRATION_STATE_COUNT] = {
	[MIGRATION_PENDING] = SCREEN_CHANGING,
	[MIGRATION_APPLIED] = SCREEN_GOOD,
	[MIGRATION_CHANGED] = SCREEN_BAD,
	[MIGRATION_MISSING] = SCREEN_BAD,
	[MIGRATION_LATE] = SCREEN_BAD,
};

static void migrate_print(const struct migrate *g)
{
	struct table *t = table_new(migrate_columns, 4);
	struct buf out = BUF_INIT;
	struct screen s;
	char took[32];
	size_t i;

	for (i = 0; i < g->list.count; i++) {
		const struct migration *m = &g->list.items[i];

		table_cell(t, SCREEN_PLAIN, "%s", m->name);
		table_cell(t, migrate_colours[m->state], "%s",
			migration_state_names[m->state]);
		table_cell(t, SCREEN_PLAIN, "%s",
			m->applied_at != NULL ? m->applied_at : "-");
		table_cell(t, SCREEN_PLAIN, "%s",
			m->applied_at == NULL
				? "-"
				: clock_span(m->duration_ms * US_PER_MS, took,
					  sizeof(took)));
	}
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	buf_printf(&out, "%zu applied, %zu pending at %s\n",
		migration_count(&g->list, MIGRATION_APPLIED),
		migration_count(&g->list, MIGRATION_PENDING), db_where(g->db));
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

static json_t *migrate_json(const struct migration *m)
{
	if (m->applied_at == NULL)
		return json_pack("{s:s, s:s, s:s, s:n, s:n}", "name", m->name,
			"state", migration_state_names[m->state], "checksum",
			m->checksum, "applied_at", "duration_ms");
	return json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", m->name, "state",
		migration_state_names[m->state], "checksum", m->checksum,
		"applied_at", m->applied_at, "duration_ms",
		(json_int_t)m->duration_ms);
}

static void migrate_print_json(const struct migrate *g, bool is_good)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < g->list.count; i++)
		json_array_append_new(list, migrate_json(&g->list.items[i]));
	lane_print(json_pack("{s:b, s:s, s:s, s:I, s:I, s:o}", "ok", is_good,
		"database", db_where(g->db), "directory", g->dir, "applied",
		(json_int_t)migration_count(&g->list, MIGRATION_APPLIED),
		"pending",
		(json_int_t)migration_count(&g->list, MIGRATION_PENDING),
		"migrations", list));
}

static int migrate_status(struct migrate *g)
{
	int rc = db_open(g->ctl, &g->db);

	if (rc == EXIT_OK)
		rc = migration_compare(g->db, &g->list);
	if (rc != EXIT_OK)
		return rc;
	rc = migrate_check(g);
	if (g->ctl->json)
		migrate_print_json(g, rc == EXIT_OK);
	else
		migrate_print(g);
	return rc;
}

/* One reevectl at a time: the others wait, and then see what it did. */
static int migrate_lock(struct migrate *g)
{
	struct db_rows *r;
	bool is_ours;
	int rc = db_query(g->db, &r,
		"SELECT pg_try_advisory_lock(" MIGRATE_LOCK ")", 0, NULL);

	if (rc != EXIT_OK)
		return rc;
	is_ours = db_bool(r, 0, 0);
	db_free(r);
	if (is_ours)
		return EXIT_OK;
	fprintf(stderr,
		"reevectl: somebody else migrates %s, waiting for the end of "
		"that\n",
		db_where(g->db));
	rc = db_run(g->db, "SET statement_timeout = 0; SET lock_timeout = 0");
	if (rc == EXIT_OK)
		rc = db_query(g->db, NULL,
			"SELECT pg_advisory_lock(" MIGRATE_LOCK ")", 0, NULL);
	return rc == EXIT_OK ? db_reset(g->db) : rc;
}

static int migrate_blame(const struct migrate *g, const struct migration *m,
	long line, const struct db_fault *fault)
{
	if (fault->is_lost)
		return db_fail(g->db, fault);
	return ctl_fail(EXIT_CONFIG, "%s:%ld: %s (SQLSTATE %s)", m->path, line,
		fault->text, fault->sqlstate);
}

static int migrate_statement(const struct migrate *g, const struct migration *m,
	const struct script_statement *st)
{
	struct db_fault fault;
	char *text;
	int rc;

	text = xstrndup(st->text, st->len);
	rc = db_try(g->db, NULL, text, 0, NULL, &fault);
	free(text);
	if (rc != 0)
		return migrate_blame(
			g, m, script_line(st, fault.position), &fault);
	if (!db_is_in_transaction(g->db))
		return ctl_fail(EXIT_CONFIG,
			"%s:%ld: this ended the transaction", m->path,
			st->line);
	return EXIT_OK;
}

/* Is all of it SQL that may be sent?  So nothing is begun that is not. */
static int migrate_look(const struct migration *m)
{
	struct script_statement st;
	struct script s;
	int more;

	script_init(&s, m->text);
	while ((more = script_next(&s, &st)) == 1) {
		if (script_is_transaction(&st))
			return ctl_fail(EXIT_CONFIG,
				"%s:%ld: a migration is one transaction: no "
				"%s in it",
				m->path, st.line, st.words[0]);
	}
	if (more == -1)
		return ctl_fail(EXIT_CONFIG,
			"%s:%ld: what is quoted or a comment here has no end",
			m->path, st.line);
	return EXIT_OK;
}

static int migrate_statements(
	const struct migrate *g, const struct migration *m)
{
	struct script_statement st;
	struct script s;
	int rc = EXIT_OK;

	script_init(&s, m->text);
	while (rc == EXIT_OK && script_next(&s, &st) == 1)
		rc = migrate_statement(g, m, &st);
	return rc;
}

static int migrate_record(const struct migrate *g, const struct migration *m)
{
	char took[24];
	const char *values[] = { m->name, m->checksum, took };

	snprintf(took, sizeof(took), "%" PRId64, m->duration_ms);
	return db_query(g->db, NULL,
		"INSERT INTO reeve.migrations (name, checksum, duration_ms) "
		"VALUES ($1, $2, $3)",
		3, values);
}

/* What is checked at the end only shows there. */
static int migrate_commit(const struct migrate *g, const struct migration *m)
{
	struct db_fault fault;
	const char *end =
		g->ctl->dry_run ? "SET CONSTRAINTS ALL IMMEDIATE" : "COMMIT";

	if (db_try(g->db, NULL, end, 0, NULL, &fault) != 0)
		return migrate_blame(g, m, 1, &fault);
	return EXIT_OK;
}

static int migrate_one(const struct migrate *g, struct migration *m)
{
	int64_t began = clock_now();
	int rc = EXIT_OK;

	if (!g->ctl->dry_run)
		rc = db_run(g->db, MIGRATE_BEGIN);
	if (rc == EXIT_OK)
		rc = db_run(g->db, MIGRATE_TABLE);
	if (rc == EXIT_OK)
		rc = migrate_statements(g, m);
	m->duration_ms = (clock_now() - began) / US_PER_MS;
	if (rc == EXIT_OK)
		rc = migrate_record(g, m);
	if (rc == EXIT_OK)
		rc = migrate_commit(g, m);
	/* A setting that it made is none of the next one's. */
	return rc == EXIT_OK ? db_reset(g->db) : rc;
}

static void migrate_tell(const struct migrate *g, const struct migration *m)
{
	char took[32];

	json_array_append_new(
		g->applied, json_pack("{s:s, s:I}", "name", m->name,
				    "duration_ms", (json_int_t)m->duration_ms));
	if (g->ctl->json)
		return;
	clock_span(m->duration_ms * US_PER_MS, took, sizeof(took));
	if (g->ctl->dry_run)
		printf("would apply %s (%s)\n", m->name, took);
	else
		printf("applied %s in %s\n", m->name, took);
	fflush(stdout);
}

static int migrate_pending(struct migrate *g)
{
	int rc = g->ctl->dry_run ? db_run(g->db, MIGRATE_BEGIN) : EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < g->list.count; i++)
		if (g->list.items[i].state == MIGRATION_PENDING)
			rc = migrate_look(&g->list.items[i]);
	for (i = 0; rc == EXIT_OK && i < g->list.count; i++) {
		struct migration *m = &g->list.items[i];

		if (m->state != MIGRATION_PENDING)
			continue;
		rc = migrate_one(g, m);
		if (rc == EXIT_OK)
			migrate_tell(g, m);
		else
			fprintf(stderr, "reevectl: nothing of %s is applied\n",
				m->name);
	}
	if (rc == EXIT_OK && g->ctl->dry_run)
		rc = db_run(g->db, "ROLLBACK");
	return rc;
}

static int migrate_up(struct migrate *g)
{
	int rc = db_open(g->ctl, &g->db);

	if (rc == EXIT_OK)
		rc = migrate_lock(g);
	if (rc == EXIT_OK)
		rc = migration_compare(g->db, &g->list);
	if (rc == EXIT_OK)
		rc = migrate_check(g);
	g->applied = json_array();
	if (rc == EXIT_OK)
		rc = migrate_pending(g);
	if (rc == EXIT_OK && g->ctl->json)
		lane_print(json_pack("{s:b, s:b, s:O}", "ok", true, "dry_run",
			g->ctl->dry_run, "applied", g->applied));
	else if (rc == EXIT_OK && json_array_size(g->applied) == 0)
		printf("nothing to do: %zu %s applied\n", g->list.count,
			g->list.count == 1 ? "is" : "are");
	else if (rc == EXIT_OK && g->ctl->dry_run)
		printf("and all of it was rolled back\n");
	json_decref(g->applied);
	return rc;
}

int migrate_command(struct ctl *c)
{
	struct migrate g = { .ctl = c };
	const char *what = c->argc > 0 ? c->argv[0] : "up";
	bool is_status = strcmp(what, "status") == 0;
	int rc;

	if (!is_status && strcmp(what, "up") != 0)
		return ctl_fail(EXIT_USAGE,
			"migrate takes \"status\" or \"up\", not \"%s\"", what);
	if (is_status && c->dry_run)
		return ctl_fail(
			EXIT_USAGE, "migrate status takes no --dry-run");
	g.dir = c->migrations != NULL ? c->migrations : MIGRATE_DIR;
	rc = migration_read(g.dir, &g.list);
	if (rc == EXIT_OK)
		rc = is_status ? migrate_status(&g) : migrate_up(&g);
	db_close(g.db);
	migration_done(&g.list);
	return rc;
}
