/* SPDX-License-Identifier: ISC */
/*
 * metrics_task - how tasks fare on this node in a few figures, under the names
 * that dashboards know; and what its machine has left.
 */
#ifndef BOARD_METRICS_TASK_H
#define BOARD_METRICS_TASK_H

#include <stdint.h>

struct buf;
struct series_table;
struct series_redis;
struct view;

void metrics_task(const struct series_table *t, struct buf *out);
/* Nothing when Redis has not said anything for a while.  now_us: clock_now. */
void metrics_redis(
	const struct series_redis *s, int64_t now_us, struct buf *out);
/* Reads /proc for each process.  now_us: clock_now. */
void metrics_machine(const struct view *v, int64_t now_us, struct buf *out);

#endif
