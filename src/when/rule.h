/* SPDX-License-Identifier: ISC */
/*
 * rule - when something is to run, again and again or once.
 *
 * As JSON, exactly one of the first four:
 *
 *	cron      expressions, of which the earliest counts: "…" or ["…", …]
 *	every     FIXED_RATE: at start + n * every (start: 1970 UTC, unless set)
 *	delay     FIXED_DELAY: so long after the end of the last run
 *	at        ONCE
 *	dialect   of cron: auto, vixie, seconds, quartz
 *	start     nothing before it
 *	end       nothing after it
 *	timeZone  of cron, and of times without an offset; "UTC"
 *
 * Spans are "1h30m" or whole milliseconds, times ISO 8601 (see iso.h).
 */
#ifndef WHEN_RULE_H
#define WHEN_RULE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;
struct rule;

#define RULE_TEXT_MAX    65536
#define RULE_CRONS_MAX   64
#define RULE_SPAN_MIN_US INT64_C(10000)           /* 10 ms */
#define RULE_SPAN_MAX_US INT64_C(315360000000000) /* ten years */
#define RULE_NEVER       INT64_MAX
#define RULE_NO_END      INT64_MIN /* no run has ended yet */

enum rule_type {
	RULE_CRON = 0,
	RULE_FIXED_RATE = 1,
	RULE_FIXED_DELAY = 2,
	RULE_ONCE = 3,
	RULE_TYPE_COUNT
};

/* "CRON", "FIXED_RATE", "FIXED_DELAY", "ONCE". */
extern const char *const rule_type_names[RULE_TYPE_COUNT];

/* NULL with err, which names the member and, of an expression, the column. */
struct rule *rule_parse(const char *json, size_t len, struct err *err);
void rule_free(struct rule *r);

/*
 * The first time after after_us, in microseconds since 1970 UTC; RULE_NEVER.
 *
 * last_end_us: when the last run ended, or RULE_NO_END; only FIXED_DELAY
 * needs it.  What has become due meanwhile is at after_us + 1.  Without an
 * end it counts from after_us, or is at start while that is to come.
 */
int64_t rule_next(const struct rule *r, int64_t after_us, int64_t last_end_us);

enum rule_type rule_type(const struct rule *r);
const struct zone *rule_zone(const struct rule *r);
/* INT64_MIN and RULE_NEVER where the rule says none. */
int64_t rule_start(const struct rule *r);
int64_t rule_end(const struct rule *r);
/* JSON that reads back as the same rule: heap, NUL-terminated. */
char *rule_print(const struct rule *r);

#endif
