/* SPDX-License-Identifier: ISC */
/*
 * deploy - releases from the command line.
 */
#ifndef CTL_DEPLOY_H
#define CTL_DEPLOY_H

struct ctl;

int deploy_push(struct ctl *c);
int deploy_rollback(struct ctl *c);
int deploy_list(struct ctl *c);
int deploy_show(struct ctl *c);
int deploy_abort(struct ctl *c);

#endif
