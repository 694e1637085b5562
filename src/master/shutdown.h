/* SPDX-License-Identifier: ISC */
/*
 * shutdown - all processes out, in order or at once, and no stray left.
 */
#ifndef MASTER_SHUTDOWN_H
#define MASTER_SHUTDOWN_H

#include "master/node.h"

/* Begin, or go from graceful to fast. */
void shutdown_start(enum node_phase phase, const char *why);
/* Look whether all are gone: then the loop ends. */
void shutdown_step(void);

#endif
