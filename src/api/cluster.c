/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/cluster.h"
#include "api/db.h"
#include "api/figures.h"
#include "api/service.h"
#include "api/wire.h"
#include "base/clock.h"
#include "board/view.h"
#include "conf/conf.h"
#include "task/keys.h"
#include "task/task.h"

/* "1700000000000-0", of Redis */
#define CLUSTER_ENTRY_MAX 48

static const char *const cluster_states[] = { "ONLINE", "OFFLINE", NULL };

static const struct field cluster_pool_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .is_required = true },
	{ .name = "kind", .type = FIELD_STRING, .is_required = true },
	{ .name = "desired", .type = FIELD_INT, .is_required = true },
	{ .name = "ready", .type = FIELD_INT, .is_required = true },
	{ .name = NULL },
};

static const struct field cluster_node_fields[] = {
	{ .name = "node", .type = FIELD_STRING, .is_required = true },
	{ .name = "state",
		.type = FIELD_ENUM,
		.is_required = true,
		.words = cluster_states },
	{ .name = "version", .type = FIELD_STRING, .is_required = true },
	{ .name = "pid", .type = FIELD_INT, .is_required = true },
	{ .name = "startedAt", .type = FIELD_TIME, .is_required = true },
	{ .name = "heartbeatAt", .type = FIELD_TIME, .is_required = true },
	{ .name = "heartbeatAge", .type = FIELD_DURATION, .is_required = true },
	{ .name = "pools",
		.type = FIELD_LIST,
		.is_required = true,
		.rows = cluster_pool_fields },
	{ .name = NULL },
};

static const struct field cluster_queue_fields[] = {
	{ .name = "topic", .type = FIELD_STRING, .is_required = true },
	{ .name = "waiting",
		.type = FIELD_INT,
		.is_required = true,
		.help = "no worker has them yet" },
	{ .name = "pending",
		.type = FIELD_INT,
		.is_required = true,
		.help = "a worker has them, on any node" },
	{ .name = "delayed",
		.type = FIELD_INT,
		.is_required = true,
		.help = "wait for their time, or for a retry" },
	{ .name = "dead", .type = FIELD_INT, .is_required = true },
	{ .name = "oldestAge",
		.type = FIELD_DURATION,
		.is_required = true,
		.help = "of the oldest that waits" },
	{ .name = "consumers",
		.type = FIELD_INT,
		.is_required = true,
		.help = "workers of this node that are ready for it" },
	{ .name = "measuredAge",
		.type = FIELD_DURATION,
		.help = "how long ago Redis was asked; null: not yet" },
	{ .name = NULL },
};

static const struct field cluster_consumer_fields[] = {
	{ .name = "consumer",
		.type = FIELD_STRING,
		.is_required = true,
		.help = "NODE/POOL.INDEX/PID" },
	{ .name = "pool", .type = FIELD_STRING, .is_required = true },
	{ .name = "topics", .type = FIELD_STRINGS, .is_required = true },
	{ .name = "state", .type = FIELD_STRING, .is_required = true },
	{ .name = "since",
		.type = FIELD_DURATION,
		.is_required = true,
		.help = "how long it has been in that state" },
	{ .name = "running", .type = FIELD_INT, .is_required = true },
	{ .name = "finished", .type = FIELD_INT, .is_required = true },
	{ .name = "failed", .type = FIELD_INT, .is_required = true },
	{ .name = "restarts", .type = FIELD_INT, .is_required = true },
	{ .name = NULL },
};

static const struct field cluster_error_fields[] = {
	{ .name = "at", .type = FIELD_TIME, .is_required = true },
	{ .name = "error", .type = FIELD_STRING, .is_required = true },
	{ .name = NULL },
};

static const struct field cluster_dead_fields[] = {
	{ .name = "entry", .type = FIELD_STRING, .is_required = true },
	{ .name = "at", .type = FIELD_TIME, .is_required = true },
	{ .name = "reason", .type = FIELD_STRING, .is_required = true },
	{ .name = "worker", .type = FIELD_STRING },
	{ .name = "deliveries", .type = FIELD_INT, .is_required = true },
	{ .name = "id",
		.type = FIELD_STRING,
		.help = "null, as what follows: the envelope can't be read" },
	{ .name = "tenant", .type = FIELD_STRING },
	{ .name = "taskHandler", .type = FIELD_STRING },
	{ .name = "attempts", .type = FIELD_INT },
	{ .name = "taskParams", .type = FIELD_ANY },
	{ .name = "errors",
		.type = FIELD_LIST,
		.is_required = true,
		.rows = cluster_error_fields },
	{ .name = NULL },
};

/* In the order of the columns of cluster_audit. */
static const struct field cluster_audit_fields[] = {
	{ .name = "id", .type = FIELD_UUID, .is_required = true },
	{ .name = "at", .type = FIELD_TIME, .is_required = true },
	{ .name = "who", .type = FIELD_STRING, .is_required = true },
	{ .name = "action", .type = FIELD_STRING, .is_required = true },
	{ .name = "object", .type = FIELD_STRING, .is_required = true },
	{ .name = "objectId", .type = FIELD_STRING },
	{ .name = "before", .type = FIELD_ANY },
	{ .name = "after", .type = FIELD_ANY },
	{ .name = "requestId", .type = FIELD_STRING },
	{ .name = NULL },
};

static const struct pg_statement cluster_nodes = {
	.name = "api_nodes",
	.text = "SELECT worker_id, worker_id, state, version, pid,"
		" reeve.iso(started_at), reeve.iso(heartbeat_at),"
		" greatest(0, extract(epoch FROM clock_timestamp() -"
		" heartbeat_at) * 1000)::bigint, pools"
		" FROM reeve.worker_registry"
		" WHERE ($2::text IS NULL OR worker_id > $2)"
		" AND ($3::text IS NULL OR state = $3)"
		" ORDER BY worker_id LIMIT $1::int",
	.params = 3,
};

static const struct pg_statement cluster_audit = {
	.name = "api_audit",
	.text = "SELECT id, id, reeve.iso(at), who, action, object, object_id,"
		" before, after, request_id FROM (SELECT *,"
		" " ANSWER_BYTES("coalesce(octet_length(before::text), 0) +"
				 " coalesce(octet_length(after::text), 0)",
			"id DESC") " AS bytes FROM (SELECT * FROM"
				   " reeve.audit_log"
				   " WHERE tenant_id = $3 AND ($2::uuid IS NULL OR id < $2::uuid)"
				   " AND ($4::text IS NULL OR action = $4)"
				   " AND ($5::text IS NULL OR object = $5)"
				   " AND ($6::text IS NULL OR object_id = $6)"
				   " AND ($7::bigint IS NULL OR id >= reeve.uuid_floor("
				   "'epoch'::timestamptz + $7::bigint * interval '1 us'))"
				   " AND ($8::bigint IS NULL OR id < reeve.uuid_floor("
				   "'epoch'::timestamptz + $8::bigint * interval '1 us'))"
				   " ORDER BY id DESC LIMIT $1::int) all_of_it) l"
				   " WHERE bytes < " ANSWER_BYTES_MAX
				   " ORDER BY id DESC",
	.params = 8,
};

static const char *cluster_time(const struct call *call, const char *name)
{
	const struct field_value *v = field_get(&call->query, name);

	return v->is_set
		       ? arena_printf(call->arena, "%lld", (long long)v->number)
		       : NULL;
}

static void cluster_serve_nodes(struct call *call)
{
	struct answer_page page;

	if (!answer_page(call, &page))
		return;
	db_query(call, &cluster_nodes,
		(const char *[]){ page.limit, page.cursor,
			call_parameter(call, "state") },
		answer_list);
}

static void cluster_serve_audit(struct call *call)
{
	struct answer_page page;

	if (!answer_page_by_id(call, &page))
		return;
	db_query(call, &cluster_audit,
		(const char *[]){ page.limit, page.cursor, call->access.tenant,
			call_parameter(call, "action"),
			call_parameter(call, "object"),
			call_parameter(call, "objectId"),
			cluster_time(call, "from"), cluster_time(call, "to") },
		answer_list);
}

/* What this node has is one page. */
static void cluster_begin_list(struct jsonw *j, struct call *call)
{
	jsonw_init(j, &call->out);
	jsonw_object(j, NULL);
	jsonw_array(j, "items");
}

static void cluster_end_list(
	struct jsonw *j, struct call *call, const char *cursor)
{
	jsonw_end_array(j);
	jsonw_str(j, "nextCursor", cursor);
	jsonw_end_object(j);
	call_reply_json(call, 0, &call->out);
}

/* The topics that a pool of the board serves. */
static const struct conf_topics *cluster_topics(
	const struct conf *conf, const struct board_pool *p)
{
	size_t i;

	for (i = 0; i < conf->pool_count; i++)
		if (strcmp(conf->pools[i].name, p->name) == 0)
			return conf_pool_topics(&conf->pools[i]);
	return NULL;
}

/* A split pool has the topics of all its kind: its own is `topic`. */
static bool cluster_serves(
	const struct conf *conf, const struct board_pool *p, const char *topic)
{
	const struct conf_topics *t = cluster_topics(conf, p);
	size_t i;

	for (i = 0; t != NULL && i < t->count; i++)
		if (strcmp(t->items[i].name, topic) == 0)
			return true;
	return false;
}

static int64_t cluster_count(const struct service *s, const char *topic)
{
	struct board_pool p;
	int64_t count = 0;
	struct view v;
	int i;

	view_init(&v, s->board);
	for (i = 0; i < v.pool_limit; i++)
		if (view_pool(&v, i, &p) && strcmp(p.kind, "queue") == 0 &&
			cluster_serves(s->conf, &p, topic))
			count += p.ready;
	view_done(&v);
	return count;
}

static void cluster_put_queue(
	struct jsonw *j, const struct service *s, const struct series_topic *t)
{
	int64_t at = atomic_load(&t->at_us);

	jsonw_object(j, NULL);
	jsonw_str(j, "topic", t->name);
	jsonw_int(j, "waiting", atomic_load(&t->waiting));
	jsonw_int(j, "pending", atomic_load(&t->pending));
	jsonw_int(j, "delayed", atomic_load(&t->delayed));
	jsonw_int(j, "dead", atomic_load(&t->dead));
	jsonw_int(j, "oldestAge", atomic_load(&t->oldest_ms));
	jsonw_int(j, "consumers", cluster_count(s, t->name));
	if (at > 0)
		jsonw_int(j, "measuredAge", (clock_now() - at) / US_PER_MS);
	else
		jsonw_null(j, "measuredAge");
	jsonw_end_object(j);
}

static void cluster_serve_queues(struct call *call)
{
	const struct series_table *t = &call->service->board->map->series;
	struct jsonw j;
	int i;

	cluster_begin_list(&j, call);
	for (i = 0; i < SERIES_TOPICS; i++)
		if (atomic_load(&t->topics[i].used) != 0)
			cluster_put_queue(&j, call->service, &t->topics[i]);
	cluster_end_list(&j, call, NULL);
}

static uint64_t cluster_load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void cluster_put_consumer(struct jsonw *j, struct call *call,
	const struct board_pool *p, int slot)
{
	const struct board *b = call->service->board;
	const struct conf_topics *t = cluster_topics(call->service->conf, p);
	const struct board_live *live = &b->map->live[slot];
	struct board_slot s;
	size_t i;

	(void)board_read_slot(b, slot, &s);
	if (s.pid <= 0 || s.state >= BOARD_STATE_COUNT)
		return;
	jsonw_object(j, NULL);
	jsonw_str(j, "consumer",
		arena_printf(call->arena, "%s/%s.%d/%d",
			call->service->conf->node, p->name, (int)s.index,
			(int)s.pid));
	jsonw_str(j, "pool", p->name);
	jsonw_array(j, "topics");
	for (i = 0; t != NULL && i < t->count; i++)
		jsonw_str(j, NULL, t->items[i].name);
	jsonw_end_array(j);
	jsonw_str(j, "state", board_state_names[s.state]);
	jsonw_int(j, "since", (clock_now() - s.since_us) / US_PER_MS);
	jsonw_int(j, "running", atomic_load(&live->in_flight));
	jsonw_int(j, "finished", (int64_t)cluster_load(&live->tasks));
	jsonw_int(j, "failed", (int64_t)cluster_load(&live->failed));
	jsonw_int(j, "restarts", (int64_t)s.restarts);
	jsonw_end_object(j);
}

static void cluster_serve_consumers(struct call *call)
{
	const struct view_entry *e;
	struct board_pool p;
	struct jsonw j;
	struct view v;
	size_t n;
	int i;

	cluster_begin_list(&j, call);
	view_init(&v, call->service->board);
	for (i = 0; i < v.pool_limit; i++) {
		if (!view_pool(&v, i, &p) || strcmp(p.kind, "queue") != 0)
			continue;
		for (e = view_entries(&v, i, &n); n > 0; n--, e++)
			cluster_put_consumer(&j, call, &p, e->slot);
	}
	view_done(&v);
	cluster_end_list(&j, call, NULL);
}

/* Dead letters. */
struct cluster_dead {
	const char *key;
	const char *cursor; /* an entry: what is older follows */
	int64_t limit;
};

static const char *cluster_text(
	const struct redis_reply *fields, const char *name, size_t *ret_len)
{
	const struct redis_reply *f = redis_field(fields, name);
	size_t len = 0;
	const char *text = f != NULL ? redis_text(f, &len) : "";

	if (ret_len != NULL)
		*ret_len = len;
	return text;
}

static void cluster_put_errors(struct jsonw *j, const struct task *t)
{
	char iso[CLOCK_ISO_MAX];
	size_t i;

	jsonw_array(j, "errors");
	for (i = 0; t != NULL && i < t->error_count; i++) {
		jsonw_object(j, NULL);
		jsonw_str(j, "at",
			clock_iso(t->errors[i].at_ms * US_PER_MS, iso));
		jsonw_str(j, "error", t->errors[i].text);
		jsonw_end_object(j);
	}
	jsonw_end_array(j);
}

static void cluster_put_task(struct jsonw *j, const struct task *t)
{
	jsonw_str(j, "id", t != NULL ? t->id : NULL);
	jsonw_str(j, "tenant", t != NULL ? t->tenant : NULL);
	jsonw_str(j, "taskHandler", t != NULL ? t->handler : NULL);
	if (t != NULL) {
		jsonw_int(j, "attempts", t->attempt);
		jsonw_raw(j, "taskParams", t->params, t->params_len);
	} else {
		jsonw_null(j, "attempts");
		jsonw_null(j, "taskParams");
	}
	cluster_put_errors(j, t);
}

static void cluster_put_letter(struct jsonw *j, const struct redis_reply *entry)
{
	const struct redis_reply *fields = redis_at(entry, 1);
	const char *worker = cluster_text(fields, "worker", NULL);
	const char *id = redis_text(redis_at(entry, 0), NULL);
	int64_t at = strtoll(cluster_text(fields, "at", NULL), NULL, 10);
	char iso[CLOCK_ISO_MAX];
	struct task *t;
	struct err err;
	const char *text;
	size_t len;

	text = cluster_text(fields, "task", &len);
	t = task_parse(text, len, &err);
	if (at <= 0)
		at = strtoll(id, NULL, 10);
	jsonw_object(j, NULL);
	jsonw_str(j, "entry", id);
	jsonw_str(j, "at", clock_iso(at * US_PER_MS, iso));
	jsonw_str(j, "reason", cluster_text(fields, "reason", NULL));
	jsonw_str(j, "worker", worker[0] != '\0' ? worker : NULL);
	jsonw_int(j, "deliveries",
		strtoll(cluster_text(fields, "deliveries", NULL), NULL, 10));
	cluster_put_task(j, t);
	jsonw_end_object(j);
	task_free(t);
}

static void cluster_on_dead(const struct redis_reply *reply, void *arg)
{
	struct call *call = arg;
	struct cluster_dead *d = call->own;
	size_t i, n = reply != NULL ? redis_count(reply) : 0;
	const char *cursor = NULL;
	struct jsonw j;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY) {
		call_reply_away(call, "Redis");
		return;
	}
	if (n > (size_t)d->limit) {
		n = (size_t)d->limit;
		cursor = answer_cursor(call,
			redis_text(redis_at(redis_at(reply, n - 1), 0), NULL));
	}
	cluster_begin_list(&j, call);
	for (i = 0; i < n; i++)
		cluster_put_letter(&j, redis_at(reply, i));
	cluster_end_list(&j, call, cursor);
}

static void cluster_ask_dead(struct call *call)
{
	struct cluster_dead *d = call->own;
	const char *from = d->cursor != NULL
				   ? arena_printf(call->arena, "(%s", d->cursor)
				   : "+";

	if (redis_printf(wire_redis(call), cluster_on_dead, call,
		    "XREVRANGE %s %s - COUNT %lld", d->key, from,
		    (long long)d->limit + 1) != 0)
		call_reply_away(call, "Redis");
}

static bool cluster_is_topic(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= CONF_TOPIC_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static bool cluster_is_entry(const char *text)
{
	size_t a = strspn(text, "0123456789");
	size_t b = text[a] == '-' ? strspn(text + a + 1, "0123456789") : 0;

	return a > 0 && b > 0 && a < 20 && b < 20 && text[a + 1 + b] == '\0' &&
	       strspn(text, "0-") < a + 1 + b;
}

static void cluster_serve_dead(struct call *call)
{
	struct cluster_dead *d = arena_alloc(call->arena, sizeof(*d));
	struct answer_page page;
	char *key;

	if (!cluster_is_topic(call->name)) {
		call_reply_problem(call, 404,
			"no topic is like that: it is a name of a-z, 0-9, _ "
			"and -");
		return;
	}
	if (!answer_page(call, &page))
		return;
	if (page.cursor != NULL && !cluster_is_entry(page.cursor)) {
		call_reply_wrong(
			call, "cursor", "is not a nextCursor of this list");
		return;
	}
	key = keys_topic(call->service->conf->redis_prefix,
		keys_alias(call->name), ":dead");
	*d = (struct cluster_dead){ .key = arena_strdup(call->arena, key),
		.cursor = page.cursor,
		.limit = strtoll(page.limit, NULL, 10) - 1 };
	free(key);
	call->own = d;
	wire_await(call, cluster_ask_dead);
}

static const struct field cluster_nodes_query[] = {
	{ .name = "state", .type = FIELD_ENUM, .words = cluster_states },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

static const struct field cluster_dead_query[] = {
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

static const struct field cluster_audit_query[] = {
	{ .name = "action",
		.type = FIELD_STRING,
		.help = "an operationId of this description" },
	{ .name = "object",
		.type = FIELD_STRING,
		.help = "definition, instance, scheduler, …" },
	{ .name = "objectId", .type = FIELD_STRING },
	{ .name = "from", .type = FIELD_TIME },
	{ .name = "to", .type = FIELD_TIME, .help = "and before then" },
	ANSWER_LIST_FIELDS,
	{ .name = NULL },
};

#define CLUSTER_LIST .role = ROUTE_VIEWER, .shape = ROUTE_LIST, .tag = "system"

const struct route cluster_routes[] = {
	{ .method = HTTP_GET,
		.path = "/api/v1/nodes",
		.operation = "listNodes",
		.summary = "the nodes, by name, and when they were heard last",
		.is_system = true,
		.query = cluster_nodes_query,
		.answer_name = "Node",
		.answer = cluster_node_fields,
		.serve = cluster_serve_nodes,
		CLUSTER_LIST },
	{ .method = HTTP_GET,
		.path = "/api/v1/queues",
		.operation = "listQueues",
		.summary = "the topics that this node serves, and what waits",
		.is_system = true,
		.answer_name = "Queue",
		.answer = cluster_queue_fields,
		.serve = cluster_serve_queues,
		CLUSTER_LIST },
	{ .method = HTTP_GET,
		.path = "/api/v1/queues/{topic}/dead",
		.operation = "listDeadLetters",
		.tag = "system",
		.summary = "the dead letters of a topic, the newest first",
		.role = ROUTE_ADMIN,
		.is_system = true,
		.query = cluster_dead_query,
		.shape = ROUTE_LIST,
		.answer_name = "DeadLetter",
		.answer = cluster_dead_fields,
		.serve = cluster_serve_dead },
	{ .method = HTTP_GET,
		.path = "/api/v1/consumers",
		.operation = "listConsumers",
		.summary = "the workers of this node that take tasks",
		.is_system = true,
		.answer_name = "Consumer",
		.answer = cluster_consumer_fields,
		.serve = cluster_serve_consumers,
		CLUSTER_LIST },
	{ .method = HTTP_GET,
		.path = "/api/v1/audit",
		.operation = "listAudit",
		.tag = "audit",
		.summary = "who has changed what of the tenant, the newest "
			   "first",
		.role = ROUTE_ADMIN,
		.query = cluster_audit_query,
		.shape = ROUTE_LIST,
		.answer_name = "AuditRow",
		.answer = cluster_audit_fields,
		.serve = cluster_serve_audit },
	{ .path = NULL },
};
