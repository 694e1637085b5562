/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/app.h"
#include "ctl/ctl.h"
#include "ctl/deploy.h"
#include "ctl/lane.h"
#include "ctl/problem.h"
#include "ctl/remote_deploy.h"
#include "ctl/status.h"
#include "ctl/steps.h"

#define REMOTE_DEPLOY_PATH "/api/v1/deployments"

/* How often --wait and -f look, and for how long they wait for a node that is
 * away: a release may take its API along. */
#define REMOTE_DEPLOY_LOOK_NS 250000000
#define REMOTE_DEPLOY_LOST_S  60

const struct remote_member remote_deploy_row[] = {
	{ .ours = "id", .theirs = "id" },
	{ .ours = "app", .theirs = "app" },
	{ .ours = "kind", .theirs = "kind" },
	{ .ours = "version", .theirs = "version" },
	{ .ours = "from", .theirs = "fromVersion" },
	{ .ours = "strategy", .theirs = "strategy" },
	{ .ours = "state", .theirs = "state" },
	{ .ours = "reason", .theirs = "reason" },
	{ .ours = "by", .theirs = "createdBy" },
	{ .ours = "created", .theirs = "createdAt", .turn = REMOTE_TIME },
	{ .ours = "started", .theirs = "startedAt", .turn = REMOTE_TIME },
	{ .ours = "finished", .theirs = "finishedAt", .turn = REMOTE_TIME },
	{ .ours = NULL },
};

static const struct remote_member remote_deploy_step[] = {
	{ .ours = "node", .theirs = "node" },
	{ .ours = "step", .theirs = "step" },
	{ .ours = "state", .theirs = "state" },
	{ .ours = "output", .theirs = "output" },
	{ .ours = "started", .theirs = "startedAt", .turn = REMOTE_TIME },
	{ .ours = "finished", .theirs = "finishedAt", .turn = REMOTE_TIME },
	{ .ours = NULL },
};

/* The application of --app, or the only one of that node; heap. */
static int remote_deploy_app(struct remote *r, char **ret_app)
{
	const char *found = NULL, *name;
	json_t *doc, *pool;
	int rc = EXIT_OK;
	size_t i;

	if (r->ctl->app != NULL) {
		*ret_app = xstrdup(r->ctl->app);
		return EXIT_OK;
	}
	rc = remote_get(r, "/api/v1/pools", &doc);
	if (rc != EXIT_OK)
		return rc;
	json_array_foreach(json_object_get(doc, "pools"), i, pool)
	{
		name = status_text(pool, "name");
		if (strcmp(status_text(pool, "kind"), "deploy") != 0)
			continue;
		if (found != NULL && rc == EXIT_OK)
			rc = ctl_fail(EXIT_USAGE,
				"which application?  --app %s, or --app %s",
				found, name);
		found = name;
	}
	if (found == NULL)
		rc = ctl_fail(EXIT_CONFIG,
			"the node has no pool of kind deploy: which "
			"application?  see --app");
	if (rc == EXIT_OK)
		*ret_app = xstrdup(found);
	json_decref(doc);
	return rc;
}

/* Deployments of an application, the newest first; state NULL: any. */
static int remote_deploy_read(struct remote *r, const char *app,
	const char *state, long most, json_t **ret_items)
{
	struct buf path = BUF_INIT;
	int rc;

	buf_puts(&path, REMOTE_DEPLOY_PATH);
	remote_query(&path, "app", app);
	if (state != NULL)
		remote_query(&path, "state", state);
	rc = remote_list(r, buf_str(&path), most, ret_items, NULL);
	buf_done(&path);
	return rc;
}

static json_t *remote_deploy_steps(const json_t *doc)
{
	json_t *list = json_array(), *step;
	size_t i;

	json_array_foreach(json_object_get(doc, "steps"), i, step)
		json_array_append_new(
			list, remote_ours(remote_deploy_step, step));
	return list;
}

/* A step as steps_print takes it; i: its place. */
static json_t *remote_deploy_step_of(const json_t *theirs, size_t i)
{
	int64_t end_us = remote_us(json_object_get(theirs, "finishedAt"));
	int64_t start_us = remote_us(json_object_get(theirs, "startedAt"));
	json_t *step = remote_ours(remote_deploy_step, theirs);
	char id[24];

	snprintf(id, sizeof(id), "%zu", i);
	json_object_set_new(step, "id", json_string(id));
	json_object_set_new(step, "seconds",
		json_real(end_us < 0 ? 0
				     : (double)(end_us - start_us) / US_PER_S));
	return step;
}

/* What is new of the steps.  done: those that were printed to their end, by
 * their place: none comes before another that was there. */
static void remote_deploy_print_steps(
	struct steps *s, const json_t *doc, json_t *done)
{
	json_t *theirs, *step;
	const char *id;
	size_t i;

	json_array_foreach(json_object_get(doc, "steps"), i, theirs)
	{
		step = remote_deploy_step_of(theirs, i);
		id = status_text(step, "id");
		if (json_object_get(done, id) == NULL) {
			steps_print(s, step);
			if (strcmp(status_text(step, "state"), "RUNNING") != 0)
				json_object_set_new(done, id, json_true());
		}
		json_decref(step);
	}
	fflush(stdout);
}

/* 0 with an answer; 1: it is away, which is told the first time; else the exit
 * code, printed. */
static int remote_deploy_try(struct remote *r, const char *path, int lost,
	struct client_answer *ret_answer)
{
	const struct client_request q = { .method = "GET", .path = path };
	struct err err;
	int rc;

	if (client_send(r->client, &q, ret_answer, &err) != 0) {
		if (lost == 0)
			fprintf(stderr, "reevectl: %s, trying again\n",
				err.text);
		return 1;
	}
	if (ret_answer->status == 200 && json_is_object(ret_answer->json))
		return 0;
	rc = ret_answer->status >= 500 ? 1 : EXIT_CONFIG;
	if (lost == 0 || rc != 1)
		(void)problem_print(r->ctl->there, ret_answer, NULL);
	client_answer_done(ret_answer);
	return rc == 1 ? 1 : -1;
}

/* Until it is over; prints each step as it goes. */
static int remote_deploy_wait(struct remote *r, const char *id)
{
	const struct timespec pause = { 0, REMOTE_DEPLOY_LOOK_NS };
	const struct timespec long_pause = { 1, 0 };
	char *escaped = client_escape(id);
	char *path = xasprintf(REMOTE_DEPLOY_PATH "/%s", escaped);
	json_t *done = json_object(), *row = NULL;
	struct client_answer a;
	struct steps steps;
	int lost = 0, rc = 0;

	steps_init(&steps, id);
	while (row == NULL && rc >= 0 && lost < REMOTE_DEPLOY_LOST_S) {
		rc = remote_deploy_try(r, path, lost, &a);
		lost = rc == 1 ? lost + 1 : 0;
		if (rc == 0) {
			if (!r->ctl->json)
				remote_deploy_print_steps(&steps, a.json, done);
			if (deploy_is_over(a.json))
				row = remote_ours(remote_deploy_row, a.json);
			client_answer_done(&a);
		}
		if (row == NULL && rc >= 0)
			nanosleep(rc == 0 ? &pause : &long_pause, NULL);
	}
	rc = row != NULL ? deploy_tell(r->ctl, row)
	     : rc < 0    ? EXIT_CONFIG
			 : EXIT_SYSTEM;
	json_decref(row);
	json_decref(done);
	steps_done(&steps);
	free(path);
	free(escaped);
	return rc;
}

static int remote_deploy_begin(struct remote *r, const char *app,
	const char *kind, const char *version)
{
	json_t *doc;
	const char *id;
	int rc = remote_call(r, r->how->method, r->how->path,
		json_pack("{s:s, s:s, s:s, s:b}", "app", app, "kind", kind,
			"version", version, "force", r->ctl->force),
		&doc);

	if (rc != EXIT_OK)
		return rc;
	id = status_text(doc, "id");
	if (r->ctl->wait)
		rc = remote_deploy_wait(r, id);
	else if (r->ctl->json)
		lane_print(json_pack("{s:b, s:s}", "ok", true, "id", id));
	else
		puts(id);
	json_decref(doc);
	return rc;
}

int remote_deploy_push(struct remote *r)
{
	const char *version = r->ctl->argv[0];
	char *app = NULL;
	int rc = app_check_version(version);

	if (rc == EXIT_OK)
		rc = remote_deploy_app(r, &app);
	if (rc == EXIT_OK)
		rc = remote_deploy_begin(r, app, "push", version);
	free(app);
	return rc;
}

/* What was there before what is there now; heap. */
static int remote_deploy_before(
	struct remote *r, const char *app, char **ret_version)
{
	const char *now, *one;
	json_t *items, *row;
	size_t i;
	int rc = remote_deploy_read(r, app, "DONE", REMOTE_ALL, &items);

	if (rc != EXIT_OK)
		return rc;
	now = status_text(json_array_get(items, 0), "version");
	json_array_foreach(items, i, row)
	{
		one = status_text(row, "version");
		if (strcmp(one, now) != 0) {
			*ret_version = xstrdup(one);
			break;
		}
	}
	json_decref(items);
	if (*ret_version == NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s has no earlier release: name the version", app);
	return EXIT_OK;
}

int remote_deploy_rollback(struct remote *r)
{
	const char *version = r->ctl->argc > 0 ? r->ctl->argv[0] : NULL;
	char *before = NULL, *app = NULL;
	int rc = EXIT_OK;

	if (version != NULL)
		rc = app_check_version(version);
	if (rc == EXIT_OK)
		rc = remote_deploy_app(r, &app);
	if (rc == EXIT_OK && version == NULL)
		rc = remote_deploy_before(r, app, &before);
	if (rc == EXIT_OK)
		rc = remote_deploy_begin(
			r, app, "rollback", version != NULL ? version : before);
	free(before);
	free(app);
	return rc;
}

int remote_deploy_list(struct remote *r)
{
	json_t *items = NULL, *list = json_array(), *one;
	char *app = NULL;
	size_t i;
	int rc = remote_deploy_app(r, &app);

	if (rc == EXIT_OK && r->ctl->lines > 0)
		rc = remote_deploy_read(r, app, NULL, r->ctl->lines, &items);
	if (rc == EXIT_OK) {
		json_array_foreach(items, i, one) json_array_append_new(
			list, remote_ours(r->how->members, one));
		deploy_print(r->ctl, list);
	}
	json_decref(items);
	json_decref(list);
	free(app);
	return rc;
}

int remote_deploy_show(struct remote *r)
{
	const char *id = r->ctl->argv[0];
	char *path;
	struct steps steps;
	json_t *doc, *row, *done;
	int rc;

	if (r->ctl->follow)
		return remote_deploy_wait(r, id);
	path = remote_path(r, id);
	rc = remote_get(r, path, &doc);
	free(path);
	if (rc != EXIT_OK)
		return rc;
	row = remote_ours(r->how->members, doc);
	done = json_object();
	if (r->ctl->json) {
		json_object_set_new(row, "steps", remote_deploy_steps(doc));
	} else {
		steps_init(&steps, id);
		remote_deploy_print_steps(&steps, doc, done);
		steps_done(&steps);
	}
	(void)deploy_tell(r->ctl, row);
	json_decref(done);
	json_decref(row);
	json_decref(doc);
	return EXIT_OK;
}

static int remote_deploy_abort_one(struct remote *r, const char *id)
{
	char *path = remote_path(r, id);
	json_t *doc;
	int rc = remote_call(r, r->how->method, path, NULL, &doc);

	free(path);
	if (rc != EXIT_OK)
		return rc;
	if (r->ctl->json)
		lane_print(json_pack("{s:b, s:s}", "ok", true, "id", id));
	else
		printf("%s %s goes back\n", status_text(doc, "app"),
			status_text(doc, "version"));
	json_decref(doc);
	return EXIT_OK;
}

/* The one that runs, or else the one whose turn it is, as here. */
static int remote_deploy_under_way(
	struct remote *r, const char *app, json_t **ret_row)
{
	static const char *const states[] = { "RUNNING", "QUEUED" };
	json_t *items;
	size_t i, n;
	int rc;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++) {
		rc = remote_deploy_read(r, app, states[i], REMOTE_ALL, &items);
		if (rc != EXIT_OK)
			return rc;
		n = json_array_size(items);
		*ret_row = n > 0 ? json_incref(json_array_get(items, n - 1))
				 : NULL;
		json_decref(items);
		if (*ret_row != NULL)
			return EXIT_OK;
	}
	return ctl_fail(EXIT_CONFIG, "%s: nothing is under way", app);
}

int remote_deploy_abort(struct remote *r)
{
	char *app = NULL;
	json_t *row = NULL;
	int rc;

	if (r->ctl->argc > 0)
		return remote_deploy_abort_one(r, r->ctl->argv[0]);
	rc = remote_deploy_app(r, &app);
	if (rc == EXIT_OK)
		rc = remote_deploy_under_way(r, app, &row);
	if (rc == EXIT_OK)
		rc = remote_deploy_abort_one(r, status_text(row, "id"));
	json_decref(row);
	free(app);
	return rc;
}
