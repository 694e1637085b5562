/* SPDX-License-Identifier: ISC */
/* jsonr: what is JSON, what is not, and what it says. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsonr.h"
#include "base/uuid.h"
#include "tap.h"

static void test_values(void)
{
	static const struct {
		const char *text;
		enum jsonr_type type;
		int64_t number;
	} rows[] = {
		{ "null", JSONR_NULL, 0 },
		{ "\ttrue ", JSONR_BOOL, 1 },
		{ "false", JSONR_BOOL, 0 },
		{ "0", JSONR_INT, 0 },
		{ "-0", JSONR_INT, 0 },
		{ "9223372036854775807", JSONR_INT, INT64_MAX },
		{ "-9223372036854775808", JSONR_INT, INT64_MIN },
		{ "9223372036854775808", JSONR_REAL, 0 },
		{ "1.0", JSONR_REAL, 0 },
		{ "1e3", JSONR_REAL, 0 },
		{ "-1.25E-7", JSONR_REAL, 0 },
		{ "\"\\ud83d\\ude00 \xc3\xa9\"", JSONR_STRING, 0 },
		{ "[]", JSONR_ARRAY, 0 },
		{ "[1,{\"a\":[]} ,null ]", JSONR_ARRAY, 0 },
		{ "{}", JSONR_OBJECT, 0 },
		{ "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", JSONR_OBJECT, 0 },
	};
	struct jsonr_value v;
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!ok(jsonr_check(rows[i].text, strlen(rows[i].text), 8, &v,
				&err) == 0,
			    "%s is JSON", rows[i].text)) {
			note("%s", err.text);
			continue;
		}
		is_int(rows[i].type, v.type, "it is %s",
			jsonr_type_names[rows[i].type]);
		if (v.type != JSONR_REAL)
			is_int(rows[i].number, v.number, "of that value");
	}
}

static void test_faults(void)
{
	static const char *const rows[][2] = {
		{ "", "byte 1: the text ends too early" },
		{ "  ", "byte 3: the text ends too early" },
		{ "nul", "a value is missing" },
		{ "[1,]", "byte 4: a value is missing" },
		{ "[1 2]", "a comma is missing" },
		{ "[1", "the text ends too early" },
		{ "{\"a\" 1}", "a colon is missing" },
		{ "{a:1}", "a member's name is missing" },
		{ "{\"a\":1,}", "a member's name is missing" },
		{ "01", "something follows" },
		{ "-", "a digit is missing" },
		{ "1.", "a digit is missing" },
		{ "1e+", "a digit is missing" },
		{ "+1", "a value is missing" },
		{ "NaN", "a value is missing" },
		{ "\"a", "the string has no end" },
		{ "\"\t\"", "control byte in a string" },
		{ "\"\\x\"", "bad escape" },
		{ "\"\\u12\"", "bad escape" },
		{ "\"\\u0000\"", "bad escape" },
		{ "\"\\ud83d\"", "bad escape" },
		{ "\"\\udc00\"", "bad escape" },
		{ "\"\xff\"", "byte 2: not UTF-8" },
		{ "\"\xed\xa0\x80\"", "not UTF-8" },
		{ "{\"a\":1,\"\\u0061\":2}", "has a name twice" },
		{ "[{\"x\":{\"a\":1,\"b\":1,\"a\":1}}]", "has a name twice" },
		{ "[[[[[[[[[1]]]]]]]]]", "nested too deep" },
	};
	struct jsonr_value v;
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ok(jsonr_check(rows[i][0], strlen(rows[i][0]), 8, &v, &err) ==
				-1,
			"%s is refused", rows[i][0]);
		has_str(rows[i][1], err.text, "with the reason");
	}
	ok(jsonr_check("\"a\0b\"", 5, 8, &v, &err) == -1 &&
			jsonr_check("1\0", 2, 8, &v, &err) == -1,
		"a NUL byte is refused");
}

static void test_walk(void)
{
	static const char text[] =
		" {\"n\":5, \"s\":\"a\\u00e9\\n\", \"o\":{\"x\":[1,2]}} ";
	struct jsonr_value name, v, item;
	struct jsonr r, inner;
	char *s;

	ok(jsonr_object(&r, text, strlen(text), 4, NULL) == 0,
		"an object is walked");
	ok(jsonr_member(&r, &name, &v) == 1 && jsonr_is(&name, "n") &&
			v.number == 5,
		"its first member");
	ok(jsonr_member(&r, &name, &v) == 1 && jsonr_is(&name, "s") &&
			jsonr_is(&v, "a\xc3\xa9\n"),
		"its second");
	s = jsonr_string(&v, NULL);
	is_str("a\xc3\xa9\n", s, "escapes are decoded");
	free(s);
	ok(jsonr_member(&r, &name, &v) == 1 && v.len == 11 &&
			memcmp(v.text, "{\"x\":[1,2]}", 11) == 0,
		"a nested value is handed out as it is written");
	is_int(0, jsonr_member(&r, &name, &v), "and then the end");
	jsonr_done(&r);
	ok(jsonr_array(&inner, "[1,\"b\"]", 7, 4, NULL) == 0 &&
			jsonr_item(&inner, &item) == 1 &&
			jsonr_item(&inner, &item) == 1 &&
			jsonr_is(&item, "b") && jsonr_item(&inner, &item) == 0,
		"an array is walked");
	jsonr_done(&inner);
}

static void test_many_names(void)
{
	struct buf b = BUF_INIT;
	struct jsonr_value v;
	struct err err;
	int i;

	buf_puts(&b, "{\"o\":{");
	for (i = 0; i < 5000; i++)
		buf_printf(&b, "\"k%d\":{\"x\":%d},", i, i);
	buf_puts(&b, "\"last\":1},\"p\":2}");
	ok(jsonr_check(b.data, b.len, 8, &v, &err) == 0,
		"five thousand names are told apart");
	b.len -= strlen("\"last\":1},\"p\":2}");
	buf_puts(&b, "\"k77\":1}}");
	ok(jsonr_check(b.data, b.len, 8, &v, &err) == -1,
		"and one of them twice is noticed");
	buf_done(&b);
}

/* Strings are passed over by words: a byte is seen wherever it stands. */
static void test_places(void)
{
	static const struct {
		char byte;
		int wanted; /* of jsonr_check */
	} rows[] = { { ' ', 0 }, { '~', 0 }, { 0x7f, 0 }, { '!', 0 },
		{ '#', 0 }, { '[', 0 }, { ']', 0 }, { 0x1f, -1 }, { 1, -1 },
		{ '\0', -1 }, { '"', -1 }, { '\\', -1 }, { (char)0x80, -1 },
		{ (char)0xff, -1 } };
	char text[24];
	struct jsonr_value v;
	size_t i, at;
	bool is_well = true;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (at = 1; at < sizeof(text) - 2; at++) {
			memset(text, 'x', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = rows[i].byte;
			is_well =
				is_well && jsonr_check(text, sizeof(text), 8,
						   &v, NULL) == rows[i].wanted;
		}
	ok(is_well, "a byte that may not stand in a string is seen anywhere");
}

static void test_uuid(void)
{
	char last[UUID_TEXT_LEN + 1], next[UUID_TEXT_LEN + 1];
	bool is_sorted = true, is_formed = true;
	int i;

	uuid_new(last);
	is_int(UUID_TEXT_LEN, (int64_t)strlen(last), "an id has 36 bytes");
	for (i = 0; i < 20000; i++) {
		uuid_new(next);
		is_sorted = is_sorted && strcmp(last, next) < 0;
		is_formed = is_formed && next[14] == '7' &&
			    strchr("89ab", next[19]) != NULL;
		memcpy(last, next, sizeof(last));
	}
	ok(is_sorted, "each id is greater than the one before");
	ok(is_formed, "all are of version 7");
}

/* The tail of an id is chance alone. */
static void test_uuid_fork(void)
{
	char mine[UUID_TEXT_LEN + 1], others[UUID_TEXT_LEN + 1] = "";
	int fds[2];
	pid_t pid;

	uuid_new(mine);
	if (pipe(fds) == -1 || (pid = fork()) == -1) {
		ok(0, "a pipe and a child");
		return;
	}
	uuid_new(mine);
	if (pid == 0)
		_exit(write(fds[1], mine, sizeof(mine)) == -1);
	waitpid(pid, NULL, 0);
	ok(read(fds[0], others, sizeof(others)) == sizeof(others) &&
			strcmp(mine + 24, others + 24) != 0,
		"a child makes other ids than its parent");
	close(fds[0]);
	close(fds[1]);
}

static void test_uuid_derive(void)
{
	char a[UUID_TEXT_LEN + 1], b[UUID_TEXT_LEN + 1];

	uuid_derive(1763800000000, "high/1-0", 8, a);
	uuid_derive(1763800000000, "high/1-0", 8, b);
	is_str(a, b, "a name makes one id");
	ok(uuid_is_v7(a) && memcmp(a, "019aaaac-2600-7", 15) == 0,
		"of version 7, with its time");
	uuid_derive(1763800000000, "high/1-1", 8, b);
	ok(strcmp(a + 14, b + 14) != 0, "and another name another");
	ok(!uuid_is_v7("019aaa93-5e00-4000-8000-000000000000") &&
			!uuid_is_v7("019aaa93-5e00-7000-8000-00000000000") &&
			!uuid_is_v7("019aaa93-5e00-7000-8000-0000000000000") &&
			!uuid_is_v7("019aaa93x5e00-7000-8000-000000000000") &&
			!uuid_is_v7(""),
		"what is none is told from it");
}

int main(void)
{
	test_values();
	test_faults();
	test_walk();
	test_many_names();
	test_places();
	test_uuid();
	test_uuid_fork();
	test_uuid_derive();
	return tap_done();
}
