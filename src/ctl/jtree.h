/* SPDX-License-Identifier: ISC */
/*
 * jtree - JSON text as a tree, whatever its numbers.
 */
#ifndef CTL_JTREE_H
#define CTL_JTREE_H

#include <jansson.h>
#include <stddef.h>

/* The value that the text is; NULL: it is none.  A whole number that no
 * integer of jansson holds becomes a real one. */
json_t *jtree_read(const char *text, size_t len);

#endif
