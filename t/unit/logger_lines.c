/* SPDX-License-Identifier: ISC */
/* logger/lines: bytes become lines fit for a log. */
#include <string.h>

#include "logger/lines.h"
#include "tap.h"

static void collect(const char *text, size_t len, enum lines_end end, void *arg)
{
	struct buf *b = arg;

	buf_add(b, text, len);
	buf_putc(b, end == LINES_CUT ? '\\' : '|');
}

static void feed(struct lines *s, struct buf *out, const char *data)
{
	lines_feed(s, data, strlen(data), collect, out);
}

static void test_split(void)
{
	struct lines s = { 0 };
	struct buf out = BUF_INIT;

	feed(&s, &out, "one\ntwo\n\nth");
	is_str("one|two||", buf_str(&out), "whole lines are given out");
	ok(!lines_is_empty(&s), "the start of a line is kept");
	feed(&s, &out, "ree");
	feed(&s, &out, "\nfour\r\n");
	is_str("one|two||three|four|", buf_str(&out),
		"a line is put together, a carriage return before its end "
		"goes");
	ok(lines_is_empty(&s), "and nothing is kept");
	feed(&s, &out, "last");
	buf_reset(&out);
	lines_finish(&s, LINES_WHOLE, collect, &out);
	lines_finish(&s, LINES_WHOLE, collect, &out);
	is_str("last|", buf_str(&out), "the end gives out the rest once");
	buf_done(&out);
}

static void test_long(void)
{
	struct lines s = { 0 };
	struct buf out = BUF_INIT, in = BUF_INIT;
	size_t i;

	for (i = 0; i < LINES_MAX; i++)
		buf_putc(&in, 'a');
	buf_putc(&in, '\n');
	feed(&s, &out, buf_str(&in));
	is_int(LINES_MAX + 1, (int64_t)out.len, "a line of LINES_MAX is whole");

	buf_reset(&out);
	in.len--;
	buf_puts(&in, "bc\n");
	feed(&s, &out, buf_str(&in));
	is_str("\\bc|", buf_str(&out) + LINES_MAX,
		"a longer one is cut, and its pieces marked");

	buf_reset(&out);
	buf_reset(&in);
	for (i = 0; i < LINES_MAX - 1; i++)
		buf_putc(&in, 'a');
	buf_puts(&in, "\xc3\xa9\n");
	feed(&s, &out, buf_str(&in));
	is_str("\\\xc3\xa9|", buf_str(&out) + LINES_MAX - 1,
		"but never inside a UTF-8 character");
	buf_done(&in);
	buf_done(&out);
}

/* Any way of cutting the input gives the same lines. */
static void test_chunks(void)
{
	static const char text[] = "a\n\nbc\r\n\xe2\x82\xac\nlonger line\n";
	size_t len = sizeof(text) - 1, step, at;
	int bad = 0;

	for (step = 1; step <= len; step++) {
		struct lines s = { 0 };
		struct buf out = BUF_INIT;

		for (at = 0; at < len; at += step)
			lines_feed(&s, text + at,
				at + step > len ? len - at : step, collect,
				&out);
		if (strcmp(buf_str(&out), "a||bc|\xe2\x82\xac|longer line|") !=
			0)
			bad++;
		buf_done(&out);
	}
	is_int(0, bad, "chunks of every size give the same lines");
}

static void is_escaped(const char *wanted, const char *text,
	enum lines_colour colour, const char *title)
{
	struct buf out = BUF_INIT;

	lines_escape(&out, text, strlen(text), colour);
	is_str(wanted, buf_str(&out), "%s", title);
	buf_done(&out);
}

static void test_escape(void)
{
	is_escaped("a\tb \xc3\xa9", "a\tb \xc3\xa9", LINES_COLOUR_ESCAPE,
		"text, tabs and UTF-8 pass");
	is_escaped("\\x07\\x7f\\x0d", "\x07\x7f\r", LINES_COLOUR_ESCAPE,
		"control bytes are escaped");
	is_escaped("\\xffx\\xc3", "\xffx\xc3", LINES_COLOUR_ESCAPE,
		"what is not UTF-8 is escaped");
	is_escaped("\\xc2\\x9b", "\xc2\x9b", LINES_COLOUR_ESCAPE,
		"so is a C1 control, though UTF-8");
	is_escaped("\\x1b[1;31mred", "\x1b[1;31mred", LINES_COLOUR_ESCAPE,
		"colours are escaped in a file");
	is_escaped("\x1b[1;31mred\\x1b[2J", "\x1b[1;31mred\x1b[2J",
		LINES_COLOUR_KEEP, "and kept, alone, for a terminal");
}

int main(void)
{
	test_split();
	test_long();
	test_chunks();
	test_escape();
	return tap_done();
}
