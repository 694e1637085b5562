/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "conf/handler.h"
#include "ctl/app.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/fetch.h"
#include "ctl/gate.h"
#include "ctl/lane.h"
#include "ctl/schema.h"
#include "ctl/stored.h"
#include "deploy/files.h"
#include "deploy/options.h"
#include "task/task.h"

/* Different faults that are told apart. */
#define GATE_FAULTS_MAX 200
#define GATE_FILE_MAX   (1 << 20)

struct gate_fault {
	char *text, *first;
	int64_t count;
};

struct gate {
	const struct ctl *ctl;
	const struct conf *conf;
	json_t *offered; /* handler to the schema of its params, or true */
	bool is_fetched; /* for this look */
	int64_t looked_at;
	struct gate_fault faults[GATE_FAULTS_MAX];
	size_t count;
};

static void gate_blame(struct gate *g, const char *first, const char *text)
{
	struct gate_fault *f;
	size_t i;

	if (g->count == GATE_FAULTS_MAX)
		text = g->faults[GATE_FAULTS_MAX - 1].text;
	for (i = 0; i < g->count; i++) {
		if (strcmp(g->faults[i].text, text) == 0) {
			g->faults[i].count++;
			return;
		}
	}
	f = &g->faults[g->count++];
	f->text = lane_clean(text);
	f->first = lane_clean(first);
	f->count = 1;
}

/* One task or definition: is its handler offered, and do its params fit? */
static void gate_look(struct gate *g, const char *where, const char *handler,
	const char *params, size_t len)
{
	const json_t *schema = json_object_get(g->offered, handler);
	char why[256], text[512];
	json_t *value;

	g->looked_at++;
	if (schema == NULL) {
		snprintf(text, sizeof(text),
			"handler \"%.128s\" is needed, and the release has "
			"none of that name",
			handler);
		gate_blame(g, where, text);
		return;
	}
	if (!json_is_object(schema))
		return;
	value = json_loadb(params, len, JSON_DECODE_ANY, NULL);
	if (value == NULL || schema_fits(schema, value, why, sizeof(why))) {
		json_decref(value);
		return;
	}
	snprintf(text, sizeof(text), "handler \"%.128s\": %s", handler, why);
	gate_blame(g, where, text);
	json_decref(value);
}

static void gate_on_envelope(
	const struct stored_place *at, const char *text, size_t len, void *arg)
{
	struct gate *g = arg;
	char where[160];
	struct task *t;

	if (text == NULL)
		return;
	t = task_parse(text, len, NULL);
	/* What can't be read is no handler's. */
	if (t == NULL)
		return;
	snprintf(where, sizeof(where), "task %s, %s of %s", t->id, at->place,
		at->topic);
	gate_look(g, where, t->handler, t->params, t->params_len);
	task_free(t);
}

static int gate_look_at_rows(struct gate *g)
{
	struct db_rows *r;
	struct db *db;
	const char *params;
	int row, rc = db_open(g->ctl, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r,
		"SELECT 'task ' || id, handler, execution_params"
		" FROM reeve.task_instances"
		" WHERE status IN ('PENDING', 'RUNNING') AND children = 0"
		" UNION ALL SELECT 'definition ' || task_name, task_handler,"
		" task_params FROM reeve.task_definitions"
		" WHERE status = 'ENABLED'",
		0, NULL);
	for (row = 0; rc == EXIT_OK && row < db_count(r); row++) {
		params = db_text(r, row, 2);
		gate_look(g, db_text(r, row, 0), db_text(r, row, 1), params,
			strlen(params));
	}
	if (rc == EXIT_OK)
		db_free(r);
	db_close(db);
	return rc;
}

/* What the release's pools are called is known before they are replaced. */
static void gate_look_at_pools(
	struct gate *g, const struct conf_pool *app, const struct conf *conf)
{
	const struct deploy_options *o = app->own;
	char text[256];
	size_t i;

	for (i = 0; i < o->pools.count; i++) {
		if (conf_pool_find(conf, o->pools.items[i]) != NULL)
			continue;
		snprintf(text, sizeof(text),
			"pool \"%.128s\" is to be replaced, and process.yaml "
			"has none of that name",
			o->pools.items[i]);
		gate_blame(g, app->name, text);
	}
}

/* Of this node's process.yaml, as it is with what the release brings of it. */
static int gate_offer_conf(
	struct gate *g, const struct conf_pool *app, const char *tree)
{
	const struct deploy_options *o = app->own;
	char *current = xasprintf("%s/current", o->root);
	struct conf *conf;
	size_t i;
	int rc = ask_read_source(&(struct conf_source){ .path = g->conf->path,
					 .moved_from = current,
					 .moved_to = tree },
		&conf);

	free(current);
	if (rc != EXIT_OK)
		return rc;
	gate_look_at_pools(g, app, conf);
	for (i = 0; o->handlers_file == NULL && i < conf->handler_count; i++)
		json_object_set_new(
			g->offered, conf->handlers[i].name, json_true());
	conf_free(conf);
	return EXIT_OK;
}

/* A file of a release that nobody has vouched for. */
static char *gate_read(const char *path, struct err *err)
{
	struct stat st;
	char *text;

	if (stat(path, &st) == -1) {
		(void)err_errno(err, "%s", path);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > GATE_FILE_MAX) {
		(void)err_set(err, 0, "%s is no file of at most %d MiB", path,
			GATE_FILE_MAX >> 20);
		return NULL;
	}
	text = files_read(path, GATE_FILE_MAX, err);
	return text;
}

/* {"handlers": {"NAME": {"params": SCHEMA} | {} | true}} */
static int gate_offer_file(struct gate *g, const char *path)
{
	struct err err;
	json_error_t fault;
	char *text = gate_read(path, &err);
	json_t *doc, *list, *one, *schema;
	const char *name;

	if (text == NULL)
		return ctl_fail(EXIT_CONFIG, "%s", err.text);
	doc = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
	free(text);
	list = json_object_get(doc, "handlers");
	if (doc == NULL)
		return ctl_fail(EXIT_CONFIG, "%s:%d:%d: %s", path, fault.line,
			fault.column, fault.text);
	if (!json_is_object(list)) {
		json_decref(doc);
		return ctl_fail(EXIT_CONFIG,
			"%s: it wants {\"handlers\": {\"NAME\": {}}}", path);
	}
	json_object_foreach(list, name, one)
	{
		schema = json_object_get(one, "params");
		json_object_set(g->offered, name,
			schema != NULL ? schema : json_true());
	}
	json_decref(doc);
	return EXIT_OK;
}

static int gate_offer_tree(
	struct gate *g, const struct conf_pool *app, const char *tree)
{
	const struct deploy_options *o = app->own;
	char *path;
	int rc = gate_offer_conf(g, app, tree);

	if (rc != EXIT_OK || o->handlers_file == NULL)
		return rc;
	path = xasprintf("%s/%s", tree, o->handlers_file);
	rc = gate_offer_file(g, path);
	free(path);
	return rc;
}

/* Would a push take the one in releases/ as it is? */
static bool gate_is_kept(const struct deploy_options *o, const char *version)
{
	char current[NAME_MAX + 1];
	char *release = xasprintf("%s/releases/%s", o->root, version);
	char *mark = xasprintf("%s/releases/.%s.failed", o->root, version);
	bool is_kept = files_is_directory(release);
	struct err err;

	(void)files_current(o->root, current, sizeof(current), &err);
	if (access(mark, F_OK) == 0 && strcmp(current, version) != 0)
		is_kept = false;
	free(release);
	free(mark);
	return is_kept;
}

static int gate_offer(struct gate *g, struct ask *ask,
	const struct conf_pool *app, const char *version)
{
	const struct deploy_options *o = app->own;
	struct fetch *f = NULL;
	char *kept;
	int rc;

	g->is_fetched = !g->ctl->no_fetch && !gate_is_kept(o, version);
	if (g->is_fetched) {
		rc = fetch_open(ask_loop(ask), app, version, &f);
		if (rc == EXIT_OK)
			rc = gate_offer_tree(g, app, fetch_tree(f));
		fetch_close(f);
		return rc;
	}
	kept = xasprintf("%s/releases/%s", o->root, version);
	if (files_is_directory(kept))
		rc = gate_offer_tree(g, app, kept);
	else
		rc = ctl_fail(EXIT_CONFIG, "%s is not there", kept);
	free(kept);
	return rc;
}

static void gate_print(const struct gate *g, const char *version)
{
	size_t i;

	for (i = 0; i < g->count; i++)
		printf("%s: %" PRId64 " of them, the first: %s\n",
			g->faults[i].text, g->faults[i].count,
			g->faults[i].first);
	printf("%s: %" PRId64 " stored tasks and definitions: %s\n", version,
		g->looked_at, g->count == 0 ? "all fit" : "it is refused");
}

static void gate_print_json(const struct gate *g, const char *version)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < g->count; i++)
		json_array_append_new(list,
			json_pack("{s:s, s:I, s:s}", "text", g->faults[i].text,
				"count", (json_int_t)g->faults[i].count,
				"first", g->faults[i].first));
	lane_print(json_pack("{s:b, s:s, s:b, s:I, s:o}", "ok", g->count == 0,
		"version", version, "fetched", g->is_fetched, "looked_at",
		(json_int_t)g->looked_at, "problems", list));
}

static int gate_run(struct gate *g, struct ask *ask, const char *version)
{
	const struct conf_pool *app;
	size_t i;
	int rc = app_find(g->ctl, g->conf, &app);

	if (rc == EXIT_OK)
		rc = app_check_version(version);
	if (rc == EXIT_OK)
		rc = gate_offer(g, ask, app, version);
	if (rc == EXIT_OK)
		rc = stored_walk(
			ask, &(struct stored){
				     .envelope = gate_on_envelope, .arg = g });
	if (rc == EXIT_OK)
		rc = gate_look_at_rows(g);
	if (rc == EXIT_OK) {
		if (g->ctl->json)
			gate_print_json(g, version);
		else
			gate_print(g, version);
		rc = g->count == 0 ? EXIT_OK : EXIT_CONFIG;
	}
	for (i = 0; i < g->count; i++) {
		free(g->faults[i].text);
		free(g->faults[i].first);
	}
	return rc;
}

int gate_command(struct ctl *c)
{
	struct gate g = { .ctl = c };
	struct ask *ask;
	int rc = ask_new(c, &ask);

	if (rc != EXIT_OK)
		return rc;
	g.conf = ask_conf(ask);
	g.offered = json_object();
	rc = gate_run(&g, ask, c->argv[0]);
	json_decref(g.offered);
	ask_close(ask);
	return rc;
}
