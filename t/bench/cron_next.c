/* SPDX-License-Identifier: ISC */
/*
 * cron_next - time cron_next over everyday and over hostile expressions.
 *
 *	cron_next
 *
 * Prints "next NS", "next_berlin NS" and "parse NS" per call, the middle of
 * some rounds, over expressions as people write them, in UTC and in a zone
 * whose clocks change; and "worst NS", the slowest single call over
 * expressions, zones and times that were chosen to be slow, each the best of
 * some tries, so that the machine's own pauses don't count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "when/cron.h"
#include "when/zone.h"

#define ROUNDS      5
#define ROUND_NEXTS 40000 /* of each expression */
#define PARSES      20000
#define TRIES       5

static const char *const everyday[] = {
	"* * * * *",
	"*/5 * * * *",
	"0 * * * *",
	"0 3 * * *",
	"30 4 * * MON-FRI",
	"15 2 1 * *",
	"0 0 1,15 * 3",
	"0 0 1 1 *",
	"*/10 * * * * *",
	"0 0 2 * * ?",
	"0 15 10 ? * 6L",
	"0 0 9 LW * ?",
	"0 30 8 ? * MON-FRI 2026-2030",
};

static const char *const hostile[] = {
	"* * 30 2 *",
	"* * 31 2,4,6,9,11 *",
	"0 0 29 2 *",
	"* * 29 2 */7",
	"59 23 */28 2 1",
	"* * 2 ? 3 1L",
	"* */15 2 ? 3 1L",
	"0 */15 2 ? 3 1L 2027-2199/2",
	"* * * 29 2 ? 1971,1973,2101-2103",
	"* * * 29 2 ? 2100",
	"59 59 23 31 12 ? 2199",
	"* * * 29W 2 ?",
	"0-59/59 0-59/59 0-23/23 L-28W,29W,30W,31W 2 * ",
	"* * 2 L-6,L-5,L-4,L-3,L-2,L-1,L,LW 3 ?",
	"* * 0 ? 2 1#5",
	"* * 3 29 2 6#5",
};

static const char *const zones[] = { "UTC", "Europe/Berlin",
	"Africa/Casablanca", "Australia/Lord_Howe", "America/Nuuk",
	"Pacific/Apia" };

static const int64_t times_s[] = { -60000000000, 0, 1774745999, 1792889999,
	4107542400, 7258118399, 250000000000 };

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void parse(const char *text, struct cron *ret)
{
	struct err err;

	if (cron_parse(text, strlen(text), CRON_AUTO, ret, &err) == 0)
		return;
	fprintf(stderr, "cron_next: %s: %s\n", text, err.text);
	exit(1);
}

static const struct zone *zone_of(const char *name)
{
	struct err err;
	const struct zone *z = zone_get(name, &err);

	if (z != NULL)
		return z;
	fprintf(stderr, "cron_next: %s\n", err.text);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Nanoseconds per call, walking from fire to fire from now on. */
static double time_everyday(const struct zone *z)
{
	size_t i, count = sizeof(everyday) / sizeof(*everyday);
	int64_t begun_ns = now_ns(), at_us, start_us = clock_wall();
	struct cron c;
	long n, calls = 0;

	for (i = 0; i < count; i++) {
		parse(everyday[i], &c);
		at_us = start_us;
		for (n = 0; n < ROUND_NEXTS; n++, calls++) {
			at_us = cron_next(&c, z, at_us);
			/* The plans of real definitions are near. */
			if (at_us == CRON_NEVER ||
				at_us > start_us + INT64_C(315360000000000))
				at_us = start_us + n;
		}
	}
	return (double)(now_ns() - begun_ns) / (double)calls;
}

static double time_parse(void)
{
	size_t i, count = sizeof(everyday) / sizeof(*everyday);
	int64_t begun_ns = now_ns();
	struct cron c;
	long n, calls = 0;

	for (n = 0; n < PARSES; n++)
		for (i = 0; i < count; i++, calls++)
			parse(everyday[i], &c);
	return (double)(now_ns() - begun_ns) / (double)calls;
}

static double time_one(const struct cron *c, const struct zone *z, int64_t s)
{
	int64_t begun_ns, took_ns, best_ns = INT64_MAX;
	int i;

	for (i = 0; i < TRIES; i++) {
		begun_ns = now_ns();
		(void)cron_next(c, z, s * US_PER_S);
		took_ns = now_ns() - begun_ns;
		if (took_ns < best_ns)
			best_ns = took_ns;
	}
	return (double)best_ns;
}

static double time_worst(void)
{
	double worst_ns = 0, ns;
	struct cron c;
	size_t i, k, n;

	for (i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		parse(hostile[i], &c);
		for (k = 0; k < sizeof(zones) / sizeof(*zones); k++) {
			for (n = 0; n < sizeof(times_s) / sizeof(*times_s);
				n++) {
				ns = time_one(
					&c, zone_of(zones[k]), times_s[n]);
				if (ns > worst_ns)
					worst_ns = ns;
			}
		}
	}
	return worst_ns;
}

int main(void)
{
	const struct zone *berlin = zone_of("Europe/Berlin");
	double next[ROUNDS], local[ROUNDS], parsed[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		next[i] = time_everyday(zone_utc());
		local[i] = time_everyday(berlin);
		parsed[i] = time_parse();
	}
	qsort(next, ROUNDS, sizeof(*next), compare);
	qsort(local, ROUNDS, sizeof(*local), compare);
	qsort(parsed, ROUNDS, sizeof(*parsed), compare);
	printf("next %.1f\nnext_berlin %.1f\nparse %.1f\nworst %.1f\n",
		next[ROUNDS / 2], local[ROUNDS / 2], parsed[ROUNDS / 2],
		time_worst());
	return 0;
}
