/* SPDX-License-Identifier: ISC */
/*
 * clock - the two clocks.  One unit inside the program: microseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define US_PER_MS 1000
#define US_PER_S  1000000

#define CLOCK_ISO_MAX 32

/* CLOCK_MONOTONIC in microseconds: for every deadline and age.  The same for
 * all processes of one boot; stands still while the machine is suspended. */
int64_t clock_now(void);
/* The wall clock, microseconds since 1970 UTC: for people only. */
int64_t clock_wall(void);
/* "2026-11-22T07:48:00.123Z" of a clock_wall value. */
const char *clock_iso(int64_t wall_us, char ret_text[CLOCK_ISO_MAX]);
/* "350 ms", "4.2 s", "3 min", "2 h", "5 d": a span for people. */
const char *clock_span(int64_t us, char *ret_text, size_t size);
/* A number in [0, limit) from the kernel's generator; 0 if limit <= 0. */
int64_t clock_jitter(int64_t limit);

#endif
