/* SPDX-License-Identifier: ISC */
/*
 * civil - dates of the Gregorian calendar as numbers of days, and back.
 *
 * Day 0 is 1970-01-01.  Eras of 400 years (146097 days, a whole number of
 * weeks) are counted from 1 March, so that the leap day ends a year.
 */
#ifndef WHEN_CIVIL_H
#define WHEN_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S      86400
#define CIVIL_YEAR_MIN   1
#define CIVIL_YEAR_MAX   9999
#define CIVIL_SECOND_MIN (INT64_C(-62135596800)) /* 0001-01-01T00:00:00 */
#define CIVIL_SECOND_MAX (INT64_C(253402300799)) /* 9999-12-31T23:59:59 */

struct civil {
	int year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

/* Any year that an int32_t holds; the month and the day must be right. */
static inline int64_t civil_to_days(int year, int month, int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year =
		(153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

static inline struct civil civil_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
		365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t mp = (5 * of_year + 2) / 153;
	struct civil c;

	c.day = (int)(of_year - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = (int)(year + era * 400 + (c.month <= 2));
	return c;
}

static inline bool civil_is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int civil_month_days(int year, int month)
{
	if (month == 2)
		return 28 + civil_is_leap(year);
	return 30 + ((month + (month > 7)) & 1);
}

/* 0: Sunday. */
static inline int civil_weekday(int64_t days)
{
	int w = (int)((days + 4) % 7);

	return w < 0 ? w + 7 : w;
}

/* Seconds (or microseconds) to whole days (seconds), downwards. */
static inline int64_t civil_floor(int64_t value, int64_t unit)
{
	return value / unit - (value % unit < 0);
}

#endif
