/* SPDX-License-Identifier: ISC */
/*
 * cron_days - the days of one month on which an expression fires.
 */
#ifndef WHEN_CRON_DAYS_H
#define WHEN_CRON_DAYS_H

#include <stdint.h>

struct cron;

/* Bits 1 to 31.  length: days of the month; first: weekday of its first. */
uint32_t cron_days(const struct cron *c, int length, int first);

#endif
