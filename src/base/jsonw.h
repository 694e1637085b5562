/* SPDX-License-Identifier: ISC */
/*
 * jsonw - a writer of JSON text, straight into a buf.
 *
 * The daemon only ever writes JSON here, so it needs no tree and no library;
 * commas and nesting are kept by the writer.  Strings are escaped after RFC
 * 8259; bytes that are not UTF-8 become U+FFFD.
 */
#ifndef BASE_JSONW_H
#define BASE_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSONW_DEPTH_MAX 32

struct jsonw {
	struct buf *out; /* borrowed */
	int depth;
	bool some[JSONW_DEPTH_MAX]; /* this level has a member already */
};

void jsonw_init(struct jsonw *j, struct buf *out);
/* key: the member's name, NULL inside an array and at the top. */
void jsonw_object(struct jsonw *j, const char *key);
void jsonw_array(struct jsonw *j, const char *key);
/* Closes the innermost object or array. */
void jsonw_end_object(struct jsonw *j);
void jsonw_end_array(struct jsonw *j);
/* A NULL string is written as null. */
void jsonw_str(struct jsonw *j, const char *key, const char *value);
void jsonw_int(struct jsonw *j, const char *key, int64_t value);
/* Three digits after the point. */
void jsonw_num(struct jsonw *j, const char *key, double value);
void jsonw_bool(struct jsonw *j, const char *key, bool value);
void jsonw_null(struct jsonw *j, const char *key);
/* A value that is JSON text already. */
void jsonw_raw(struct jsonw *j, const char *key, const char *text, size_t len);

#endif
