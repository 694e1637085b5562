/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/definition.h"
#include "ctl/kept.h"
#include "ctl/lane.h"
#include "ctl/nodes.h"
#include "ctl/screen.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "task/keys.h"

/* What is known, by the node's name:
 *	{"node", "state", "version", "pid", "leader", "started_at",
 *	 "heartbeat_at", "heartbeat_ms", "pools", "redis", "running"} */
struct nodes {
	const struct ctl *ctl;
	struct ask *ask;
	json_t *by_name;
	char *prefix;    /* of the heartbeats' keys */
	char cursor[32]; /* of the keys */
	json_t *keys;    /* of one reading */
};

/* Entries by consumer; nothing where there is no group. */
static struct redis_script nodes_held = {
	.name = "nodes_held",
	.text = "local p = redis.pcall('XPENDING', KEYS[1], ARGV[1])\n"
		"if p.err or not p[4] then return {} end\n"
		"local r = {}\n"
		"for _, c in ipairs(p[4]) do\n"
		"  r[#r + 1] = c[1]\n"
		"  r[#r + 1] = tonumber(c[2])\n"
		"end\n"
		"return r\n",
};

static struct redis_script nodes_beat = {
	.name = "nodes_beat",
	.text = "return {redis.call('HGET', KEYS[1], 'pid'),"
		" redis.call('PTTL', KEYS[1])}\n",
};

/* Borrowed; made when it was not known. */
static json_t *nodes_get(struct nodes *n, const char *name, size_t len)
{
	json_t *node = json_object_getn(n->by_name, name, len), *label;

	if (node != NULL)
		return node;
	label = lane_json(name, len);
	node = json_pack("{s:o, s:s, s:n, s:n, s:b, s:n, s:n, s:n, s:[],"
			 " s:n, s:n}",
		"node", label, "state", "UNREGISTERED", "version", "pid",
		"leader", false, "started_at", "heartbeat_at", "heartbeat_ms",
		"pools", "redis", "running");
	json_object_setn_new(n->by_name, name, len, node);
	return node;
}

static int nodes_read_rows(struct nodes *n)
{
	struct db_rows *r;
	struct db *db;
	json_t *list, *row;
	const char *name;
	size_t i;
	int rc = db_open(n->ctl, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r,
		"SELECT json_build_object('node', w.worker_id,"
		" 'state', w.state, 'version', w.version, 'pid', w.pid,"
		" 'leader', coalesce(split_part(s.leader, '/', 1) ="
		" w.worker_id AND s.leader_until > clock_timestamp(), false),"
		" 'started_at', to_char(w.started_at" DEFINITION_UTC ","
		" 'heartbeat_at', to_char(w.heartbeat_at" DEFINITION_UTC ","
		" 'heartbeat_ms', greatest(0, (extract(epoch FROM"
		" clock_timestamp() - w.heartbeat_at) * 1000)::bigint),"
		" 'pools', w.pools) "
		"FROM reeve.worker_registry w, reeve.scheduler s",
		0, NULL);
	if (rc == EXIT_OK) {
		list = definition_rows(r);
		json_array_foreach(list, i, row)
		{
			name = status_text(row, "node");
			json_object_update(
				nodes_get(n, name, strlen(name)), row);
		}
		json_decref(list);
	}
	db_close(db);
	return rc;
}

static void nodes_on_keys(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *page = redis_at(reply, 1);
	struct nodes *n = arg;
	const char *key;
	size_t i, len;

	snprintf(n->cursor, sizeof(n->cursor), "%s",
		redis_text(redis_at(reply, 0), NULL));
	for (i = 0; i < redis_count(page); i++) {
		key = redis_text(redis_at(page, i), &len);
		if (strncmp(key, n->prefix, strlen(n->prefix)) == 0)
			json_array_append_new(n->keys, lane_json(key, len));
	}
}

static void nodes_on_beat(const struct redis_reply *reply, void *arg)
{
	json_t *node = arg;
	int64_t left_ms = redis_int(redis_at(reply, 1), -2);
	const char *pid = redis_text(redis_at(reply, 0), NULL);

	if (left_ms == -2)
		return;
	json_object_set_new(node, "redis",
		json_pack("{s:I, s:I}", "pid",
			(json_int_t)(pid != NULL ? strtoll(pid, NULL, 10) : 0),
			"expires_ms", (json_int_t)left_ms));
}

static int nodes_read_beats(struct nodes *n)
{
	char *pattern = xasprintf("%s*", n->prefix);
	const char *argv[6] = { "SCAN", n->cursor, "MATCH", pattern, "COUNT",
		"1000" };
	const char *key;
	json_t *one;
	size_t i;
	int rc;

	strcpy(n->cursor, "0");
	do {
		rc = ask_command(n->ask, nodes_on_keys, n, 6, argv, NULL);
	} while (rc == EXIT_OK && strcmp(n->cursor, "0") != 0);
	free(pattern);
	json_array_foreach(n->keys, i, one)
	{
		key = json_string_value(one);
		if (rc == EXIT_OK)
			rc = ask_script(n->ask, nodes_on_beat,
				nodes_get(n, key + strlen(n->prefix),
					strlen(key) - strlen(n->prefix)),
				&nodes_beat, 1, 1, &key);
	}
	return rc;
}

static void nodes_on_held(const struct redis_reply *reply, void *arg)
{
	struct nodes *n = arg;
	const char *consumer;
	json_t *node;
	size_t i;

	for (i = 0; i + 1 < redis_count(reply); i += 2) {
		consumer = redis_text(redis_at(reply, i), NULL);
		node = nodes_get(n, consumer, strcspn(consumer, "/"));
		json_object_set_new(node, "running",
			json_integer(json_integer_value(
					     json_object_get(node, "running")) +
				     redis_int(redis_at(reply, i + 1), 0)));
	}
}

/* Of all topics; where Redis answers, nobody has fewer than none. */
static int nodes_read_held(struct nodes *n)
{
	const char *const *topic = ask_topics(n->ask);
	const char *argv[2] = { NULL, KEYS_GROUP }, *name;
	struct lane lane;
	json_t *node;
	int rc = EXIT_OK;

	json_object_foreach(n->by_name, name, node)
		json_object_set_new(node, "running", json_integer(0));
	for (; rc == EXIT_OK && *topic != NULL; topic++) {
		lane_init(&lane, n->ask, *topic);
		argv[0] = lane.stream;
		rc = ask_script(
			n->ask, nodes_on_held, n, &nodes_held, 1, 2, argv);
		lane_done(&lane);
	}
	return rc;
}

static int nodes_read_redis(struct nodes *n)
{
	int rc = ask_connect(n->ask);

	if (rc == EXIT_OK)
		rc = nodes_read_beats(n);
	return rc == EXIT_OK ? nodes_read_held(n) : rc;
}

static const struct table_column nodes_columns[] = {
	{ "NODE", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "VERSION", TABLE_LEFT, TABLE_OPTIONAL },
	{ "PID", TABLE_RIGHT, TABLE_FIXED },
	{ "LEADS", TABLE_LEFT, TABLE_OPTIONAL },
	{ "HEARTBEAT", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "REDIS", TABLE_LEFT, TABLE_OPTIONAL },
	{ "RUNNING", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "POOLS", TABLE_LEFT, TABLE_ELASTIC },
};

static void nodes_cell_number(struct table *t, const json_t *number)
{
	if (json_is_integer(number))
		table_cell(t, SCREEN_PLAIN, "%" JSON_INTEGER_FORMAT,
			json_integer_value(number));
	else
		table_cell(t, SCREEN_PLAIN, "-");
}

static void nodes_cell_pools(struct table *t, const json_t *pools)
{
	struct buf text = BUF_INIT;
	const json_t *p;
	size_t i;

	json_array_foreach(pools, i, p) buf_printf(&text, "%s%s %lld/%lld",
		i > 0 ? ", " : "", status_text(p, "name"),
		(long long)json_integer_value(json_object_get(p, "ready")),
		(long long)json_integer_value(json_object_get(p, "desired")));
	table_cell(t, SCREEN_PLAIN, "%s", text.len > 0 ? buf_str(&text) : "-");
	buf_done(&text);
}

static void nodes_row(struct table *t, const json_t *node, bool with_redis)
{
	const char *state = status_text(node, "state");
	const char *version = status_text(node, "version");
	const json_t *beat = json_object_get(node, "redis");
	const json_t *age = json_object_get(node, "heartbeat_ms");
	const json_t *pid = json_object_get(node, "pid");
	char span[32];

	if (!json_is_integer(pid))
		pid = json_object_get(beat, "pid");
	table_cell(t, SCREEN_PLAIN, "%s", status_text(node, "node"));
	table_cell(t, strcmp(state, "OFFLINE") == 0 ? SCREEN_BAD : SCREEN_GOOD,
		"%s", state);
	table_cell(t, SCREEN_PLAIN, "%s", *version != '\0' ? version : "-");
	nodes_cell_number(t, pid);
	table_cell(t, SCREEN_PLAIN, "%s",
		json_is_true(json_object_get(node, "leader")) ? "leads" : "-");
	table_cell(t, SCREEN_PLAIN, "%s",
		json_is_integer(age)
			? clock_span(json_integer_value(age) * US_PER_MS, span,
				  sizeof(span))
			: "-");
	table_cell(t,
		beat != NULL && json_is_object(beat) ? SCREEN_GOOD : SCREEN_BAD,
		"%s",
		!with_redis            ? "-"
		: json_is_object(beat) ? "alive"
				       : "silent");
	nodes_cell_number(t, json_object_get(node, "running"));
	nodes_cell_pools(t, json_object_get(node, "pools"));
}

static int nodes_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The nodes by name. */
static json_t *nodes_list(const struct nodes *n)
{
	const char **names =
		xcalloc(json_object_size(n->by_name) + 1, sizeof(*names));
	json_t *list = json_array(), *node;
	size_t count = 0, i;
	const char *name;

	json_object_foreach(n->by_name, name, node) names[count++] = name;
	qsort(names, count, sizeof(*names), nodes_order);
	for (i = 0; i < count; i++)
		json_array_append(list, json_object_get(n->by_name, names[i]));
	free(names);
	return list;
}

void nodes_tell(const struct ctl *c, json_t *list, bool with_redis)
{
	struct table *t = table_new(nodes_columns, 9);
	struct buf out = BUF_INIT;
	const json_t *node;
	struct screen s;
	size_t i;

	if (c->json) {
		lane_print(json_incref(list));
	} else {
		json_array_foreach(list, i, node)
			nodes_row(t, node, with_redis);
		screen_init(&s);
		table_print(t, &s, 0, 0, &out);
		fwrite(out.data, 1, out.len, stdout);
	}
	json_decref(list);
	buf_done(&out);
	table_free(t);
}

/* What one of both knows is shown, also when the other is away. */
int nodes_command(struct ctl *c)
{
	struct nodes n = { .ctl = c };
	const struct conf *conf;
	int of_rows = EXIT_OK, of_redis = EXIT_OK;
	int rc = ask_new(c, &n.ask);

	if (rc != EXIT_OK)
		return rc;
	conf = ask_conf(n.ask);
	n.by_name = json_object();
	n.keys = json_array();
	n.prefix = keys_other(conf->redis_prefix, "worker", ":");
	if (kept_is_named(c, conf) || conf->redis_url == NULL)
		of_rows = nodes_read_rows(&n);
	if (conf->redis_url != NULL)
		of_redis = nodes_read_redis(&n);
	if (of_rows == EXIT_OK || of_redis == EXIT_OK)
		nodes_tell(c, nodes_list(&n), of_redis == EXIT_OK);
	json_decref(n.by_name);
	json_decref(n.keys);
	free(n.prefix);
	ask_close(n.ask);
	return of_rows > of_redis ? of_rows : of_redis;
}
