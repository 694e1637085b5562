/* SPDX-License-Identifier: ISC */
/*
 * cron_columns - what the options of cron add and edit come to, as columns of
 * a definition's row.
 */
#ifndef CTL_CRON_COLUMNS_H
#define CTL_CRON_COLUMNS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct ctl;
struct rule;

#define CRON_COLUMNS_MAX 32

struct cron_columns {
	const char *names[CRON_COLUMNS_MAX];
	const char *types[CRON_COLUMNS_MAX]; /* "bigint"; "us": a time */
	char *values[CRON_COLUMNS_MAX];      /* NULL: SQL's */
	int count;
};

void cron_columns_done(struct cron_columns *k);
/* value may be NULL. */
void cron_columns_add(struct cron_columns *k, const char *name,
	const char *type, const char *value);
/* Microseconds since 1970; RULE_NEVER and INT64_MIN are NULL. */
void cron_columns_add_time(
	struct cron_columns *k, const char *name, int64_t us);
/* Those of a rule: schedule_type, rule and what repeats it. */
void cron_columns_add_rule(struct cron_columns *k, const struct rule *r);
/* Of all options but those of the rule and --depends-on: 0, or EXIT_USAGE,
 * printed. */
int cron_columns_read(const struct ctl *c, struct cron_columns *k);
/* "(a, b) VALUES ($1, $2::bigint)", "a = $1, b = $2::bigint". */
void cron_columns_insert(const struct cron_columns *k, struct buf *out);
void cron_columns_update(const struct cron_columns *k, struct buf *out);

/* Is there an option that says when? */
bool cron_columns_has_rule(const struct ctl *c);
/*
 * The rule of the options, over `old`, the JSON of the rule before (NULL:
 * none); "none" takes --start, --end and --tz away.
 * Returns 0, or EXIT_USAGE, printed.
 */
int cron_columns_rule(
	const struct ctl *c, const char *old, struct rule **ret_rule);

#endif
