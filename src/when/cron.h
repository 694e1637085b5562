/* SPDX-License-Identifier: ISC */
/*
 * cron - expressions that say when, and their next time.
 *
 *	vixie    minute hour day month weekday, or @daily and the like
 *	seconds  second, and the same five
 *	quartz   second minute hour day month weekday [year]
 *
 * reevectl(8) tells the three in full.  An expression is a small value of a
 * fixed size: bits per field, days of the month as rules.  A search goes from
 * month to month at most, so none takes long: see CRON_STEPS_MAX.
 *
 * Where clocks are changed: an expression whose second, minute or hour begins
 * with * or is a step without an end (a/n) goes with absolute time, so it
 * fires in both of two equal hours and leaves out what the clocks leave out.
 * Any other stands for times of the wall clock: it fires at the first of two
 * equal times, and at the end of a gap once for all times inside of it.
 */
#ifndef WHEN_CRON_H
#define WHEN_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;

#define CRON_TEXT_MAX  2048      /* bytes of an expression */
#define CRON_NEVER     INT64_MAX /* no time at all */
#define CRON_YEAR_MIN  1970      /* of the field of years */
#define CRON_YEAR_MAX  2199
#define CRON_STEPS_MAX 100000 /* years, months and spans that one search sees */

enum cron_dialect {
	CRON_AUTO = 0, /* by the number of fields */
	CRON_VIXIE = 1,
	CRON_SECONDS = 2,
	CRON_QUARTZ = 3,
	CRON_DIALECT_COUNT
};

/* A parsed expression: nothing in it needs to be freed.  Bit n stands for the
 * value n; weekdays count from Sunday, 0. */
struct cron {
	uint64_t seconds, minutes;
	uint32_t hours;
	uint16_t months;
	uint8_t dialect; /* never CRON_AUTO */
	uint8_t weekdays;
	uint32_t days;
	uint32_t nearest;      /* nW: the weekday nearest to the n-th */
	uint32_t last;         /* L-n: bit n, so many days before the last */
	uint32_t last_nearest; /* L-nW, LW */
	uint8_t nth[5];        /* d#k: of each k (from 0) its weekdays */
	uint8_t last_weekdays; /* dL */
	bool has_nth;          /* nth or last_weekdays */
	bool is_either;        /* a day of either field, not of both */
	bool is_absolute;      /* goes with absolute time */
	bool is_never;         /* no month has such a day */
	bool has_years;
	uint64_t years[4]; /* bit 0 is CRON_YEAR_MIN */
};

/* "vixie", "seconds", "quartz"; CRON_AUTO is "auto". */
extern const char *const cron_dialect_names[CRON_DIALECT_COUNT];

/* The dialect of that name ("" is auto): 0, or -1 with err. */
int cron_dialect_find(const char *name, enum cron_dialect *ret, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Read text[0..len) as an expression of the dialect.
 * Returns 0, or -1 with err: "column 5: the hour is 0 to 23, not 25", columns
 * being bytes from 1.
 */
int cron_parse(const char *text, size_t len, enum cron_dialect dialect,
	struct cron *ret, struct err *err) __attribute__((warn_unused_result));

/*
 * The first time after the instant (microseconds since 1970 UTC), not at it;
 * CRON_NEVER when there is none before the year 10000, nor within 400 years
 * of the instant, after which the calendar and the clocks repeat.
 */
int64_t cron_next(
	const struct cron *c, const struct zone *zone, int64_t after_us);
/* The same; ret_steps: how many steps it took, below CRON_STEPS_MAX. */
int64_t cron_next_counted(const struct cron *c, const struct zone *zone,
	int64_t after_us, int *ret_steps);

#endif
