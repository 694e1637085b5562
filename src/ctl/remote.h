/* SPDX-License-Identifier: ISC */
/*
 * remote - commands that go to the HTTP API of another node (--url).
 *
 * One row says which request carries a command out, how the members of its
 * answer are called here, and who prints that: what prints the same of this
 * node.
 */
#ifndef CTL_REMOTE_H
#define CTL_REMOTE_H

#include "ctl/remote_ask.h"

/* The row of a command and its further words (NULL: none); NULL: it works on
 * the node itself only. */
const struct remote_command *remote_find(const char *name, const char *sub);
/* Carry it out on c->there. */
int remote_run(struct ctl *c, const struct remote_command *how);
/* A line for the help: the request behind a command; NULL: there is none. */
void remote_help(const struct remote_command *how);

#endif
