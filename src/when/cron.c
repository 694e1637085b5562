/* SPDX-License-Identifier: ISC */
#include "base/clock.h"
#include "when/civil.h"
#include "when/cron.h"
#include "when/cron_days.h"
#include "when/zone.h"

#define CRON_YEARS_AHEAD 400 /* after which the calendar repeats */
#define CRON_DAYS_AHEAD  (INT64_C(146097) + 366)

struct cron_search {
	const struct cron *c;
	int steps;
	int year_max; /* the last one to look at */
};

static bool cron_has_year(const struct cron *c, int year)
{
	unsigned bit = (unsigned)(year - CRON_YEAR_MIN);

	if (!c->has_years)
		return true;
	return year >= CRON_YEAR_MIN && year <= CRON_YEAR_MAX &&
	       (c->years[bit / 64] & UINT64_C(1) << bit % 64) != 0;
}

/* The first second of a day at or after `second`; -1. */
static int cron_of_day(const struct cron *c, int second)
{
	int hour = second / 3600, minute = second / 60 % 60;
	uint64_t hours, minutes, seconds;

	hours = (uint64_t)c->hours >> hour << hour;
	if (hours == 0)
		return -1;
	if ((hours & UINT64_C(1) << hour) != 0) {
		seconds = c->seconds >> second % 60 << second % 60;
		if (seconds != 0 && (c->minutes & UINT64_C(1) << minute) != 0)
			return hour * 3600 + minute * 60 +
			       __builtin_ctzll(seconds);
		minutes = minute < 59
				  ? c->minutes >> (minute + 1) << (minute + 1)
				  : 0;
		if (minutes != 0)
			return hour * 3600 + __builtin_ctzll(minutes) * 60 +
			       __builtin_ctzll(c->seconds);
		hours &= hours - 1;
	}
	if (hours == 0)
		return -1;
	return __builtin_ctzll(hours) * 3600 +
	       __builtin_ctzll(c->minutes) * 60 + __builtin_ctzll(c->seconds);
}

/* The first day, from a date on, that fires; false: none up to year_max. */
static bool cron_find_day(struct cron_search *s, struct civil *date)
{
	uint32_t days, months;
	int64_t first;

	for (; date->year <= s->year_max; date->year++) {
		months = (uint32_t)s->c->months >> date->month << date->month;
		s->steps++;
		if (!cron_has_year(s->c, date->year))
			months = 0;
		for (; months != 0; months &= months - 1) {
			s->steps++;
			if (__builtin_ctz(months) != date->month)
				date->day = 1;
			date->month = __builtin_ctz(months);
			first = civil_to_days(date->year, date->month, 1);
			days = cron_days(s->c,
				civil_month_days(date->year, date->month),
				civil_weekday(first));
			days = days >> date->day << date->day;
			if (days != 0) {
				date->day = __builtin_ctz(days);
				return true;
			}
		}
		date->month = 1;
		date->day = 1;
	}
	return false;
}

/* The first second of the wall clock, at or after wall_s; CRON_NEVER. */
static int64_t cron_find(struct cron_search *s, int64_t wall_s)
{
	int64_t day = civil_floor(wall_s, CIVIL_DAY_S);
	struct civil date = civil_from_days(day), found = date;
	int second;

	if (!cron_find_day(s, &found))
		return CRON_NEVER;
	if (found.day == date.day && found.month == date.month &&
		found.year == date.year) {
		second = cron_of_day(s->c, (int)(wall_s - day * CIVIL_DAY_S));
		if (second >= 0)
			return day * CIVIL_DAY_S + second;
		/* Past the end of a month is the first of the next. */
		found = civil_from_days(day + 1);
		if (!cron_find_day(s, &found))
			return CRON_NEVER;
	}
	return civil_to_days(found.year, found.month, found.day) * CIVIL_DAY_S +
	       cron_of_day(s->c, 0);
}

/* Wall-clock times: the first that the clocks have not shown yet. */
static int64_t cron_next_wall(
	struct cron_search *s, const struct zone *zone, int64_t after_s)
{
	int64_t wall_s = cron_find(s, zone_wall_max(zone, after_s) + 1);

	return wall_s == CRON_NEVER ? CRON_NEVER : zone_first(zone, wall_s);
}

/*
 * Absolute time: the first second whose wall-clock time fires, span by span
 * of the zone.  Where none does for long, the spans between are left out: the
 * clocks are never more than a day or so off UTC.
 */
static int64_t cron_next_absolute(
	struct cron_search *s, const struct zone *zone, int64_t after_s)
{
	int64_t at_s = after_s + 1, wall_s;
	int64_t limit_s = at_s + CRON_DAYS_AHEAD * CIVIL_DAY_S;
	struct zone_span span;

	while (at_s < limit_s) {
		s->steps++;
		zone_at(zone, at_s, &span);
		wall_s = cron_find(s, at_s + span.offset_s);
		if (wall_s != CRON_NEVER &&
			wall_s - span.offset_s < span.until_s)
			return wall_s - span.offset_s;
		if (span.until_s == INT64_MAX)
			return CRON_NEVER;
		at_s = span.until_s;
		wall_s = cron_find(s, at_s + ZONE_OFFSET_MIN);
		if (wall_s == CRON_NEVER)
			return CRON_NEVER;
		if (at_s < wall_s - ZONE_OFFSET_MAX)
			at_s = wall_s - ZONE_OFFSET_MAX;
	}
	return CRON_NEVER;
}

int64_t cron_next_counted(const struct cron *c, const struct zone *zone,
	int64_t after_us, int *ret_steps)
{
	struct cron_search s = { .c = c };
	int64_t after_s = civil_floor(after_us, US_PER_S), next_s;

	*ret_steps = 0;
	/* Where an offset could lead out of the calendar is no time either. */
	if (after_s < CIVIL_SECOND_MIN + 2 * CIVIL_DAY_S)
		after_s = CIVIL_SECOND_MIN + 2 * CIVIL_DAY_S;
	if (c->has_years && after_s < -2 * CIVIL_DAY_S)
		after_s = -2 * CIVIL_DAY_S;
	if (c->is_never || after_s >= CIVIL_SECOND_MAX)
		return CRON_NEVER;
	s.year_max = civil_from_days(civil_floor(after_s, CIVIL_DAY_S)).year +
		     CRON_YEARS_AHEAD + 1;
	if (s.year_max > CIVIL_YEAR_MAX)
		s.year_max = CIVIL_YEAR_MAX;
	if (c->has_years && s.year_max > CRON_YEAR_MAX)
		s.year_max = CRON_YEAR_MAX;
	next_s = c->is_absolute ? cron_next_absolute(&s, zone, after_s)
				: cron_next_wall(&s, zone, after_s);
	*ret_steps = s.steps;
	return next_s == CRON_NEVER ? CRON_NEVER : next_s * US_PER_S;
}

int64_t cron_next(
	const struct cron *c, const struct zone *zone, int64_t after_us)
{
	int steps;

	return cron_next_counted(c, zone, after_us, &steps);
}
