/* SPDX-License-Identifier: ISC */
/*
 * number - numbers, durations, sizes and modes as text and back.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

/* Each reads the whole of `s`: false, and nothing set, when it is no such
 * thing or does not fit. */
bool number_int(const char *s, int64_t *ret_value);
/* "500ms", "1.5s", "1h30m"; microseconds.  "0" needs no unit. */
bool number_duration(const char *s, int64_t *ret_us);
/* "64K", "128MiB", "1G"; powers of 1024, plain numbers are bytes. */
bool number_size(const char *s, int64_t *ret_bytes);
/* "0660", "660": octal. */
bool number_mode(const char *s, int64_t *ret_mode);

/* In the largest unit that divides it: reads back the same. */
void number_print_duration(int64_t us, struct buf *out);
void number_print_size(int64_t bytes, struct buf *out);

#endif
