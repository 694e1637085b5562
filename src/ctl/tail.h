/* SPDX-License-Identifier: ISC */
/*
 * tail - the end of a file that grows and is rotated under the reader.
 */
#ifndef CTL_TAIL_H
#define CTL_TAIL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct tail {
	char *path;         /* owned */
	int fd;             /* -1 while there is no file */
	off_t at;           /* bytes of it that were read */
	struct buf partial; /* a line whose end is not there yet */
};

/* One line without its end; borrowed for the call. */
typedef void (*tail_fn)(const char *line, size_t len, void *arg);

/* A file that isn't there is no error: it may come. */
void tail_init(struct tail *t, const char *path);
void tail_done(struct tail *t);
/* The last `count` whole lines, the oldest first; reads no more of the file
 * than these. */
void tail_last(struct tail *t, size_t count, tail_fn fn, void *arg);
/* What has come since, from the next file too if this one was rotated. */
void tail_more(struct tail *t, tail_fn fn, void *arg);

#endif
