/* SPDX-License-Identifier: ISC */
/*
 * top - the status as a live view of a terminal.
 */
#ifndef CTL_TOP_H
#define CTL_TOP_H

struct ctl;

int top_command(struct ctl *c);

#endif
