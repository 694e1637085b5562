/* SPDX-License-Identifier: ISC */
/*
 * iso - instants as text after ISO 8601, and back.
 *
 * An instant is a number of microseconds since 1970 UTC; the years 0001 to
 * 9999 have a text.
 */
#ifndef WHEN_ISO_H
#define WHEN_ISO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;

#define ISO_MAX 64

/*
 * "2026-11-22T10:00:00.5+01:00": a fraction of up to nine digits (cut to
 * microseconds), "Z" for an offset, seconds left out, a space for the T, and
 * the bare date are understood too.  Without an offset it is what the clocks
 * of `zone` show: their first such moment, or the end of the gap they leap
 * over.
 * Returns 0, or -1 with err.
 */
int iso_parse(const char *text, size_t len, const struct zone *zone,
	int64_t *ret_us, struct err *err) __attribute__((warn_unused_result));

/* "2026-11-22T10:00:00+01:00" as in `zone`; a fraction only where there is
 * one, seconds of the offset only where there are.  "never" when the year is
 * not of four digits. */
const char *iso_print(
	int64_t us, const struct zone *zone, char ret_text[ISO_MAX]);

#endif
