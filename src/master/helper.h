/* SPDX-License-Identifier: ISC */
/*
 * helper - short-lived children of the master itself, by pid.
 */
#ifndef MASTER_HELPER_H
#define MASTER_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

typedef void (*helper_fn)(int status, void *arg);

/* fn(status, arg) is called when pid is reaped. */
void helper_add(pid_t pid, helper_fn fn, void *arg);
/* Kill its group, and call nobody when it is reaped. */
void helper_kill(pid_t pid);
/* Is it one of ours? Calls its fn and forgets it. */
bool helper_on_exit(pid_t pid, int status);
bool helper_is(pid_t pid);
/* None is left, not even to be reaped. */
bool helper_is_none(void);

#endif
