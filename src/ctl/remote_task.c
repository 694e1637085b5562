/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/cron_run.h"
#include "ctl/ctl.h"
#include "ctl/kept.h"
#include "ctl/push.h"
#include "ctl/remote_cron.h"
#include "ctl/remote_task.h"
#include "ctl/status.h"
#include "ctl/task.h"

/* How often --wait looks: from, to. */
#define REMOTE_TASK_LOOK_MS 100
#define REMOTE_TASK_MOST_MS 1000

const struct remote_member remote_task_kept[] = {
	{ .ours = "state", .theirs = "status" },
	{ .ours = "handler", .theirs = "taskHandler" },
	{ .ours = "topic", .theirs = "topic" },
	{ .ours = "params", .theirs = "executionParams" },
	{ .ours = "attempts", .theirs = "retryCount" },
	{ .ours = "worker", .theirs = "worker" },
	{ .ours = "node", .theirs = "executionNode" },
	{ .ours = "created", .theirs = "createdAt", .turn = REMOTE_MS },
	{ .ours = "due", .theirs = "dueAt", .turn = REMOTE_MS },
	{ .ours = "started", .theirs = "startTime", .turn = REMOTE_MS },
	{ .ours = "ended", .theirs = "endTime", .turn = REMOTE_MS },
	{ .ours = "duration_ms", .theirs = "executionDuration" },
	{ .ours = "error", .theirs = "errorMessage" },
	{ .ours = "errors", .theirs = "errors" },
	{ .ours = "result", .theirs = "result" },
	{ .ours = "progress", .theirs = "progress" },
	{ .ours = "progress_text", .theirs = "progressText" },
	{ .ours = "unique", .theirs = "uniqueKey" },
	{ .ours = "priority", .theirs = "priority" },
	{ .ours = "timeout_ms", .theirs = "timeout" },
	{ .ours = "retry_max", .theirs = "retry" },
	{ .ours = "deadline", .theirs = "deadline", .turn = REMOTE_MS },
	{ .ours = "trigger", .theirs = "trigger" },
	{ .ours = "definition", .theirs = "taskName" },
	{ .ours = "planned", .theirs = "fireTime", .turn = REMOTE_MS },
	{ .ours = "parent", .theirs = "parentId" },
	{ .ours = "children", .theirs = "subtasks" },
	{ .ours = "is_held", .theirs = "held" },
	{ .ours = NULL },
};

const struct remote_member remote_task_item[] = {
	{ .ours = "id", .theirs = "id" },
	{ .ours = "handler", .theirs = "taskHandler" },
	{ .ours = "topic", .theirs = "topic" },
	{ .ours = "state", .theirs = "status" },
	{ .ours = "trigger", .theirs = "trigger" },
	{ .ours = "definition", .theirs = "taskName" },
	{ .ours = "tenant" },
	{ .ours = "created", .theirs = "createdAt", .turn = REMOTE_TIME },
	{ .ours = "due", .theirs = "dueAt", .turn = REMOTE_TIME },
	{ .ours = "start", .theirs = "startTime", .turn = REMOTE_TIME },
	{ .ours = "end", .theirs = "endTime", .turn = REMOTE_TIME },
	{ .ours = "duration_ms", .theirs = "executionDuration" },
	{ .ours = "retries", .theirs = "retryCount" },
	{ .ours = "node", .theirs = "executionNode" },
	{ .ours = "worker", .theirs = "worker" },
	{ .ours = "error", .theirs = "errorMessage" },
	{ .ours = NULL },
};

/* "children", "children_done" and "children_failed" of the subtasks. */
static void remote_task_children(json_t *row)
{
	static const char *const names[][2] = { { "done", "children_done" },
		{ "failed", "children_failed" } };
	json_t *parts = json_incref(json_object_get(row, "children")), *count;
	size_t i;

	json_object_set(row, "children", json_object_get(parts, "total"));
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		count = json_object_get(parts, names[i][0]);
		if (json_integer_value(count) > 0)
			json_object_set(row, names[i][1], count);
	}
	json_decref(parts);
}

static void remote_task_errors(json_t *row)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(row, "errors"), i,
		one) json_object_set_new(one, "at",
		json_integer(
			(json_int_t)remote_ms(json_object_get(one, "at"))));
}

/* As PostgreSQL tells it here: what is null is not there. */
static struct kept *remote_task_ours(
	const char *id, const struct client_answer *a)
{
	json_t *row = remote_ours(remote_task_kept, a->json), *value;
	char *params = remote_raw(a, "executionParams");
	bool is_good = strcmp(status_text(row, "state"), "SUCCESS") == 0;
	const char *key;
	void *next;

	remote_task_children(row);
	remote_task_errors(row);
	json_object_set_new(row, "params", json_string(params));
	free(params);
	json_object_set_new(row, "attempts",
		json_integer(
			json_integer_value(json_object_get(row, "attempts")) +
			is_good));
	json_object_foreach_safe(row, next, key, value) if (json_is_null(value))
		json_object_del(row, key);
	return kept_of(id, row);
}

int remote_task_list(struct remote *r)
{
	json_t *items = NULL, *one, *list = json_array();
	int rc = EXIT_OK;
	size_t i;

	if (r->ctl->lines > 0)
		rc = remote_list(r, r->how->path, r->ctl->lines, &items, NULL);
	if (rc == EXIT_OK) {
		json_array_foreach(items, i, one) json_array_append_new(
			list, remote_ours(r->how->members, one));
		r->how->print(r->ctl, json_incref(list));
	}
	json_decref(items);
	json_decref(list);
	return rc;
}

static int remote_task_read(
	struct remote *r, const char *id, struct kept **ret_kept)
{
	char *escaped = client_escape(id);
	char *path = xasprintf("/api/v1/tasks/instances/%s", escaped);
	struct client_answer a;
	int rc = remote_send(r,
		&(struct client_request){ .method = "GET", .path = path }, NULL,
		&a);

	free(path);
	free(escaped);
	if (rc != EXIT_OK)
		return rc;
	if (json_is_object(a.json))
		*ret_kept = remote_task_ours(id, &a);
	else
		rc = remote_not_ours(r);
	client_answer_done(&a);
	return rc;
}

int remote_task_show(struct remote *r)
{
	const char *id = r->ctl->argv[0];
	struct kept *k;
	int rc = remote_task_read(r, id, &k);

	if (rc == EXIT_OK) {
		task_tell_kept(r->ctl, id, k);
		kept_free(k);
	}
	return rc;
}

/* Until it is over: 0 with what is kept of it, or the exit code, printed. */
static int remote_task_wait(
	struct remote *r, const char *id, struct kept **ret_kept)
{
	long pause_ms = REMOTE_TASK_LOOK_MS;
	struct timespec pause;
	struct kept *k;
	int rc;

	while ((rc = remote_task_read(r, id, &k)) == EXIT_OK) {
		if (kept_is_over(k)) {
			*ret_kept = k;
			break;
		}
		kept_free(k);
		pause = (struct timespec){ pause_ms / 1000,
			pause_ms % 1000 * 1000000 };
		nanosleep(&pause, NULL);
		if (pause_ms < REMOTE_TASK_MOST_MS)
			pause_ms += pause_ms / 4;
	}
	return rc;
}

static json_t *remote_task_body(
	const struct ctl *c, const char *params, int64_t delay_ms)
{
	char iso[CLOCK_ISO_MAX];
	json_t *body = json_pack("{s:s, s:s, s:s}", "topic", c->argv[0],
		"handler", c->argv[1], "params", params);

	if (c->at != NULL)
		json_object_set_new(body, "at",
			json_string(clock_iso(
				clock_wall() + delay_ms * US_PER_MS, iso)));
	else if (c->delay != NULL)
		json_object_set_new(body, "delay", json_integer(delay_ms));
	if (c->unique != NULL)
		json_object_set_new(body, "uniqueKey", json_string(c->unique));
	return body;
}

/* One of them: the key lets libcurl send it again over another connection. */
static int remote_task_send(struct remote *r, const char *path,
	const char *body, char ret_id[UUID_TEXT_LEN + 1], char **ret_topic)
{
	char key[UUID_TEXT_LEN + 1];
	struct client_request q = {
		.method = r->how->method, .path = path, .body = body
	};
	struct client_answer a;
	char *header;
	int rc;

	uuid_new(key);
	header = xasprintf("Idempotency-Key: %s", key);
	q.header = header;
	rc = remote_send(r, &q, NULL, &a);
	free(header);
	if (rc != EXIT_OK)
		return rc;
	if (json_is_object(a.json)) {
		snprintf(ret_id, UUID_TEXT_LEN + 1, "%s",
			status_text(a.json, "id"));
		free(*ret_topic);
		*ret_topic = xstrdup(status_text(a.json, "topic"));
	} else {
		rc = remote_not_ours(r);
	}
	client_answer_done(&a);
	return rc;
}

static int remote_task_send_all(struct remote *r, const char *body)
{
	struct ctl *c = r->ctl;
	char id[UUID_TEXT_LEN + 1] = "", *topic = NULL;
	struct kept *k = NULL;
	int rc = EXIT_OK;
	long i;

	for (i = 0; rc == EXIT_OK && i < c->count; i++)
		rc = remote_task_send(r, r->how->path, body, id, &topic);
	if (rc != EXIT_OK && i > 1)
		(void)ctl_fail(rc, "%ld of %ld enqueued", i - 1, c->count);
	else if (rc == EXIT_OK && c->wait)
		rc = remote_task_wait(r, id, &k);
	else if (rc == EXIT_OK)
		kept_tell_pushed(c, id, topic);
	if (k != NULL)
		rc = kept_tell_end(c, k);
	kept_free(k);
	free(topic);
	return rc;
}

int remote_task_push(struct remote *r)
{
	const char *params;
	int64_t delay_ms = 0;
	json_t *body;
	char *text;
	int rc = push_read(r->ctl, &params, &delay_ms);

	if (rc != EXIT_OK)
		return rc;
	body = remote_task_body(r->ctl, params, delay_ms);
	if (body == NULL)
		return ctl_fail(EXIT_USAGE, "the words are not UTF-8");
	text = json_dumps(body, JSON_COMPACT);
	rc = remote_task_send_all(r, text);
	free(text);
	json_decref(body);
	return rc;
}

static int remote_task_run_wait(struct remote *r, const char *id)
{
	struct kept *k;
	const json_t *kept;
	json_t *row;
	int rc = remote_task_wait(r, id, &k);

	if (rc != EXIT_OK)
		return rc;
	kept = kept_json(k);
	row = json_pack("{s:s, s:s, s:O?, s:O?}", "id", id, "state",
		kept_state(k), "result", json_object_get(kept, "result"),
		"error", json_object_get(kept, "error"));
	rc = cron_run_tell(r->ctl, id, row);
	json_decref(row);
	kept_free(k);
	return rc;
}

int remote_task_run(struct remote *r)
{
	char id[UUID_TEXT_LEN + 1], *topic = NULL, *path, *text;
	struct ctl *c = r->ctl;
	json_t *doc, *body;
	int rc = cron_run_check(c);

	if (rc == EXIT_OK)
		rc = remote_cron_find(r, c->argv[0], &doc);
	if (rc != EXIT_OK)
		return rc;
	body = c->cron.params != NULL
		       ? json_pack("{s:s}", "params", c->cron.params)
		       : json_object();
	path = remote_path(r, status_text(doc, "id"));
	text = json_dumps(body, JSON_COMPACT);
	rc = remote_task_send(r, path, text, id, &topic);
	if (rc == EXIT_OK && c->wait)
		rc = remote_task_run_wait(r, id);
	else if (rc == EXIT_OK)
		cron_run_tell_begun(c, id);
	free(text);
	free(path);
	free(topic);
	json_decref(body);
	json_decref(doc);
	return rc;
}

static int remote_task_do(struct remote *r, json_t **ret_doc)
{
	char *path = remote_path(r, r->ctl->argv[0]);
	int rc = remote_call(r, r->how->method, path, NULL, ret_doc);

	free(path);
	return rc;
}

int remote_task_cancel(struct remote *r)
{
	const char *id = r->ctl->argv[0], *worker;
	char *text;
	json_t *doc;
	int rc = remote_task_do(r, &doc);

	if (rc != EXIT_OK)
		return rc;
	worker = status_text(doc, "worker");
	if (strcmp(status_text(doc, "status"), "CANCELLED") == 0)
		text = xstrdup("cancelled before it began");
	else
		text = xasprintf(
			"told to %s", *worker != '\0' ? worker : "its workers");
	rc = task_tell(r->ctl, id, "cancel", text);
	free(text);
	json_decref(doc);
	return rc;
}

int remote_task_retry(struct remote *r)
{
	json_t *doc;
	int rc = remote_task_do(r, &doc);

	if (rc != EXIT_OK)
		return rc;
	json_decref(doc);
	return task_tell(r->ctl, r->ctl->argv[0], "retry",
		"waits in the outbox of PostgreSQL");
}
