/* SPDX-License-Identifier: ISC */
/*
 * dead - the dead letters of a topic: look, bring back, throw away.
 */
#ifndef CTL_DEAD_H
#define CTL_DEAD_H

#include <stdint.h>

struct ctl;
struct letter;
struct table;

int dead_list(struct ctl *c);
int dead_show(struct ctl *c);
int dead_retry(struct ctl *c);
int dead_purge(struct ctl *c);

/* Are letters named, or all of them?  0, or EXIT_USAGE, printed. */
int dead_check_words(const struct ctl *c);
/* The table of dead list, a row of it, and the whole on standard output. */
struct table *dead_table(void);
void dead_row(struct table *t, const struct letter *l, int64_t now_ms);
void dead_print_table(const struct table *t);
/* All of one, as dead show. */
void dead_show_letter(const struct letter *l, int64_t now_ms);

#endif
