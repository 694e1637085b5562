/* SPDX-License-Identifier: ISC */
/*
 * canary - a few workers that run another release than the rest of the node.
 *
 * ROOT/current leads to the release of all, ROOT/canary to that of the few, who
 * are named in ROOT/canary.workers: POOL.INDEX, one a line.  Whoever is named
 * there when it starts has "canary" where its handlers say "ROOT/current".
 */
#ifndef TASK_CANARY_H
#define TASK_CANARY_H

#include <stdbool.h>

#include "base/err.h"

struct conf;

#define CANARY_LINK    "canary"
#define CANARY_WORKERS "canary.workers"

/*
 * Change the handlers of this process, if it is one of the few: before they are
 * made ready, and never in the master.
 * Returns whether it is one.
 */
bool canary_join(const struct conf *c, const char *pool, int index);

/* Does a handler go by ROOT/current? */
bool canary_is_of_use(const struct conf *c, const char *root);

/*
 * `text` with each ROOT/current replaced by ROOT/canary, heap; NULL: there is
 * none in it.  A longer name, like ROOT/current.old, is another one.
 */
char *canary_text(const char *text, const char *root);

#endif
