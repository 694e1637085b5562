/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/pg.h"

#define ARRAY_SIZE_FIRST 256

/* Room for so many bytes and the closing brace. */
static char *array_room(struct pg_array *a, size_t more)
{
	size_t need = a->len + more + 2;

	if (need > a->size) {
		a->size = a->size * 2 > need ? a->size * 2 : need;
		if (a->size < ARRAY_SIZE_FIRST)
			a->size = ARRAY_SIZE_FIRST;
		a->text = xrealloc(a->text, a->size);
	}
	return a->text + a->len;
}

static char *array_begin(struct pg_array *a, size_t more)
{
	char *at = array_room(a, more + 1);

	*at = a->len == 0 ? '{' : ',';
	a->len++;
	return at + 1;
}

void pg_array_add_bytes(struct pg_array *a, const char *value, size_t len)
{
	char *at = array_begin(a, 2 * len + 2), *begin = at;
	size_t i;

	*at++ = '"';
	for (i = 0; i < len; i++) {
		if (value[i] == '"' || value[i] == '\\')
			*at++ = '\\';
		/* PostgreSQL keeps no NUL. */
		*at++ = value[i] != '\0' ? value[i] : '?';
	}
	*at++ = '"';
	a->len += (size_t)(at - begin);
}

void pg_array_add(struct pg_array *a, const char *value)
{
	if (value != NULL) {
		pg_array_add_bytes(a, value, strlen(value));
		return;
	}
	memcpy(array_begin(a, 4), "NULL", 4);
	a->len += 4;
}

void pg_array_add_int(struct pg_array *a, int64_t value)
{
	char *at = array_begin(a, 24);

	a->len += (size_t)snprintf(at, 24, "%lld", (long long)value);
}

const char *pg_array_text(struct pg_array *a)
{
	char *at;

	if (a->len == 0)
		return "{}";
	at = array_room(a, 0);
	at[0] = '}';
	at[1] = '\0';
	return a->text;
}

void pg_array_reset(struct pg_array *a)
{
	a->len = 0;
}

void pg_array_free(struct pg_array *a)
{
	free(a->text);
	*a = (struct pg_array){ 0 };
}
