/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/counts.h"
#include "govern/counts.h"
#include "govern/gauge.h"
#include "link/redis.h"
#include "task/keys.h"

#define COUNTS_LOOK_US (1 * US_PER_S)
/* The source of a count that the queue's length made. */
#define COUNTS_AUTOSCALE "autoscale"

/* One pool that serves topics. */
struct counts_pool {
	const struct conf_pool *conf;
	int64_t last_up_us, last_down_us;
	int64_t keyed;   /* of the key; -1: it does not say */
	int64_t scaled;  /* by autoscaling; -1: none yet */
	char source[96]; /* of the count that was sent; "": none */
};

/* One topic that is served here. */
struct counts_topic {
	struct counts *counts;
	const char *name;
	struct counts_pool *pool;     /* its own; NULL: it has none */
	struct series_topic *lengths; /* NULL: no room on the board */
};

struct counts {
	struct worker *worker;
	const struct conf *conf;
	struct redis *commands, *events;
	struct loop_timer *look;
	int64_t gauge_us; /* clock_now, when Redis is asked how it is */
	char *key, *node_key;
	char *text, *node_text; /* as last read; NULL: absent */
	char problem[256];
	struct counts_pool *pools;
	size_t count;
	struct counts_topic *topics;
	size_t topic_count;
};

int64_t counts_scale(const struct counts_rule *r, int64_t now_us,
	int64_t current, int64_t waiting, int64_t last_up_us,
	int64_t last_down_us)
{
	int64_t next;

	if (waiting > current * 2 && current < r->max &&
		now_us - last_up_us >= r->up_every_us) {
		next = current + r->step;
		return next < r->max ? next : r->max;
	}
	if (waiting * 2 < current && current > r->initial &&
		now_us - last_down_us >= r->down_every_us) {
		next = current - r->step;
		return next > r->initial ? next : r->initial;
	}
	return current;
}

static void counts_tell(struct counts *c, struct counts_pool *p, int64_t value,
	const char *source)
{
	struct msg m = { .type = MSG_GOVERN_COUNT, .value = value };

	snprintf(m.name, sizeof(m.name), "%s", p->conf->name);
	snprintf(m.text, sizeof(m.text), "%s", source);
	snprintf(p->source, sizeof(p->source), "%s", value < 0 ? "" : source);
	worker_send(c->worker, &m);
}

static void counts_note(struct counts *c, const char *problem)
{
	struct msg m = { .type = MSG_GOVERN_NOTE };

	if (strcmp(c->problem, problem) == 0)
		return;
	snprintf(c->problem, sizeof(c->problem), "%s", problem);
	if (problem[0] != '\0')
		log_warn("%s", problem);
	snprintf(m.text, sizeof(m.text), "%s", c->problem);
	worker_send(c->worker, &m);
}

/* What is wanted now goes to the master each time: it knows what is news. */
static void counts_apply(struct counts *c)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		struct counts_pool *p = &c->pools[i];
		char source[96];

		if (p->keyed >= 0) {
			snprintf(source, sizeof(source), "redis %.80s",
				c->node_text != NULL ? c->node_key : c->key);
			counts_tell(c, p, p->keyed, source);
		} else if (p->scaled >= 0) {
			counts_tell(c, p, p->scaled, COUNTS_AUTOSCALE);
		} else if (p->source[0] != '\0') {
			snprintf(source, sizeof(source), "%s", p->source);
			counts_tell(c, p, -1, source);
		}
	}
}

static struct counts_pool *counts_find(struct counts *c, const char *name)
{
	const struct conf_pool *conf = conf_pool_counted(c->conf, name);
	size_t i;

	for (i = 0; i < c->count; i++)
		if (c->pools[i].conf == conf)
			return &c->pools[i];
	return NULL;
}

/* What is wrong with a count, or "". */
static void counts_check(struct counts *c, const char *key,
	const struct conf_count *n, char *ret_problem, size_t size)
{
	const struct counts_pool *p = counts_find(c, n->topic);

	ret_problem[0] = '\0';
	if (p == NULL)
		snprintf(ret_problem, size,
			"%.60s: '%.60s' is neither a topic with a pool of its "
			"own here nor a pool of several",
			key, n->topic);
	else if (n->count < p->conf->min_count || n->count > p->conf->max_count)
		snprintf(ret_problem, size,
			"%.60s: %.60s must be from %lld to %lld", key, n->topic,
			(long long)p->conf->min_count,
			(long long)p->conf->max_count);
}

/* All or nothing: a text with one fault changes no count. */
static void counts_read(struct counts *c)
{
	const char *text = c->node_text != NULL ? c->node_text : c->text;
	const char *key = c->node_text != NULL ? c->node_key : c->key;
	struct conf_counts list = { .count = 0 };
	char problem[256] = "";
	struct err err;
	size_t i;

	if (text != NULL &&
		conf_read_counts(text, strlen(text), &list, &err) != 0)
		snprintf(problem, sizeof(problem), "%.60s: %.180s", key,
			err.text);
	for (i = 0; problem[0] == '\0' && i < list.count; i++)
		counts_check(c, key, &list.items[i], problem, sizeof(problem));
	counts_note(c, problem);
	if (problem[0] != '\0')
		return;
	for (i = 0; i < c->count; i++)
		c->pools[i].keyed = -1;
	for (i = 0; i < list.count; i++)
		counts_find(c, list.items[i].topic)->keyed =
			list.items[i].count;
	counts_apply(c);
}

static void counts_keep(char **where, const struct redis_reply *reply)
{
	size_t len;
	const char *text;

	free(*where);
	*where = NULL;
	if (redis_type(reply) != REDIS_STRING)
		return;
	text = redis_text(reply, &len);
	*where = xstrndup(text, len);
}

static void counts_on_node_key(const struct redis_reply *reply, void *arg)
{
	struct counts *c = arg;

	if (reply != NULL && redis_type(reply) != REDIS_ERROR)
		counts_keep(&c->node_text, reply);
}

static void counts_on_key(const struct redis_reply *reply, void *arg)
{
	struct counts *c = arg;
	char problem[256];

	if (reply == NULL)
		return;
	if (redis_type(reply) == REDIS_ERROR) {
		snprintf(problem, sizeof(problem), "%.60s: %.180s", c->key,
			redis_text(reply, NULL));
		counts_note(c, problem);
		return;
	}
	counts_keep(&c->text, reply);
	counts_read(c);
}

static void counts_autoscale(
	struct counts *c, struct counts_pool *p, int64_t waiting)
{
	const struct conf_autoscale *a = &p->conf->autoscale;
	struct counts_rule rule = { a->initial, p->conf->min_count,
		p->conf->max_count, a->step, a->up_every_us, a->down_every_us };
	int64_t current = p->scaled >= 0 ? p->scaled : p->conf->workers;
	int64_t now = clock_now(), next;

	if (!a->is_on || p->keyed >= 0)
		return;
	next = counts_scale(
		&rule, now, current, waiting, p->last_up_us, p->last_down_us);
	if (next == current)
		return;
	log_info("%s: %lld tasks wait, from %lld to %lld workers",
		p->conf->name, (long long)waiting, (long long)current,
		(long long)next);
	if (next > current)
		p->last_up_us = now;
	else
		p->last_down_us = now;
	p->scaled = next;
	counts_apply(c);
}

static void counts_on_lengths(const struct redis_reply *reply, void *arg)
{
	struct counts_topic *t = arg;
	struct series_topic *l = t->lengths;
	int64_t waiting;

	if (reply == NULL || redis_type(reply) != REDIS_ARRAY)
		return;
	waiting = redis_int(redis_at(reply, 0), 0);
	if (l != NULL) {
		atomic_store(&l->waiting, waiting);
		atomic_store(&l->pending, redis_int(redis_at(reply, 1), 0));
		atomic_store(&l->delayed, redis_int(redis_at(reply, 2), 0));
		atomic_store(&l->dead, redis_int(redis_at(reply, 3), 0));
		atomic_store(&l->oldest_ms, redis_int(redis_at(reply, 4), 0));
		atomic_store(&l->added, redis_int(redis_at(reply, 6), -1));
		atomic_store(&l->at_us, clock_now());
	}
	if (t->pool != NULL)
		counts_autoscale(t->counts, t->pool, waiting);
}

static void counts_ask_lengths(struct counts_topic *t)
{
	struct counts *c = t->counts;
	const char *prefix = c->conf->redis_prefix;
	char *stream = keys_topic(prefix, t->name, "");
	char *delayed = keys_topic(prefix, t->name, ":delayed");
	char *dead = keys_topic(prefix, t->name, ":dead");
	const char *argv[4] = { stream, delayed, dead, KEYS_GROUP };

	(void)redis_script(c->commands, counts_on_lengths, t, &keys_lengths, 3,
		4, argv, NULL);
	free(dead);
	free(delayed);
	free(stream);
}

static void counts_look_at_redis(struct counts *c)
{
	int64_t now = clock_now();

	if (now < c->gauge_us)
		return;
	c->gauge_us = now + GAUGE_LOOK_US;
	gauge_look(c->commands,
		&worker_child(c->worker)->board->map->series.redis);
}

static void counts_look(struct counts *c)
{
	size_t i;

	if (!redis_is_up(c->commands))
		return;
	counts_look_at_redis(c);
	if (c->count == 0)
		return;
	(void)redis_printf(
		c->commands, counts_on_node_key, c, "GET %s", c->node_key);
	(void)redis_printf(c->commands, counts_on_key, c, "GET %s", c->key);
	for (i = 0; i < c->topic_count; i++)
		counts_ask_lengths(&c->topics[i]);
}

static void counts_on_timer(void *arg)
{
	struct counts *c = arg;

	counts_look(c);
	loop_timer_start(
		c->look, c->count > 0 ? COUNTS_LOOK_US : GAUGE_LOOK_US);
}

static void counts_on_message(
	const char *channel, const char *text, size_t len, void *arg)
{
	(void)channel;
	if (len >= 9 && strncmp(text, "consumers", 9) == 0)
		counts_look(arg);
}

static void counts_on_state(enum redis_state state, const char *why, void *arg)
{
	struct counts *c = arg;
	char problem[256];

	if (state == REDIS_UP) {
		counts_look(c);
		return;
	}
	c->gauge_us = 0;
	if (c->count == 0)
		return;
	snprintf(problem, sizeof(problem), "redis is away: %.200s", why);
	counts_note(c, problem);
}

static void counts_on_events(enum redis_state state, const char *why, void *arg)
{
	(void)why;
	if (state == REDIS_UP)
		counts_look(arg);
}

static int counts_open(struct counts *c, struct err *err)
{
	struct redis_options o = { .url = c->conf->redis_url,
		.sentinel_master = c->conf->redis_sentinel_master,
		.sentinel_nodes = &c->conf->redis_sentinel_nodes,
		.name = "reeve-governor",
		.command_timeout_us = 10 * US_PER_S };
	struct loop *l = worker_loop(c->worker);
	char *channel;
	int rc;

	c->commands = redis_open(l, &o, counts_on_state, c, err);
	if (c->commands == NULL)
		return -1;
	if (c->count == 0)
		return 0;
	o.command_timeout_us = 0;
	c->events = redis_open(l, &o, counts_on_events, c, err);
	if (c->events == NULL)
		return -1;
	channel = xasprintf("%scontrol", c->conf->redis_prefix);
	rc = redis_subscribe(c->events, channel, counts_on_message, c);
	free(channel);
	return rc;
}

static bool counts_find_pool(
	const struct board *b, const char *name, struct board_pool *ret_pool)
{
	int i, limit = (int)atomic_load(&b->map->header.pool_limit);

	for (i = 0; i < limit; i++)
		if (board_read_pool(b, i, ret_pool) &&
			strcmp(ret_pool->name, name) == 0)
			return true;
	return false;
}

/* Go on where an earlier governor ended. */
static void counts_inherit(struct counts_pool *p, const struct board *b)
{
	const struct conf_pool *conf = p->conf;
	struct board_pool was;

	if (!counts_find_pool(b, conf->name, &was) ||
		strcmp(was.source, COUNTS_AUTOSCALE) != 0)
		return;
	snprintf(p->source, sizeof(p->source), "%s", COUNTS_AUTOSCALE);
	if (!conf->autoscale.is_on || was.desired < conf->min_count ||
		was.desired > conf->max_count)
		return;
	p->scaled = was.desired;
	p->last_up_us = p->last_down_us = clock_now();
}

static void counts_add_topic(
	struct counts *c, struct counts_pool *p, const char *name)
{
	struct counts_topic *t = c->topics;

	while (t < c->topics + c->topic_count && strcmp(t->name, name) != 0)
		t++;
	if (t == c->topics + c->topic_count) {
		c->topic_count++;
		t->counts = c;
		t->name = name;
		t->lengths = series_topic(worker_child(c->worker)->board, name);
	}
	if (p->conf->topic != NULL)
		t->pool = p;
}

static void counts_add_pool(struct counts *c, const struct conf_pool *conf)
{
	const struct conf_topics *topics = conf_pool_topics(conf);
	struct counts_pool *p = &c->pools[c->count];
	size_t i;

	if (topics == NULL)
		return;
	c->count++;
	p->conf = conf;
	p->keyed = -1;
	p->scaled = -1;
	counts_inherit(p, worker_child(c->worker)->board);
	c->topics = xreallocarray(
		c->topics, c->topic_count + topics->count, sizeof(*c->topics));
	memset(&c->topics[c->topic_count], 0,
		topics->count * sizeof(*c->topics));
	for (i = 0; i < topics->count; i++)
		counts_add_topic(c, p, topics->items[i].name);
}

static void counts_add_pools(struct counts *c)
{
	size_t i;

	c->pools = xcalloc(c->conf->pool_count, sizeof(*c->pools));
	for (i = 0; i < c->conf->pool_count; i++)
		counts_add_pool(c, &c->conf->pools[i]);
}

struct counts *counts_new(struct worker *w, struct err *err)
{
	const struct conf *conf = worker_child(w)->conf;
	struct counts *c;

	err->text[0] = '\0';
	if (conf->redis_url == NULL)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->worker = w;
	c->conf = conf;
	c->key = xasprintf("%sconsumers", conf->redis_prefix);
	c->node_key = xasprintf("%s:%s", c->key, conf->node);
	counts_add_pools(c);
	c->look = loop_timer_new(worker_loop(w), counts_on_timer, c);
	if (counts_open(c, err) != 0) {
		counts_free(c);
		return NULL;
	}
	loop_timer_start(c->look, COUNTS_LOOK_US);
	return c;
}

void counts_free(struct counts *c)
{
	if (c == NULL)
		return;
	redis_close(c->events);
	redis_close(c->commands);
	loop_timer_free(c->look);
	free(c->topics);
	free(c->pools);
	free(c->text);
	free(c->node_text);
	free(c->node_key);
	free(c->key);
	free(c);
}
