/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/lane.h"
#include "ctl/remote_cron.h"
#include "ctl/scheduler.h"
#include "ctl/status.h"

#define REMOTE_CRON_PATH "/api/v1/tasks/definitions"

const struct remote_member remote_cron_definition[] = {
	{ .ours = "id", .theirs = "id" },
	{ .ours = "name", .theirs = "taskName" },
	{ .ours = "tenant" },
	{ .ours = "handler", .theirs = "taskHandler" },
	{ .ours = "description", .theirs = "description" },
	{ .ours = "type", .theirs = "scheduleType" },
	{ .ours = "rule", .theirs = "rule" },
	{ .ours = "params", .theirs = "taskParams" },
	{ .ours = "topic", .theirs = "topic" },
	{ .ours = "priority", .theirs = "priority" },
	{ .ours = "timeout_ms", .theirs = "timeout" },
	{ .ours = "retry_max", .theirs = "retry" },
	{ .ours = "misfire", .theirs = "misfire" },
	{ .ours = "misfire_max", .theirs = "misfireMax" },
	{ .ours = "overlap", .theirs = "overlap" },
	{ .ours = "inline", .theirs = "inline" },
	{ .ours = "depends_on", .theirs = "dependsOn" },
	{ .ours = "status", .theirs = "enabled" },
	{ .ours = "next_fire", .theirs = "nextFire", .turn = REMOTE_TIME },
	{ .ours = "last_fire", .theirs = "lastFire", .turn = REMOTE_TIME },
	{ .ours = "last_end", .theirs = "lastEnd", .turn = REMOTE_TIME },
	{ .ours = "last_state", .theirs = "lastState" },
	{ .ours = "active" },
	{ .ours = "source", .theirs = "source" },
	{ .ours = "creator", .theirs = "creator" },
	{ .ours = "system" },
	{ .ours = "version", .theirs = "version" },
	{ .ours = "created_at", .theirs = "createdAt", .turn = REMOTE_TIME },
	{ .ours = "updated_at", .theirs = "updatedAt", .turn = REMOTE_TIME },
	{ .ours = NULL },
};

const struct remote_member remote_cron_run[] = {
	{ .ours = "id", .theirs = "id" },
	{ .ours = "name", .theirs = "taskName" },
	{ .ours = "state", .theirs = "status" },
	{ .ours = "trigger", .theirs = "trigger" },
	{ .ours = "held", .theirs = "held" },
	{ .ours = "fire_time", .theirs = "fireTime", .turn = REMOTE_TIME },
	{ .ours = "created", .theirs = "createdAt", .turn = REMOTE_TIME },
	{ .ours = "start", .theirs = "startTime", .turn = REMOTE_TIME },
	{ .ours = "end", .theirs = "endTime", .turn = REMOTE_TIME },
	{ .ours = "lateness_ms" },
	{ .ours = "duration_ms", .theirs = "executionDuration" },
	{ .ours = "retries", .theirs = "retryCount" },
	{ .ours = "node", .theirs = "executionNode" },
	{ .ours = "worker", .theirs = "worker" },
	{ .ours = "result" },
	{ .ours = "error", .theirs = "errorMessage" },
	{ .ours = NULL },
};

const struct remote_member remote_cron_scheduling[] = {
	{ .ours = "running", .theirs = "running" },
	{ .ours = "leader", .theirs = "leader" },
	{ .ours = "term", .theirs = "term" },
	{ .ours = "leader_since",
		.theirs = "leaderSince",
		.turn = REMOTE_TIME },
	{ .ours = "changed_at", .theirs = "changedAt", .turn = REMOTE_TIME },
	{ .ours = "changed_by", .theirs = "changedBy" },
	{ .ours = "enabled", .theirs = "enabledDefinitions" },
	{ .ours = "due", .theirs = "dueNow" },
	{ .ours = "next_fire", .theirs = "nextFire", .turn = REMOTE_TIME },
	{ .ours = "lateness", .theirs = "lateness" },
	{ .ours = NULL },
};

static const struct remote_member remote_cron_lateness[] = {
	{ .ours = "window_ms", .theirs = "window" },
	{ .ours = "fires", .theirs = "fires" },
	{ .ours = "mean_ms", .theirs = "mean" },
	{ .ours = "p99_ms", .theirs = "p99" },
	{ .ours = "max_ms", .theirs = "maximum" },
	{ .ours = "misfired", .theirs = "misfired" },
	{ .ours = NULL },
};

/* depends_on: the name of what it depends on; NULL. */
static json_t *remote_cron_ours(
	const struct remote *r, const json_t *theirs, const json_t *depends_on)
{
	json_t *ours = remote_ours(r->how->members, theirs);
	bool is_on = json_is_true(json_object_get(theirs, "enabled"));

	json_object_set_new(
		ours, "status", json_string(is_on ? "ENABLED" : "DISABLED"));
	if (depends_on != NULL)
		json_object_set(ours, "depends_on", (json_t *)depends_on);
	return ours;
}

static int remote_cron_order(const void *a, const void *b)
{
	return strcmp(status_text(*(const json_t *const *)a, "name"),
		status_text(*(const json_t *const *)b, "name"));
}

/* By name; takes the items. */
static json_t *remote_cron_sorted(json_t *items)
{
	size_t i, n = json_array_size(items);
	json_t **rows = xcalloc(n + 1, sizeof(*rows));
	json_t *sorted = json_array();

	for (i = 0; i < n; i++)
		rows[i] = json_array_get(items, i);
	qsort(rows, n, sizeof(*rows), remote_cron_order);
	for (i = 0; i < n; i++)
		json_array_append(sorted, rows[i]);
	free(rows);
	json_decref(items);
	return sorted;
}

int remote_cron_list(struct remote *r)
{
	json_t *theirs, *one, *names = json_object(), *list = json_array();
	size_t i;
	int rc = remote_list(r, r->how->path, REMOTE_ALL, &theirs, NULL);

	if (rc == EXIT_OK) {
		json_array_foreach(theirs, i, one)
			json_object_set(names, status_text(one, "id"),
				json_object_get(one, "taskName"));
		json_array_foreach(theirs, i, one) json_array_append_new(
			list, remote_cron_ours(r, one,
				      json_object_get(names,
					      status_text(one, "dependsOn"))));
		json_decref(theirs);
		r->how->print(r->ctl, remote_cron_sorted(json_incref(list)));
	}
	json_decref(list);
	json_decref(names);
	return rc;
}

static int remote_cron_by_name(
	struct remote *r, const char *name, json_t **ret_doc)
{
	struct buf path = BUF_INIT;
	json_t *items;
	int rc;

	buf_puts(&path, REMOTE_CRON_PATH);
	remote_query(&path, "name", name);
	rc = remote_list(r, buf_str(&path), 1, &items, NULL);
	buf_done(&path);
	if (rc != EXIT_OK)
		return rc;
	*ret_doc = json_incref(json_array_get(items, 0));
	json_decref(items);
	if (*ret_doc == NULL)
		return ctl_fail(EXIT_CONFIG,
			"the tenant of the token has no definition called "
			"\"%s\"",
			name);
	return EXIT_OK;
}

static int remote_cron_by_id(struct remote *r, const char *id, json_t **ret_doc)
{
	char *path = xasprintf(REMOTE_CRON_PATH "/%s", id);
	int rc = remote_get(r, path, ret_doc);

	free(path);
	return rc;
}

int remote_cron_find(struct remote *r, const char *name, json_t **ret_doc)
{
	return remote_is_id(name) ? remote_cron_by_id(r, name, ret_doc)
				  : remote_cron_by_name(r, name, ret_doc);
}

int remote_cron_show(struct remote *r)
{
	json_t *doc, *other = NULL;
	const char *depends_on;
	int rc = remote_cron_find(r, r->ctl->argv[0], &doc);

	if (rc != EXIT_OK)
		return rc;
	depends_on = status_text(doc, "dependsOn");
	if (*depends_on != '\0')
		rc = remote_cron_by_id(r, depends_on, &other);
	if (rc == EXIT_OK)
		r->how->print(
			r->ctl, remote_cron_ours(r, doc,
					json_object_get(other, "taskName")));
	json_decref(other);
	json_decref(doc);
	return rc;
}

int remote_cron_check_source(
	const struct remote *r, const json_t *doc, const char *what)
{
	const char *source = status_text(doc, "source");

	if (strncmp(source, "file:", 5) != 0 || r->ctl->force)
		return EXIT_OK;
	return ctl_fail(EXIT_CONFIG,
		"\"%s\" comes from the process.yaml of %s: %s it there, or use "
		"--force",
		status_text(doc, "taskName"), source + 5, what);
}

static int remote_cron_one(struct remote *r, const char *name)
{
	struct client_answer a;
	json_t *doc;
	char *path;
	int rc = remote_cron_find(r, name, &doc);

	if (rc != EXIT_OK)
		return rc;
	path = remote_path(r, status_text(doc, "id"));
	if (strcmp(r->how->method, "DELETE") == 0)
		rc = remote_cron_check_source(r, doc, "remove");
	if (rc == EXIT_OK)
		rc = remote_send(r,
			&(struct client_request){
				.method = r->how->method, .path = path },
			name, &a);
	if (rc == EXIT_OK)
		client_answer_done(&a);
	free(path);
	json_decref(doc);
	return rc;
}

/* "removed" of rm, "enabled" of enable. */
static const char *remote_cron_done(const struct remote *r)
{
	if (strcmp(r->how->words, "cron enable") == 0)
		return "enabled";
	return strcmp(r->how->words, "cron disable") == 0 ? "disabled"
							  : "removed";
}

/* A failure of one does not spare the others. */
int remote_cron_each(struct remote *r)
{
	const char *done = remote_cron_done(r);
	struct ctl *c = r->ctl;
	json_t *names = json_array();
	int i, worst = EXIT_OK;

	for (i = 0; i < c->argc && worst != EXIT_SYSTEM; i++) {
		int one = remote_cron_one(r, c->argv[i]);

		if (one > worst)
			worst = one;
		if (one != EXIT_OK)
			continue;
		json_array_append_new(names, json_string(c->argv[i]));
		if (!c->json)
			printf("%s %s\n", done, c->argv[i]);
	}
	if (c->json)
		lane_print(json_pack(
			"{s:b, s:O}", "ok", worst == EXIT_OK, done, names));
	json_decref(names);
	return worst;
}

/* Lateness is known of the first attempt only. */
static json_t *remote_cron_run_ours(const struct remote *r, const json_t *run)
{
	json_t *ours = remote_ours(r->how->members, run);
	const json_t *due = json_object_get(run, "fireTime");
	int64_t start_us = remote_us(json_object_get(run, "startTime"));
	int64_t due_us = remote_us(
		json_is_string(due) ? due : json_object_get(run, "createdAt"));

	if (start_us >= 0 && due_us >= 0 &&
		status_number(run, "retryCount") == 0)
		json_object_set_new(ours, "lateness_ms",
			json_integer((json_int_t)((start_us - due_us +
							  US_PER_MS / 2) /
						  US_PER_MS)));
	return ours;
}

/* Some runs that fit `name`=`value`, the newest first. */
static int remote_cron_runs(
	struct remote *r, const char *name, const char *value, json_t **ret)
{
	struct buf path = BUF_INIT;
	int rc;

	buf_puts(&path, r->how->path);
	remote_query(&path, name, value);
	rc = remote_list(r, buf_str(&path), r->ctl->lines, ret, NULL);
	buf_done(&path);
	return rc;
}

/* Two lists, the newest first, as one; takes both. */
static json_t *remote_cron_merge(json_t *a, json_t *b, size_t most)
{
	json_t *all = json_array(), *x, *y;
	size_t i = 0, k = 0;

	while (json_array_size(all) < most) {
		x = json_array_get(a, i);
		y = json_array_get(b, k);
		if (x == NULL && y == NULL)
			break;
		if (y == NULL ||
			(x != NULL && strcmp(status_text(x, "id"),
					      status_text(y, "id")) > 0)) {
			json_array_append(all, x);
			i++;
		} else {
			json_array_append(all, y);
			k++;
		}
	}
	json_decref(a);
	json_decref(b);
	return all;
}

/* Of a definition; without one of all, which are caused by their time or by
 * hand. */
static int remote_cron_read_history(struct remote *r, json_t **ret_runs)
{
	json_t *doc, *planned, *by_hand;
	int rc;

	if (r->ctl->argc > 0) {
		rc = remote_cron_find(r, r->ctl->argv[0], &doc);
		if (rc != EXIT_OK)
			return rc;
		rc = remote_cron_runs(
			r, "definition", status_text(doc, "id"), ret_runs);
		json_decref(doc);
		return rc;
	}
	rc = remote_cron_runs(r, "trigger", "cron", &planned);
	if (rc != EXIT_OK)
		return rc;
	rc = remote_cron_runs(r, "trigger", "manual", &by_hand);
	if (rc == EXIT_OK)
		*ret_runs = remote_cron_merge(
			planned, by_hand, (size_t)r->ctl->lines);
	else
		json_decref(planned);
	return rc;
}

int remote_cron_history(struct remote *r)
{
	json_t *runs, *run, *list = json_array();
	size_t i;
	int rc = r->ctl->lines > 0 ? remote_cron_read_history(r, &runs)
				   : (runs = json_array(), EXIT_OK);

	if (rc == EXIT_OK) {
		json_array_foreach(runs, i, run) json_array_append_new(
			list, remote_cron_run_ours(r, run));
		json_decref(runs);
		r->how->print(r->ctl, json_incref(list));
	}
	json_decref(list);
	return rc;
}

int remote_cron_scheduler(struct remote *r)
{
	json_t *doc, *ours;
	int rc = remote_get(r, r->how->path, &doc);

	if (rc != EXIT_OK)
		return rc;
	ours = remote_ours(r->how->members, doc);
	json_object_set_new(ours, "lateness",
		remote_ours(remote_cron_lateness,
			json_object_get(doc, "lateness")));
	r->how->print(r->ctl, ours);
	json_decref(doc);
	return EXIT_OK;
}

int remote_cron_scheduler_do(struct remote *r)
{
	json_t *doc;
	int rc = remote_call(r, r->how->method, r->how->path, NULL, &doc);

	if (rc != EXIT_OK)
		return rc;
	scheduler_tell_done(r->ctl, strchr(r->how->words, ' ') + 1,
		json_is_true(json_object_get(doc, "running")));
	json_decref(doc);
	return EXIT_OK;
}
