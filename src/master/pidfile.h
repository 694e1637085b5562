/* SPDX-License-Identifier: ISC */
/*
 * pidfile - one daemon a pid file.  The lock is the truth, the number in it
 * only a help; the file is never a reason not to start.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Lock the file and write our pid.  The lock (fcntl(2), F_SETLK) belongs to
 * the process: it survives an exec, not a fork.
 * Returns 0; -1 with err: EAGAIN when another daemon holds it.
 */
int pidfile_open(const char *path, struct err *err);
/* After an exec: the lock is ours already, fd is the file. */
void pidfile_adopt(int fd, const char *path);
/* Our pid has changed (after daemonizing it has not); the fd for an exec. */
int pidfile_fd(void);
/* The path it was opened with; NULL when there is none. */
const char *pidfile_path(void);
/* Unlink it if it still is the file we locked, and let go. */
void pidfile_close(void);
/* Who holds the lock of a pid file; 0: nobody. -1 with err. */
pid_t pidfile_holder(const char *path, struct err *err);

#endif
