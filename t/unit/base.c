/* SPDX-License-Identifier: ISC */
/* base: buffers, JSON text, UTF-8, spans. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tap.h"

static void test_buf(void)
{
	struct buf b = BUF_INIT;
	int i;

	is_str("", buf_str(&b), "an empty buffer is the empty string");
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	is_int(3890, (int64_t)b.len, "a buffer grows as it is printed to");
	buf_drop(&b, 3886);
	is_str("999,", buf_str(&b), "the front can be dropped");
	buf_done(&b);
}

static void test_json(void)
{
	struct buf b = BUF_INIT;
	struct jsonw j;

	jsonw_init(&j, &b);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "a\"b", "x\n\\\x01\xff\xc3\xa9");
	jsonw_array(&j, "n");
	jsonw_int(&j, NULL, -5);
	jsonw_num(&j, NULL, 1.5);
	jsonw_bool(&j, NULL, true);
	jsonw_null(&j, NULL);
	jsonw_end_array(&j);
	jsonw_str(&j, "none", NULL);
	jsonw_end_object(&j);
	is_str("{\"a\\\"b\":\"x\\n\\\\\\u0001\xef\xbf\xbd\xc3\xa9\","
	       "\"n\":[-5,1.500,true,null],\"none\":null}",
		buf_str(&b), "JSON is nested, escaped and comma'd");
	buf_done(&b);
}

static void test_utf8(void)
{
	is_int(0, (int64_t)utf8_length("\xc0\x80", 2), "overlong NUL is bad");
	is_int(0, (int64_t)utf8_length("\xed\xa0\x80", 3), "a surrogate is");
	is_int(0, (int64_t)utf8_length("\xf4\x90\x80\x80", 4),
		"above U+10FFFF is");
	is_int(4, (int64_t)utf8_length("\xf0\x9f\x98\x80", 4), "emoji is well");
	is_int(3, (int64_t)utf8_valid("abc\xff", 4), "valid start is found");
	is_int(0, (int64_t)utf8_length("\xe2\x82", 2), "a cut one is bad");
}

static void test_arena(void)
{
	struct arena *a = arena_new();
	char *s = arena_printf(a, "%s-%d", "pool", 7);
	char *big = arena_alloc(a, 300000);

	is_str("pool-7", s, "an arena holds strings");
	is_int(0, (int64_t)((uintptr_t)arena_alloc_aligned(a, 3, 64) % 64),
		"and what wants whole cache lines");
	memset(big, 1, 300000);
	ok(arena_used(a) >= 300000, "and counts what it gave");
	arena_free(a);
}

static void test_clock(void)
{
	char text[CLOCK_ISO_MAX];
	struct err err;

	is_str("2024-02-29T00:00:00.250Z", clock_iso(1709164800250000, text),
		"ISO time of a leap day");
	is_str("350 ms", clock_span(350000, text, sizeof(text)), "span in ms");
	is_str("4.2 s", clock_span(4200000, text, sizeof(text)), "in seconds");
	ok(clock_jitter(10) < 10 && clock_jitter(0) == 0, "jitter is bounded");
	is_int(-1, err_set(&err, 5, "no %s", "way"), "err_set returns -1");
	is_str("no way", err.text, "and keeps the text");
}

int main(void)
{
	test_buf();
	test_json();
	test_utf8();
	test_arena();
	test_clock();
	return tap_done();
}
