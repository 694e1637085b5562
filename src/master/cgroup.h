/* SPDX-License-Identifier: ISC */
/*
 * cgroup - a control group for each program, where the part of the tree we
 * live in was delegated to us.
 *
 * With it, nothing that a program forks can stay behind: cgroup.kill (cgroups
 * version 2, Linux 5.14) reaches all of it.  Delegation is what systemd says
 * by the extended attribute "delegate" of the group (systemd's CGROUP
 * Delegation document); without it this room does nothing, and orphan.c is
 * the net.
 */
#ifndef MASTER_CGROUP_H
#define MASTER_CGROUP_H

#include <stdbool.h>

/* Find our own group and whether it is delegated; drop groups left over from
 * a master that was killed. */
void cgroup_init(void);
bool cgroup_is_on(void);
/* In a child, before it changes its user: move into the group of `token`,
 * which is made if need be.  0, or -1 with errno. */
int cgroup_enter(const char *token);
/* Kill all that is left in the group and remove it; a group that is still
 * busy dying is removed by a later cgroup_sweep. */
void cgroup_kill(const char *token);
/* Remove the empty groups of tokens that are gone. */
void cgroup_sweep(void);

#endif
