/* SPDX-License-Identifier: ISC */
/*
 * http - any bytes at the request parser, in one piece and in many.
 *
 * However a stream is cut, the same requests must come out of it, with the
 * same end; and what comes out must keep the parser's promises.  Buffers are
 * exactly as long as what is in them, so that a sanitizer sees each step
 * beyond.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/http_parse.h"
#include "loop/http_target.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_parse_limits limits = { 1024, 512 };

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static void check_path(const char *path)
{
	const char *c;

	must(path[0] == '/' || strcmp(path, "*") == 0, "a path is absolute");
	must(strstr(path, "/../") == NULL && strstr(path, "/./") == NULL,
		"a path has no dot segments");
	for (c = path; *c != '\0'; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f && *c != '\\',
			"a path has no control bytes");
}

static void tell_query(const char *query, struct buf *out)
{
	size_t len;
	char *pairs = http_target_query(query, &len);

	must(len > 0 && pairs[len - 1] == '\0', "pairs end with a NUL");
	buf_add(out, pairs, len);
	free(pairs);
}

/* All that a handler could see of a request. */
static void tell(const struct http_parse *p, const char *data, struct buf *out)
{
	unsigned i;

	check_path(data + p->path);
	must(p->body_len <= limits.body_max, "a body keeps its limit");
	must(http_parse_field(p, data, "content-length") == NULL ||
			http_parse_field(p, data, "transfer-encoding") == NULL,
		"a body has one end");
	must(p->minor == 0 || http_parse_field(p, data, "host") != NULL,
		"there is a Host");
	buf_printf(out, "%d 1.%d %d %s\n", (int)p->method, p->minor,
		(int)p->keep_alive, data + p->path);
	if (p->query != 0)
		tell_query(data + p->query, out);
	for (i = 0; i < p->field_count; i++)
		buf_printf(out, "%s: %s\n", data + p->fields[i].name,
			data + p->fields[i].value);
	buf_add(out, data + p->body, p->body_len);
	buf_puts(out, "\n--\n");
}

/* A growing stream, as a connection holds it. */
struct stream {
	struct http_parse parse;
	char *data;
	size_t len;
	struct buf *out;
};

static void add(struct stream *s, const uint8_t *more, size_t len)
{
	s->data = xrealloc(s->data, s->len + len);
	memcpy(s->data + s->len, more, len);
	s->len += len;
}

static void drop(struct stream *s, size_t len)
{
	size_t left = s->len - len;
	char *rest = NULL;

	if (left > 0)
		rest = memcpy(xmalloc(left), s->data + len, left);
	free(s->data);
	s->data = rest;
	s->len = left;
}

/* Take all requests that are whole.  Returns false at a bad one. */
static bool take(struct stream *s)
{
	while (s->len > 0) {
		http_parse_run(&s->parse, s->data, &s->len, &limits);
		if (s->parse.stage == HTTP_PARSE_BAD) {
			must(s->parse.status >= 400 && s->parse.why != NULL,
				"a refusal has a reason");
			buf_printf(s->out, "%d %s\n", s->parse.status,
				s->parse.why);
			return false;
		}
		if (s->parse.stage != HTTP_PARSE_DONE)
			return true;
		must(s->parse.used > 0 && s->parse.used <= s->len,
			"a request takes what is there");
		tell(&s->parse, s->data, s->out);
		drop(s, s->parse.used);
		http_parse_init(&s->parse);
	}
	return true;
}

/* step 0: pieces of lengths that `seed` gives. */
static void run(const uint8_t *data, size_t size, size_t step, uint32_t seed,
	struct buf *out)
{
	struct stream s = { .out = out };
	size_t at = 0, n;
	bool good = true;

	http_parse_init(&s.parse);
	while (good && at < size) {
		seed = seed * 1664525 + 1013904223;
		n = step > 0 ? step : 1 + (seed >> 16) % 40;
		n = n < size - at ? n : size - at;
		add(&s, data + at, n);
		at += n;
		good = take(&s);
	}
	free(s.data);
}

static void compare(const struct buf *whole, const uint8_t *data, size_t size,
	size_t step, uint32_t seed)
{
	struct buf seen = BUF_INIT;

	run(data, size, step, seed, &seen);
	must(whole->len == seen.len &&
			(seen.len == 0 ||
				memcmp(whole->data, seen.data, seen.len) == 0),
		"a cut changes nothing");
	buf_done(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT;
	uint32_t seed = 2166136261u;
	size_t i;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	for (i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 16777619u;
	run(data, size, size, 0, &whole);
	compare(&whole, data, size, 1, 0);
	compare(&whole, data, size, 0, seed);
	compare(&whole, data, size, 0, seed ^ 0x5bd1e995u);
	buf_done(&whole);
	return 0;
}
