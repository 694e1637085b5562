/* SPDX-License-Identifier: ISC */
#include "when/cron.h"
#include "when/cron_days.h"

#define CRON_DAYS_SATURDAY 6
#define CRON_DAYS_SUNDAY   0

/* The weekday (Monday to Friday) nearest to the day, within the month. */
static int cron_days_nearest(int day, int length, int first)
{
	int weekday = (first + day - 1) % 7;

	if (weekday == CRON_DAYS_SATURDAY)
		return day > 1 ? day - 1 : day + 2;
	if (weekday == CRON_DAYS_SUNDAY)
		return day < length ? day + 1 : day - 2;
	return day;
}

/* All days of the month that fall on one of the weekdays. */
static uint32_t cron_days_weekly(uint8_t weekdays, int first)
{
	/* Bit 0 is the weekday of the first of the month. */
	uint64_t week = ((weekdays >> first) | (weekdays << (7 - first))) & 127;

	return (uint32_t)((week | week << 7 | week << 14 | week << 21 |
				  week << 28)
			  << 1);
}

/* What is counted from the ends of the month, and nearest weekdays. */
static uint32_t cron_days_special(const struct cron *c, int length, int first)
{
	uint32_t days = 0, bits;
	int day;

	for (bits = c->nearest; bits != 0; bits &= bits - 1) {
		day = __builtin_ctz(bits);
		if (day <= length)
			days |= 1u << cron_days_nearest(day, length, first);
	}
	for (bits = c->last; bits != 0; bits &= bits - 1) {
		day = length - __builtin_ctz(bits);
		if (day >= 1)
			days |= 1u << day;
	}
	for (bits = c->last_nearest; bits != 0; bits &= bits - 1) {
		day = length - __builtin_ctz(bits);
		if (day >= 1)
			days |= 1u << cron_days_nearest(day, length, first);
	}
	return days;
}

/* The k-th and the last of weekdays. */
static uint32_t cron_days_nth(const struct cron *c, int length, int first)
{
	uint32_t days, week = 0xfe; /* the days 1 to 7 */
	int k;

	days = cron_days_weekly(c->last_weekdays, first) & week << (length - 7);
	for (k = 0; k < 5; k++)
		days |= cron_days_weekly(c->nth[k], first) & week << (7 * k);
	return days;
}

uint32_t cron_days(const struct cron *c, int length, int first)
{
	uint32_t of_month = c->days, of_week;
	uint32_t month = (uint32_t)((UINT64_C(2) << length) - 2);

	if ((c->nearest | c->last | c->last_nearest) != 0)
		of_month |= cron_days_special(c, length, first);
	of_week = cron_days_weekly(c->weekdays, first);
	if (c->has_nth)
		of_week |= cron_days_nth(c, length, first);
	return (c->is_either ? of_month | of_week : of_month & of_week) & month;
}
