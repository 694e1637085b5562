/* SPDX-License-Identifier: ISC */
/*
 * commands - what changes something: one POST each, answered when it is done.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

struct ctl;

int commands_reload(struct ctl *c);
int commands_start(struct ctl *c);
int commands_stop(struct ctl *c);
int commands_restart(struct ctl *c);
int commands_scale(struct ctl *c);
int commands_reopen(struct ctl *c);
int commands_upgrade(struct ctl *c);
/* Returns when the daemon is gone. */
int commands_shutdown(struct ctl *c);

#endif
