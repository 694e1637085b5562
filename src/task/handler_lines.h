/* SPDX-License-Identifier: ISC */
/*
 * handler_lines - the lines in what a child writes, however it comes.
 */
#ifndef TASK_HANDLER_LINES_H
#define TASK_HANDLER_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* One line without its end, NUL-terminated; is_cut: it was longer than the
 * limit, and its rest is lost.  A NUL inside is given as a byte that is no UTF-8
 * either.  Borrowed for the call.  The callback must not
 * end the struct. */
typedef void (*handler_line_fn)(char *line, size_t len, bool is_cut, void *arg);

struct handler_lines {
	struct buf held;
	size_t max; /* bytes of a line */
	bool is_skipping;
	handler_line_fn fn;
	void *arg;
};

void handler_lines_init(
	struct handler_lines *l, size_t max, handler_line_fn fn, void *arg);
void handler_lines_done(struct handler_lines *l);
/* Bytes came. */
void handler_lines_add(struct handler_lines *l, const char *data, size_t len);
/* No more will come: what is held is the last line. */
void handler_lines_end(struct handler_lines *l);

#endif
