/* SPDX-License-Identifier: ISC */
/*
 * cron_set - definitions made and changed.
 */
#ifndef CTL_CRON_SET_H
#define CTL_CRON_SET_H

#include <stdint.h>

struct cron_columns;
struct ctl;
struct rule;

int cron_set_add(struct ctl *c);
int cron_set_edit(struct ctl *c);

/*
 * What the words of both say, as columns of the definition.
 * ret_rule  of add: NULL until it could be read; rule_free
 * Returns 0, or EXIT_USAGE, printed.
 */
int cron_set_read_add(
	const struct ctl *c, struct cron_columns *k, struct rule **ret_rule);
int cron_set_read_edit(const struct ctl *c, struct cron_columns *k);
/* What was done, to which definition, and when it fires: RULE_NEVER is not
 * told. */
void cron_set_tell(const struct ctl *c, const char *done, const char *id,
	const struct rule *r, int64_t next_us);

#endif
