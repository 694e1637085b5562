/* SPDX-License-Identifier: ISC */
/*
 * tree - nodes put together: merge keys, deep merges, templates, overrides.
 *
 * In a deep merge maps merge and all else is replaced, but for lists called
 * `definitions`, which are put one behind the other.
 *
 * Nothing here changes a node that someone else may see: results are new
 * maps that share what they took over.  Each copied entry is paid for from
 * the draft's budget, so aliases of aliases cannot blow up.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "conf/node.h"

/* Replace the `<<` of a map just read by what it names: keys of the map
 * itself win, then the earlier maps of a list.  Returns 0; -1 when the budget
 * is spent. */
int tree_merge_keys(struct draft *d, struct node *map)
	__attribute__((warn_unused_result));

/* A map of the same entries.  NULL when the budget is spent. */
struct node *tree_copy(struct draft *d, const struct node *map);

/* `over` on top of `base`: maps merge, all else of `over` replaces.  NULL
 * when the budget is spent. */
struct node *tree_merge(struct draft *d, struct node *base, struct node *over);

/* Set `value` at a dotted path below `map`, which is changed; the maps on
 * the way are copied. */
int tree_set(struct draft *d, struct node *map, const char *path,
	struct node *value);

/*
 * The map with the templates that its `extends` names below it, `extends`
 * gone.  `templates` may be NULL.  A template in error counts as empty.
 * NULL when the budget is spent.
 */
struct node *tree_extend(
	struct draft *d, const struct node *templates, struct node *map);

#endif
