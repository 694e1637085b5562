/* SPDX-License-Identifier: ISC */
/*
 * jsonr - a strict reader of JSON text, without a tree.
 *
 * One pass over the text (RFC 8259): values are handed out as places in it,
 * and what is inside of a value is checked while it is passed over.  Refused
 * besides bad grammar: bytes that are not UTF-8, lone surrogates, NUL (also as
 * \u0000), names that an object has twice, and more nesting than the caller
 * allows.  No recursion on the reader's side is deeper than that limit, and
 * memory is taken for nothing but objects of many members.
 */
#ifndef BASE_JSONR_H
#define BASE_JSONR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JSONR_DEPTH_MAX  128 /* the most that a caller may allow */
#define JSONR_NAMES_HELD 32  /* names of open objects held without memory */

enum jsonr_type {
	JSONR_NULL = 0,
	JSONR_BOOL = 1,
	JSONR_INT = 2,  /* a whole number that an int64_t holds */
	JSONR_REAL = 3, /* any other number */
	JSONR_STRING = 4,
	JSONR_ARRAY = 5,
	JSONR_OBJECT = 6,
	JSONR_TYPE_COUNT
};

/* "null", "a boolean", … with the article, for error texts. */
extern const char *const jsonr_type_names[JSONR_TYPE_COUNT];

/* A value as it stands in the text; borrowed from it. */
struct jsonr_value {
	enum jsonr_type type;
	const char *text; /* as written; strings without their quotes */
	size_t len;
	int64_t number;  /* BOOL: 0 or 1; INT */
	bool has_escape; /* STRING: text is not yet what it means */
};

struct jsonr {
	const char *start, *at, *end;
	int depth, depth_max;
	bool is_begun;   /* a member or an item was handed out */
	char close;      /* of the object or array that is walked */
	struct err *err; /* borrowed; may be NULL */
	uint64_t *names; /* hashes of the names of all open objects */
	size_t name_count, name_cap;
	uint64_t held[JSONR_NAMES_HELD];
};

/*
 * Walk the object (or array) that is the whole of text[0..len).
 * depth_max: nested values inside of it, at most JSONR_DEPTH_MAX.
 * err: filled when a later call fails; borrowed until jsonr_done.
 * Returns 0, or -1 with err when the text begins with something else.
 */
int jsonr_object(struct jsonr *r, const char *text, size_t len, int depth_max,
	struct err *err);
int jsonr_array(struct jsonr *r, const char *text, size_t len, int depth_max,
	struct err *err);
/* The next member (item): 1; 0: the end, and nothing follows it; -1: err. */
int jsonr_member(struct jsonr *r, struct jsonr_value *ret_name,
	struct jsonr_value *ret_value);
int jsonr_item(struct jsonr *r, struct jsonr_value *ret_value);
/* Always, once begun. */
void jsonr_done(struct jsonr *r);

/* Is text[0..len) one value, and which?  0, or -1 with err. */
int jsonr_check(const char *text, size_t len, int depth_max,
	struct jsonr_value *ret_value, struct err *err);

/* Is it the string (or name) s? */
bool jsonr_is(const struct jsonr_value *v, const char *s);
/* What a string means: heap, NUL-terminated; ret_len may be NULL. */
char *jsonr_string(const struct jsonr_value *v, size_t *ret_len);

#endif
