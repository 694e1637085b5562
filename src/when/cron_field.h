/* SPDX-License-Identifier: ISC */
/*
 * cron_field - one field of an expression.
 *
 * A field is a list of items parted by commas; an item sets bits of its
 * field, or one of the rules for days.  Each error names the byte it is about.
 */
#ifndef WHEN_CRON_FIELD_H
#define WHEN_CRON_FIELD_H

#include <stdbool.h>

struct cron;
struct err;

enum cron_field {
	CRON_SECOND = 0,
	CRON_MINUTE = 1,
	CRON_HOUR = 2,
	CRON_DAY = 3,
	CRON_MONTH = 4,
	CRON_WEEKDAY = 5,
	CRON_YEAR = 6,
	CRON_FIELD_COUNT
};

struct cron_text {
	const char *start;    /* of the expression */
	const char *at, *end; /* end: of the field */
	struct cron *c;       /* filled; its dialect is known */
	struct err *err;
	enum cron_field field;
	bool is_question[CRON_FIELD_COUNT]; /* the field is ? */
	bool is_star[CRON_FIELD_COUNT];     /* it begins with * */
	bool is_open[CRON_FIELD_COUNT];     /* it does, or with a/n */
};

/* Reads at..end as the field.  0, or -1 with err. */
int cron_field_parse(struct cron_text *t) __attribute__((warn_unused_result));

/* "column 5: TEXT", of the byte at `at`; -1. */
int cron_field_wrong(struct cron_text *t, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
