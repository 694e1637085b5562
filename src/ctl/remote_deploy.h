/* SPDX-License-Identifier: ISC */
/*
 * remote_deploy - releases, by the API of another node.
 */
#ifndef CTL_REMOTE_DEPLOY_H
#define CTL_REMOTE_DEPLOY_H

#include "ctl/remote_ask.h"

/* A deployment, in the words of deploy list. */
extern const struct remote_member remote_deploy_row[];

int remote_deploy_push(struct remote *r);
int remote_deploy_rollback(struct remote *r);
int remote_deploy_list(struct remote *r);
int remote_deploy_show(struct remote *r);
int remote_deploy_abort(struct remote *r);

#endif
