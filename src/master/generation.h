/* SPDX-License-Identifier: ISC */
/*
 * generation - at most two generations of a pool live at any time.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include <stdbool.h>

#include "master/node.h"

/*
 * May a process of the pool's own generation be started beside the others?
 *
 * Not while there are two other generations.  When neither of them is leaving
 * yet, one is told to: a reload that was replaced or failed in the middle of
 * its roll has left processes that were never the pool's settled generation.
 */
bool generation_has_room(struct pool *p);

#endif
