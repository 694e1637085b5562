/* SPDX-License-Identifier: ISC */
/*
 * spawn - the child's side of a fork: from the master's skin to its own.
 */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include "master/node.h"

/* What a new child gets; all descriptors are the parent's. */
struct spawn {
	const struct conf_pool *conf;
	const struct conf *owner; /* that conf lies in */
	const struct role *role;  /* NULL: conf->command is run */
	int index;
	unsigned generation;
	int board_slot;
	int channel;   /* its end; -1 */
	int output[2]; /* write ends for stdout and stderr; -1: inherit */
	const int *listeners;
	size_t listener_count;
	const char *token; /* REEVE_INSTANCE: tells whose a stray child is */
};

/* Fork with all signals blocked around it.  Returns the pid, or -1 with err.
 * Never returns in the child. */
pid_t spawn_fork(const struct spawn *sp, struct err *err);

/*
 * Fork a helper of the master itself (a probe, the test of a new binary):
 * signals at their defaults, descriptors above 2 closed except keep_fd,
 * parent-death signal armed, the pool's user if conf is given; then fn(arg)
 * runs and its result is the exit code.
 */
pid_t spawn_helper(const struct conf_pool *conf, int keep_fd,
	int (*fn)(void *arg), void *arg, struct err *err);

/* Run a command in the place of this process; returns only an exit code for
 * what went wrong, said on descriptor 2. */
int spawn_exec(const struct conf_strings *command, char *const *env);

#endif
