/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "when/civil.h"
#include "when/iso.h"
#include "when/zone.h"

#define ISO_FRACTION_MAX 9
#define ISO_WORD_MAX     40 /* of the text, in an error */

struct iso_text {
	const char *at, *end;
};

static bool iso_take(struct iso_text *t, const char *any)
{
	if (t->at == t->end || *t->at == '\0' || strchr(any, *t->at) == NULL)
		return false;
	t->at++;
	return true;
}

/* Exactly so many digits, from least to most. */
static bool iso_digits(
	struct iso_text *t, int count, int least, int most, int *ret)
{
	int n = 0;

	for (; count > 0; count--, t->at++) {
		if (t->at == t->end || *t->at < '0' || *t->at > '9')
			return false;
		n = n * 10 + *t->at - '0';
	}
	*ret = n;
	return n >= least && n <= most;
}

static bool iso_fraction(struct iso_text *t, int64_t *ret_us)
{
	int64_t unit = US_PER_S / 10, us = 0;
	int digits = 0;

	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		us += (*t->at - '0') * unit;
		unit /= 10;
		digits++;
	}
	*ret_us = us;
	return digits > 0 && digits <= ISO_FRACTION_MAX;
}

/* "2026-11-22" in days. */
static bool iso_date(struct iso_text *t, int64_t *ret_days)
{
	int year, month, day;

	if (!iso_digits(t, 4, CIVIL_YEAR_MIN, CIVIL_YEAR_MAX, &year) ||
		!iso_take(t, "-") || !iso_digits(t, 2, 1, 12, &month) ||
		!iso_take(t, "-") || !iso_digits(t, 2, 1, 31, &day) ||
		day > civil_month_days(year, month))
		return false;
	*ret_days = civil_to_days(year, month, day);
	return true;
}

/* "10:00:00.5". */
static bool iso_time(struct iso_text *t, int *ret_s, int64_t *ret_us)
{
	int hour, minute, second = 0;

	if (!iso_digits(t, 2, 0, 23, &hour) || !iso_take(t, ":") ||
		!iso_digits(t, 2, 0, 59, &minute))
		return false;
	*ret_us = 0;
	if (iso_take(t, ":")) {
		if (!iso_digits(t, 2, 0, 59, &second))
			return false;
		if (iso_take(t, ".,") && !iso_fraction(t, ret_us))
			return false;
	}
	*ret_s = hour * 3600 + minute * 60 + second;
	return true;
}

/* "+01:00", "+0100", "+01", or with seconds "+00:53:28". */
static bool iso_offset(struct iso_text *t, int *ret_s)
{
	int sign = t->at[-1] == '-' ? -1 : 1;
	int hours, minutes = 0, seconds = 0;

	if (!iso_digits(t, 2, 0, 23, &hours))
		return false;
	if (iso_take(t, ":")) {
		if (!iso_digits(t, 2, 0, 59, &minutes))
			return false;
		if (iso_take(t, ":") && !iso_digits(t, 2, 0, 59, &seconds))
			return false;
	} else if (t->at < t->end && !iso_digits(t, 2, 0, 59, &minutes)) {
		return false;
	}
	*ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
	return true;
}

static bool iso_read(
	struct iso_text *t, const struct zone *zone, int64_t *ret_us)
{
	int64_t days, us = 0, s;
	int second = 0, offset = 0;
	bool is_wall = true;

	if (!iso_date(t, &days))
		return false;
	if (iso_take(t, "Tt ")) {
		if (!iso_time(t, &second, &us))
			return false;
		if (iso_take(t, "Zz"))
			is_wall = false;
		else if (iso_take(t, "+-")) {
			is_wall = false;
			if (!iso_offset(t, &offset))
				return false;
		}
	}
	if (t->at != t->end)
		return false;
	s = days * CIVIL_DAY_S + second;
	s = is_wall ? zone_first(zone, s) : s - offset;
	*ret_us = s * US_PER_S + us;
	return true;
}

int iso_parse(const char *text, size_t len, const struct zone *zone,
	int64_t *ret_us, struct err *err)
{
	struct iso_text t = { text, text + len };
	char word[ISO_WORD_MAX + 1];
	size_t i;

	if (iso_read(&t, zone, ret_us))
		return 0;
	for (i = 0; i < len && i < ISO_WORD_MAX; i++)
		word[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	word[i] = '\0';
	return err_set(err, 0,
		"\"%s\" is no time: write it like 2026-11-22T10:00:00+01:00",
		word);
}

static void iso_print_fraction(int64_t us, char *ret_text, size_t size)
{
	ret_text[0] = '\0';
	if (us % US_PER_MS != 0)
		snprintf(ret_text, size, ".%06d", (int)us);
	else if (us != 0)
		snprintf(ret_text, size, ".%03d", (int)(us / US_PER_MS));
}

static void iso_print_offset(int offset, char *ret_text, size_t size)
{
	char sign = offset < 0 ? '-' : '+';
	int n = offset < 0 ? -offset : offset;

	if (n % 60 == 0)
		snprintf(ret_text, size, "%c%02d:%02d", sign, n / 3600,
			n / 60 % 60);
	else
		snprintf(ret_text, size, "%c%02d:%02d:%02d", sign, n / 3600,
			n / 60 % 60, n % 60);
}

const char *iso_print(
	int64_t us, const struct zone *zone, char ret_text[ISO_MAX])
{
	int64_t s = civil_floor(us, US_PER_S), wall_s, days;
	char fraction[8], offset[16];
	struct civil date;
	int second;

	strcpy(ret_text, "never");
	if (s < CIVIL_SECOND_MIN - CIVIL_DAY_S ||
		s > CIVIL_SECOND_MAX + CIVIL_DAY_S)
		return ret_text;
	wall_s = zone_wall(zone, s);
	if (wall_s < CIVIL_SECOND_MIN || wall_s > CIVIL_SECOND_MAX)
		return ret_text;
	days = civil_floor(wall_s, CIVIL_DAY_S);
	date = civil_from_days(days);
	second = (int)(wall_s - days * CIVIL_DAY_S);
	iso_print_fraction(us - s * US_PER_S, fraction, sizeof(fraction));
	iso_print_offset((int)(wall_s - s), offset, sizeof(offset));
	snprintf(ret_text, ISO_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%s%s",
		date.year, date.month, date.day, second / 3600,
		second / 60 % 60, second % 60, fraction, offset);
	return ret_text;
}
