/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static void json_quote(struct buf *out, const char *s)
{
	const char *end = s + strlen(s);
	size_t n;

	buf_putc(out, '"');
	for (; s < end; s += n) {
		unsigned char c = (unsigned char)*s;

		n = 1;
		if (c == '"' || c == '\\') {
			buf_putc(out, '\\');
			buf_putc(out, *s);
		} else if (c == '\n') {
			buf_puts(out, "\\n");
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(out, "\\u%04x", c);
		} else if (c < 0x80) {
			buf_putc(out, *s);
		} else if ((n = utf8_length(s, (size_t)(end - s))) > 0) {
			buf_add(out, s, n);
		} else {
			buf_puts(out, "\xef\xbf\xbd");
			n = 1;
		}
	}
	buf_putc(out, '"');
}

static void json_member(struct json *j, const char *key)
{
	if (j->some[j->depth])
		buf_putc(j->out, ',');
	j->some[j->depth] = true;
	if (key != NULL) {
		json_quote(j->out, key);
		buf_putc(j->out, ':');
	}
}

void json_init(struct json *j, struct buf *out)
{
	j->out = out;
	j->depth = 0;
	j->some[0] = false;
}

static void json_open(struct json *j, const char *key, char c)
{
	json_member(j, key);
	buf_putc(j->out, c);
	assert(j->depth + 1 < JSON_DEPTH_MAX);
	j->some[++j->depth] = false;
}

void json_object(struct json *j, const char *key)
{
	json_open(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
	json_open(j, key, '[');
}

static void json_close(struct json *j, char c)
{
	assert(j->depth > 0);
	j->depth--;
	buf_putc(j->out, c);
}

void json_end_object(struct json *j)
{
	json_close(j, '}');
}

void json_end_array(struct json *j)
{
	json_close(j, ']');
}

void json_str(struct json *j, const char *key, const char *value)
{
	json_member(j, key);
	if (value == NULL)
		buf_puts(j->out, "null");
	else
		json_quote(j->out, value);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	json_member(j, key);
	buf_printf(j->out, "%" PRId64, value);
}

void json_num(struct json *j, const char *key, double value)
{
	json_member(j, key);
	buf_printf(j->out, "%.3f", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_member(j, key);
	buf_puts(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	json_member(j, key);
	buf_puts(j->out, "null");
}
