/* SPDX-License-Identifier: ISC */
/*
 * push - enqueue tasks: one and wait for it, or many.
 */
#ifndef CTL_PUSH_H
#define CTL_PUSH_H

struct ctl;

int push_command(struct ctl *c);

#endif
