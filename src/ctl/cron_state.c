/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cron_state.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "when/rule.h"

/* One definition in a transaction of its own. */
typedef int (*cron_state_each_fn)(const struct ctl *c, struct db *db,
	const char *name, const struct definition *f);

static int cron_state_one(const struct ctl *c, struct db *db, const char *name,
	cron_state_each_fn fn)
{
	struct definition found;
	int rc = db_run(db, "BEGIN");

	if (rc != EXIT_OK)
		return rc;
	rc = definition_find(c, db, name, &found);
	if (rc == EXIT_OK)
		rc = fn(c, db, name, &found);
	definition_done(&found);
	if (rc == EXIT_OK)
		return db_run(db, "COMMIT");
	return db_run(db, "ROLLBACK") == EXIT_OK ? rc : EXIT_SYSTEM;
}

/* Each name; a failure of one does not spare the others. */
static int cron_state_each(
	struct ctl *c, const char *done, cron_state_each_fn fn)
{
	json_t *names = json_array();
	int i, rc, worst = EXIT_OK;
	struct db *db;

	rc = db_open(c, &db);
	for (i = 0; rc == EXIT_OK && i < c->argc && worst != EXIT_SYSTEM; i++) {
		int one = cron_state_one(c, db, c->argv[i], fn);

		if (one > worst)
			worst = one;
		if (one != EXIT_OK)
			continue;
		json_array_append_new(names, json_string(c->argv[i]));
		if (!c->json)
			printf("%s %s\n", done, c->argv[i]);
	}
	if (rc == EXIT_OK && c->json)
		lane_print(json_pack(
			"{s:b, s:O}", "ok", worst == EXIT_OK, done, names));
	json_decref(names);
	if (rc == EXIT_OK)
		db_close(db);
	return rc != EXIT_OK ? rc : worst;
}

static int cron_state_rm_one(const struct ctl *c, struct db *db,
	const char *name, const struct definition *f)
{
	const char *values[] = { f->id };

	if (f->is_system && !c->force)
		return ctl_fail(EXIT_CONFIG,
			"\"%s\" is one of the system's own: --force removes it",
			name);
	if (strncmp(f->source, "file:", 5) == 0 && !c->force)
		return ctl_fail(EXIT_CONFIG,
			"\"%s\" comes from the process.yaml of %s: remove it "
			"there, or use --force",
			name, f->source + 5);
	return db_query(db, NULL,
		"DELETE FROM reeve.task_definitions WHERE id = $1", 1, values);
}

int cron_state_rm(struct ctl *c)
{
	return cron_state_each(c, "removed", cron_state_rm_one);
}

static int cron_state_disable_one(const struct ctl *c, struct db *db,
	const char *name, const struct definition *f)
{
	const char *values[] = { f->id };

	(void)c;
	(void)name;
	return db_query(db, NULL,
		"UPDATE reeve.task_definitions SET status = 'DISABLED', "
		"next_fire = NULL WHERE id = $1 AND status <> 'DISABLED'",
		1, values);
}

int cron_state_disable(struct ctl *c)
{
	return cron_state_each(c, "disabled", cron_state_disable_one);
}

/* What was missed meanwhile is not made up for. */
static int cron_state_enable_one(const struct ctl *c, struct db *db,
	const char *name, const struct definition *f)
{
	char next[24];
	const char *values[] = { f->id, next };
	int64_t now_us, next_us;
	int rc = definition_now(db, &now_us);

	(void)c;
	if (rc != EXIT_OK || f->is_enabled)
		return rc;
	next_us = definition_next(f, f->rule, now_us);
	if (next_us == RULE_NEVER && !definition_waits(f, f->rule))
		return ctl_fail(EXIT_CONFIG,
			"\"%s\" would never fire: its times are over", name);
	if (next_us == RULE_NEVER)
		values[1] = NULL;
	snprintf(next, sizeof(next), "%" PRId64, next_us);
	return db_query(db, NULL,
		"UPDATE reeve.task_definitions SET status = 'ENABLED', "
		"next_fire = timestamptz 'epoch' + $2::bigint * "
		"interval '1 microsecond' WHERE id = $1",
		2, values);
}

int cron_state_enable(struct ctl *c)
{
	return cron_state_each(c, "enabled", cron_state_enable_one);
}
