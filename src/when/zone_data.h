/* SPDX-License-Identifier: ISC */
/*
 * zone_data - what a zone is made of: a table, and a rule for after it.
 */
#ifndef WHEN_ZONE_DATA_H
#define WHEN_ZONE_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "when/zone.h"

enum zone_day {
	ZONE_DAY_JULIAN = 0,  /* Jn: 1 to 365, no 29 February */
	ZONE_DAY_OF_YEAR = 1, /* n: 0 to 365 */
	ZONE_DAY_OF_WEEK = 2  /* Mm.w.d */
};

/* When in a year the clocks are changed. */
struct zone_change {
	enum zone_day kind;
	int month, week, day;
	int32_t time_s; /* of what the clocks show then, from midnight on */
};

/* The TZ string of POSIX, without its names. */
struct zone_rule {
	int32_t offset_s, summer_s; /* offsets from UTC, to the east */
	bool has_summer;
	struct zone_change begin, end; /* of summer time */
};

struct zone {
	char name[ZONE_NAME_MAX + 1];
	bool has_rule;     /* for what comes after the table */
	int count;         /* changes in the table */
	int64_t *at_s;     /* of each */
	int32_t *offset_s; /* [0]: before the first; [n]: after at_s[n - 1] */
	struct zone_rule rule; /* has_rule */
};

/* text[0..len): "CET-1CEST,M3.5.0,M10.5.0/3".  0, or -1: it is not right. */
int zone_rule_parse(const char *text, size_t len, struct zone_rule *ret)
	__attribute__((warn_unused_result));
/* As zone_at, by the rule alone. */
void zone_rule_at(
	const struct zone_rule *r, int64_t s, struct zone_span *ret_span);

#endif
