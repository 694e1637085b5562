/* SPDX-License-Identifier: ISC */
/*
 * span - times on the command line.
 */
#ifndef CTL_SPAN_H
#define CTL_SPAN_H

#include <stdint.h>

/* "500ms", "10s", "5m", "2h", "1d", or seconds.  0, or EXIT_USAGE, printed. */
int span_delay(const char *text, int64_t *ret_ms);
/* "2026-11-22T10:00:00Z", with an offset or "local" time without one: the
 * milliseconds from now, at least 1. */
int span_at(const char *text, int64_t *ret_ms);

#endif
