/* SPDX-License-Identifier: ISC */
/*
 * section - a map of the file held against rows of options.
 */
#ifndef CONF_SECTION_H
#define CONF_SECTION_H

#include <stdbool.h>

#include "conf/conf.h"

struct draft;
struct node;

#define SECTION_PARTS_MAX 2

/* Rows, the struct they fill and where the values stood. */
struct section_part {
	const struct opt *rows;
	void *base;               /* NULL: the names are checked only */
	const struct node **seen; /* by row; may be NULL */
};

/* Whose settings they are. */
enum section_owner {
	SECTION_NODE = 0,
	SECTION_POOL = 1,    /* parts: common rows, the kind's own */
	SECTION_HANDLER = 2, /* parts: the rows of handlers */
	SECTION_TEMPLATE = 3 /* parts: rows of pools, rows of handlers */
};

#define SECTION_NO_HANDLER (-1)

struct section {
	struct section_part parts[SECTION_PARTS_MAX];
	int part_count;
	enum section_owner owner;
	/* The kind; NULL or SECTION_NO_HANDLER: not known, so that any
	 * kind's settings may stand here. */
	const struct conf_kind *kind; /* of a pool */
	int handler;                  /* of a handler */
	const char *const *extra; /* further names, read by others; NULL at the
				     end */
};

/* Read the whole map; every problem is reported. */
void section_read(struct draft *d, const struct section *s, struct node *map);

/* The map of named maps at `name` of the top level; NULL when there is none,
 * or after an error. */
struct node *section_named_maps(
	struct draft *d, const struct node *root, const char *name);

#endif
