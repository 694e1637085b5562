/* SPDX-License-Identifier: ISC */
/*
 * dead - the dead letters of a topic: look, bring back, throw away.
 */
#ifndef CTL_DEAD_H
#define CTL_DEAD_H

struct ctl;

int dead_list(struct ctl *c);
int dead_show(struct ctl *c);
int dead_retry(struct ctl *c);
int dead_purge(struct ctl *c);

#endif
