/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/mem.h"
#include "base/utf8.h"

/* The constants of FNV-1a, 64 bits, which takes bytes where this takes words.
 * Two names of one hash are taken for one name: who looks for such a pair has
 * only their own text refused. */
#define JSONR_HASH_START 14695981039346656037ULL
#define JSONR_HASH_PRIME 1099511628211ULL

/* A word of equal bytes: 0x01, 0x80. */
#define JSONR_ONES  0x0101010101010101ULL
#define JSONR_HIGHS 0x8080808080808080ULL

const char *const jsonr_type_names[JSONR_TYPE_COUNT] = {
	[JSONR_NULL] = "null",
	[JSONR_BOOL] = "a boolean",
	[JSONR_INT] = "a whole number",
	[JSONR_REAL] = "a number",
	[JSONR_STRING] = "a string",
	[JSONR_ARRAY] = "an array",
	[JSONR_OBJECT] = "an object",
};

static int jsonr_pass_value(struct jsonr *r, struct jsonr_value *ret);

static int jsonr_fail(const struct jsonr *r, const char *what)
{
	return err_set(r->err, 0, "byte %zu: %s",
		(size_t)(r->at - r->start) + 1, what);
}

static void jsonr_pass_space(struct jsonr *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' ||
					 *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static int jsonr_hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The four digits of \uXXXX at s; -1: they are none. */
static int32_t jsonr_unit(const char *s, const char *end)
{
	int32_t unit = 0;
	int i, digit;

	if (end - s < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		digit = jsonr_hex(s[i]);
		if (digit == -1)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* The character of an escape at s, which is behind the backslash; ret_len is
 * how many bytes it takes.  -1: bad. */
static int32_t jsonr_escape(const char *s, const char *end, size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	int32_t high, low;

	*ret_len = 1;
	if (s == end || *s == '\0')
		return -1;
	if (*s != 'u') {
		found = strchr(from, *s);
		return found != NULL ? to[found - from] : -1;
	}
	*ret_len = 5;
	high = jsonr_unit(s + 1, end);
	if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
		return -1;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	*ret_len = 11;
	if (end - s < 11 || s[5] != '\\' || s[6] != 'u')
		return -1;
	low = jsonr_unit(s + 7, end);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t jsonr_encode(int32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static int jsonr_pass_escape(struct jsonr *r)
{
	size_t len;

	if (jsonr_escape(r->at + 1, r->end, &len) == -1)
		return jsonr_fail(r, "bad escape");
	r->at += 1 + len;
	return 0;
}

static uint64_t jsonr_zero_bytes(uint64_t word)
{
	return (word - JSONR_ONES) & ~word & JSONR_HIGHS;
}

/* Has the word a byte that does not stand for itself?  Control bytes, quotes,
 * backslashes, and all that is not ASCII. */
static bool jsonr_is_special(uint64_t word)
{
	return ((word & JSONR_HIGHS) |
		       ((word - JSONR_ONES * 0x20) & ~word & JSONR_HIGHS) |
		       jsonr_zero_bytes(word ^ JSONR_ONES * '"') |
		       jsonr_zero_bytes(word ^ JSONR_ONES * '\\')) != 0;
}

/* Most bytes of most strings stand for themselves. */
static void jsonr_pass_plain(struct jsonr *r)
{
	const char *p = r->at;
	uint64_t word;

	while (r->end - p >= 8) {
		memcpy(&word, p, sizeof(word));
		if (jsonr_is_special(word))
			break;
		p += 8;
	}
	while (p < r->end && (unsigned char)*p >= 0x20 &&
		(unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	r->at = p;
}

/* r->at is behind the opening quote. */
static int jsonr_pass_string(struct jsonr *r, struct jsonr_value *ret)
{
	unsigned char c;
	size_t n;

	*ret = (struct jsonr_value){ .type = JSONR_STRING, .text = r->at };
	for (;;) {
		jsonr_pass_plain(r);
		if (r->at == r->end)
			return jsonr_fail(r, "the string has no end");
		c = (unsigned char)*r->at;
		if (c == '"')
			break;
		if (c == '\\') {
			ret->has_escape = true;
			if (jsonr_pass_escape(r) != 0)
				return -1;
		} else if (c < 0x20) {
			return jsonr_fail(r, "control byte in a string");
		} else {
			n = utf8_length(r->at, (size_t)(r->end - r->at));
			if (n == 0)
				return jsonr_fail(r, "not UTF-8");
			r->at += n;
		}
	}
	ret->len = (size_t)(r->at - ret->text);
	r->at++;
	return 0;
}

static bool jsonr_is_digit(const struct jsonr *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static int jsonr_pass_digits(struct jsonr *r)
{
	if (!jsonr_is_digit(r))
		return jsonr_fail(r, "a digit is missing");
	while (jsonr_is_digit(r))
		r->at++;
	return 0;
}

/* text[0..len) is "-" and digits; false: an int64_t can't hold it. */
static bool jsonr_to_int(const char *text, size_t len, int64_t *ret)
{
	bool is_negative = text[0] == '-';
	int64_t n = 0;
	size_t i;

	for (i = is_negative; i < len; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_sub_overflow(n, text[i] - '0', &n))
			return false;
	if (!is_negative && n == INT64_MIN)
		return false;
	*ret = is_negative ? n : -n;
	return true;
}

static int jsonr_pass_number(struct jsonr *r, struct jsonr_value *ret)
{
	bool is_whole = true;

	*ret = (struct jsonr_value){ .type = JSONR_INT, .text = r->at };
	if (*r->at == '-')
		r->at++;
	if (r->at < r->end && *r->at == '0')
		r->at++;
	else if (jsonr_pass_digits(r) != 0)
		return -1;
	if (r->at < r->end && *r->at == '.') {
		is_whole = false;
		r->at++;
		if (jsonr_pass_digits(r) != 0)
			return -1;
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		is_whole = false;
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		if (jsonr_pass_digits(r) != 0)
			return -1;
	}
	ret->len = (size_t)(r->at - ret->text);
	if (!is_whole || !jsonr_to_int(ret->text, ret->len, &ret->number))
		ret->type = JSONR_REAL;
	return 0;
}

static int jsonr_pass_word(struct jsonr *r, struct jsonr_value *ret)
{
	static const struct {
		const char *word;
		enum jsonr_type type;
		int64_t number;
	} words[] = { { "true", JSONR_BOOL, 1 }, { "false", JSONR_BOOL, 0 },
		{ "null", JSONR_NULL, 0 } };
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		len = strlen(words[i].word);
		if ((size_t)(r->end - r->at) < len ||
			memcmp(r->at, words[i].word, len) != 0)
			continue;
		*ret = (struct jsonr_value){ .type = words[i].type,
			.text = r->at,
			.len = len,
			.number = words[i].number };
		r->at += len;
		return 0;
	}
	return jsonr_fail(r, r->at == r->end ? "the text ends too early"
					     : "a value is missing");
}

/* Eight bytes at a time; names of up to eight never share one. */
static uint64_t jsonr_hash_bytes(const char *s, size_t len)
{
	uint64_t hash = JSONR_HASH_START ^ len, word;

	for (; len > 0; len -= len < 8 ? len : 8, s += 8) {
		word = 0;
		memcpy(&word, s, len < 8 ? len : 8);
		hash = (hash ^ word) * JSONR_HASH_PRIME;
		hash ^= hash >> 32;
	}
	return hash;
}

static uint64_t jsonr_hash(const struct jsonr_value *name)
{
	uint64_t hash;
	size_t len;
	char *text;

	if (!name->has_escape)
		return jsonr_hash_bytes(name->text, name->len);
	text = jsonr_string(name, &len);
	hash = jsonr_hash_bytes(text, len);
	free(text);
	return hash;
}

static void jsonr_add_name(struct jsonr *r, const struct jsonr_value *name)
{
	size_t cap = r->name_cap * 2;

	if (r->name_count == r->name_cap) {
		if (r->names == r->held) {
			r->names = xmalloc(cap * sizeof(*r->names));
			memcpy(r->names, r->held, sizeof(r->held));
		} else {
			r->names =
				xreallocarray(r->names, cap, sizeof(*r->names));
		}
		r->name_cap = cap;
	}
	r->names[r->name_count++] = jsonr_hash(name);
}

static int jsonr_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* An object ends whose names are held from `first` on. */
static int jsonr_drop_names(struct jsonr *r, size_t first)
{
	size_t n = r->name_count - first, i, k;
	uint64_t *names = r->names + first;

	r->name_count = first;
	if (n > 16) {
		qsort(names, n, sizeof(*names), jsonr_compare);
		for (i = 1; i < n; i++)
			if (names[i] == names[i - 1])
				goto twice;
		return 0;
	}
	for (i = 1; i < n; i++)
		for (k = 0; k < i; k++)
			if (names[i] == names[k])
				goto twice;
	return 0;
twice:
	return jsonr_fail(r, "the object that ends here has a name twice");
}

/* To the value of a member; r->at is where its name should begin. */
static int jsonr_pass_name(struct jsonr *r, struct jsonr_value *ret_name)
{
	if (r->at == r->end || *r->at != '"')
		return jsonr_fail(r, "a member's name is missing");
	r->at++;
	if (jsonr_pass_string(r, ret_name) != 0)
		return -1;
	jsonr_add_name(r, ret_name);
	jsonr_pass_space(r);
	if (r->at == r->end || *r->at != ':')
		return jsonr_fail(r, "a colon is missing");
	r->at++;
	return 0;
}

/* Between two members or items, or at the end: 1 one follows, 0 the end. */
static int jsonr_step(struct jsonr *r, char close, bool is_first)
{
	jsonr_pass_space(r);
	if (r->at == r->end)
		return jsonr_fail(r, "the text ends too early");
	if (*r->at == close) {
		r->at++;
		return 0;
	}
	if (is_first)
		return 1;
	if (*r->at != ',')
		return jsonr_fail(r, "a comma is missing");
	r->at++;
	jsonr_pass_space(r);
	return 1;
}

/* r->at is behind the opening bracket. */
static int jsonr_pass_inside(struct jsonr *r, char close)
{
	size_t first = r->name_count;
	struct jsonr_value name, value;
	bool is_first = true;
	int more;

	if (++r->depth > r->depth_max)
		return jsonr_fail(r, "nested too deep");
	while ((more = jsonr_step(r, close, is_first)) == 1) {
		is_first = false;
		if (close == '}' && jsonr_pass_name(r, &name) != 0)
			return -1;
		if (jsonr_pass_value(r, &value) != 0)
			return -1;
	}
	r->depth--;
	if (more == 0 && close == '}')
		return jsonr_drop_names(r, first);
	return more;
}

static int jsonr_pass_nested(struct jsonr *r, struct jsonr_value *ret)
{
	bool is_object = *r->at == '{';
	const char *begin = r->at++;

	if (jsonr_pass_inside(r, is_object ? '}' : ']') != 0)
		return -1;
	*ret = (struct jsonr_value){ .text = begin,
		.type = is_object ? JSONR_OBJECT : JSONR_ARRAY,
		.len = (size_t)(r->at - begin) };
	return 0;
}

static int jsonr_pass_value(struct jsonr *r, struct jsonr_value *ret)
{
	jsonr_pass_space(r);
	if (r->at == r->end)
		return jsonr_fail(r, "the text ends too early");
	if (*r->at == '{' || *r->at == '[')
		return jsonr_pass_nested(r, ret);
	if (*r->at == '"') {
		r->at++;
		return jsonr_pass_string(r, ret);
	}
	if (*r->at == '-' || jsonr_is_digit(r))
		return jsonr_pass_number(r, ret);
	return jsonr_pass_word(r, ret);
}

static int jsonr_pass_end(struct jsonr *r)
{
	jsonr_pass_space(r);
	return r->at == r->end ? 0
			       : jsonr_fail(r, "something follows the value");
}

static void jsonr_init(struct jsonr *r, const char *text, size_t len,
	int depth_max, struct err *err)
{
	r->start = r->at = text;
	r->end = text + len;
	r->depth = 0;
	r->depth_max =
		depth_max < JSONR_DEPTH_MAX ? depth_max : JSONR_DEPTH_MAX;
	r->is_begun = false;
	r->close = '\0';
	r->err = err;
	r->names = r->held;
	r->name_count = 0;
	r->name_cap = JSONR_NAMES_HELD;
}

static int jsonr_begin(struct jsonr *r, char open, const char *what)
{
	jsonr_pass_space(r);
	if (r->at == r->end || *r->at != open)
		return jsonr_fail(r, what);
	r->at++;
	r->close = open == '{' ? '}' : ']';
	return 0;
}

int jsonr_object(struct jsonr *r, const char *text, size_t len, int depth_max,
	struct err *err)
{
	jsonr_init(r, text, len, depth_max, err);
	return jsonr_begin(r, '{', "not an object");
}

int jsonr_array(struct jsonr *r, const char *text, size_t len, int depth_max,
	struct err *err)
{
	jsonr_init(r, text, len, depth_max, err);
	return jsonr_begin(r, '[', "not an array");
}

static int jsonr_next(struct jsonr *r)
{
	int more = jsonr_step(r, r->close, !r->is_begun);

	r->is_begun = true;
	if (more != 0)
		return more;
	if (jsonr_drop_names(r, 0) != 0)
		return -1;
	return jsonr_pass_end(r);
}

int jsonr_member(struct jsonr *r, struct jsonr_value *ret_name,
	struct jsonr_value *ret_value)
{
	int more = jsonr_next(r);

	if (more != 1)
		return more;
	if (jsonr_pass_name(r, ret_name) != 0)
		return -1;
	return jsonr_pass_value(r, ret_value) != 0 ? -1 : 1;
}

int jsonr_item(struct jsonr *r, struct jsonr_value *ret_value)
{
	int more = jsonr_next(r);

	if (more != 1)
		return more;
	return jsonr_pass_value(r, ret_value) != 0 ? -1 : 1;
}

void jsonr_done(struct jsonr *r)
{
	if (r->names != r->held)
		free(r->names);
	r->names = r->held;
}

int jsonr_check(const char *text, size_t len, int depth_max,
	struct jsonr_value *ret_value, struct err *err)
{
	struct jsonr_value value;
	struct jsonr r;
	int failed;

	jsonr_init(&r, text, len, depth_max, err);
	failed = jsonr_pass_value(&r, &value) != 0 || jsonr_pass_end(&r) != 0;
	jsonr_done(&r);
	if (failed)
		return -1;
	*ret_value = value;
	return 0;
}

bool jsonr_is(const struct jsonr_value *v, const char *s)
{
	size_t len = strlen(s);
	bool is_same;
	char *text;

	if (!v->has_escape)
		return v->type == JSONR_STRING && v->len == len &&
		       memcmp(v->text, s, len) == 0;
	text = jsonr_string(v, NULL);
	is_same = strcmp(text, s) == 0;
	free(text);
	return is_same;
}

char *jsonr_string(const struct jsonr_value *v, size_t *ret_len)
{
	const char *s = v->text, *end = s + v->len;
	char *text = xmalloc(v->len + 1), *out = text;
	size_t len;

	while (s < end) {
		if (*s != '\\' || !v->has_escape) {
			*out++ = *s++;
			continue;
		}
		out += jsonr_encode(jsonr_escape(s + 1, end, &len), out);
		s += 1 + len;
	}
	*out = '\0';
	if (ret_len != NULL)
		*ret_len = (size_t)(out - text);
	return text;
}
