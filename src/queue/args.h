/* SPDX-License-Identifier: ISC */
/*
 * args - a command's arguments, put together one by one.  Borrows every text
 * until the command is sent but for the numbers, which it keeps itself.
 */
#ifndef QUEUE_ARGS_H
#define QUEUE_ARGS_H

#include <stddef.h>
#include <stdint.h>

#define ARGS_NUMBERS 8

struct args {
	const char **items;
	size_t *lens;
	size_t count, cap;
	char numbers[ARGS_NUMBERS][24];
	unsigned number_count;
};

#define ARGS_INIT                           \
	{                                   \
		NULL, NULL, 0, 0, { "" }, 0 \
	}

void args_done(struct args *a);
/* Empty again, keeps the memory. */
void args_reset(struct args *a);
void args_add(struct args *a, const char *text);
void args_add_bytes(struct args *a, const void *data, size_t len);
/* At most ARGS_NUMBERS of them. */
void args_add_number(struct args *a, int64_t value);

#endif
