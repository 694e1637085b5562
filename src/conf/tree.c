/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "conf/near.h"
#include "conf/tree.h"

/* The templates being put together, innermost first. */
struct tree_chain {
	const char *name;
	const struct tree_chain *outer;
	int depth;
};

static struct node *tree_extend_in(struct draft *d,
	const struct node *templates, struct node *map,
	const struct tree_chain *chain);

/* Entries of `from` that `into` has not.  false: budget spent. */
static bool tree_take_missing(
	struct draft *d, struct node *into, const struct node *from)
{
	size_t i;

	if (!draft_spend_entries(d, from, from->count))
		return false;
	for (i = 0; i < from->count; i++)
		if (node_find(into, from->pairs[i].key->text) == NULL)
			node_put(d, into, from->pairs[i].key,
				from->pairs[i].value);
	return true;
}

static void tree_merge_key_error(struct draft *d, const struct node *at)
{
	draft_error(d, at, "\"<<\" takes a map or a list of maps, not %s",
		node_show(d, at));
}

static bool tree_merge_key(
	struct draft *d, struct node *into, const struct node *value)
{
	size_t i;

	if (value->is_bad)
		return true;
	if (value->type == NODE_MAP)
		return tree_take_missing(d, into, value);
	if (value->type != NODE_LIST) {
		tree_merge_key_error(d, value);
		return true;
	}
	for (i = 0; i < value->count; i++) {
		if (value->items[i]->type != NODE_MAP)
			tree_merge_key_error(d, value->items[i]);
		else if (!tree_take_missing(d, into, value->items[i]))
			return false;
	}
	return true;
}

int tree_merge_keys(struct draft *d, struct node *map)
{
	struct node_pair *merge = node_find(map, "<<");
	struct node *whole;
	size_t i;

	if (merge == NULL || !merge->key->is_plain)
		return 0;
	whole = tree_copy(d, map);
	if (whole == NULL)
		return -1;
	whole->pairs = NULL;
	whole->index = NULL;
	whole->count = whole->cap = whole->index_size = 0;
	for (i = 0; i < map->count; i++)
		if (&map->pairs[i] != merge)
			node_put(d, whole, map->pairs[i].key,
				map->pairs[i].value);
	if (!tree_merge_key(d, whole, merge->value))
		return -1;
	*map = *whole;
	return 0;
}

struct node *tree_copy(struct draft *d, const struct node *map)
{
	struct node *copy =
		node_new(d, NODE_MAP, map->source, map->line, map->column);

	if (copy == NULL || !tree_take_missing(d, copy, map))
		return NULL;
	return copy;
}

/* What several files of one configuration contribute to is put together. */
static bool tree_is_gathered(
	const struct node *key, const struct node *a, const struct node *b)
{
	return a->type == NODE_LIST && b->type == NODE_LIST &&
	       strcmp(key->text, "definitions") == 0;
}

static struct node *tree_gather(
	struct draft *d, struct node *base, struct node *over)
{
	struct node *both =
		node_new(d, NODE_LIST, over->source, over->line, over->column);
	size_t i;

	if (both == NULL ||
		!draft_spend_entries(d, over, base->count + over->count))
		return NULL;
	for (i = 0; i < base->count; i++)
		node_add(d, both, base->items[i]);
	for (i = 0; i < over->count; i++)
		node_add(d, both, over->items[i]);
	return both;
}

static struct node *tree_merge_at(
	struct draft *d, struct node *base, struct node *over, int depth)
{
	struct node *both;
	struct node_pair *p;
	size_t i;

	if (base == over || base->type != NODE_MAP || over->type != NODE_MAP)
		return over;
	if (depth > CONF_DEPTH_MAX) {
		draft_error(d, over, "maps are nested more than %d deep",
			CONF_DEPTH_MAX);
		return over;
	}
	both = tree_copy(d, base);
	if (both == NULL || !draft_spend_entries(d, over, over->count))
		return NULL;
	both->source = over->source;
	both->line = over->line;
	both->column = over->column;
	for (i = 0; i < over->count; i++) {
		p = node_find(both, over->pairs[i].key->text);
		if (p == NULL) {
			node_put(d, both, over->pairs[i].key,
				over->pairs[i].value);
			continue;
		}
		p->key = over->pairs[i].key;
		if (tree_is_gathered(p->key, p->value, over->pairs[i].value))
			p->value =
				tree_gather(d, p->value, over->pairs[i].value);
		else
			p->value = tree_merge_at(
				d, p->value, over->pairs[i].value, depth + 1);
		if (p->value == NULL)
			return NULL;
	}
	return both;
}

struct node *tree_merge(struct draft *d, struct node *base, struct node *over)
{
	return tree_merge_at(d, base, over, 1);
}

/* The map at `name`, one of our own: a copy, or new. */
static struct node *tree_own(
	struct draft *d, struct node *map, const char *name, struct node *like)
{
	struct node_pair *p = node_find(map, name);
	struct node *own;

	if (p != NULL && p->value->type == NODE_MAP) {
		own = tree_copy(d, p->value);
	} else if (p != NULL && !expand_is_null(d, p->value)) {
		draft_error(d, like,
			"%s is %s, not a map: nothing can be set "
			"inside",
			draft_show(d, name), node_show(d, p->value));
		return NULL;
	} else {
		own = node_new(d, NODE_MAP, like->source, 1, 1);
	}
	if (own == NULL)
		return NULL;
	if (p != NULL)
		p->value = own;
	else
		node_put(d, map, node_scalar(d, name, like), own);
	return own;
}

int tree_set(
	struct draft *d, struct node *map, const char *path, struct node *value)
{
	char *rest = arena_strdup(d->scratch, path);
	struct node_pair *p;
	char *name;
	int depth = 0;

	while ((name = strsep(&rest, ".")) != NULL) {
		if (*name == '\0' || ++depth > CONF_DEPTH_MAX)
			return draft_error(d, value, "%s is no setting's name",
				draft_show(d, path));
		if (rest == NULL)
			break;
		map = tree_own(d, map, name, value);
		if (map == NULL)
			return -1;
	}
	p = node_find(map, name);
	if (p != NULL)
		p->value = value;
	else
		node_put(d, map, node_scalar(d, name, value), value);
	if (p != NULL)
		p->key = node_scalar(d, name, value);
	return 0;
}

static void tree_unknown_template(struct draft *d, const struct node *templates,
	const struct node *at, const char *name)
{
	struct near near;
	size_t i;

	if (d->is_broken) /* it may be in the file that could not be read */
		return;
	near_init(&near, d, name);
	for (i = 0; templates != NULL && i < templates->count; i++)
		near_try(&near, templates->pairs[i].key->text);
	draft_error(d, at, "there is no template %s%s", draft_show(d, name),
		near_hint(&near));
}

/* The template `at` names, whole; NULL after an error. */
static struct node *tree_template(struct draft *d, const struct node *templates,
	struct node *at, const struct tree_chain *chain)
{
	struct tree_chain here = { .outer = chain };
	const struct tree_chain *c;
	struct node *found = NULL;

	here.name = expand_text(d, at);
	here.depth = chain != NULL ? chain->depth + 1 : 1;
	if (here.name == NULL || !draft_spend(d, at, 1))
		return NULL;
	for (c = chain; c != NULL; c = c->outer)
		if (strcmp(c->name, here.name) == 0) {
			draft_error(d, at, "template %s extends itself",
				draft_show(d, here.name));
			return NULL;
		}
	if (templates != NULL)
		found = node_get(templates, here.name);
	if (found == NULL)
		tree_unknown_template(d, templates, at, here.name);
	else if (here.depth > CONF_DEPTH_MAX)
		draft_error(d, at,
			"templates extend each other more than %d "
			"deep",
			CONF_DEPTH_MAX);
	else if (found->type == NODE_MAP)
		return tree_extend_in(d, templates, found, &here);
	return NULL;
}

/* `map` without its `extends`. */
static struct node *tree_bare(struct draft *d, const struct node *map)
{
	struct node *bare =
		node_new(d, NODE_MAP, map->source, map->line, map->column);
	size_t i;

	if (bare == NULL || !draft_spend_entries(d, map, map->count))
		return NULL;
	for (i = 0; i < map->count; i++)
		if (strcmp(map->pairs[i].key->text, "extends") != 0)
			node_put(d, bare, map->pairs[i].key,
				map->pairs[i].value);
	return bare;
}

static struct node *tree_extend_in(struct draft *d,
	const struct node *templates, struct node *map,
	const struct tree_chain *chain)
{
	struct node *names = node_get(map, "extends"), *base = NULL, *one;
	struct node *list[1] = { names };
	struct node **items = list;
	size_t count = 1, i;

	if (names == NULL)
		return map;
	if (names->type == NODE_LIST) {
		items = names->items;
		count = names->count;
	} else if (expand_is_null(d, names)) {
		count = 0;
	}
	for (i = 0; i < count && !d->is_spent; i++) {
		one = tree_template(d, templates, items[i], chain);
		if (one != NULL && base != NULL)
			one = tree_merge(d, base, one);
		base = one != NULL ? one : base;
	}
	one = tree_bare(d, map);
	if (one != NULL && base != NULL)
		one = tree_merge(d, base, one);
	return d->is_spent ? NULL : one;
}

struct node *tree_extend(
	struct draft *d, const struct node *templates, struct node *map)
{
	return tree_extend_in(d, templates, map, NULL);
}
