/* SPDX-License-Identifier: ISC */
/*
 * http_target - the request target: path and query, decoded.
 *
 * Works in place, since what is decoded is never longer.  Anything that two
 * readers may take for different paths is refused: encoded slashes and NULs,
 * control bytes, backslashes, dot segments that leave the root.
 */
#ifndef LOOP_HTTP_TARGET_H
#define LOOP_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* All point into the text that was parsed. */
struct http_target {
	char *path;      /* "/a/b", or "*" */
	char *query;     /* behind the "?", still encoded; NULL: none */
	char *authority; /* absolute-form only, else NULL; not terminated */
	size_t authority_len;
};

/*
 * Take apart text[0..len), which text[len] may be overwritten behind.
 * Returns NULL, or why it was refused; the text is spoilt in either case.
 */
const char *http_target_parse(
	char *text, size_t len, struct http_target *ret_target);

/* Is it host[:port] as a Host field may hold it?  Empty is. */
bool http_target_is_authority(const char *text, size_t len);

/*
 * Decode the query into "name NUL value NUL" pairs, "+" being a space.
 * Returns the pairs (free), ret_len bytes; the query was checked by
 * http_target_parse.
 */
char *http_target_query(const char *query, size_t *ret_len);

#endif
