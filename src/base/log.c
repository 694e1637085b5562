/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

const char *const log_level_names[LOG_LEVEL_COUNT + 1] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_COUNT] = NULL,
};

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	char title[48];
	unsigned long lost; /* lines that nobody took, not told yet */
} state = { 2, LOG_FULL, LOG_LEVEL_INFO, "reeved", 0 };

void log_title(const char *title)
{
	snprintf(state.title, sizeof(state.title), "%s", title);
}

void log_to(int fd, enum log_format format)
{
	state.fd = fd;
	state.format = format;
}

int log_fd(void)
{
	return state.fd;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

/* Bytes below 0x20 and DEL would let a stranger's text forge a line. */
static size_t log_escape(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 5 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(out + n, room - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	return n;
}

/* A pipe that polls writable takes PIPE_BUF bytes (pipe(7)): a line. */
static bool log_write(const char *line, size_t len)
{
	struct pollfd p = { .fd = state.fd, .events = POLLOUT };
	ssize_t rc;

	if (poll(&p, 1, 0) == 0)
		return false;
	do
		rc = write(state.fd, line, len);
	while (rc == -1 && errno == EINTR);
	return rc != -1 || errno != EAGAIN;
}

static void log_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX], iso[CLOCK_ISO_MAX];
	size_t n = 0;

	if (state.format == LOG_FULL)
		n = (size_t)snprintf(line, sizeof(line), "%s ",
			clock_iso(clock_wall(), iso));
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s %s[%d] ",
		log_level_names[level], state.title, (int)getpid());
	n += log_escape(line + n, sizeof(line) - n - 1, text);
	line[n++] = '\n';
	if (!log_write(line, n))
		state.lost++;
}

void log_v(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX - 256];
	unsigned long lost = state.lost;
	int saved = errno;

	if (level > state.level)
		return;
	if (lost > 0) {
		snprintf(text, sizeof(text),
			"%lu lines are lost here, nobody took them", lost);
		state.lost = 0;
		log_line(LOG_LEVEL_WARN, text);
		if (state.lost > 0)
			state.lost += lost - 1;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	log_line(level, text);
	errno = saved;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(level, fmt, ap);
	va_end(ap);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

void fatal(int exit_code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	exit(exit_code);
}
