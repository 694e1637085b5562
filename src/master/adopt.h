/* SPDX-License-Identifier: ISC */
/*
 * adopt - the state that one master hands to the next, as lines of text.
 *
 *	version N
 *	generation COMMITTED LAST
 *	board FD
 *	config FD		the effective configuration, YAML
 *	pidfile FD PATH
 *	listen FD OURS TEXT
 *	pool NAME GENERATION STOPPED OVERRIDE SOURCE
 *	slot POOL INDEX DEATHS RESTARTS DONE_GENERATION
 *	proc POOL INDEX PID GENERATION STATE BOARD_SLOT CHANNEL STREAMS FD FD
 *	    SAID_READY TOKEN
 *	upgrade PID TOKEN	a governor that waits for the verdict
 */
#ifndef MASTER_ADOPT_H
#define MASTER_ADOPT_H

#include "base/err.h"

/* Set for `-t` of a new binary: the version of the state it would get. */
#define MASTER_TEST_ENV "REEVE_STATE_VERSION"

/* Write the state; returns its memfd (inherited by an exec), or -1. */
int adopt_write(struct err *err);
/* Call fn for every descriptor the state names. */
void adopt_each_fd(void (*fn)(int fd));
void adopt_keep_fd(int fd);  /* clear close-on-exec */
void adopt_close_fd(int fd); /* set it */

#endif
