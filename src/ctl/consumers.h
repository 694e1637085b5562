/* SPDX-License-Identifier: ISC */
/*
 * consumers - how many workers each topic has, said at run time.
 */
#ifndef CTL_CONSUMERS_H
#define CTL_CONSUMERS_H

struct ctl;

int consumers_get(struct ctl *c);
int consumers_set(struct ctl *c);
int consumers_unset(struct ctl *c);

#endif
