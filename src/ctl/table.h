/* SPDX-License-Identifier: ISC */
/*
 * table - aligned columns for people.
 *
 * Cells are filled row by row.  A table wider than the screen is cut in its
 * elastic columns, the last one first, and at the screen's edge if that is
 * not enough.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>

#include "base/buf.h"
#include "ctl/screen.h"

enum table_align { TABLE_LEFT, TABLE_RIGHT };
enum table_fit {
	TABLE_FIXED,
	TABLE_OPTIONAL, /* left out when every cell is "-" */
	TABLE_ELASTIC   /* cut when there is no room; optional too */
};

struct table_column {
	const char *title;
	enum table_align align;
	enum table_fit fit;
};

struct table;

/* Borrows the columns. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *t);
/* The next cell; control bytes of the text become "?". */
void table_cell(struct table *t, enum screen_colour colour, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));
size_t table_rows(const struct table *t);
/* Title and rows, a line each; rows_max 0 means all. */
void table_print(const struct table *t, const struct screen *s,
	size_t first_row, size_t rows_max, struct buf *out);

#endif
