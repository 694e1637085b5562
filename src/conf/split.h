/* SPDX-License-Identifier: ISC */
/*
 * split - a pool whose topics are a map becomes a pool for each of them.
 */
#ifndef CONF_SPLIT_H
#define CONF_SPLIT_H

#include <stdbool.h>

struct draft;

/* Are the topics of the pool read last a map?  Then it is replaced by a pool
 * for each.  Every problem is reported. */
void split_last(struct draft *d);

/* Is there a split pool of that name? */
bool split_is_name(const struct draft *d, const char *name);

/* `after` that names a split pool means all it became. */
void split_after(struct draft *d);

/* A topic with two pools of its own is an error. */
void split_verify(struct draft *d);

#endif
