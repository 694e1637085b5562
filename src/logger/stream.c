/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "logger/stream.h"

#define STREAM_CHUNK     (64 * 1024)   /* bytes of one stream and turn */
#define STREAM_DRAIN_MAX (1024 * 1024) /* bytes of one stream at the end */
#define STREAM_HEAD_MAX  192

struct stream {
	int fd; /* owned */
	struct loop_fd *watch;
	struct sink *sink;                  /* borrowed */
	const struct stream_events *events; /* borrowed */
	void *arg;
	struct lines lines;
	bool is_draining;
	bool is_raw;                    /* lines have the time in them */
	char origin[MSG_NAME_MAX + 64]; /* "web.0[123] out ", or "" */
};

/* What a chunk's lines share. */
struct stream_batch {
	struct stream *stream;
	char head[STREAM_HEAD_MAX];
};

static char stream_chunk[STREAM_CHUNK];

static void stream_on_readable(int fd, unsigned events, void *arg);

static void stream_set_origin(struct stream *s, const struct msg *m)
{
	s->is_raw = m->token == MSG_STREAM_ACCESS;
	if (m->token == MSG_STREAM_LOG || s->is_raw)
		return;
	snprintf(s->origin, sizeof(s->origin), "%s.%lld[%.20s] %s ", m->name,
		(long long)m->value, m->text,
		m->token == MSG_STREAM_STDERR ? "err" : "out");
}

struct stream *stream_new(struct loop *l, int fd, const struct msg *m,
	struct sink *sink, const struct stream_events *events, void *arg)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	int flags = fcntl(fd, F_GETFL);

	/* Shared with the master's copy, which is never read from. */
	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	s->fd = fd;
	s->sink = sink;
	s->events = events;
	s->arg = arg;
	stream_set_origin(s, m);
	s->watch = loop_fd_new(l, fd, LOOP_READ, stream_on_readable, s);
	return s;
}

void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	loop_fd_free(s->watch);
	close(s->fd);
	buf_done(&s->lines.partial);
	free(s);
}

void stream_resume(struct stream *s)
{
	loop_fd_set(s->watch, LOOP_READ);
}

static void stream_stamp(struct stream_batch *b, struct stream *s)
{
	bool coloured = sink_has_colour(s->sink) && s->origin[0] != '\0';
	char iso[CLOCK_ISO_MAX];

	b->stream = s;
	b->head[0] = '\0';
	if (s->is_raw)
		return;
	snprintf(b->head, sizeof(b->head), "%s %s%s%s",
		clock_iso(clock_wall(), iso), coloured ? "\x1b[36m" : "",
		s->origin, coloured ? "\x1b[0m" : "");
}

static void stream_on_line(
	const char *text, size_t len, enum lines_end end, void *arg)
{
	struct stream_batch *b = arg;

	sink_line(b->stream->sink, b->head, text, len, end);
}

/* Read and hand on up to `size` bytes: read(2)'s result. */
static ssize_t stream_read(struct stream *s, size_t size)
{
	struct stream_batch b;
	ssize_t n;

	do
		n = read(s->fd, stream_chunk, size);
	while (n == -1 && errno == EINTR);
	if (n > 0) {
		stream_stamp(&b, s);
		lines_feed(
			&s->lines, stream_chunk, (size_t)n, stream_on_line, &b);
	}
	return n;
}

static void stream_end(struct stream *s, enum lines_end end)
{
	struct stream_batch b;

	stream_stamp(&b, s);
	lines_finish(&s->lines, end, stream_on_line, &b);
}

void stream_finish(struct stream *s)
{
	stream_end(s, LINES_CUT);
}

/* Byte by byte to the line's end, so that the next reader begins with a
 * whole line.  True when there. */
static bool stream_complete_line(struct stream *s)
{
	ssize_t n = 1;

	while (n == 1 && !lines_is_empty(&s->lines))
		n = stream_read(s, 1);
	if (n == 0)
		stream_end(s, LINES_WHOLE);
	return lines_is_empty(&s->lines);
}

static void stream_on_readable(int fd, unsigned events, void *arg)
{
	struct stream *s = arg;
	ssize_t n;

	(void)fd;
	(void)events;
	if (sink_is_full(s->sink)) {
		loop_fd_set(s->watch, 0);
		return;
	}
	if (s->is_draining) {
		if (stream_complete_line(s))
			s->events->on_end(s->arg);
		return;
	}
	n = stream_read(s, STREAM_CHUNK);
	if (n == -1 && errno == EAGAIN)
		return;
	s->events->on_lines(s->arg);
	if (n > 0)
		return;
	stream_end(s, LINES_WHOLE);
	s->events->on_end(s->arg);
}

bool stream_drain(struct stream *s)
{
	size_t total = 0;
	ssize_t n = 1;

	s->is_draining = true;
	while (n > 0 && total < STREAM_DRAIN_MAX && !sink_is_full(s->sink)) {
		n = stream_read(s, STREAM_CHUNK);
		total += n > 0 ? (size_t)n : 0;
	}
	if (n == 0)
		stream_end(s, LINES_WHOLE);
	return stream_complete_line(s);
}
