/* SPDX-License-Identifier: ISC */
/* http_parse: what is taken, what is refused, and that cuts change nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/http_parse.h"
#include "tap.h"

#define HOST    "Host: a\r\n"
#define GET     "GET / HTTP/1.1\r\n" HOST
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct http_parse_limits limits = { 1024, 64 };

static const struct {
	const char *title, *text;
	int status; /* 0: taken; -1: wants more */
	size_t len; /* 0: strlen */
} cases[] = {
	/* What is well. */
	{ "a plain GET", GET "\r\n", 0, 0 },
	{ "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0, 0 },
	{ "HTTP/1.7, read as 1.1", "GET / HTTP/1.7\r\n" HOST "\r\n", 0, 0 },
	{ "an empty line before the request", "\r\n" GET "\r\n", 0, 0 },
	{ "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, 0 },
	{ "an absolute target", "GET http://a/x HTTP/1.1\r\n" HOST "\r\n", 0,
		0 },
	{ "an absolute target without a path",
		"GET http://A?x=1 HTTP/1.1\r\n" HOST "\r\n", 0, 0 },
	{ "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, 0 },
	{ "an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, 0 },
	{ "white space around a value", GET "X: \t a b \t\r\n\r\n", 0, 0 },
	{ "bytes above ASCII in a value", GET "X: \xe9\r\n\r\n", 0, 0 },
	{ "a body of known length", POST "Content-Length: 2\r\n\r\nab", 0, 0 },
	{ "leading zeros in a length", POST "Content-Length: 002\r\n\r\nab", 0,
		0 },
	{ "chunks", CHUNKED "2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n", 0, 0 },
	{ "CHUNKED in capitals",
		POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 0, 0 },
	{ "a chunk extension", CHUNKED "1;a=\"b c\"\r\nx\r\n0;z\r\n\r\n", 0,
		0 },
	{ "a trailer", CHUNKED "0\r\nX-Sum: 1\r\n\r\n", 0, 0 },
	{ "Expect: 100-continue",
		POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", 0,
		0 },
	/* What wants more. */
	{ "half a header", GET, -1, 0 },
	{ "half a body", POST "Content-Length: 3\r\n\r\nab", -1, 0 },
	{ "chunks without an end", CHUNKED "2\r\nab\r\n", -1, 0 },
	{ "chunks without the last line", CHUNKED "0\r\n", -1, 0 },
	/* Request lines. */
	{ "HTTP/0.9", "GET /\r\n\r\n", 400, 0 },
	{ "a binary greeting", "\x16\x03\x01\x02", 400, 0 },
	{ "two empty lines in front", "\r\n\r\n" GET "\r\n", 400, 0 },
	{ "a bare LF in front", "\n" GET "\r\n", 400, 0 },
	{ "a space in front", " " GET "\r\n", 400, 0 },
	{ "a bad method", "GE\"T / HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a method in small letters", "get / HTTP/1.1\r\n" HOST "\r\n", 501,
		0 },
	{ "an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501, 0 },
	{ "CONNECT", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 501, 0 },
	{ "two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n",
		400, 0 },
	{ "two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n",
		400, 0 },
	{ "a tab before the target", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400,
		0 },
	{ "a space behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400,
		0 },
	{ "no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "HTTP/2", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, 0 },
	{ "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 0 },
	{ "HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, 0 },
	{ "HTTP/1", "GET / HTTP/1\r\n" HOST "\r\n", 400, 0 },
	{ "http/1.1", "GET / http/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "HTTP/+1.1", "GET / HTTP/+1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a bare LF behind the request line", "GET / HTTP/1.1\n" HOST "\r\n",
		400, 0 },
	{ "a bare CR in the request line", "GET /\r HTTP/1.1\r\n" HOST "\r\n",
		400, 0 },
	{ "a NUL in the request line", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", 400,
		28 },
	/* Targets. */
	{ "a path above the root", "GET /../x HTTP/1.1\r\n" HOST "\r\n", 400,
		0 },
	{ "an encoded path above the root",
		"GET /a/%2e%2E/%2e./x HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "%00 in the path", "GET /a%00 HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "%0a in the path", "GET /a%0a HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "%2f in the path", "GET /a%2fb HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "%5c in the path", "GET /a%5Cb HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a backslash in the path", "GET /a\\b HTTP/1.1\r\n" HOST "\r\n", 400,
		0 },
	{ "%zz in the path", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "% at the end of the path", "GET /% HTTP/1.1\r\n" HOST "\r\n", 400,
		0 },
	{ "%0 at the end of the query", "GET /?%0 HTTP/1.1\r\n" HOST "\r\n",
		400, 0 },
	{ "%00 in the query", "GET /?a=%00 HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a fragment", "GET /#x HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "bytes above ASCII in the target",
		"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a path without a slash", "GET x HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "GET *", "GET * HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "another scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "an absolute target without a host",
		"GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400, 0 },
	{ "a user in the target",
		"GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, 0 },
	{ "a target for another host", "GET http://b/ HTTP/1.1\r\n" HOST "\r\n",
		400, 0 },
	/* Fields. */
	{ "no Host in 1.1", "GET / HTTP/1.1\r\n\r\n", 400, 0 },
	{ "two Hosts", GET HOST "\r\n", 400, 0 },
	{ "two Hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400, 0 },
	{ "a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400,
		0 },
	{ "a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 0 },
	{ "a Host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400,
		0 },
	{ "a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400,
		0 },
	{ "a space before the colon", GET "X : 1\r\n\r\n", 400, 0 },
	{ "a folded line", GET "X: 1\r\n 2\r\n\r\n", 400, 0 },
	{ "a fold behind the request line", "GET / HTTP/1.1\r\n " HOST "\r\n",
		400, 0 },
	{ "a field without a colon", GET "X\r\n\r\n", 400, 0 },
	{ "a field without a name", GET ": 1\r\n\r\n", 400, 0 },
	{ "a bad byte in a name", GET "X(: 1\r\n\r\n", 400, 0 },
	{ "a NUL in a name", GET "X\0: 1\r\n\r\n", 400, sizeof(GET) + 8 },
	{ "a NUL in a value", GET "X: \0\r\n\r\n", 400, sizeof(GET) + 7 },
	{ "a bare CR in a value", GET "X: a\rb\r\n\r\n", 400, 0 },
	{ "a bare LF behind a value", GET "X: a\nY: b\r\n\r\n", 400, 0 },
	{ "two CRs behind a value", GET "X: a\r\r\n\r\n", 400, 0 },
	{ "a bare LF as the last line", GET "X: a\r\n\n", 400, 0 },
	{ "nothing but bare LFs", "GET / HTTP/1.1\nHost: a\n\n", 400, 0 },
	{ "DEL in a value", GET "X: \x7f\r\n\r\n", 400, 0 },
	{ "an unknown expectation", GET "Expect: tea\r\n\r\n", 417, 0 },
	/* Where the body ends. */
	{ "both length and chunks",
		POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "0\r\n\r\n",
		400, 0 },
	{ "both, the other way round",
		POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
		     "0\r\n\r\n",
		400, 0 },
	{ "two lengths",
		POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400,
		0 },
	{ "two equal lengths",
		POST "Content-Length: 1\r\nContent-length: 1\r\n\r\na", 400,
		0 },
	{ "a list of lengths", POST "Content-Length: 1, 1\r\n\r\na", 400, 0 },
	{ "a length with a sign", POST "Content-Length: +1\r\n\r\na", 400, 0 },
	{ "a negative length", POST "Content-Length: -1\r\n\r\na", 400, 0 },
	{ "a length with a space", POST "Content-Length: 1 1\r\n\r\na", 400,
		0 },
	{ "a hexadecimal length", POST "Content-Length: 0x1\r\n\r\na", 400, 0 },
	{ "an empty length", POST "Content-Length:\r\n\r\n", 400, 0 },
	{ "a length with a point", POST "Content-Length: 1.0\r\n\r\na", 400,
		0 },
	{ "a length that overflows",
		POST "Content-Length: 18446744073709551617\r\n\r\na", 413, 0 },
	{ "a length beyond the limit", POST "Content-Length: 65\r\n\r\n", 413,
		0 },
	{ "chunks in 1.0",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\n",
		400, 0 },
	{ "two transfer codings",
		POST "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		400, 0 },
	{ "chunked twice in one",
		POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		501, 0 },
	{ "gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
		0 },
	{ "chunked, identity",
		POST "Transfer-Encoding: chunked, identity\r\n\r\n", 400, 0 },
	{ "xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 400, 0 },
	{ "chunked in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
		400, 0 },
	{ "chunked behind a vertical tab",
		POST "Transfer-Encoding: \vchunked\r\n\r\n", 400, 0 },
	{ "an empty coding", POST "Transfer-Encoding:\r\n\r\n", 400, 0 },
	/* Chunks. */
	{ "a chunk without a size", CHUNKED "\r\n\r\n", 400, 0 },
	{ "a size in front of white space", CHUNKED "1 \r\nx\r\n0\r\n\r\n", 400,
		0 },
	{ "a size behind white space", CHUNKED " 1\r\nx\r\n0\r\n\r\n", 400, 0 },
	{ "a size with 0x", CHUNKED "0x1\r\nx\r\n0\r\n\r\n", 400, 0 },
	{ "a size with a sign", CHUNKED "+1\r\nx\r\n0\r\n\r\n", 400, 0 },
	{ "a size that overflows", CHUNKED "10000000000000001\r\n", 400, 0 },
	{ "a size near the overflow", CHUNKED "ffffffffffffffff\r\n", 413, 0 },
	{ "chunks beyond the limit",
		CHUNKED "20\r\n" /* 32 */
			"0123456789abcdef0123456789abcdef\r\n21\r\n",
		413, 0 },
	{ "a chunk longer than its size", CHUNKED "1\r\nxy\r\n0\r\n\r\n", 400,
		0 },
	{ "a chunk shorter than its size", CHUNKED "3\r\nx\r\n0\r\n\r\n", 400,
		0 },
	{ "a bare LF behind a size", CHUNKED "1\nx\r\n0\r\n\r\n", 400, 0 },
	{ "a bare CR behind a size", CHUNKED "1\rx\r\n0\r\n\r\n", 400, 0 },
	{ "a bare LF behind a chunk", CHUNKED "1\r\nx\n0\r\n\r\n", 400, 0 },
	{ "a bare CR behind a chunk", CHUNKED "1\r\nx\r0\r\n\r\n", 400, 0 },
	{ "a bare LF in an extension", CHUNKED "1;a\nx\r\n0\r\n\r\n", 400, 0 },
	{ "a bare CR in an extension", CHUNKED "1;a\rx\r\n", 400, 0 },
	{ "a NUL in an extension", CHUNKED "1;\0\r\n", 400,
		sizeof(CHUNKED) + 4 },
	{ "a trailer without a colon", CHUNKED "0\r\nX\r\n\r\n", 400, 0 },
	{ "a folded trailer", CHUNKED "0\r\nX: 1\r\n 2\r\n\r\n", 400, 0 },
	{ "a bare LF as the end", CHUNKED "0\r\n\n", 400, 0 },
	{ "a bare CR in a trailer", CHUNKED "0\r\nX: a\rb\r\n\r\n", 400, 0 },
};

static int verdict(const struct http_parse *p)
{
	if (p->stage == HTTP_PARSE_BAD)
		return p->status;
	return p->stage == HTTP_PARSE_DONE ? 0 : -1;
}

/* Feed in pieces of at most `step` bytes.  `ret_data` (free) is as long as
 * what came, so that a sanitizer sees any step beyond. */
static int run(struct http_parse *p, const char *text, size_t len, size_t step,
	char **ret_data)
{
	enum http_parse_stage stage = HTTP_PARSE_HEAD;
	char *data = NULL;
	size_t at = 0, have = 0, n;

	http_parse_init(p);
	while (at < len && stage < HTTP_PARSE_DONE) {
		n = len - at < step ? len - at : step;
		data = xrealloc(data, have + n);
		memcpy(data + have, text + at, n);
		at += n;
		have += n;
		stage = http_parse_run(p, data, &have, &limits);
	}
	*ret_data = data;
	return verdict(p);
}

static void test_cases(void)
{
	struct http_parse p;
	size_t i, len, step;
	char *data;
	int seen;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		len = cases[i].len ? cases[i].len : strlen(cases[i].text);
		seen = run(&p, cases[i].text, len, len, &data);
		free(data);
		for (step = 1; step < len && seen == cases[i].status; step++) {
			seen = run(&p, cases[i].text, len, step, &data);
			free(data);
		}
		is_int(cases[i].status, seen, "%s: %s", cases[i].title,
			cases[i].status == 0    ? "taken"
			: cases[i].status == -1 ? "waited for"
						: "refused");
	}
}

static void test_found(void)
{
	static const char text[] =
		"PUT /a/./b%20c/../d?x=1 HTTP/1.1\r\nHost: a\r\n"
		"X-One: \t 1 2 \r\nx-two:\r\nConnection: foo, Close\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\nGET";
	struct http_parse p;
	size_t step;
	char *data;
	int bad = 0;

	for (step = 1; step <= sizeof(text) - 1; step++) {
		run(&p, text, sizeof(text) - 1, step, &data);
		bad += p.stage != HTTP_PARSE_DONE || p.method != HTTP_PUT ||
		       p.keep_alive || p.body_len != 5 ||
		       strcmp(data + p.path, "/a/d") != 0 ||
		       strcmp(data + p.query, "x=1") != 0 ||
		       memcmp(data + p.body, "abcde", 5) != 0 ||
		       strcmp(http_parse_field(&p, data, "X-ONE"), "1 2") !=
			       0 ||
		       strcmp(http_parse_field(&p, data, "X-Two"), "") != 0 ||
		       http_parse_field(&p, data, "X-Three") != NULL;
		free(data);
	}
	is_int(0, bad, "all parts of a request are found, however it is cut");
}

static int run_text(const char *text, struct http_parse *p)
{
	char *data;
	int seen = run(p, text, strlen(text), 7, &data);

	free(data);
	return seen;
}

static void test_keep_alive(void)
{
	struct http_parse p;

	run_text(GET "\r\n", &p);
	ok(p.keep_alive, "1.1 keeps the connection");
	run_text("GET / HTTP/1.0\r\n\r\n", &p);
	ok(!p.keep_alive, "1.0 does not");
	run_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &p);
	ok(p.keep_alive, "unless it says so");
	run_text(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", &p);
	ok(!p.keep_alive, "close wins over keep-alive");
	run_text(GET "Connection: xclose, closed\r\n\r\n", &p);
	ok(p.keep_alive, "other words mean nothing");
}

/* `count` times `part`, between head and tail. */
static int run_long(const char *head, const char *part, int count,
	const char *tail, struct http_parse *p)
{
	char text[16384];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", head);

	while (count-- > 0)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s", part);
	snprintf(text + at, sizeof(text) - at, "%s", tail);
	return run_text(text, p);
}

static void test_limits(void)
{
	struct http_parse p;

	is_int(414, run_long("GET /", "a", 1100, " HTTP/1.1\r\n\r\n", &p),
		"a request line beyond the header limit is refused");
	is_int(414, run_long("GET /", "a", 1100, "", &p),
		"even before its end is seen");
	is_int(431, run_long(GET "X: ", "a", 1100, "\r\n\r\n", &p),
		"so is a field");
	is_int(431, run_long(GET, "X: 1\r\n", 200, "\r\n", &p),
		"so is a header of many fields");
	is_int(431, run_long(GET, "a:\r\n", 100, "\r\n", &p),
		"a header has at most 100 fields");
	is_int(0, run_long(GET, "a:\r\n", 99, "\r\n", &p), "and 100 are well");
	is_int(400, run_long(CHUNKED "1;", "a", 1100, "\r\nx\r\n", &p),
		"chunk extensions are limited");
	is_int(400,
		run_long(CHUNKED,
			"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"\r\nx\r\n",
			40, "", &p),
		"all of them together");
	is_int(431, run_long(CHUNKED "0\r\n", "X: 1\r\n", 1000, "\r\n", &p),
		"and so are trailers");
	is_int(413, run_long(CHUNKED, "1\r\nx\r\n", 65, "0\r\n\r\n", &p),
		"many small chunks don't get past the limit");
	is_int(0, run_long(CHUNKED, "1\r\nx\r\n", 64, "0\r\n\r\n", &p),
		"and just up to it they do");
}

int main(void)
{
	test_cases();
	test_found();
	test_keep_alive();
	test_limits();
	return tap_done();
}
