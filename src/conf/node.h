/* SPDX-License-Identifier: ISC */
/*
 * node - the tree of YAML values.
 *
 * An alias is a second pointer to the anchor's node, so a tree of n nodes in
 * the file takes n nodes here however often they are shown.  All of it lives
 * in the draft's scratch arena; a node is not changed once it is complete.
 */
#ifndef CONF_NODE_H
#define CONF_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/draft.h"

enum node_type { NODE_SCALAR = 0, NODE_LIST = 1, NODE_MAP = 2 };

struct node_pair {
	struct node *key; /* a scalar */
	struct node *value;
};

struct node {
	enum node_type type;
	bool is_plain;    /* scalar without quotes: may be null */
	bool is_open;     /* its end was not read yet */
	bool is_expanded; /* text has its ${} filled in */
	bool is_bad;      /* filling in failed, and that was reported */
	int line, column; /* from 1 */
	const struct source *source; /* NULL: a default */
	const char *text;            /* NODE_SCALAR */
	struct node **items;         /* NODE_LIST */
	struct node_pair *pairs;     /* NODE_MAP, in file order */
	size_t count, cap;
	uint32_t *index; /* NODE_MAP of many: hash to pair + 1 */
	size_t index_size;
};

/* NULL when the budget is spent. */
struct node *node_new(struct draft *d, enum node_type type,
	const struct source *source, int line, int column);
/* A scalar of our own, of no place unless `like` gives one. */
struct node *node_scalar(
	struct draft *d, const char *text, const struct node *like);
void node_add(struct draft *d, struct node *list, struct node *item);
/* The key must not be there yet. */
void node_put(struct draft *d, struct node *map, struct node *key,
	struct node *value);
/* NULL if there is none. */
struct node_pair *node_find(const struct node *map, const char *name);
struct node *node_get(const struct node *map, const char *name);

/* NULL gives the mark of no place. */
struct conf_mark node_mark(const struct node *n);
/* "a map", "a list", or the text in quotes. */
const char *node_show(struct draft *d, const struct node *n);

#endif
