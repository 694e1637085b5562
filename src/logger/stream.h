/* SPDX-License-Identifier: ISC */
/*
 * stream - the output of one process: read from its pipe, stamped, handed to
 * a sink line by line.
 */
#ifndef LOGGER_STREAM_H
#define LOGGER_STREAM_H

#include <stdbool.h>

#include "board/msg.h"
#include "logger/sink.h"
#include "loop/loop.h"

struct stream;

struct stream_events {
	void (*on_lines)(void *arg); /* the sink has lines to flush */
	/* The pipe has ended, or (draining) there is no more to read now:
	 * free the stream. */
	void (*on_end)(void *arg);
};

/*
 * Read `fd`, which it owns from now on and makes non-blocking.  The message
 * is the MSG_MASTER_STREAM that came with it.  Borrows sink and events.
 */
struct stream *stream_new(struct loop *l, int fd, const struct msg *m,
	struct sink *sink, const struct stream_events *events, void *arg);
/* Closes the pipe.  What it holds and the start of a line are lost, but for
 * stream_finish. */
void stream_free(struct stream *s);

/* Read again: the sink has room. */
void stream_resume(struct stream *s);

/*
 * Read what is there, and stop at a line's end.  Returns true when that is
 * done; otherwise goes on until on_end.
 */
bool stream_drain(struct stream *s);
/* Hand over the start of a line whose end does not come. */
void stream_finish(struct stream *s);

#endif
