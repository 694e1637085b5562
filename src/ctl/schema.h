/* SPDX-License-Identifier: ISC */
/*
 * schema - does a value fit a JSON Schema?
 *
 * Of the vocabulary: type, enum, const, required, properties,
 * additionalProperties (true, false or a schema), items, minItems, maxItems,
 * minimum, maximum, minLength, maxLength.  Other words are annotations here,
 * and say nothing.
 */
#ifndef CTL_SCHEMA_H
#define CTL_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Nested schemas; deeper ones fit nothing. */
#define SCHEMA_DEPTH_MAX 64

/* ret_why: where it does not fit and why, "params.order: is missing". */
bool schema_fits(
	const json_t *schema, const json_t *value, char *ret_why, size_t size);

#endif
