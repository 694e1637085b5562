/* SPDX-License-Identifier: ISC */
/*
 * hang - workers that neither work nor wait, and those that grow too big.
 *
 * The governor looks at the board once a second and only suspects; the master
 * looks itself before it acts, and once more a moment later, so that a node
 * which was suspended as a whole finds all its workers alive.
 */
#ifndef MASTER_HANG_H
#define MASTER_HANG_H

#include "board/msg.h"
#include "master/node.h"

/* The governor's word about a process. */
void hang_on_suspect(struct proc *pr, enum msg_suspicion what);
/* The timer of a READY process: stopped too long, or suspected. */
void hang_on_timer(struct proc *pr);

#endif
