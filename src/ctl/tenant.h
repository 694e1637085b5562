/* SPDX-License-Identifier: ISC */
/*
 * tenant - who shares this system, and how much of it each may have.
 */
#ifndef CTL_TENANT_H
#define CTL_TENANT_H

struct ctl;

int tenant_add(struct ctl *c);
int tenant_set(struct ctl *c);
int tenant_list(struct ctl *c);

#endif
