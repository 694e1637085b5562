/* SPDX-License-Identifier: ISC */
/*
 * remote_logs - what a task of another node has said, and says.
 */
#ifndef CTL_REMOTE_LOGS_H
#define CTL_REMOTE_LOGS_H

struct remote;

/* The last c->lines, and with --follow those that come until it is over: a
 * stream that ends before is taken up again where it was. */
int remote_logs(struct remote *r);

#endif
