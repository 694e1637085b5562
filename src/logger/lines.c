/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utf8.h"
#include "logger/lines.h"

#define LINES_COLOUR_MAX 32 /* bytes of one ESC [ … m */

static void lines_emit(const char *text, size_t len, enum lines_end end,
	lines_fn fn, void *arg)
{
	if (end == LINES_WHOLE && len > 0 && text[len - 1] == '\r')
		len--;
	fn(text, len, end, arg);
}

/* Where to cut a full buffer: not inside a UTF-8 character. */
static size_t lines_cut_at(const struct buf *b)
{
	size_t at = b->len, back;

	for (back = 1; back <= 3 && back < b->len; back++) {
		unsigned char c = (unsigned char)b->data[b->len - back];

		if (c < 0x80)
			break;
		if (c < 0xc0)
			continue;
		if (utf8_length(b->data + b->len - back, back) == 0)
			at = b->len - back;
		break;
	}
	return at;
}

/* Add a piece without newline to what is kept. */
static void lines_keep(
	struct lines *s, const char *data, size_t len, lines_fn fn, void *arg)
{
	struct buf *b = &s->partial;

	while (b->len + len > LINES_MAX) {
		size_t take = LINES_MAX - b->len;
		size_t cut;

		buf_add(b, data, take);
		data += take;
		len -= take;
		cut = lines_cut_at(b);
		lines_emit(b->data, cut, LINES_CUT, fn, arg);
		buf_drop(b, cut);
	}
	if (len > 0)
		buf_add(b, data, len);
}

void lines_feed(
	struct lines *s, const char *data, size_t len, lines_fn fn, void *arg)
{
	const char *end = data + len, *newline;

	while ((newline = memchr(data, '\n', (size_t)(end - data))) != NULL) {
		size_t n = (size_t)(newline - data);

		if (s->partial.len == 0 && n <= LINES_MAX) {
			lines_emit(data, n, LINES_WHOLE, fn, arg);
		} else {
			lines_keep(s, data, n, fn, arg);
			lines_emit(s->partial.data, s->partial.len, LINES_WHOLE,
				fn, arg);
			buf_done(&s->partial);
		}
		data = newline + 1;
	}
	if (data < end)
		lines_keep(s, data, (size_t)(end - data), fn, arg);
}

void lines_finish(struct lines *s, enum lines_end end, lines_fn fn, void *arg)
{
	if (s->partial.len > 0)
		lines_emit(s->partial.data, s->partial.len, end, fn, arg);
	buf_done(&s->partial);
}

bool lines_is_empty(const struct lines *s)
{
	return s->partial.len == 0;
}

/* Bytes of a colour sequence at s, or 0. */
static size_t lines_colour_length(const char *s, size_t len)
{
	size_t i;

	if (len < 3 || s[0] != '\x1b' || s[1] != '[')
		return 0;
	for (i = 2; i < len && i < LINES_COLOUR_MAX; i++) {
		if (s[i] == 'm')
			return i + 1;
		if ((s[i] < '0' || s[i] > '9') && s[i] != ';' && s[i] != ':')
			break;
	}
	return 0;
}

/* Bytes at s that may be written as they are. */
static size_t lines_plain_length(
	const char *s, size_t len, enum lines_colour colour)
{
	unsigned char c = (unsigned char)s[0];
	size_t n;

	if ((c >= 0x20 && c < 0x7f) || c == '\t')
		return 1;
	if (c == '\x1b' && colour == LINES_COLOUR_KEEP)
		return lines_colour_length(s, len);
	if (c < 0x80)
		return 0;
	n = utf8_length(s, len);
	if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)
		return 0;
	return n;
}

void lines_escape(
	struct buf *out, const char *text, size_t len, enum lines_colour colour)
{
	size_t at = 0, plain = 0, n;

	while (at < len) {
		n = lines_plain_length(text + at, len - at, colour);
		if (n > 0) {
			at += n;
			continue;
		}
		buf_add(out, text + plain, at - plain);
		buf_printf(out, "\\x%02x", (unsigned char)text[at]);
		plain = ++at;
	}
	buf_add(out, text + plain, at - plain);
}
