/* SPDX-License-Identifier: ISC */
/*
 * log - one line per event, to a file descriptor.
 *
 * A line is "TIME LEVEL TITLE[PID] TEXT", written with a single write(2) and
 * at most LOG_LINE_MAX bytes, so lines of several processes never mix in a
 * pipe.  Control bytes are escaped.  Texts are lower case, without a final
 * dot, and say what happens next.  Where nobody takes them they are dropped
 * and counted: no process waits for its own log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>

#define LOG_LINE_MAX 4096

enum log_level {
	LOG_LEVEL_ERROR = 0, /* someone must act */
	LOG_LEVEL_WARN = 1,  /* handled, but odd */
	LOG_LEVEL_INFO = 2,  /* the life of the daemon */
	LOG_LEVEL_DEBUG = 3,
	LOG_LEVEL_COUNT
};

extern const char *const log_level_names[LOG_LEVEL_COUNT + 1];

/* What stands for this process in its lines: "master", "http.0". */
void log_title(const char *title);
/* LOG_PLAIN leaves the time off: for a stream whose reader stamps the lines
 * itself (the logger, journald). */
enum log_format { LOG_FULL, LOG_PLAIN };
/* Where lines go from now on.  Borrows fd; the start value is 2. */
void log_to(int fd, enum log_format format);
int log_fd(void);
void log_set_level(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_at(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void log_v(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* log_error, then exit.  Only before children exist, or in a child. */
void fatal(int exit_code, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif
