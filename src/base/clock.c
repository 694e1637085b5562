/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static int64_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
	return clock_read(CLOCK_REALTIME);
}

const char *clock_iso(int64_t wall_us, char ret_text[CLOCK_ISO_MAX])
{
	time_t t = (time_t)(wall_us / US_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(ret_text, CLOCK_ISO_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret_text + n, CLOCK_ISO_MAX - n, ".%03dZ",
		(int)(wall_us % US_PER_S / US_PER_MS));
	return ret_text;
}

const char *clock_span(int64_t us, char *ret_text, size_t size)
{
	double s = (double)us / US_PER_S;

	if (us < 0)
		s = 0;
	if (s < 1)
		snprintf(ret_text, size, "%.0f ms", s * 1000);
	else if (s < 120)
		snprintf(ret_text, size, "%.1f s", s);
	else if (s < 7200)
		snprintf(ret_text, size, "%.0f min", s / 60);
	else if (s < 172800)
		snprintf(ret_text, size, "%.0f h", s / 3600);
	else
		snprintf(ret_text, size, "%.0f d", s / 86400);
	return ret_text;
}

int64_t clock_jitter(int64_t limit)
{
	if (limit <= 0)
		return 0;
	if (limit <= UINT32_MAX)
		return arc4random_uniform((uint32_t)limit);
	return (int64_t)((((uint64_t)arc4random() << 32 | arc4random()) >> 1) %
			 (uint64_t)limit);
}
