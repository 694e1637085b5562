/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/fsck.h"
#include "ctl/fsck_checks.h"
#include "ctl/fsck_queue.h"
#include "ctl/lane.h"
#include "ctl/screen.h"
#include "ctl/table.h"
#include "when/rule.h"

/* Between the two looks. */
#define FSCK_PAUSE_MS 2000
/* What was found of each kind, as it is shown. */
#define FSCK_IDS_TABLE 3
#define FSCK_IDS_JSON  100
#define FSCK_IDS_TEXT  "100"
/* How long a dispatcher has, who was told. */
#define FSCK_OUTBOX_MS   5000
#define FSCK_OUTBOX_EACH 200

struct fsck;

/* A check whose mending is no matter of SQL alone. */
struct fsck_hand {
	const char *name;
	int (*mend)(struct fsck *k, int64_t *ret_count);
};

/* What came of a check. */
struct fsck_result {
	int64_t found, mended;
	json_t *ids; /* the first of them */
};

struct fsck {
	const struct ctl *ctl;
	struct ask *ask;
	struct db *db;
	struct fsck_result *results; /* one for each of fsck_checks */
};

static int fsck_look(struct fsck *k, int pass)
{
	char *sql;
	size_t i;
	int rc = fsck_queue_read(k->ask, k->db);

	for (i = 0; rc == EXIT_OK && i < fsck_check_count; i++) {
		sql = xasprintf("INSERT INTO pg_temp.fsck_found"
				" (pass, name, key, sig) "
				"SELECT %d, '%s', f.* FROM (%s) f",
			pass, fsck_checks[i].name, fsck_checks[i].found);
		rc = db_run(k->db, sql);
		free(sql);
	}
	return rc;
}

/* A definition without a next time: what should it be?  NULL: it has none. */
static char *fsck_next(const struct db_rows *r, int row)
{
	const char *text = db_text(r, row, 1);
	struct rule *rule = rule_parse(text, strlen(text), NULL);
	int64_t next = RULE_NEVER, end = RULE_NO_END;

	if (rule == NULL)
		return NULL;
	if (db_text(r, row, 2) != NULL)
		end = db_int(r, row, 2);
	next = rule_next(rule, db_int(r, row, 3), end);
	rule_free(rule);
	return next == RULE_NEVER ? NULL : xasprintf("%" PRId64, next);
}

static int fsck_next_note(
	struct fsck *k, const struct db_rows *r, int row, const char *next)
{
	const char *values[2] = { db_text(r, row, 0), next };

	if (next == NULL)
		return db_query(k->db, NULL,
			"DELETE FROM pg_temp.fsck_found "
			"WHERE name = 'fires' AND key = $1",
			1, values);
	return db_query(k->db, NULL,
		"UPDATE pg_temp.fsck_found SET next_us = $2::bigint "
		"WHERE name = 'fires' AND key = $1",
		2, values);
}

/* Of the definitions without a next time only those count that have one. */
static int fsck_sift(struct fsck *k)
{
	struct db_rows *r;
	char *next;
	int row, rc;

	rc = db_query(k->db, &r,
		"SELECT f.key, d.rule, reeve.time_us(d.last_end),"
		" reeve.time_us(clock_timestamp()) "
		"FROM pg_temp.fsck_found f "
		"JOIN reeve.task_definitions d ON d.id = f.key::uuid "
		"WHERE f.name = 'fires' AND d.next_fire IS NULL",
		0, NULL);
	if (rc != EXIT_OK)
		return rc;
	for (row = 0; rc == EXIT_OK && row < db_count(r); row++) {
		next = fsck_next(r, row);
		rc = fsck_next_note(k, r, row, next);
		free(next);
	}
	db_free(r);
	return rc;
}

/* Look twice; what is left in fsck_found was the same both times. */
static int fsck_find(struct fsck *k)
{
	int rc = db_run(k->db,
		"CREATE TEMP TABLE fsck_found (pass int, name text, key text,"
		" sig text, next_us bigint)");

	if (rc == EXIT_OK)
		rc = fsck_look(k, 1);
	if (rc != EXIT_OK)
		return rc;
	ask_pause(k->ask, FSCK_PAUSE_MS);
	rc = fsck_look(k, 2);
	if (rc == EXIT_OK)
		rc = db_run(k->db,
			"DELETE FROM pg_temp.fsck_found f WHERE pass = 2"
			" AND NOT EXISTS (SELECT FROM pg_temp.fsck_found o"
			" WHERE o.pass = 1 AND o.name = f.name"
			" AND o.key = f.key AND o.sig = f.sig); "
			"DELETE FROM pg_temp.fsck_found WHERE pass = 1");
	return rc == EXIT_OK ? fsck_sift(k) : rc;
}

static int fsck_count(
	struct fsck *k, const struct fsck_check *c, struct fsck_result *ret)
{
	const char *values[1] = { c->name };
	struct db_rows *r;
	int row, rc;

	ret->ids = json_array();
	rc = db_query(k->db, &r,
		"SELECT f.key, count(*) OVER (), d.task_name "
		"FROM pg_temp.fsck_found f "
		"LEFT JOIN reeve.task_definitions d"
		" ON f.name = 'fires' AND d.id::text = f.key "
		"WHERE f.name = $1 ORDER BY f.key LIMIT " FSCK_IDS_TEXT,
		1, values);
	if (rc != EXIT_OK)
		return rc;
	if (db_count(r) > 0)
		ret->found = db_int(r, 0, 1);
	for (row = 0; row < db_count(r); row++)
		json_array_append_new(
			ret->ids, json_string(db_text(r, row,
					  db_text(r, row, 2) != NULL ? 2 : 0)));
	db_free(r);
	return EXIT_OK;
}

static int fsck_mend_stale(struct fsck *k, int64_t *ret_count)
{
	return fsck_queue_remove(k->ask, k->db, ret_count);
}

static int fsck_number(struct fsck *k, const char *sql, int64_t *ret_number)
{
	struct db_rows *r;
	int rc = db_query(k->db, &r, sql, 0, NULL);

	if (rc != EXIT_OK)
		return rc;
	*ret_number = db_count(r) > 0 ? db_int(r, 0, 0) : 0;
	db_free(r);
	return EXIT_OK;
}

/* What is overdue is for those who fire: they may be there, and asleep. */
static int fsck_mend_fires(struct fsck *k, int64_t *ret_count)
{
	int rc = fsck_number(k,
		"WITH told AS (UPDATE reeve.task_definitions d "
		"SET next_fire = reeve.us_time(f.next_us) "
		"FROM pg_temp.fsck_found f "
		"WHERE f.name = 'fires' AND d.id::text = f.key"
		" AND f.next_us IS NOT NULL AND d.next_fire IS NULL"
		" AND d.status = 'ENABLED'"
		" AND split_part(f.sig, ' ', 1) = d.version::text RETURNING"
		" pg_notify('reeve_definitions', d.id::text)) "
		"SELECT count(*) FROM told",
		ret_count);

	if (rc == EXIT_OK)
		rc = db_run(k->db, "SELECT pg_notify('reeve_definitions', '')");
	return rc;
}

/* Those who take it are told, and have a while. */
static int fsck_mend_outbox(struct fsck *k, int64_t *ret_count)
{
	int64_t left = 1, before = 0;
	int i, rc;

	rc = fsck_number(k,
		"SELECT count(*) FROM pg_temp.fsck_found"
		" WHERE name = 'outbox'",
		&before);
	if (rc == EXIT_OK)
		rc = db_run(k->db, "SELECT pg_notify('reeve_outbox', '')");
	for (i = 0; rc == EXIT_OK && left > 0 &&
		    i < FSCK_OUTBOX_MS / FSCK_OUTBOX_EACH;
		i++) {
		ask_pause(k->ask, FSCK_OUTBOX_EACH);
		rc = fsck_number(k,
			"SELECT count(*) FROM reeve.outbox o "
			"JOIN pg_temp.fsck_found f"
			" ON f.name = 'outbox' AND f.key = o.id::text",
			&left);
	}
	*ret_count = before - left;
	return rc;
}

static const struct fsck_hand fsck_hands[] = {
	{ "stale", fsck_mend_stale },
	{ "fires", fsck_mend_fires },
	{ "outbox", fsck_mend_outbox },
};

static int fsck_mend_sql(
	struct fsck *k, const struct fsck_check *c, int64_t *ret_count)
{
	int rc = db_run(k->db, "BEGIN");

	if (rc == EXIT_OK)
		rc = fsck_number(k, c->mend, ret_count);
	if (rc == EXIT_OK && c->after != NULL)
		rc = db_run(k->db, c->after);
	if (rc == EXIT_OK)
		return db_run(k->db, "COMMIT");
	*ret_count = 0;
	return db_run(k->db, "ROLLBACK") == EXIT_OK ? rc : EXIT_SYSTEM;
}

static int fsck_mend_one(
	struct fsck *k, const struct fsck_check *c, int64_t *ret_count)
{
	size_t i;

	for (i = 0; i < sizeof(fsck_hands) / sizeof(*fsck_hands); i++)
		if (strcmp(fsck_hands[i].name, c->name) == 0)
			return fsck_hands[i].mend(k, ret_count);
	return fsck_mend_sql(k, c, ret_count);
}

/* A failure of one does not spare the others. */
static int fsck_mend(struct fsck *k)
{
	int rc, worst = EXIT_OK;
	size_t i;

	for (i = 0; i < fsck_check_count && worst != EXIT_SYSTEM; i++) {
		if (k->results[i].found == 0)
			continue;
		rc = fsck_mend_one(k, &fsck_checks[i], &k->results[i].mended);
		if (rc > worst)
			worst = rc;
	}
	return worst;
}

static const struct table_column fsck_columns[] = {
	{ "CHECK", TABLE_LEFT, TABLE_FIXED },
	{ "FOUND", TABLE_RIGHT, TABLE_FIXED },
	{ "MENDED", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "WHAT", TABLE_LEFT, TABLE_FIXED },
	{ "FIRST", TABLE_LEFT, TABLE_FIXED },
};

static void fsck_row(struct table *t, const struct fsck *k, size_t check)
{
	const struct fsck_result *r = &k->results[check];
	const struct fsck_check *c = &fsck_checks[check];
	struct buf ids = BUF_INIT;
	size_t i;

	for (i = 0; i < json_array_size(r->ids) && i < FSCK_IDS_TABLE; i++)
		buf_printf(&ids, "%s%s", i > 0 ? ", " : "",
			json_string_value(json_array_get(r->ids, i)));
	if (r->found > FSCK_IDS_TABLE)
		buf_puts(&ids, ", ...");
	table_cell(t, SCREEN_PLAIN, "%s", c->name);
	table_cell(t, r->found > 0 ? SCREEN_BAD : SCREEN_GOOD, "%" PRId64,
		r->found);
	if (k->ctl->repair)
		table_cell(t, SCREEN_PLAIN, "%" PRId64, r->mended);
	else
		table_cell(t, SCREEN_PLAIN, "-");
	if (r->found == 0)
		table_cell(t, SCREEN_PLAIN, "well");
	else if (r->mended > 0)
		table_cell(t, SCREEN_PLAIN, "%s: %s", c->text, c->done);
	else
		table_cell(t, SCREEN_PLAIN, "%s", c->text);
	table_cell(t, SCREEN_PLAIN, "%s", ids.len > 0 ? buf_str(&ids) : "-");
	buf_done(&ids);
}

static void fsck_print(const struct fsck *k)
{
	struct table *t = table_new(fsck_columns, 5);
	struct buf out = BUF_INIT;
	struct screen s;
	size_t i;

	for (i = 0; i < fsck_check_count; i++)
		fsck_row(t, k, i);
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

static void fsck_print_json(const struct fsck *k, bool is_good)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < fsck_check_count; i++) {
		const struct fsck_result *r = &k->results[i];

		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I, s:s, s:O}", "name",
				      fsck_checks[i].name, "found",
				      (json_int_t)r->found, "mended",
				      (json_int_t)r->mended, "text",
				      r->found > 0 ? fsck_checks[i].text : "",
				      "ids", r->ids));
	}
	lane_print(json_pack("{s:b, s:b, s:o}", "ok", is_good, "repair",
		k->ctl->repair, "checks", list));
}

/* What is left to be said, and the exit code. */
static int fsck_end(const struct fsck *k)
{
	int64_t left = 0;
	size_t i;

	for (i = 0; i < fsck_check_count; i++)
		if (k->results[i].mended < k->results[i].found)
			left += k->results[i].found - k->results[i].mended;
	if (k->ctl->json)
		fsck_print_json(k, left == 0);
	else
		fsck_print(k);
	return left == 0 ? EXIT_OK : EXIT_CONFIG;
}

static int fsck_run(struct fsck *k)
{
	int rc = fsck_find(k), mending = EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < fsck_check_count; i++)
		rc = fsck_count(k, &fsck_checks[i], &k->results[i]);
	if (rc != EXIT_OK)
		return rc;
	if (k->ctl->repair)
		mending = fsck_mend(k);
	rc = fsck_end(k);
	return mending > rc ? mending : rc;
}

int fsck_command(struct ctl *c)
{
	struct fsck k = { .ctl = c };
	size_t i;
	int rc = ask_open(c, &k.ask);

	if (rc != EXIT_OK)
		return rc;
	rc = db_open(c, &k.db);
	k.results = xcalloc(fsck_check_count, sizeof(*k.results));
	if (rc == EXIT_OK)
		rc = fsck_run(&k);
	for (i = 0; i < fsck_check_count; i++)
		json_decref(k.results[i].ids);
	free(k.results);
	db_close(k.db);
	ask_close(k.ask);
	return rc;
}
