/* SPDX-License-Identifier: ISC */
/*
 * json - a writer of JSON text, straight into a buf.
 *
 * The daemon only ever writes JSON here, so it needs no tree and no library;
 * commas and nesting are kept by the writer.  Strings are escaped after RFC
 * 8259; bytes that are not UTF-8 become U+FFFD.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 32

struct json {
	struct buf *out; /* borrowed */
	int depth;
	bool some[JSON_DEPTH_MAX]; /* this level has a member already */
};

void json_init(struct json *j, struct buf *out);
/* key: the member's name, NULL inside an array and at the top. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
/* Closes the innermost object or array. */
void json_end_object(struct json *j);
void json_end_array(struct json *j);
/* A NULL string is written as null. */
void json_str(struct json *j, const char *key, const char *value);
void json_int(struct json *j, const char *key, int64_t value);
/* Three digits after the point. */
void json_num(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
