/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "logger/sink.h"

#define SINK_FLUSH_SIZE (256 * 1024) /* written at once when more waits */
#define SINK_IDLE_SIZE  (64 * 1024)  /* a larger buffer is freed when empty */

enum sink_state {
	SINK_WELL = 0,
	SINK_STUCK = 1,
	SINK_FULL = 2,
	SINK_DROPPING = 3
};

struct sink {
	struct loop *loop; /* borrowed */
	const struct sink_limits *limits;
	sink_room_fn on_room;
	void *arg;

	char *path; /* NULL: standard error */
	int fd;     /* -1: not open yet */
	bool is_regular;
	bool has_colour;

	struct buf out; /* begins at a line's start */
	size_t sent;    /* bytes of out that are written: part of a line */

	enum sink_state state;
	int failure;        /* errno that got it stuck */
	int64_t delay_us;   /* until the next retry */
	uint64_t lost;      /* lines dropped and not yet told */
	uint64_t lost_ever; /* lines dropped */
	struct loop_timer *retry;
	struct loop_timer *give_up;
	struct loop_fd *writable; /* in place of retry, where fd can tell */
};

const struct sink_limits sink_limits_default = {
	.keep_max = 1024 * 1024,
	.pause_us = 5 * US_PER_S,
	.retry_us = 100 * US_PER_MS,
	.retry_max_us = 5 * US_PER_S,
};

ssize_t (*sink_write)(int fd, const void *data, size_t len) = write;

static void sink_on_retry(void *arg);
static void sink_on_give_up(void *arg);

static const char *sink_name(const struct sink *s)
{
	return s->path != NULL ? s->path : "standard error";
}

static void sink_use(struct sink *s, int fd)
{
	const char *no_colour = getenv("NO_COLOR");
	struct stat st;

	s->fd = fd;
	s->is_regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	s->has_colour =
		isatty(fd) == 1 && (no_colour == NULL || no_colour[0] == '\0');
}

int sink_open(const char *path)
{
	/* O_NONBLOCK: a fifo without a reader must not hold us. */
	return open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK,
		0640);
}

/* Nobody is told of a failing standard error: it is where words go. */
static void sink_complain(struct sink *s)
{
	if (s->path != NULL && s->failure != EAGAIN)
		log_error("cannot write %s: %s, keeping lines and trying again",
			s->path, strerror(s->failure));
}

static bool sink_would_block(const struct sink *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };

	return !s->is_regular && poll(&p, 1, 0) == 0;
}

/*
 * One write.  What is not a regular file may be shared with others, so it is
 * not made non-blocking: when it polls writable, it takes PIPE_BUF bytes.
 */
static ssize_t sink_put(struct sink *s, const char *data, size_t len)
{
	ssize_t n;

	if (s->fd == -1) {
		int fd = sink_open(s->path);

		if (fd == -1)
			return -1;
		sink_use(s, fd);
	}
	if (!s->is_regular && len > PIPE_BUF)
		len = PIPE_BUF;
	do {
		if (sink_would_block(s)) {
			errno = EAGAIN;
			return -1;
		}
		n = sink_write(s->fd, data, len);
	} while (n == -1 && errno == EINTR);
	return n;
}

/* Forget the lines that are written whole. */
static void sink_forget_sent(struct sink *s)
{
	const char *newline;
	size_t whole;

	if (s->sent == 0)
		return;
	newline = memrchr(s->out.data, '\n', s->sent);
	if (newline == NULL)
		return;
	whole = (size_t)(newline - s->out.data) + 1;
	s->sent -= whole;
	if (whole == s->out.len && s->out.cap > SINK_IDLE_SIZE)
		buf_done(&s->out);
	else
		buf_drop(&s->out, whole);
}

/* Write all there is: 0, or -1 with errno. */
static int sink_push(struct sink *s)
{
	int rc = 0, saved;

	while (s->sent < s->out.len && rc == 0) {
		ssize_t n = sink_put(
			s, s->out.data + s->sent, s->out.len - s->sent);

		if (n == -1)
			rc = -1;
		else
			s->sent += (size_t)n;
	}
	saved = errno;
	sink_forget_sent(s);
	errno = saved;
	return rc;
}

static void sink_on_writable(int fd, unsigned events, void *arg)
{
	(void)fd;
	(void)events;
	sink_on_retry(arg);
}

static void sink_await(struct sink *s)
{
	if (s->failure == EAGAIN && s->fd != -1) {
		if (s->writable == NULL)
			s->writable = loop_fd_new(s->loop, s->fd, LOOP_WRITE,
				sink_on_writable, s);
		return;
	}
	loop_fd_free(s->writable);
	s->writable = NULL;
	loop_timer_start(s->retry, s->delay_us);
	s->delay_us *= 2;
	if (s->delay_us > s->limits->retry_max_us)
		s->delay_us = s->limits->retry_max_us;
}

static void sink_set_stuck(struct sink *s, int failure)
{
	int before = s->state == SINK_WELL ? 0 : s->failure;

	if (s->state == SINK_WELL) {
		s->state = SINK_STUCK;
		s->delay_us = s->limits->retry_us;
	}
	s->failure = failure;
	if (failure != before)
		sink_complain(s);
	sink_await(s);
}

static void sink_set_well(struct sink *s)
{
	enum sink_state before = s->state;

	s->state = SINK_WELL;
	loop_timer_stop(s->retry);
	loop_timer_stop(s->give_up);
	loop_fd_free(s->writable);
	s->writable = NULL;
	if (before == SINK_FULL)
		s->on_room(s, s->arg);
}

/* A line that says how many are missing here. */
static void sink_tell_lost(struct sink *s)
{
	char iso[CLOCK_ISO_MAX];

	buf_printf(&s->out, "%s warn logger[%d] %" PRIu64 " lines lost: %s\n",
		clock_iso(clock_wall(), iso), (int)getpid(), s->lost,
		s->failure == EAGAIN ? "the reader is too slow"
				     : strerror(s->failure));
	s->lost = 0;
}

static void sink_try(struct sink *s)
{
	if (sink_push(s) == 0 && s->lost > 0)
		sink_tell_lost(s);
	if (sink_push(s) != 0) {
		sink_set_stuck(s, errno);
		return;
	}
	if (s->state != SINK_WELL)
		sink_set_well(s);
}

static void sink_on_retry(void *arg)
{
	struct sink *s = arg;

	sink_try(s);
	if (s->state == SINK_FULL && s->out.len <= s->limits->keep_max / 2) {
		s->state = SINK_STUCK;
		loop_timer_stop(s->give_up);
		s->on_room(s, s->arg);
	}
}

static void sink_on_give_up(void *arg)
{
	struct sink *s = arg;

	if (s->state != SINK_FULL)
		return;
	s->state = SINK_DROPPING;
	if (s->path != NULL)
		log_error("cannot write %s for too long, dropping lines now",
			s->path);
	s->on_room(s, s->arg);
}

struct sink *sink_new(struct loop *l, const char *path,
	const struct sink_limits *limits, sink_room_fn fn, void *arg)
{
	struct sink *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->limits = limits;
	s->on_room = fn;
	s->arg = arg;
	s->fd = -1;
	s->retry = loop_timer_new(l, sink_on_retry, s);
	s->give_up = loop_timer_new(l, sink_on_give_up, s);
	if (path == NULL) {
		sink_use(s, STDERR_FILENO);
		return s;
	}
	s->path = xstrdup(path);
	s->fd = sink_open(path);
	if (s->fd != -1)
		sink_use(s, s->fd);
	else
		sink_set_stuck(s, errno);
	return s;
}

static uint64_t sink_count_kept(const struct sink *s)
{
	const char *at = buf_str(&s->out), *end = at + s->out.len;
	uint64_t n = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		n++;
	}
	return n;
}

void sink_free(struct sink *s)
{
	if (s == NULL)
		return;
	if (sink_push(s) != 0) {
		s->failure = errno;
		s->lost += sink_count_kept(s);
	}
	if (s->lost > 0)
		log_error("%" PRIu64 " lines of %s are lost: %s", s->lost,
			sink_name(s), strerror(s->failure));
	loop_timer_free(s->retry);
	loop_timer_free(s->give_up);
	loop_fd_free(s->writable);
	if (s->path != NULL && s->fd != -1)
		close(s->fd);
	buf_done(&s->out);
	free(s->path);
	free(s);
}

const char *sink_path(const struct sink *s)
{
	return s->path;
}

bool sink_has_colour(const struct sink *s)
{
	return s->has_colour;
}

bool sink_is_full(const struct sink *s)
{
	return s->state == SINK_FULL;
}

bool sink_is_empty(const struct sink *s)
{
	return s->out.len == 0 && s->lost == 0;
}

uint64_t sink_lost(const struct sink *s)
{
	return s->lost_ever;
}

void sink_line(struct sink *s, const char *head, const char *text, size_t len,
	enum lines_end end)
{
	if (s->state == SINK_DROPPING) {
		s->lost++;
		s->lost_ever++;
		return;
	}
	buf_puts(&s->out, head);
	lines_escape(&s->out, text, len,
		s->has_colour ? LINES_COLOUR_KEEP : LINES_COLOUR_ESCAPE);
	buf_puts(&s->out, end == LINES_CUT ? "\\\n" : "\n");
	if (s->state == SINK_WELL && s->out.len >= SINK_FLUSH_SIZE)
		sink_flush(s);
	if (s->state == SINK_STUCK && s->out.len >= s->limits->keep_max) {
		s->state = SINK_FULL;
		loop_timer_start(s->give_up, s->limits->pause_us);
	}
}

void sink_flush(struct sink *s)
{
	if (s->state == SINK_WELL)
		sink_try(s);
}

int sink_reopen(struct sink *s, struct err *err)
{
	int fd;

	if (s->path == NULL)
		return 0;
	(void)sink_push(s);
	fd = sink_open(s->path);
	if (fd == -1)
		return err_errno(err, "cannot open %s", s->path);
	loop_fd_free(s->writable);
	s->writable = NULL;
	if (s->fd != -1)
		close(s->fd);
	sink_use(s, fd);
	s->sent = 0;
	sink_try(s);
	return 0;
}
