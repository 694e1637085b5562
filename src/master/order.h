/* SPDX-License-Identifier: ISC */
/*
 * order - what an operator asked for over the control socket, until it is
 * carried out.
 */
#ifndef MASTER_ORDER_H
#define MASTER_ORDER_H

#include "board/msg.h"
#include "master/node.h"

/* A message of the governor or the logger. */
void order_on_msg(struct proc *from, const struct msg *m);
/* The process that asked is gone: nobody to answer. */
void order_on_exit(const struct proc *pr);
/* Look which orders are carried out by now, and answer them. */
void order_step(void);
/* The verdict for all who wait for a reload (ok: error is NULL). */
void order_on_reload(const char *error);
/* The same for an upgrade that did not happen. */
void order_on_upgrade(const char *error);
/* The new binary will not know who else waits: tell them. */
void order_before_upgrade(void);
/* For an upgrade: call fn for those who wait for it. */
void order_each_upgrade(
	void (*fn)(pid_t asker, uint32_t token, void *arg), void *arg);
void order_adopt_upgrade(struct proc *asker, uint32_t token);

#endif
