/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/mem.h"
#include "conf/node.h"

#define NODE_FIRST_CAP 4
/* Maps up to here are searched from end to end. */
#define NODE_SEARCH_MAX 12

struct node *node_new(struct draft *d, enum node_type type,
	const struct source *source, int line, int column)
{
	struct node place = {
		.source = source, .line = line, .column = column
	};
	struct node *n;

	if (!draft_spend(d, &place, 1))
		return NULL;
	n = arena_alloc(d->scratch, sizeof(*n));
	*n = place;
	n->type = type;
	n->text = "";
	return n;
}

struct node *node_scalar(
	struct draft *d, const char *text, const struct node *like)
{
	struct node *n = arena_alloc(d->scratch, sizeof(*n));

	n->type = NODE_SCALAR;
	n->is_plain = n->is_expanded = true;
	n->text = arena_strdup(d->scratch, text);
	if (like != NULL) {
		n->source = like->source;
		n->line = like->line;
		n->column = like->column;
	}
	return n;
}

static void *node_grow(struct draft *d, struct node *n, void *old, size_t size)
{
	size_t cap = n->cap ? n->cap * 2 : NODE_FIRST_CAP;
	void *bigger = arena_alloc(d->scratch, cap * size);

	if (n->count > 0)
		memcpy(bigger, old, n->count * size);
	n->cap = cap;
	return bigger;
}

void node_add(struct draft *d, struct node *list, struct node *item)
{
	if (list->count == list->cap)
		list->items = node_grow(d, list, list->items, sizeof(item));
	list->items[list->count++] = item;
}

/* FNV-1a from a start that differs between processes. */
static uint32_t node_hash(const char *s)
{
	uint32_t h = 2166136261u ^ (uint32_t)(uintptr_t)&node_hash;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h ^ h >> 15;
}

static void node_index_add(struct node *map, size_t pair)
{
	size_t mask = map->index_size - 1;
	size_t i = node_hash(map->pairs[pair].key->text) & mask;

	while (map->index[i] != 0)
		i = (i + 1) & mask;
	map->index[i] = (uint32_t)pair + 1;
}

static void node_index_build(struct draft *d, struct node *map)
{
	size_t i;

	map->index_size = map->cap * 2;
	map->index =
		arena_alloc(d->scratch, map->index_size * sizeof(*map->index));
	for (i = 0; i < map->count; i++)
		node_index_add(map, i);
}

void node_put(
	struct draft *d, struct node *map, struct node *key, struct node *value)
{
	bool has_grown = map->count == map->cap;

	if (has_grown)
		map->pairs = node_grow(d, map, map->pairs, sizeof(*map->pairs));
	map->pairs[map->count].key = key;
	map->pairs[map->count].value = value;
	map->count++;
	if (map->count <= NODE_SEARCH_MAX)
		return;
	if (map->index == NULL || has_grown)
		node_index_build(d, map);
	else
		node_index_add(map, map->count - 1);
}

struct node_pair *node_find(const struct node *map, const char *name)
{
	size_t mask = map->index_size - 1, i;

	if (map->index == NULL) {
		for (i = 0; i < map->count; i++)
			if (strcmp(map->pairs[i].key->text, name) == 0)
				return &map->pairs[i];
		return NULL;
	}
	for (i = node_hash(name) & mask; map->index[i] != 0; i = (i + 1) & mask)
		if (strcmp(map->pairs[map->index[i] - 1].key->text, name) == 0)
			return &map->pairs[map->index[i] - 1];
	return NULL;
}

struct node *node_get(const struct node *map, const char *name)
{
	struct node_pair *p = node_find(map, name);

	return p != NULL ? p->value : NULL;
}

struct conf_mark node_mark(const struct node *n)
{
	struct conf_mark mark = { NULL, 0, 0 };

	if (n == NULL || n->source == NULL)
		return mark;
	mark.file = n->source->name;
	mark.line = n->line;
	mark.column = n->column;
	return mark;
}

const char *node_show(struct draft *d, const struct node *n)
{
	if (n->type == NODE_MAP)
		return "a map";
	if (n->type == NODE_LIST)
		return "a list";
	return draft_show(d, n->text);
}
