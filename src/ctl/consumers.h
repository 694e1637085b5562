/* SPDX-License-Identifier: ISC */
/*
 * consumers - how many workers each topic has, said at run time.
 */
#ifndef CTL_CONSUMERS_H
#define CTL_CONSUMERS_H

#include <jansson.h>

struct ctl;

int consumers_get(struct ctl *c);
int consumers_set(struct ctl *c);
int consumers_unset(struct ctl *c);

/* What consumers get prints, as JSON, and lets go of; null is not known. */
void consumers_show(const struct ctl *c, json_t *doc);

#endif
