/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/tail.h"

#define TAIL_BLOCK    65536
#define TAIL_LINE_MAX (1 << 20) /* a longer one is given out in pieces */

static void tail_open(struct tail *t)
{
	t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	t->at = 0;
}

void tail_init(struct tail *t, const char *path)
{
	*t = (struct tail){ .path = xstrdup(path) };
	tail_open(t);
}

void tail_done(struct tail *t)
{
	if (t->fd != -1)
		close(t->fd);
	buf_done(&t->partial);
	free(t->path);
}

/* Where the last `count` lines of a file of `size` bytes begin. */
static off_t tail_find(const struct tail *t, off_t size, size_t count)
{
	char *block = xmalloc(TAIL_BLOCK);
	off_t end = size;
	size_t seen = 0;

	while (end > 0) {
		off_t start = end > TAIL_BLOCK ? end - TAIL_BLOCK : 0;
		ssize_t i = pread(t->fd, block, (size_t)(end - start), start);

		if (i <= 0)
			break;
		while (i-- > 0) {
			/* The newline that ends the file ends no other. */
			if (block[i] != '\n' || start + i == size - 1)
				continue;
			if (++seen == count) {
				free(block);
				return start + i + 1;
			}
		}
		end = start;
	}
	free(block);
	return 0;
}

static void tail_split(struct tail *t, tail_fn fn, void *arg)
{
	char *start = t->partial.data, *end;
	size_t left = t->partial.len;

	while (left > 0 && (end = memchr(start, '\n', left)) != NULL) {
		fn(start, (size_t)(end - start), arg);
		left -= (size_t)(end - start) + 1;
		start = end + 1;
	}
	if (left > TAIL_LINE_MAX) {
		fn(start, left, arg);
		left = 0;
	}
	buf_drop(&t->partial, t->partial.len - left);
}

/* All that is in the open file behind t->at. */
static void tail_read(struct tail *t, tail_fn fn, void *arg)
{
	ssize_t n;

	do {
		n = pread(t->fd, buf_reserve(&t->partial, TAIL_BLOCK),
			TAIL_BLOCK, t->at);
		if (n > 0) {
			t->at += n;
			t->partial.len += (size_t)n;
			t->partial.data[t->partial.len] = '\0';
			tail_split(t, fn, arg);
		}
	} while (n > 0 || (n == -1 && errno == EINTR));
}

void tail_last(struct tail *t, size_t count, tail_fn fn, void *arg)
{
	struct stat st;

	if (t->fd == -1 || fstat(t->fd, &st) == -1)
		return;
	t->at = count == 0 ? st.st_size : tail_find(t, st.st_size, count);
	if (count > 0)
		tail_read(t, fn, arg);
}

/* There is another file of that name, and something in it: its writer is done
 * with the old one. */
static bool tail_is_rotated(const struct tail *t)
{
	struct stat now, then;

	if (stat(t->path, &now) == -1 || now.st_size == 0)
		return false;
	if (t->fd == -1)
		return true;
	return fstat(t->fd, &then) == 0 &&
	       (now.st_ino != then.st_ino || now.st_dev != then.st_dev);
}

void tail_more(struct tail *t, tail_fn fn, void *arg)
{
	bool rotated = tail_is_rotated(t);
	struct stat st;

	if (t->fd != -1) {
		if (fstat(t->fd, &st) == 0 && st.st_size < t->at)
			t->at = 0; /* truncated, as by copytruncate */
		tail_read(t, fn, arg);
	}
	if (!rotated)
		return;
	if (t->fd != -1)
		close(t->fd);
	tail_open(t);
	if (t->fd != -1)
		tail_read(t, fn, arg);
}
