/* SPDX-License-Identifier: ISC */
/*
 * tap - the Test Anything Protocol for C units, as prove reads it.
 */
#ifndef T_TAP_H
#define T_TAP_H

#include <stdbool.h>
#include <stdint.h>

/* How many checks follow; without it, tap_done prints how many there were. */
void plan(int count);
/* Each prints one line and returns whether the check held. */
bool ok(bool held, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool is_int(int64_t wanted, int64_t seen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool is_str(const char *wanted, const char *seen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The text must contain `part`. */
bool has_str(const char *part, const char *seen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void skip(const char *why, int count);
void bail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The exit code of main: 0 when every check held. */
int tap_done(void);

#endif
