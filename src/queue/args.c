/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "queue/args.h"

void args_done(struct args *a)
{
	free(a->items);
	free(a->lens);
	*a = (struct args)ARGS_INIT;
}

void args_reset(struct args *a)
{
	a->count = 0;
	a->number_count = 0;
}

void args_add_bytes(struct args *a, const void *data, size_t len)
{
	if (a->count == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 16;
		a->items = xreallocarray(a->items, a->cap, sizeof(*a->items));
		a->lens = xreallocarray(a->lens, a->cap, sizeof(*a->lens));
	}
	a->items[a->count] = data;
	a->lens[a->count++] = len;
}

void args_add(struct args *a, const char *text)
{
	args_add_bytes(a, text, strlen(text));
}

void args_add_number(struct args *a, int64_t value)
{
	char *text;

	assert(a->number_count < ARGS_NUMBERS);
	text = a->numbers[a->number_count++];
	snprintf(text, sizeof(a->numbers[0]), "%" PRId64, value);
	args_add(a, text);
}
