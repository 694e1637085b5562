/* SPDX-License-Identifier: ISC */
/*
 * sink - where log lines end up: a file, or standard error.
 *
 * Lines are collected and written together by sink_flush.  When writing
 * fails, nothing is thrown away at once:
 *
 *	WELL -> STUCK -> FULL -> DROPPING
 *	  \<------\--------\---------/	all that was kept is written
 *
 * STUCK keeps lines and tries again, FULL asks the readers to pause, so that
 * the pipes hold the programs back, and DROPPING, after pause_us of that,
 * counts new lines instead of keeping them: a full disk never stops a
 * service.  The count is written as a line of its own once writing works.
 */
#ifndef LOGGER_SINK_H
#define LOGGER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "logger/lines.h"
#include "loop/loop.h"

struct sink;

struct sink_limits {
	size_t keep_max;  /* bytes kept while writing fails */
	int64_t pause_us; /* how long FULL lasts at most */
	int64_t retry_us; /* the first retry; doubles */
	int64_t retry_max_us;
};

extern const struct sink_limits sink_limits_default;

/* The sink has room again, or stopped asking for a pause. */
typedef void (*sink_room_fn)(struct sink *s, void *arg);

/*
 * A sink for the file `path` (NULL: descriptor 2, borrowed).  A file that
 * cannot be opened is logged, and tried again like a failed write.
 */
struct sink *sink_new(struct loop *l, const char *path,
	const struct sink_limits *limits, sink_room_fn fn, void *arg);
/* Tries to write what is left, and logs what had to be lost. */
void sink_free(struct sink *s);

/* Open a log file to append to, made with mode 0640: its descriptor, or -1
 * with errno.  Never blocks. */
int sink_open(const char *path);

/* NULL for standard error. */
const char *sink_path(const struct sink *s);
/* A terminal, and NO_COLOR (no-color.org) is not set. */
bool sink_has_colour(const struct sink *s);
/* Readers should pause. */
bool sink_is_full(const struct sink *s);
/* Nothing waits to be written. */
bool sink_is_empty(const struct sink *s);
/* Lines lost since the sink was made. */
uint64_t sink_lost(const struct sink *s);

/* Add one line: `head` as it is, then `text` escaped, a backslash if the
 * line was cut here, a newline.  Written by the next sink_flush. */
void sink_line(struct sink *s, const char *head, const char *text, size_t len,
	enum lines_end end);
/* Write all lines, unless a retry is awaited anyway. */
void sink_flush(struct sink *s);

/*
 * Write what is kept into the old file, then go on in a new one of the same
 * name.  -1 with err when it cannot be opened: the old one stays in use.
 * Standard error is left alone.
 */
int sink_reopen(struct sink *s, struct err *err)
	__attribute__((warn_unused_result));

/* write(2); replaced by tests to fail. */
extern ssize_t (*sink_write)(int fd, const void *data, size_t len);

#endif
