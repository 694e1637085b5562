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

struct section {
	struct section_part parts[SECTION_PARTS_MAX];
	int part_count;
	/* The pool's kind; NULL: not known, so that any kind's settings may
	 * stand here. */
	const struct conf_kind *kind;
	bool is_pool;             /* a pool or a template */
	const char *const *extra; /* further names, read by others; NULL at the
				     end */
};

/* Read the whole map; every problem is reported. */
void section_read(struct draft *d, const struct section *s, struct node *map);

#endif
