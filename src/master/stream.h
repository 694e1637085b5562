/* SPDX-License-Identifier: ISC */
/*
 * stream - the pipes of the children's output, on their way to the logger.
 *
 * The master keeps a copy of every read end, so nothing is lost and no child
 * gets SIGPIPE while there is no logger; what a dead child left in its pipe
 * is kept until a logger has read it.
 */
#ifndef MASTER_STREAM_H
#define MASTER_STREAM_H

#include "master/node.h"

/* Pipes for a child of this pool: write ends in ret_output.  0, or -1 with
 * err. */
int stream_open(const struct pool *p, int ret_read[2], int ret_output[2],
	int *ret_count, struct err *err);
/* Hand on what the logger has not got yet, as far as it takes it. */
void stream_pump(void);
/* A new logger: it has nothing. */
void stream_restart(void);
/* The process is gone: its pipes are closed here, or kept for the logger. */
void stream_close(struct proc *pr);
/* The daemon ends. */
void stream_done(void);
/* The logger, which reads all it has before it ends, has the streams of all
 * that are dead; or there is no logger. */
bool stream_is_handed_on(void);
/* Tell the logger to open its files anew. */
void stream_reopen(void);

#endif
