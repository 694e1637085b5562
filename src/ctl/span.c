/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/span.h"

#define SPAN_MAX_MS INT64_C(315360000000) /* ten years */

static const struct {
	const char *unit;
	int64_t ms;
} span_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
};

int span_delay(const char *text, int64_t *ret_ms)
{
	char *end;
	double n = strtod(text, &end);
	size_t i;

	for (i = 0; end != text && i < sizeof(span_units) / sizeof(*span_units);
		i++) {
		if (strcmp(end, span_units[i].unit) != 0 || n < 0 ||
			n * (double)span_units[i].ms > (double)SPAN_MAX_MS)
			continue;
		*ret_ms = (int64_t)(n * (double)span_units[i].ms);
		return EXIT_OK;
	}
	return ctl_fail(EXIT_USAGE,
		"\"%s\" is no span of time: 500ms, 10s, 5m, 2h or 1d", text);
}

/* "Z", "+01:00" or nothing (local time); -1: anything else. */
static int span_zone(const char *text, struct tm *tm, time_t *ret)
{
	int hours, minutes, sign, n = 0;

	if (*text == '\0') {
		tm->tm_isdst = -1;
		*ret = mktime(tm);
		return 0;
	}
	*ret = timegm(tm);
	if (strcmp(text, "Z") == 0)
		return 0;
	sign = *text == '-' ? -1 : 1;
	if ((*text != '+' && *text != '-') ||
		sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 ||
		text[1 + n] != '\0')
		return -1;
	*ret -= sign * (hours * 3600 + minutes * 60);
	return 0;
}

int span_at(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms;
	time_t at;

	if (rest == NULL || span_zone(rest, &tm, &at) != 0)
		return ctl_fail(EXIT_USAGE,
			"\"%s\" is no time: 2026-11-22T10:00:00Z, with an "
			"offset, or local without one",
			text);
	ms = (int64_t)at * 1000 - clock_wall() / US_PER_MS;
	if (ms > SPAN_MAX_MS)
		return ctl_fail(EXIT_USAGE, "\"%s\" is too far away", text);
	*ret_ms = ms > 0 ? ms : 1;
	return EXIT_OK;
}
