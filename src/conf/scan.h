/* SPDX-License-Identifier: ISC */
/*
 * scan - a look at a file's bytes before YAML sees them.
 */
#ifndef CONF_SCAN_H
#define CONF_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct draft;
struct source;

/* NUL and control bytes, bytes that are not UTF-8: the first one is an error
 * with its place.  Returns 0, or -1 when there was one. */
int scan_bytes(struct draft *d, const struct source *source, const char *bytes,
	size_t len) __attribute__((warn_unused_result));
/* Is there a tab in the white space that line `line` (from 1) begins with? */
bool scan_has_tab(const char *bytes, size_t len, int line);

#endif
