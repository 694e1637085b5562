/* SPDX-License-Identifier: ISC */
/*
 * objects - maps that another room makes sense of, kept as JSON.
 */
#ifndef CONF_OBJECTS_H
#define CONF_OBJECTS_H

#include "conf/conf.h"

struct buf;
struct draft;
struct node;

#define OBJECTS_MAX 10000 /* of one list */

/*
 * The value of an OPT_OBJECTS row: a list of maps, or a map of names to maps,
 * whose key is then their member "name".  Scalars without quotes are numbers,
 * true, false and null where they look like it.
 * Every problem is reported.  Returns 0, or -1 after an error.
 */
int objects_read(struct draft *d, struct node *n, const char *row,
	struct conf_strings *ret_objects) __attribute__((warn_unused_result));

/* On one line, as it reads back: JSON is YAML. */
void objects_print(const struct conf_strings *objects, struct buf *out);

#endif
