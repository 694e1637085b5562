/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "conf/node.h"
#include "conf/split.h"
#include "conf/topics.h"

/* Rows of the pool that a map of topics says for each. */
static const char *const split_rows[] = { "count", "min", "max", NULL };

/* The kind's row that holds topics, or NULL. */
static const struct opt *split_row(const struct conf_kind *kind)
{
	const struct opt *o = kind->options;

	for (; o != NULL && o->name != NULL; o++)
		if (o->type == OPT_TOPICS)
			return o;
	return NULL;
}

const struct conf_topics *conf_pool_topics(const struct conf_pool *p)
{
	const struct opt *row = split_row(p->kind);

	if (row == NULL || p->own == NULL)
		return NULL;
	return (const struct conf_topics *)((const char *)p->own + row->offset);
}

const char *conf_pool_counted_as(const struct conf_pool *p)
{
	if (p->topic != NULL)
		return p->topic;
	return conf_pool_topics(p) != NULL ? topics_alias(p->name) : NULL;
}

const struct conf_pool *conf_pool_counted(
	const struct conf *c, const char *name)
{
	const struct conf_pool *p, *found = NULL;
	size_t i;

	for (i = 0; i < c->pool_count; i++) {
		p = &c->pools[i];
		if (conf_pool_counted_as(p) == NULL ||
			strcmp(conf_pool_counted_as(p), name) != 0)
			continue;
		if (p->topic != NULL)
			return p;
		found = p;
	}
	return found;
}

bool conf_opt_is_split(const struct opt *o)
{
	size_t i;

	for (i = 0; split_rows[i] != NULL; i++)
		if (strcmp(o->name, split_rows[i]) == 0)
			return true;
	return false;
}

static void split_check_rows(struct draft *d, const struct draft_pool *whole)
{
	size_t i;

	for (i = 0; conf_pool_options[i].name != NULL; i++)
		if (conf_opt_is_split(&conf_pool_options[i]) &&
			whole->rows[i] != NULL)
			draft_error(d, whole->rows[i],
				"\"%s\" is for a list of topics: with a map, "
				"each topic of pool %s has its own",
				conf_pool_options[i].name, whole->pool->name);
}

static void split_bounds(struct conf_pool *p, const struct conf_topic *t)
{
	p->count = t->count;
	p->min_count = t->min;
	p->max_count = t->max;
	p->autoscale.is_on = t->is_scaled;
	p->autoscale.initial = t->initial;
	p->autoscale.step = t->step;
	p->autoscale.up_every_us = t->up_every_us;
	p->autoscale.down_every_us = t->down_every_us;
}

/* The pool of one topic in the place `part`, which has what `whole` had. */
static void split_topic(struct draft *d, struct draft_pool *part,
	const struct draft_pool *whole, const struct conf_split *split,
	struct conf_topic *t)
{
	const struct conf_pool *from = whole->pool;
	struct conf_pool *p = draft_pool_new(d);
	struct conf_topics *topics;

	*part = *whole;
	part->pool = p;
	*p = *from;
	p->name = arena_printf(d->keep, "%s.%s", split->name, t->name);
	if (strlen(p->name) > CONF_NAME_MAX)
		draft_error(d, whole->key,
			"the name of the pool and its topic together, %s, is "
			"longer than %d bytes",
			p->name, CONF_NAME_MAX);
	p->split = split;
	p->topic = t->name;
	p->own = arena_alloc(d->keep, p->kind->size);
	memcpy(p->own, from->own, p->kind->size);
	topics = (struct conf_topics *)((char *)p->own +
					split_row(p->kind)->offset);
	*topics = (struct conf_topics){ .items = t, .count = 1 };
	split_bounds(p, t);
}

void split_last(struct draft *d)
{
	struct draft_pool whole = d->pools[d->pool_count - 1];
	const struct opt *row = split_row(whole.pool->kind);
	struct conf_topics *topics;
	struct conf_split *split;
	size_t i;

	if (row == NULL)
		return;
	topics = (struct conf_topics *)((char *)whole.pool->own + row->offset);
	if (!topics->is_split || topics->count == 0)
		return;
	split_check_rows(d, &whole);
	if (d->pool_count - 1 + topics->count > CONF_POOLS_MAX) {
		draft_error(d, whole.key, "more than %d pools", CONF_POOLS_MAX);
		d->is_spent = true;
		return;
	}
	split = arena_alloc(d->keep, sizeof(*split));
	split->name = whole.pool->name;
	split->topics = *topics;
	d->pool_count--;
	for (i = 0; i < topics->count; i++)
		split_topic(d, &d->pools[d->pool_count++], &whole, split,
			&topics->items[i]);
}

bool split_is_name(const struct draft *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->pool_count; i++)
		if (d->pools[i].pool->split != NULL &&
			strcmp(d->pools[i].pool->split->name, name) == 0)
			return true;
	return false;
}

static bool split_is_named(const struct conf_pool *p, const char *name)
{
	return strcmp(p->name, name) == 0 ||
	       (p->split != NULL && strcmp(p->split->name, name) == 0);
}

/* The pools that the names mean, each once. */
static struct conf_strings split_resolve(
	struct draft *d, const struct conf_strings *names)
{
	bool is_taken[CONF_POOLS_MAX] = { false };
	struct conf_strings all = { NULL, 0 };
	size_t i, j;

	all.items =
		arena_alloc(d->keep, (d->pool_count + 1) * sizeof(*all.items));
	for (i = 0; i < names->count; i++)
		for (j = 0; j < d->pool_count; j++) {
			if (is_taken[j] || !split_is_named(d->pools[j].pool,
						   names->items[i]))
				continue;
			is_taken[j] = true;
			all.items[all.count++] =
				arena_strdup(d->keep, d->pools[j].pool->name);
		}
	return all;
}

void split_after(struct draft *d)
{
	struct conf_strings *after;
	size_t i, j;

	for (i = 0; i < d->pool_count; i++) {
		after = &d->pools[i].pool->after;
		for (j = 0; j < after->count; j++)
			if (split_is_name(d, after->items[j])) {
				*after = split_resolve(d, after);
				break;
			}
	}
}

void split_verify(struct draft *d)
{
	const struct conf_pool *p, *q;
	size_t i, j;

	for (i = 0; i < d->pool_count; i++)
		for (j = 0; j < i; j++) {
			p = d->pools[i].pool;
			q = d->pools[j].pool;
			if (p->topic != NULL && q->topic != NULL &&
				strcmp(p->topic, q->topic) == 0)
				draft_error(d, d->pools[i].key,
					"topic %s has a pool of its own "
					"already: %s",
					p->topic, q->name);
		}
}
