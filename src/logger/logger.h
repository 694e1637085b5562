/* SPDX-License-Identifier: ISC */
/*
 * logger - the role that writes down what every other process says.
 *
 * The master hands it the read end of each child's pipes (MSG_MASTER_STREAM)
 * and keeps a copy, so a logger that dies loses at most what it had read and
 * not yet written; the next one goes on with the same pipes.  A line is
 *
 *	TIME POOL.INDEX[PID] out|err TEXT	of a program
 *	TIME LEVEL TITLE[PID] TEXT		of a role's own log
 *
 * in the pool's file, or on standard error where there is no log_dir.
 */
#ifndef LOGGER_LOGGER_H
#define LOGGER_LOGGER_H

#include "board/role.h"

extern const struct role role_logger;

#endif
