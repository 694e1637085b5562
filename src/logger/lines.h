/* SPDX-License-Identifier: ISC */
/*
 * lines - bytes of a program's output, cut into lines fit for a log.
 */
#ifndef LOGGER_LINES_H
#define LOGGER_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A line longer than this is written in pieces. */
#define LINES_MAX 16384

enum lines_end {
	LINES_WHOLE, /* the line ends here */
	LINES_CUT    /* more of it follows in the next piece */
};

/* One line or piece, without its newline; text is borrowed for the call. */
typedef void (*lines_fn)(
	const char *text, size_t len, enum lines_end end, void *arg);

/* Between two reads; all zero is a fresh one. */
struct lines {
	struct buf partial; /* a line's start, at most LINES_MAX bytes */
};

/* Call fn for each line that `data` completes; the rest is kept. */
void lines_feed(
	struct lines *s, const char *data, size_t len, lines_fn fn, void *arg);
/* Give out what is kept, if anything, as a last piece, and free it. */
void lines_finish(struct lines *s, enum lines_end end, lines_fn fn, void *arg);
/* At a line's start: nothing is kept. */
bool lines_is_empty(const struct lines *s);

enum lines_colour {
	LINES_COLOUR_ESCAPE,
	LINES_COLOUR_KEEP /* ESC [ … m passes: for a terminal */
};

/*
 * Append `text` with everything that could forge a line or move a cursor as
 * \xNN: control bytes but tab, the C1 controls, and what is not UTF-8.
 */
void lines_escape(struct buf *out, const char *text, size_t len,
	enum lines_colour colour);

#endif
