/* SPDX-License-Identifier: ISC */
/*
 * metrics_cron - the families of the crontab, for metrics.c.
 */
#ifndef BOARD_METRICS_CRON_H
#define BOARD_METRICS_CRON_H

#include <stdint.h>

struct buf;
struct series_cron;

/* now_us: clock_now. */
void metrics_cron(const struct series_cron *s, int64_t now_us, struct buf *out);

#endif
