/* SPDX-License-Identifier: ISC */
/*
 * value - a YAML node read as the value of an option.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

struct draft;
struct node;
struct opt;

/* Fill the field of row `o` in the struct at `base`; what it points to comes
 * from the draft's keep arena.  A null node leaves the field as it is.
 * Returns 0, or -1 after an error. */
int value_read(
	struct draft *d, const struct opt *o, struct node *n, void *base);

/* Set the field of every row to its default.  Rows end with a NULL name;
 * `rows` may be NULL. */
void value_defaults(struct draft *d, const struct opt *rows, void *base);

#endif
