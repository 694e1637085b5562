/* SPDX-License-Identifier: ISC */
/*
 * daemonize - into the background, with the true exit code in the foreground.
 */
#ifndef MASTER_DAEMONIZE_H
#define MASTER_DAEMONIZE_H

#include "base/err.h"

/*
 * Fork twice into a session of our own; standard streams become /dev/null.
 * The first process stays until daemonize_tell and exits with what it is
 * told, or with EXIT_SYSTEM when the daemon dies before.
 */
int daemonize(struct err *err);
/* How the start went; a no-op in the foreground and the second time. */
void daemonize_tell(int exit_code);

#endif
