/* SPDX-License-Identifier: ISC */
/*
 * buf - a growing byte buffer that is always NUL-terminated.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while nothing was ever put in; see buf_str */
	size_t len; /* bytes without the NUL */
	size_t cap;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}

/* Frees the bytes and makes it empty again. */
void buf_done(struct buf *b);
/* Empty, but keeps the memory. */
void buf_reset(struct buf *b);
/* Room for `more` further bytes and the NUL; returns where they go. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* Drop the first `len` bytes, moving the rest to the front. */
void buf_drop(struct buf *b, size_t len);
/* The text, "" when empty; borrowed until the next change. */
const char *buf_str(const struct buf *b);
/* Gives the bytes to the caller (free) and makes it empty. */
char *buf_take(struct buf *b);

#endif
