/* SPDX-License-Identifier: ISC */
/*
 * gauge - what Redis says of itself, for the board: connections and memory.
 */
#ifndef GOVERN_GAUGE_H
#define GOVERN_GAUGE_H

#include <stdint.h>

struct redis;
struct series_redis;

/* Between two looks. */
#define GAUGE_LOOK_US (10 * (int64_t)1000000)

/* Ask; the answers are written to `s`, which outlives the connection. */
void gauge_look(struct redis *r, struct series_redis *s);
/* The number behind `name` and a colon at the begin of a line of INFO; -1: it
 * has no such line. */
int64_t gauge_number(const char *info, const char *name);

#endif
