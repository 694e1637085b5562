/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/utf8.h"

/* Bytes at s that stand for themselves. */
static size_t jsonw_plain(const char *s, const char *end)
{
	const char *p = s;

	while (p < end && (unsigned char)*p >= 0x20 &&
		(unsigned char)*p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return (size_t)(p - s);
}

/* One character that is not plain; how many bytes of s it takes. */
static size_t jsonw_escape(struct buf *out, const char *s, const char *end)
{
	unsigned char c = (unsigned char)*s;
	size_t n;

	if (c == '"' || c == '\\') {
		buf_putc(out, '\\');
		buf_putc(out, *s);
	} else if (c == '\n') {
		buf_puts(out, "\\n");
	} else if (c < 0x80) {
		buf_printf(out, "\\u%04x", c);
	} else if ((n = utf8_length(s, (size_t)(end - s))) > 0) {
		buf_add(out, s, n);
		return n;
	} else {
		buf_puts(out, "\xef\xbf\xbd");
	}
	return 1;
}

static void jsonw_quote(struct buf *out, const char *s)
{
	const char *end = s + strlen(s);
	size_t n;

	buf_putc(out, '"');
	while (s < end) {
		n = jsonw_plain(s, end);
		if (n > 0)
			buf_add(out, s, n);
		else
			n = jsonw_escape(out, s, end);
		s += n;
	}
	buf_putc(out, '"');
}

static void jsonw_member(struct jsonw *j, const char *key)
{
	if (j->some[j->depth])
		buf_putc(j->out, ',');
	j->some[j->depth] = true;
	if (key != NULL) {
		jsonw_quote(j->out, key);
		buf_putc(j->out, ':');
	}
}

void jsonw_init(struct jsonw *j, struct buf *out)
{
	j->out = out;
	j->depth = 0;
	j->some[0] = false;
}

static void jsonw_open(struct jsonw *j, const char *key, char c)
{
	jsonw_member(j, key);
	buf_putc(j->out, c);
	assert(j->depth + 1 < JSONW_DEPTH_MAX);
	j->some[++j->depth] = false;
}

void jsonw_object(struct jsonw *j, const char *key)
{
	jsonw_open(j, key, '{');
}

void jsonw_array(struct jsonw *j, const char *key)
{
	jsonw_open(j, key, '[');
}

static void jsonw_close(struct jsonw *j, char c)
{
	assert(j->depth > 0);
	j->depth--;
	buf_putc(j->out, c);
}

void jsonw_end_object(struct jsonw *j)
{
	jsonw_close(j, '}');
}

void jsonw_end_array(struct jsonw *j)
{
	jsonw_close(j, ']');
}

void jsonw_str(struct jsonw *j, const char *key, const char *value)
{
	jsonw_member(j, key);
	if (value == NULL)
		buf_puts(j->out, "null");
	else
		jsonw_quote(j->out, value);
}

void jsonw_int(struct jsonw *j, const char *key, int64_t value)
{
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char text[24], *p = text + sizeof(text);

	jsonw_member(j, key);
	do {
		*--p = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0)
		*--p = '-';
	buf_add(j->out, p, (size_t)(text + sizeof(text) - p));
}

void jsonw_num(struct jsonw *j, const char *key, double value)
{
	jsonw_member(j, key);
	buf_printf(j->out, "%.3f", value);
}

void jsonw_bool(struct jsonw *j, const char *key, bool value)
{
	jsonw_member(j, key);
	buf_puts(j->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *j, const char *key)
{
	jsonw_member(j, key);
	buf_puts(j->out, "null");
}

void jsonw_raw(struct jsonw *j, const char *key, const char *text, size_t len)
{
	jsonw_member(j, key);
	buf_add(j->out, text, len);
}
