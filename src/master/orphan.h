/* SPDX-License-Identifier: ISC */
/*
 * orphan - what programs leave behind.
 *
 * The master is a child subreaper (prctl(2)), so a process that double-forks
 * out of its program's process group becomes the master's child.  Each program
 * carries REEVE_INSTANCE in its environment; a child of ours whose instance is
 * gone is killed.  Strangers without the mark are only reaped, as by any init.
 */
#ifndef MASTER_ORPHAN_H
#define MASTER_ORPHAN_H

#include <stdbool.h>
#include <stddef.h>

/* Names a process to its descendants; unique for the life of the master. */
const char *orphan_token(
	const char *pool, int index, char *ret_text, size_t size);
/* Kill the children of ours whose instance is gone, on the next turn: of many
 * that end together one look is enough. */
void orphan_sweep(void);
void orphan_step(void);
/* The daemon ends: kill every child that is left; true when none is. */
bool orphan_kill_all(void);

#endif
