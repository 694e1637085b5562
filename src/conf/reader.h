/* SPDX-License-Identifier: ISC */
/*
 * reader - YAML text to nodes.  The only file that knows libyaml.
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include <stddef.h>

struct draft;
struct node;
struct source;

/*
 * Parse one document.  ret_root gets its root, NULL for an empty one.
 * Returns 0; -1 after an error that ends the file (syntax, a limit): the
 * draft is then broken.  Lesser errors (a key twice) are reported and
 * reading goes on.
 */
int reader_parse(struct draft *d, const struct source *source,
	const char *bytes, size_t len, struct node **ret_root)
	__attribute__((warn_unused_result));

#endif
