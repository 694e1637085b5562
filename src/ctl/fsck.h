/* SPDX-License-Identifier: ISC */
/*
 * fsck - do PostgreSQL and Redis say the same of the tracked tasks?
 *
 * Everything is looked at twice, some seconds apart, and only what is the same
 * both times counts: so a running system is not found in the middle of a step.
 */
#ifndef CTL_FSCK_H
#define CTL_FSCK_H

struct ctl;

int fsck_command(struct ctl *c);

#endif
