/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/actor.h"
#include "ctl/app.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/definition.h"
#include "ctl/deploy.h"
#include "ctl/lane.h"
#include "ctl/status.h"
#include "ctl/steps.h"
#include "ctl/table.h"

/* How often --wait and -f look. */
#define DEPLOY_LOOK_NS 100000000
/* How long they wait for a database that is away, which itself is told. */
#define DEPLOY_LOST_S 60

#define DEPLOY_UTC " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

#define DEPLOY_OBJECT                                                  \
	"json_build_object('id', d.id, 'app', d.app, 'kind', d.kind, " \
	"'version', d.version, 'from', d.from_version, 'strategy', "   \
	"d.strategy, 'state', d.state, 'reason', d.reason, 'by', "     \
	"d.created_by, 'created', to_char(d.created_at" DEPLOY_UTC     \
	", 'started', to_char(d.started_at" DEPLOY_UTC                 \
	", 'finished', to_char(d.finished_at" DEPLOY_UTC ")"

/* What every command of these begins with. */
struct deploying {
	struct ctl *ctl;
	struct conf *conf;
	const char *app;
	struct db *db;
};

static void deploy_close(struct deploying *d)
{
	db_close(d->db);
	conf_free(d->conf);
}

static int deploy_open(struct ctl *c, struct deploying *d)
{
	const struct conf_pool *app;
	int rc;

	*d = (struct deploying){ .ctl = c };
	rc = ask_read(c, &d->conf);
	if (rc != EXIT_OK)
		return rc;
	rc = app_find(c, d->conf, &app);
	if (rc == EXIT_OK) {
		d->app = app->name;
		rc = db_open(c, &d->db);
	}
	if (rc != EXIT_OK)
		deploy_close(d);
	return rc;
}

static const char *deploy_field(const json_t *o, const char *name)
{
	const char *text = status_text(o, name);

	return *text != '\0' ? text : "-";
}

/* The rows of a statement whose one column is JSON. */
static int deploy_rows(struct deploying *d, const char *sql, int count,
	const char *const *values, json_t **ret_rows)
{
	struct db_rows *r;
	int rc = db_query(d->db, &r, sql, count, values);

	if (rc == EXIT_OK)
		*ret_rows = definition_rows(r);
	return rc;
}

static int deploy_get(struct deploying *d, const char *id, json_t **ret_row)
{
	const char *values[] = { id, d->app };
	json_t *rows;
	int rc = deploy_rows(d,
		"SELECT " DEPLOY_OBJECT " FROM reeve.deployments d "
		"WHERE d.app = $2 AND d.id::text = $1",
		2, values, &rows);

	if (rc != EXIT_OK)
		return rc;
	*ret_row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	if (*ret_row == NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s has no deployment of the id %s", d->app, id);
	return EXIT_OK;
}

bool deploy_is_over(const json_t *row)
{
	const char *state = status_text(row, "state");

	return strcmp(state, "QUEUED") != 0 && strcmp(state, "RUNNING") != 0;
}

int deploy_tell(const struct ctl *c, json_t *row)
{
	bool is_done = strcmp(status_text(row, "state"), "DONE") == 0;
	const char *reason = status_text(row, "reason");

	if (c->json) {
		lane_print(json_incref(row));
		return is_done ? EXIT_OK : EXIT_CONFIG;
	}
	printf("%s %s: %s%s%s\n", status_text(row, "app"),
		status_text(row, "version"), status_text(row, "state"),
		*reason != '\0' ? ": " : "", reason);
	return is_done ? EXIT_OK : EXIT_CONFIG;
}

/* The deployment goes on without the database, and so does who waits. */
static int deploy_reconnect(struct deploying *d)
{
	const struct timespec pause = { 1, 0 };
	int i;

	for (i = 0; i < DEPLOY_LOST_S; i++) {
		nanosleep(&pause, NULL);
		if (db_reconnect(d->db) == 0)
			return EXIT_OK;
	}
	return EXIT_SYSTEM;
}

/* One look; *ret_is_over: it was the last. */
static int deploy_look_at(struct deploying *d, const char *id,
	struct steps *steps, bool *ret_is_over)
{
	json_t *row = NULL;
	bool is_over = false;
	int rc = deploy_get(d, id, &row);

	if (rc != EXIT_OK)
		return rc;
	is_over = deploy_is_over(row);
	rc = steps_look(steps, d->db, !d->ctl->json);
	if (rc == EXIT_OK && is_over) {
		*ret_is_over = true;
		rc = deploy_tell(d->ctl, row);
	}
	json_decref(row);
	return rc;
}

/* Until it is over; prints each step as it goes. */
static int deploy_wait(struct deploying *d, const char *id)
{
	const struct timespec pause = { 0, DEPLOY_LOOK_NS };
	bool is_over = false;
	struct steps steps;
	int rc = EXIT_OK;

	steps_init(&steps, id);
	steps.is_live = true;
	while (rc == EXIT_OK && !is_over) {
		rc = deploy_look_at(d, id, &steps, &is_over);
		if (rc == EXIT_SYSTEM)
			rc = deploy_reconnect(d);
		else if (rc == EXIT_OK && !is_over)
			nanosleep(&pause, NULL);
	}
	steps_done(&steps);
	return rc;
}

/* It may take long until somebody takes it. */
static int deploy_look_for_nodes(struct deploying *d)
{
	const char *values[] = { d->app };
	struct db_rows *r;
	int rc = db_query(d->db, &r,
		"SELECT 1 FROM reeve.deploy_members WHERE app = $1"
		" AND seen_at > now() - interval '30 seconds' LIMIT 1",
		1, values);

	if (rc != EXIT_OK)
		return rc;
	if (db_count(r) == 0)
		fprintf(stderr,
			"reevectl: no node runs %s: it waits until one does\n",
			d->app);
	db_free(r);
	return EXIT_OK;
}

static int deploy_begin(
	struct deploying *d, const char *kind, const char *version)
{
	char *who = actor_name(), *id = NULL;
	const char *values[] = { d->app, kind, version, who,
		d->ctl->force ? "true" : "false" };
	struct db_rows *r;
	int rc = db_query(d->db, &r,
		"INSERT INTO reeve.deployments (app, kind, version,"
		" created_by, is_forced) VALUES ($1, $2, $3, $4, $5)"
		" RETURNING id",
		5, values);

	if (rc == EXIT_OK) {
		id = xstrdup(db_text(r, 0, 0));
		db_free(r);
	}
	if (rc == EXIT_OK)
		rc = deploy_look_for_nodes(d);
	if (rc == EXIT_OK && d->ctl->wait)
		rc = deploy_wait(d, id);
	else if (rc == EXIT_OK && d->ctl->json)
		lane_print(json_pack("{s:b, s:s}", "ok", true, "id", id));
	else if (rc == EXIT_OK)
		puts(id);
	free(id);
	free(who);
	return rc;
}

int deploy_push(struct ctl *c)
{
	struct deploying d;
	int rc = app_check_version(c->argv[0]);

	if (rc == EXIT_OK)
		rc = deploy_open(c, &d);
	if (rc != EXIT_OK)
		return rc;
	rc = deploy_begin(&d, "push", c->argv[0]);
	deploy_close(&d);
	return rc;
}

/* What was there before what is there now. */
static int deploy_before(struct deploying *d, char **ret_version)
{
	const char *values[] = { d->app };
	struct db_rows *r;
	int rc = db_query(d->db, &r,
		"WITH done AS (SELECT id, version FROM reeve.deployments"
		" WHERE app = $1 AND state = 'DONE')"
		" SELECT version FROM done WHERE version <> (SELECT version"
		" FROM done ORDER BY id DESC LIMIT 1) ORDER BY id DESC LIMIT 1",
		1, values);

	if (rc != EXIT_OK)
		return rc;
	*ret_version = db_count(r) > 0 ? xstrdup(db_text(r, 0, 0)) : NULL;
	db_free(r);
	if (*ret_version == NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s has no earlier release: name the version", d->app);
	return EXIT_OK;
}

int deploy_rollback(struct ctl *c)
{
	struct deploying d;
	char *before = NULL;
	int rc = EXIT_OK;

	if (c->argc > 0)
		rc = app_check_version(c->argv[0]);
	if (rc == EXIT_OK)
		rc = deploy_open(c, &d);
	if (rc != EXIT_OK)
		return rc;
	if (c->argc == 0)
		rc = deploy_before(&d, &before);
	if (rc == EXIT_OK)
		rc = deploy_begin(
			&d, "rollback", before != NULL ? before : c->argv[0]);
	free(before);
	deploy_close(&d);
	return rc;
}

static const struct table_column deploy_columns[] = {
	{ "CREATED", TABLE_LEFT, TABLE_FIXED },
	{ "KIND", TABLE_LEFT, TABLE_FIXED },
	{ "VERSION", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "BY", TABLE_LEFT, TABLE_OPTIONAL },
	{ "ID", TABLE_LEFT, TABLE_FIXED },
	{ "REASON", TABLE_LEFT, TABLE_ELASTIC },
};

static enum screen_colour deploy_colour(const char *state)
{
	if (strcmp(state, "DONE") == 0)
		return SCREEN_GOOD;
	if (strcmp(state, "QUEUED") == 0 || strcmp(state, "RUNNING") == 0)
		return SCREEN_CHANGING;
	return SCREEN_BAD;
}

void deploy_print(const struct ctl *c, json_t *rows)
{
	struct table *t = table_new(deploy_columns,
		sizeof(deploy_columns) / sizeof(*deploy_columns));
	struct buf out = BUF_INIT;
	const json_t *row;
	struct screen s;
	size_t i;

	if (c->json) {
		lane_print(json_incref(rows));
		table_free(t);
		return;
	}
	json_array_foreach(rows, i, row)
	{
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "created"));
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "kind"));
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "version"));
		table_cell(t, deploy_colour(status_text(row, "state")), "%s",
			deploy_field(row, "state"));
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "by"));
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "id"));
		table_cell(t, SCREEN_PLAIN, "%s", deploy_field(row, "reason"));
	}
	screen_init(&s);
	table_print(t, &s, 0, 0, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

int deploy_list(struct ctl *c)
{
	struct deploying d;
	const char *values[2];
	char most[24];
	json_t *rows;
	int rc = deploy_open(c, &d);

	if (rc != EXIT_OK)
		return rc;
	snprintf(most, sizeof(most), "%ld", c->lines);
	values[0] = d.app;
	values[1] = most;
	rc = deploy_rows(&d,
		"SELECT " DEPLOY_OBJECT " FROM reeve.deployments d "
		"WHERE d.app = $1 ORDER BY d.id DESC LIMIT $2::int",
		2, values, &rows);
	if (rc == EXIT_OK) {
		deploy_print(c, rows);
		json_decref(rows);
	}
	deploy_close(&d);
	return rc;
}

static int deploy_show_json(struct deploying *d, const char *id, json_t *row)
{
	const char *values[] = { id };
	json_t *steps;
	int rc = deploy_rows(d,
		"SELECT json_build_object('node', s.node, 'step', s.step, "
		"'state', s.state, 'output', s.output, 'started', "
		"to_char(s.started_at" DEPLOY_UTC ", 'finished', "
		"to_char(s.finished_at" DEPLOY_UTC ") "
		"FROM reeve.deployment_steps s WHERE s.deployment_id = $1 "
		"ORDER BY s.id",
		1, values, &steps);

	if (rc != EXIT_OK)
		return rc;
	json_object_set_new(row, "steps", steps);
	lane_print(json_incref(row));
	return EXIT_OK;
}

int deploy_show(struct ctl *c)
{
	const char *id = c->argv[0];
	struct deploying d;
	struct steps steps;
	json_t *row;
	int rc = deploy_open(c, &d);

	if (rc != EXIT_OK)
		return rc;
	if (c->follow) {
		rc = deploy_wait(&d, id);
		deploy_close(&d);
		return rc;
	}
	rc = deploy_get(&d, id, &row);
	if (rc == EXIT_OK && c->json) {
		rc = deploy_show_json(&d, id, row);
		json_decref(row);
	} else if (rc == EXIT_OK) {
		steps_init(&steps, id);
		rc = steps_look(&steps, d.db, true);
		steps_done(&steps);
		(void)deploy_tell(c, row);
		json_decref(row);
	}
	deploy_close(&d);
	return rc;
}

int deploy_abort(struct ctl *c)
{
	struct deploying d;
	struct db_rows *r;
	const char *values[2];
	int rc = deploy_open(c, &d);

	if (rc != EXIT_OK)
		return rc;
	values[0] = d.app;
	values[1] = c->argc > 0 ? c->argv[0] : NULL;
	rc = db_query(d.db, &r,
		/* The one of that id, or the one whose turn it is. */
		"UPDATE reeve.deployments d SET is_abort_asked = true"
		" WHERE d.id = (SELECT x.id FROM reeve.deployments x"
		" WHERE x.app = $1 AND x.state IN ('QUEUED', 'RUNNING')"
		" AND ($2::text IS NULL OR x.id::text = $2)"
		" ORDER BY x.state = 'QUEUED', x.id LIMIT 1)"
		" AND d.state IN ('QUEUED', 'RUNNING')"
		" RETURNING d.id, d.version, d.state = 'ABORTED'",
		2, values);
	if (rc == EXIT_OK && db_count(r) == 0)
		rc = ctl_fail(EXIT_CONFIG, "%s: nothing is under way%s%s",
			d.app, c->argc > 0 ? " with the id " : "",
			c->argc > 0 ? c->argv[0] : "");
	else if (rc == EXIT_OK && c->json)
		lane_print(json_pack(
			"{s:b, s:s}", "ok", true, "id", db_text(r, 0, 0)));
	else if (rc == EXIT_OK)
		printf("%s %s %s\n", d.app, db_text(r, 0, 1),
			*db_text(r, 0, 2) == 't' ? "is not begun"
						 : "goes back");
	if (rc == EXIT_OK)
		db_free(r);
	deploy_close(&d);
	return rc;
}
