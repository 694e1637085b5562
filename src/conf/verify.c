/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "conf/cpus.h"
#include "conf/listen.h"
#include "conf/near.h"
#include "conf/node.h"
#include "conf/owner.h"
#include "conf/split.h"
#include "conf/verify.h"

/* Bytes of redis.prefix. */
#define VERIFY_PREFIX_MAX 64
/* Bytes of the path of an access log. */
#define VERIFY_LOG_PATH_MAX 400

/* The index of a pool by its name, or -1. */
static int verify_pool_index(const struct draft *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->pool_count; i++)
		if (strcmp(d->pools[i].pool->name, name) == 0)
			return (int)i;
	return -1;
}

static void verify_near_pool(struct near *near, const struct conf_pool *p)
{
	near_try(near, p->name);
	if (p->split != NULL)
		near_try(near, p->split->name);
}

static void verify_after_names(struct draft *d, const struct draft_pool *p)
{
	const struct conf_strings *after = &p->pool->after;
	const struct node *at = draft_pool_at(p, "after");
	struct near near;
	size_t i, j;

	if (after->count > CONF_POOLS_MAX) {
		draft_error(d, at, "\"after\" names more than %d pools",
			CONF_POOLS_MAX);
		p->pool->after.count = 0;
	}
	for (i = 0; i < after->count && !d->is_spent; i++) {
		if (at->type == NODE_LIST && i < at->count)
			at = at->items[i];
		if (verify_pool_index(d, after->items[i]) == -1 &&
			!split_is_name(d, after->items[i])) {
			near_init(&near, d, after->items[i]);
			for (j = 0; j < d->pool_count; j++)
				verify_near_pool(&near, d->pools[j].pool);
			draft_error(d, at,
				"\"after\" names %s, and there is no such "
				"pool%s",
				draft_show(d, after->items[i]),
				near_hint(&near));
		}
		at = draft_pool_at(p, "after");
	}
}

enum verify_mark { VERIFY_NEW = 0, VERIFY_OPEN = 1, VERIFY_DONE = 2 };

/* Walks depth first; deep as CONF_POOLS_MAX at most.  true: a cycle was
 * found and reported. */
static bool verify_after_walk(
	struct draft *d, int index, char marks[CONF_POOLS_MAX])
{
	const struct draft_pool *p = &d->pools[index];
	const struct conf_strings *after = &p->pool->after;
	size_t i;
	int next;

	marks[index] = VERIFY_OPEN;
	for (i = 0; i < after->count; i++) {
		next = verify_pool_index(d, after->items[i]);
		if (next == -1 || marks[next] == VERIFY_DONE)
			continue;
		if (marks[next] == VERIFY_OPEN) {
			draft_error(d, draft_pool_at(p, "after"),
				"\"after\" makes a circle: pool %s waits for "
				"%s, which waits for it",
				p->pool->name, after->items[i]);
			return true;
		}
		if (verify_after_walk(d, next, marks))
			return true;
	}
	marks[index] = VERIFY_DONE;
	return false;
}

static void verify_after(struct draft *d)
{
	char marks[CONF_POOLS_MAX] = { VERIFY_NEW };
	size_t i;

	/* With a file missing, so may be its pools. */
	for (i = 0; i < d->pool_count && !d->is_spent && !d->is_broken; i++)
		verify_after_names(d, &d->pools[i]);
	split_after(d);
	for (i = 0; i < d->pool_count; i++)
		if (marks[i] == VERIFY_NEW &&
			verify_after_walk(d, (int)i, marks))
			return;
}

/* "host:port" of a readiness check. */
static bool verify_is_host_port(const char *s)
{
	const char *colon = strrchr(s, ':');
	int64_t port;

	return colon != NULL && colon != s && number_int(colon + 1, &port) &&
	       port > 0 && port <= 65535;
}

static bool verify_is_url(const char *s)
{
	const char *host, *end;

	if (strncmp(s, "unix:/", 6) == 0)
		return strstr(s + 6, ":/") != NULL;
	if (strncmp(s, "http://", 7) != 0)
		return false;
	host = s + 7;
	end = host + strcspn(host, "/");
	return end != host && *host != ':' && strpbrk(s, " \t\r\n") == NULL;
}

static void verify_check(struct draft *d, const struct draft_pool *p,
	const struct conf_check *check, const char *group, bool has_notify)
{
	int set = (check->tcp != NULL) + (check->unix_path != NULL) +
		  (check->http != NULL) + (check->exec.count > 0) + has_notify;
	char name[32];

	snprintf(name, sizeof(name), "%s.tcp", group);
	if (check->tcp != NULL && !verify_is_host_port(check->tcp))
		draft_error(d, draft_pool_at(p, name),
			"\"%s\" must be host:port, not %s", name,
			draft_show(d, check->tcp));
	snprintf(name, sizeof(name), "%s.http", group);
	if (check->http != NULL && !verify_is_url(check->http))
		draft_error(d, draft_pool_at(p, name),
			"\"%s\" must be http://host:port/path or "
			"unix:/path.sock:/path, not %s",
			name, draft_show(d, check->http));
	snprintf(name, sizeof(name), "%s.unix", group);
	if (check->unix_path != NULL &&
		strlen(check->unix_path) > LISTEN_UNIX_MAX)
		draft_error(d, draft_pool_at(p, name),
			"the path of a unix socket is longer than %d bytes",
			LISTEN_UNIX_MAX);
	if (set > 1)
		draft_error(d, p->key,
			"pool %s has %d checks in \"%s\": "
			"choose one",
			p->pool->name, set, group);
}

static void verify_limits(struct draft *d, const struct draft_pool *p)
{
	const struct conf_pool *q = p->pool;

	if (q->memory_hard > 0 && q->memory_hard < q->memory_soft)
		draft_error(d, draft_pool_at(p, "memory.hard"),
			"\"memory.hard\" is below \"memory.soft\"");
	if (q->min_count > q->max_count)
		draft_error(
			d, draft_pool_at(p, "min"), "\"min\" is above \"max\"");
	else if (q->count != CONF_AUTO && q->count < q->min_count)
		draft_error(d, draft_pool_at(p, "count"),
			"\"count\" is below \"min\"");
	else if (q->count != CONF_AUTO && q->count > q->max_count)
		draft_error(d, draft_pool_at(p, "count"),
			"\"count\" is above \"max\"");
}

bool verify_is_variable(const char *s)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
		"0123456789";
	size_t len = strlen(s);

	return len > 0 && (*s < '0' || *s > '9') && strspn(s, letters) == len;
}

static void verify_program(struct draft *d, const struct draft_pool *p)
{
	const struct node *at = draft_pool_at(p, "command");
	const struct conf_pool *q = p->pool;
	size_t i;

	if (!q->kind->is_program)
		return;
	/* A list that came to nothing was complained of. */
	if (q->command.count == 0 && at->type == NODE_SCALAR)
		draft_error(d, at, "pool %s has no \"command\"", q->name);
	else if (q->command.count > 0 && q->command.items[0][0] == '\0')
		draft_error(d, at, "the first word of \"command\" is empty");
	for (i = 0; i < q->environment.count; i++)
		if (!verify_is_variable(q->environment.items[i].name))
			draft_error(d, draft_pool_at(p, "environment"),
				"%s is no name of a variable",
				draft_show(d, q->environment.items[i].name));
	verify_check(d, p, &q->ready, "ready", q->ready_notify);
}

/* One address once: within a pool, and among all. */
static void verify_listens(struct draft *d, const struct draft_pool *p)
{
	const struct conf_listens *a = &p->pool->listen, *b;
	const struct draft_pool *other;
	size_t i, j;

	for (i = 0; i < a->count; i++)
		for (other = d->pools; other <= p; other++) {
			b = &other->pool->listen;
			for (j = 0; j < (other == p ? i : b->count); j++)
				if (strcmp(a->items[i].text,
					    b->items[j].text) == 0)
					draft_error(d,
						draft_pool_at(p, "listen"),
						"%s is listened on twice: "
						"also by pool %s",
						a->items[i].text,
						other->pool->name);
		}
}

/* The CPUs of a pool that this process may not use, as text. */
/* The path travels in a message of the master. */
static void verify_access_log(struct draft *d, const struct draft_pool *p)
{
	const char *to = p->pool->access_log;

	if (to == NULL || strcmp(to, "off") == 0 || strcmp(to, "-") == 0)
		return;
	if (to[0] != '/')
		draft_error(d, draft_pool_at(p, "access_log"),
			"\"access_log\" must be off, - or an absolute path");
	else if (strlen(to) > VERIFY_LOG_PATH_MAX)
		draft_error(d, draft_pool_at(p, "access_log"),
			"\"access_log\" is longer than %d bytes",
			VERIFY_LOG_PATH_MAX);
}

static void verify_missing_cpus(
	const struct conf_cpus *cpus, struct buf *ret_text)
{
	int allowed[CONF_CPU_MAX];
	size_t count = cpus_allowed(allowed), i, j;
	bool is_missing[CONF_CPU_MAX] = { false };
	int cpu;

	for (i = 0; i < cpus->count; i++)
		for (j = 0; j < cpus->lists[i].count; j++)
			is_missing[cpus->lists[i].cpus[j]] = true;
	for (i = 0; i < count; i++)
		is_missing[allowed[i]] = false;
	for (cpu = 0; cpu < CONF_CPU_MAX; cpu++)
		if (is_missing[cpu])
			buf_printf(ret_text, "%s%d",
				ret_text->len > 0 ? ", " : "", cpu);
}

static void verify_cpus(struct draft *d, const struct draft_pool *p)
{
	const struct node *at = draft_pool_at(p, "cpu");
	struct buf missing = BUF_INIT;

	verify_missing_cpus(&p->pool->cpu, &missing);
	if (missing.len > 200) {
		missing.len = 200;
		missing.data[200] = '\0';
		buf_puts(&missing, "...");
	}
	if (missing.len > 0 && p->pool->strict_affinity)
		draft_error(d, at,
			"this process may not use CPU %s (strict_affinity)",
			buf_str(&missing));
	else if (missing.len > 0)
		draft_warning(d, at,
			"this process may not use CPU %s: pool %s does "
			"without",
			buf_str(&missing), p->pool->name);
	buf_done(&missing);
}

/* count: auto */
static int64_t verify_auto_count(const struct conf *c)
{
	long quota = cpus_quota("/sys/fs/cgroup", "/proc/self/cgroup");
	int64_t count = c->cpus_allowed;

	if (quota > 0 && (quota + 99) / 100 < count)
		count = (quota + 99) / 100;
	return count > 0 ? count : 1;
}

static void verify_workers(struct draft *d, const struct conf *c)
{
	int64_t sum = 0, cpus = verify_auto_count(c);
	struct conf_pool *q;
	size_t i;

	for (i = 0; i < d->pool_count; i++) {
		q = d->pools[i].pool;
		q->workers = q->count == CONF_AUTO ? cpus : q->count;
		if (q->workers < q->min_count)
			q->workers = q->min_count;
		if (q->workers > q->max_count)
			q->workers = q->max_count;
		if (sum <= CONF_WORKERS_MAX &&
			sum + q->workers > CONF_WORKERS_MAX)
			draft_error(d, draft_pool_at(&d->pools[i], "count"),
				"more than %d workers of all pools",
				CONF_WORKERS_MAX);
		sum += q->workers;
	}
}

static void verify_global(struct draft *d, struct conf *c)
{
	c->uid = OWNER_NO_UID;
	c->gid = OWNER_NO_GID;
	owner_resolve(d, c->user, draft_at(d, "user"), c->group,
		draft_at(d, "group"), &c->uid, &c->gid);
	c->control_gid = c->gid;
	owner_group(d, c->control_group, draft_at(d, "control.group"),
		&c->control_gid);
	if (strlen(c->control_path) > LISTEN_UNIX_MAX)
		draft_error(d,
			draft_at(d, "control.path") != NULL
				? draft_at(d, "control.path")
				: draft_at(d, "run_dir"),
			"the path of the control socket is longer than %d "
			"bytes",
			LISTEN_UNIX_MAX);
	if (*c->node == '\0' || strlen(c->node) > 63)
		draft_error(d, draft_at(d, "node"),
			"\"node\" must be a name of 1 to 63 bytes");
}

static void verify_pool(
	struct draft *d, const struct conf *c, const struct draft_pool *p)
{
	struct conf_pool *q = p->pool;

	q->uid = c->uid;
	q->gid = c->gid;
	if (q->user != NULL || q->group != NULL)
		owner_resolve(d, q->user, draft_pool_at(p, "user"), q->group,
			draft_pool_at(p, "group"), &q->uid, &q->gid);
	verify_limits(d, p);
	verify_check(d, p, &q->probe, "probe", false);
	verify_program(d, p);
	verify_listens(d, p);
	verify_access_log(d, p);
	verify_cpus(d, p);
	if (q->kind->uses_handlers && c->redis_url == NULL && !d->is_broken)
		draft_error(d, p->key,
			"pool %s needs Redis: set redis: { url: "
			"\"redis://127.0.0.1:6379/0\" }",
			q->split != NULL ? q->split->name : q->name);
	if (q->kind->uses_database && c->database_url == NULL && !d->is_broken)
		draft_error(d, p->key,
			"pool %s needs PostgreSQL: set database: { url: "
			"\"postgresql:///reeve\" }",
			q->split != NULL ? q->split->name : q->name);
}

void verify_kind(struct draft *d, const struct draft_pool *p)
{
	const struct conf_kind *kind = p->pool->kind;
	const char *setting = "";
	struct err err;

	if (kind->check != NULL && kind->check(p->pool, &setting, &err) != 0)
		draft_error(d, draft_pool_at(p, setting), "%s", err.text);
}

static bool verify_is_redis(const char *url)
{
	static const char *const schemes[] = { "redis://", "unix:///", NULL };
	size_t i;

	for (i = 0; schemes[i] != NULL; i++)
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
			return strpbrk(url, " \t\r\n") == NULL;
	return false;
}

static void verify_sentinel(struct draft *d, const struct conf *c)
{
	const struct conf_strings *nodes = &c->redis_sentinel_nodes;
	size_t i;

	if ((c->redis_sentinel_master != NULL) != (nodes->count > 0))
		draft_error(d,
			nodes->count > 0 ? draft_at(d, "redis.sentinel.nodes")
					 : draft_at(d, "redis.sentinel.master"),
			"\"redis.sentinel\" wants both \"master\" and "
			"\"nodes\"");
	for (i = 0; i < nodes->count && !d->is_spent; i++)
		if (!verify_is_host_port(nodes->items[i]))
			draft_error(d, draft_at(d, "redis.sentinel.nodes"),
				"\"redis.sentinel.nodes\" must be host:port, "
				"not %s",
				draft_show(d, nodes->items[i]));
}

/* The URL is not shown: it may hold a password. */
static void verify_redis(struct draft *d, const struct conf *c)
{
	if (c->redis_url != NULL && strncmp(c->redis_url, "rediss:", 7) == 0)
		draft_error(d, draft_at(d, "redis.url"),
			"\"redis.url\": rediss:// is TLS, which the hiredis of "
			"this build can't do: use redis:// or unix:// to a "
			"local tunnel, such as stunnel");
	else if (c->redis_url != NULL && !verify_is_redis(c->redis_url))
		draft_error(d, draft_at(d, "redis.url"),
			"\"redis.url\" must be "
			"redis://[user:password@]host[:port][/db] or "
			"unix:///path[?db=N]");
	if (strlen(c->redis_prefix) > VERIFY_PREFIX_MAX ||
		strpbrk(c->redis_prefix, "{} \t\r\n") != NULL)
		draft_error(d, draft_at(d, "redis.prefix"),
			"\"redis.prefix\" is at most %d bytes, none of them "
			"blank, \"{\" or \"}\"",
			VERIFY_PREFIX_MAX);
	if (c->redis_sentinel_master != NULL && c->redis_url == NULL)
		draft_error(d, draft_at(d, "redis.sentinel.master"),
			"Sentinels say where Redis is, \"redis.url\" how to "
			"log in there: set both");
	verify_sentinel(d, c);
}

/* A URL of libpq, or its other form: "host=/run/postgresql dbname=reeve". */
static bool verify_is_database(const char *url)
{
	size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyz_");

	if (strncmp(url, "postgresql://", 13) == 0 ||
		strncmp(url, "postgres://", 11) == 0)
		return strpbrk(url, " \t\r\n") == NULL;
	return len > 0 && url[len + strspn(url + len, " ")] == '=';
}

static void verify_database(struct draft *d, const struct conf *c)
{
	if (c->database_url != NULL && !verify_is_database(c->database_url))
		draft_error(d, draft_at(d, "database.url"),
			"\"database.url\" must be "
			"postgresql://[user[:password]@][host[:port],...]"
			"[/name][?...] or \"host=... dbname=...\"");
}

/* Can a worker of the pool start what runs as the handler's user? */
static bool verify_may_run(
	const struct conf_pool *p, const struct conf_handler *h)
{
	if (p->uid == 0 || p->uid == OWNER_NO_UID)
		return true;
	return (h->uid == OWNER_NO_UID || h->uid == p->uid) &&
	       (h->gid == OWNER_NO_GID || h->gid == p->gid);
}

/* A handler that no pool could run as its user is an error. */
static void verify_handler_users(struct draft *d, const struct conf *c)
{
	const struct conf_pool *barred;
	const struct conf_handler *h;
	size_t i, j;

	for (i = 0; i < c->handler_count; i++) {
		h = &c->handlers[i];
		barred = NULL;
		for (j = 0; j < c->pool_count; j++) {
			if (!c->pools[j].kind->uses_handlers)
				continue;
			if (verify_may_run(&c->pools[j], h))
				break;
			barred = &c->pools[j];
		}
		if (j == c->pool_count && barred != NULL)
			draft_error_mark(d, h->mark,
				"handler %s runs as another user than pool %s, "
				"which must run as root for that",
				h->name, barred->name);
	}
}

static void verify_tracked(struct draft *d, const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->handler_count; i++)
		if (c->handlers[i].tracked && c->database_url == NULL)
			draft_error_mark(d, c->handlers[i].mark,
				"handler %s is tracked, which needs "
				"PostgreSQL: set database: { url: "
				"\"postgresql:///reeve\" }",
				c->handlers[i].name);
}

void verify_all(struct draft *d, struct conf *c)
{
	size_t i;

	verify_global(d, c);
	verify_redis(d, c);
	verify_database(d, c);
	for (i = 0; i < d->pool_count && !d->is_spent; i++)
		verify_pool(d, c, &d->pools[i]);
	verify_handler_users(d, c);
	verify_tracked(d, c);
	split_verify(d);
	verify_after(d);
	verify_workers(d, c);
}
