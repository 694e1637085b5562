/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "task/handler_lines.h"

#define LINES_KEEP_MAX 16384 /* bytes of memory kept from line to line */

void handler_lines_init(
	struct handler_lines *l, size_t max, handler_line_fn fn, void *arg)
{
	*l = (struct handler_lines){ BUF_INIT, max, false, fn, arg };
}

void handler_lines_done(struct handler_lines *l)
{
	buf_done(&l->held);
}

/* A NUL would end it for those who take it as a string: it becomes a byte that
 * is, like it, no text. */
static void handler_lines_clean(char *line, size_t len)
{
	char *at;

	while (len > 0 && (at = memchr(line, '\0', len)) != NULL) {
		*at = '\xff';
		len -= (size_t)(at - line);
		line = at;
	}
}

static void handler_lines_give(struct handler_lines *l, bool is_cut)
{
	struct buf line = l->held;

	handler_lines_clean(line.data, line.len);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.data[--line.len] = '\0';
	l->fn(line.data != NULL ? line.data : (char[1]){ '\0' }, line.len,
		is_cut, l->arg);
	if (l->held.cap > LINES_KEEP_MAX)
		buf_done(&l->held);
	else
		buf_reset(&l->held);
}

/* A piece of a line: hold as much of it as there is room for. */
static void handler_lines_hold(
	struct handler_lines *l, const char *data, size_t len)
{
	size_t room = l->max - l->held.len;

	if (l->is_skipping || len == 0)
		return;
	if (len <= room) {
		buf_add(&l->held, data, len);
		return;
	}
	buf_add(&l->held, data, room);
	handler_lines_give(l, true);
	l->is_skipping = true;
}

void handler_lines_add(struct handler_lines *l, const char *data, size_t len)
{
	const char *end = data + len, *stop;

	while (data < end) {
		stop = memchr(data, '\n', (size_t)(end - data));
		handler_lines_hold(
			l, data, (size_t)((stop != NULL ? stop : end) - data));
		if (stop == NULL)
			return;
		if (!l->is_skipping)
			handler_lines_give(l, false);
		l->is_skipping = false;
		data = stop + 1;
	}
}

void handler_lines_end(struct handler_lines *l)
{
	if (l->held.len > 0)
		handler_lines_give(l, false);
	l->is_skipping = false;
}
