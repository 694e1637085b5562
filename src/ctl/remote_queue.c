/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/consumers.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/lane.h"
#include "ctl/letter.h"
#include "ctl/nodes.h"
#include "ctl/remote_queue.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "task/task.h"

const struct remote_member remote_queue_topic[] = {
	{ .ours = "topic", .theirs = "topic" },
	{ .ours = "paused" },
	{ .ours = "waiting", .theirs = "waiting" },
	{ .ours = "pending", .theirs = "pending" },
	{ .ours = "delayed", .theirs = "delayed" },
	{ .ours = "dead", .theirs = "dead" },
	{ .ours = "consumers", .theirs = "consumers" },
	{ .ours = "done" },
	{ .ours = "rate" },
	{ .ours = "oldest_ms", .theirs = "oldestAge" },
	{ .ours = NULL },
};

const struct remote_member remote_queue_node[] = {
	{ .ours = "node", .theirs = "node" },
	{ .ours = "state", .theirs = "state" },
	{ .ours = "version", .theirs = "version" },
	{ .ours = "pid", .theirs = "pid" },
	{ .ours = "leader" },
	{ .ours = "started_at", .theirs = "startedAt", .turn = REMOTE_TIME },
	{ .ours = "heartbeat_at",
		.theirs = "heartbeatAt",
		.turn = REMOTE_TIME },
	{ .ours = "heartbeat_ms", .theirs = "heartbeatAge" },
	{ .ours = "pools", .theirs = "pools" },
	{ .ours = "redis" },
	{ .ours = "running" },
	{ .ours = NULL },
};

/* The items of a list in our words; takes them. */
static json_t *remote_queue_ours(const struct remote *r, json_t *items)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(items, i, one)
		json_array_append_new(list, remote_ours(r->how->members, one));
	json_decref(items);
	return list;
}

int remote_queue_list(struct remote *r)
{
	json_t *items;
	int rc = remote_list(r, r->how->path, REMOTE_ONE_PAGE, &items, NULL);

	if (rc == EXIT_OK)
		r->how->print(r->ctl, remote_queue_ours(r, items));
	return rc;
}

/* What the API tells of a task; NULL: its envelope can't be read. */
static struct task *remote_queue_task(const json_t *d)
{
	const json_t *errors = json_object_get(d, "errors"), *e;
	struct task *t;
	char *params;
	size_t i;

	if (!json_is_string(json_object_get(d, "id")))
		return NULL;
	params = json_dumps(json_object_get(d, "taskParams"),
		JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	t = task_new(
		status_text(d, "taskHandler"), params != NULL ? params : "{}");
	free(params);
	snprintf(t->id, sizeof(t->id), "%s", status_text(d, "id"));
	t->attempt = (int64_t)status_number(d, "attempts");
	t->created_ms = 0;
	json_array_foreach(errors, i, e) task_add_error(t,
		remote_ms(json_object_get(e, "at")), status_text(e, "error"));
	return t;
}

static struct letter *remote_queue_letter(const json_t *d)
{
	struct letter *l = xcalloc(1, sizeof(*l));

	snprintf(l->entry, sizeof(l->entry), "%s", status_text(d, "entry"));
	l->text = xstrdup("");
	l->reason = xstrdup(status_text(d, "reason"));
	l->worker = xstrdup(status_text(d, "worker"));
	l->at_ms = remote_ms(json_object_get(d, "at"));
	l->deliveries = (int64_t)status_number(d, "deliveries");
	l->task = remote_queue_task(d);
	return l;
}

static void remote_queue_add_json(
	json_t *list, const struct letter *l, int64_t now_ms)
{
	json_t *doc = letter_json(l, now_ms);

	json_object_set_new(doc, "envelope", json_null());
	json_array_append_new(list, doc);
}

int remote_queue_dead_list(struct remote *r)
{
	char *path = remote_path(r, r->ctl->argv[0]);
	int64_t now_ms = clock_wall() / US_PER_MS;
	json_t *items = NULL, *d, *list = json_array();
	struct table *t = dead_table();
	bool is_cut = false;
	struct letter *l;
	size_t i;
	int rc = EXIT_OK;

	if (r->ctl->lines > 0)
		rc = remote_list(r, path, r->ctl->lines, &items, &is_cut);
	json_array_foreach(items, i, d)
	{
		l = remote_queue_letter(d);
		dead_row(t, l, now_ms);
		remote_queue_add_json(list, l, now_ms);
		letter_free(l);
	}
	if (rc == EXIT_OK && r->ctl->json)
		lane_print(json_incref(list));
	else if (rc == EXIT_OK)
		dead_print_table(t);
	if (is_cut)
		fputs("reevectl: there are more dead letters, see -n\n",
			stderr);
	table_free(t);
	json_decref(list);
	json_decref(items);
	free(path);
	return rc;
}

/* Is it asked for: `id` is that of the entry or of the task. */
static bool remote_queue_is_asked(const json_t *d, const char *id)
{
	return id == NULL || strcmp(status_text(d, "entry"), id) == 0 ||
	       strcmp(status_text(d, "id"), id) == 0;
}

/* Those that `id` (NULL: --all) means; false: there are none. */
static bool remote_queue_show_some(
	const struct ctl *c, const json_t *items, const char *id, json_t *list)
{
	int64_t now_ms = clock_wall() / US_PER_MS;
	bool is_some = false;
	struct letter *l;
	const json_t *d;
	size_t i;

	json_array_foreach(items, i, d)
	{
		if (!remote_queue_is_asked(d, id))
			continue;
		l = remote_queue_letter(d);
		if (!c->json && json_array_size(list) > 0)
			putchar('\n');
		if (!c->json)
			dead_show_letter(l, now_ms);
		remote_queue_add_json(list, l, now_ms);
		letter_free(l);
		is_some = true;
	}
	return is_some;
}

int remote_queue_dead_show(struct remote *r)
{
	char *path = remote_path(r, r->ctl->argv[0]);
	struct ctl *c = r->ctl;
	json_t *items = NULL, *list = json_array();
	int i, rc = dead_check_words(c), worst = EXIT_OK;

	if (rc == EXIT_OK)
		rc = remote_list(r, path, REMOTE_ALL, &items, NULL);
	if (rc == EXIT_OK && c->all)
		(void)remote_queue_show_some(c, items, NULL, list);
	for (i = 1; rc == EXIT_OK && i < c->argc; i++)
		if (!remote_queue_show_some(c, items, c->argv[i], list))
			worst = ctl_fail(EXIT_CONFIG,
				"%s: no such dead letter of the topic %s",
				c->argv[i], c->argv[0]);
	if (rc == EXIT_OK && c->json)
		lane_print(json_incref(list));
	json_decref(list);
	json_decref(items);
	free(path);
	return rc == EXIT_OK ? worst : rc;
}

/* Pools of kind queue, as its status has them. */
static json_t *remote_queue_pools(const json_t *doc)
{
	json_t *list = json_array(), *pool;
	const char *name, *dot;
	size_t i;

	json_array_foreach(json_object_get(doc, "pools"), i, pool)
	{
		name = status_text(pool, "name");
		dot = strrchr(name, '.');
		if (strcmp(status_text(pool, "kind"), "queue") != 0)
			continue;
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:O, s:O, s:O?, s:n, s:n}",
				"topic", dot != NULL ? dot + 1 : name, "pool",
				name, "desired",
				json_object_get(pool, "desired"), "ready",
				json_object_get(pool, "ready"), "source",
				json_object_get(pool, "source"), "min", "max"));
	}
	return list;
}

int remote_queue_consumers(struct remote *r)
{
	json_t *doc, *error;
	int rc = remote_get(r, r->how->path, &doc);

	if (rc != EXIT_OK)
		return rc;
	error = json_object_get(doc, "counts_error");
	consumers_show(
		r->ctl, json_pack("{s:n, s:n, s:n, s:n, s:O?, s:o}", "key",
				"text", "node_key", "node_text", "error", error,
				"pools", remote_queue_pools(doc)));
	json_decref(doc);
	return EXIT_OK;
}

/* The leader is "NODE/POOL.INDEX/PID". */
static void remote_queue_set_leader(json_t *nodes, const char *leader)
{
	size_t i, len = strcspn(leader, "/");
	const char *name;
	json_t *node;

	json_array_foreach(nodes, i, node)
	{
		name = status_text(node, "node");
		json_object_set_new(node, "leader",
			json_boolean(len > 0 && strlen(name) == len &&
				     strncmp(name, leader, len) == 0));
	}
}

int remote_queue_nodes(struct remote *r)
{
	json_t *items, *scheduler, *nodes;
	int rc = remote_list(r, r->how->path, REMOTE_ALL, &items, NULL);

	if (rc != EXIT_OK)
		return rc;
	rc = remote_get(r, "/api/v1/tasks/scheduler/status", &scheduler);
	nodes = remote_queue_ours(r, items);
	if (rc == EXIT_OK) {
		remote_queue_set_leader(
			nodes, status_text(scheduler, "leader"));
		nodes_tell(r->ctl, json_incref(nodes), false);
		json_decref(scheduler);
	}
	json_decref(nodes);
	return rc;
}
