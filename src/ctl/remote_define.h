/* SPDX-License-Identifier: ISC */
/*
 * remote_define - definitions made and changed on another node.
 */
#ifndef CTL_REMOTE_DEFINE_H
#define CTL_REMOTE_DEFINE_H

struct remote;

int remote_define_add(struct remote *r);
/* What is changed is what was read: if somebody was faster, it is refused. */
int remote_define_edit(struct remote *r);

#endif
