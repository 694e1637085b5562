/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "loop/http_parse.h"
#include "loop/http_target.h"
#include "loop/http_token.h"

#define LENGTH_DIGITS_MAX 18 /* of Content-Length: below 2^63 */

enum {
	SEEN_HOST = 1,
	SEEN_LENGTH = 2,
	SEEN_CODING = 4,
	SEEN_EXPECT = 8,
	SEEN_CLOSE = 16, /* words of Connection */
	SEEN_KEEP_ALIVE = 32,
	SEEN_AUTHORIZATION = 64,
	SEEN_TYPE = 128,
	SEEN_ENCODING = 256,
	SEEN_KEY = 512
};

static const char *const http_parse_methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
	[HTTP_PATCH] = "PATCH",
	[HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
	return http_parse_methods[method];
}

void http_parse_init(struct http_parse *p)
{
	memset(p, 0, offsetof(struct http_parse, fields));
}

static int http_parse_bad(struct http_parse *p, int status, const char *why)
{
	p->stage = HTTP_PARSE_BAD;
	p->status = status;
	p->why = why;
	return -1;
}

static int http_parse_host(struct http_parse *p, const char *value)
{
	if (!http_target_is_authority(value, strlen(value)))
		return http_parse_bad(p, 400, "bad Host field");
	return 0;
}

static int http_parse_length(struct http_parse *p, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	uint64_t length = 0;

	if (digits == 0 || value[digits] != '\0')
		return http_parse_bad(p, 400, "bad Content-Length");
	if (digits > LENGTH_DIGITS_MAX)
		return http_parse_bad(p, 413, "body too large");
	for (; *value != '\0'; value++)
		length = length * 10 + (uint64_t)(*value - '0');
	p->length = length;
	return 0;
}

static int http_parse_coding(struct http_parse *p, const char *value)
{
	size_t len = strlen(value);

	if (strcasecmp(value, "chunked") == 0)
		return 0;
	if (len > 8 && strcasecmp(value + len - 8, " chunked") == 0)
		return http_parse_bad(p, 501, "unknown transfer coding");
	return http_parse_bad(p, 400, "transfer coding is not chunked");
}

static int http_parse_connection(struct http_parse *p, const char *value)
{
	size_t len;

	for (; *value != '\0'; value += len) {
		value += strspn(value, ", \t");
		len = strcspn(value, ", \t");
		if (len == 5 && strncasecmp(value, "close", 5) == 0)
			p->seen |= SEEN_CLOSE;
		if (len == 10 && strncasecmp(value, "keep-alive", 10) == 0)
			p->seen |= SEEN_KEEP_ALIVE;
	}
	return 0;
}

static int http_parse_expect(struct http_parse *p, const char *value)
{
	if (strcasecmp(value, "100-continue") != 0)
		return http_parse_bad(p, 417, "unknown expectation");
	return 0;
}

/*
 * The fields that the server itself understands, and those that may come once:
 * a second one is what request smuggling is made of, and a proxy may have
 * believed it where we take the first.
 */
static const struct http_parse_known {
	const char *name;
	size_t len;
	unsigned once; /* bit of `seen`; 0: it may come more often */
	const char *twice;
	int (*take)(struct http_parse *p, const char *value); /* NULL */
} http_parse_known[] = {
	{ "host", 4, SEEN_HOST, "two Host fields", http_parse_host },
	{ "content-length", 14, SEEN_LENGTH, "two Content-Length fields",
		http_parse_length },
	{ "transfer-encoding", 17, SEEN_CODING, "two Transfer-Encoding fields",
		http_parse_coding },
	{ "connection", 10, 0, NULL, http_parse_connection },
	{ "expect", 6, SEEN_EXPECT, "two Expect fields", http_parse_expect },
	{ "authorization", 13, SEEN_AUTHORIZATION, "two Authorization fields",
		NULL },
	{ "content-type", 12, SEEN_TYPE, "two Content-Type fields", NULL },
	{ "content-encoding", 16, SEEN_ENCODING, "two Content-Encoding fields",
		NULL },
	{ "idempotency-key", 15, SEEN_KEY, "two Idempotency-Key fields", NULL },
};

static int http_parse_take(
	struct http_parse *p, const char *name, size_t len, const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(http_parse_known) / sizeof(*http_parse_known);
		i++) {
		const struct http_parse_known *k = &http_parse_known[i];

		if (k->len != len || strncasecmp(name, k->name, len) != 0)
			continue;
		if (p->seen & k->once)
			return http_parse_bad(p, 400, k->twice);
		p->seen |= k->once;
		return k->take == NULL ? 0 : k->take(p, value);
	}
	return 0;
}

/*
 * One field line at `at`; its CR LF is looked for here, so that a stray CR
 * or LF within is found.  Returns where the next line starts, 0 when bad.
 */
static size_t http_parse_line(struct http_parse *p, char *data, size_t at)
{
	size_t name = at, value, end;

	if (p->field_count == HTTP_PARSE_FIELDS_MAX) {
		http_parse_bad(p, 431, "too many header fields");
		return 0;
	}
	while (http_token_is((unsigned char)data[at]))
		at++;
	if (at == name || data[at] != ':') {
		http_parse_bad(p, 400, "bad header field name");
		return 0;
	}
	data[at] = '\0';
	for (value = at + 1; data[value] == ' ' || data[value] == '\t';)
		value++;
	for (end = value; http_token_is_value((unsigned char)data[end]);)
		end++;
	if (data[end] != '\r' || data[end + 1] != '\n') {
		http_parse_bad(p, 400, "bad byte in a header field");
		return 0;
	}
	p->fields[p->field_count++] =
		(struct http_field){ (uint32_t)name, (uint32_t)value };
	name = at - name;
	at = end + 2;
	while (end > value && (data[end - 1] == ' ' || data[end - 1] == '\t'))
		end--;
	data[end] = '\0';
	if (http_parse_take(p, data + p->fields[p->field_count - 1].name, name,
		    data + value) != 0)
		return 0;
	return at;
}

static int http_parse_method(struct http_parse *p, const char *name, size_t len)
{
	int i;

	for (i = 0; i < HTTP_METHOD_COUNT; i++) {
		if (strlen(http_parse_methods[i]) != len ||
			memcmp(http_parse_methods[i], name, len) != 0)
			continue;
		p->method = (enum http_method)i;
		return 0;
	}
	return http_parse_bad(p, 501, "unknown method");
}

static int http_parse_version(struct http_parse *p, const char *v)
{
	if (memcmp(v, "HTTP/", 5) != 0 || v[5] < '0' || v[5] > '9' ||
		v[6] != '.' || v[7] < '0' || v[7] > '9' || v[8] != '\r' ||
		v[9] != '\n')
		return http_parse_bad(p, 400, "bad request line");
	if (v[5] != '1')
		return http_parse_bad(p, 505, "only HTTP/1.1 is spoken here");
	p->minor = v[7] == '0' ? 0 : 1;
	return 0;
}

static int http_parse_target(
	struct http_parse *p, char *data, size_t at, size_t len)
{
	struct http_target t;
	const char *why = http_target_parse(data + at, len, &t);

	if (why != NULL)
		return http_parse_bad(p, 400, why);
	if (t.path[0] == '*' && p->method != HTTP_OPTIONS)
		return http_parse_bad(p, 400, "target * is for OPTIONS");
	p->path = (uint32_t)(t.path - data);
	p->query = t.query == NULL ? 0 : (uint32_t)(t.query - data);
	if (t.authority != NULL) {
		p->authority = (uint32_t)(t.authority - data);
		p->authority_len = (uint32_t)t.authority_len;
	}
	return 0;
}

/* Returns where the fields start, 0 when bad.  The head is whole: it ends
 * with an empty line, which stops every walk over it. */
static size_t http_parse_request_line(
	struct http_parse *p, char *data, size_t at, size_t end)
{
	size_t method = at, method_end, target, target_end;
	char *line_end = memchr(data + at, '\n', end - at);

	if (line_end - (data + at) > HTTP_PARSE_LINE_MAX) {
		http_parse_bad(p, 414, "request line too long");
		return 0;
	}
	while (http_token_is((unsigned char)data[at]))
		at++;
	method_end = at;
	target = at + 1;
	if (data[at] == ' ')
		while (http_token_is_target((unsigned char)data[++at]))
			;
	target_end = at;
	/* Ten bytes of version must be on the line before they are read. */
	if (method_end == method || target_end <= target ||
		data[target_end] != ' ' ||
		line_end - (data + target_end) != 10) {
		http_parse_bad(p, 400, "bad request line");
		return 0;
	}
	if (http_parse_version(p, data + target_end + 1) != 0 ||
		http_parse_method(p, data + method, method_end - method) != 0 ||
		http_parse_target(p, data, target, target_end - target) != 0)
		return 0;
	return target_end + 11;
}

static int http_parse_check_host(struct http_parse *p, const char *data)
{
	const char *host = http_parse_field(p, data, "host");

	if (host == NULL)
		return p->minor == 0 ? 0
				     : http_parse_bad(p, 400,
					       "a Host field is missing");
	if (p->authority == 0)
		return 0;
	if (strlen(host) != p->authority_len ||
		strncasecmp(host, data + p->authority, p->authority_len) != 0)
		return http_parse_bad(
			p, 400, "Host field differs from the target's");
	return 0;
}

/* Where does the body end?  RFC 9112, 6.3, without its leniencies. */
static int http_parse_framing(
	struct http_parse *p, const struct http_parse_limits *limits)
{
	if ((p->seen & SEEN_CODING) && (p->seen & SEEN_LENGTH))
		return http_parse_bad(
			p, 400, "both Content-Length and Transfer-Encoding");
	if ((p->seen & SEEN_CODING) && p->minor == 0)
		return http_parse_bad(p, 400, "Transfer-Encoding in HTTP/1.0");
	if (p->length > limits->body_max)
		return http_parse_bad(p, 413, "body too large");
	p->keep_alive = !(p->seen & SEEN_CLOSE) &&
			(p->minor == 1 || (p->seen & SEEN_KEEP_ALIVE));
	p->expects_continue = p->minor == 1 && (p->seen & SEEN_EXPECT);
	p->stage =
		p->seen & SEEN_CODING ? HTTP_PARSE_CHUNKS : HTTP_PARSE_LENGTH;
	return 0;
}

/* The offset behind the empty line, or 0 while it has not come. */
static size_t http_parse_find_end(
	struct http_parse *p, const char *data, size_t len)
{
	size_t at = p->scanned;
	const char *lf;

	while ((lf = memchr(data + at, '\n', len - at)) != NULL) {
		at = (size_t)(lf - data);
		p->scanned = (uint32_t)at;
		if (at + 1 < len && data[at + 1] == '\n')
			return at + 2;
		if (at + 2 < len && data[at + 1] == '\r' &&
			data[at + 2] == '\n')
			return at + 3;
		if (at + 2 >= len)
			return 0;
		at++;
	}
	p->scanned = (uint32_t)len;
	return 0;
}

/* Bytes in front of the request line: RFC 9112, 2.2 lets an empty line
 * pass.  A first byte that can't start a method is refused at once. */
static int http_parse_begin(
	struct http_parse *p, const char *data, size_t len, size_t *ret_start)
{
	size_t start = 0;

	if (data[0] == '\r' && (len == 1 || data[1] == '\n'))
		start = 2;
	if (start < len && !http_token_is((unsigned char)data[start]))
		return http_parse_bad(p, 400, "bad request line");
	if (p->scanned < start)
		p->scanned = (uint32_t)start;
	*ret_start = start;
	return 0;
}

static void http_parse_head(struct http_parse *p, char *data, size_t len,
	const struct http_parse_limits *limits)
{
	size_t start, end, at;
	size_t window = len < limits->header_max ? len : limits->header_max;

	if (http_parse_begin(p, data, len, &start) != 0 || start >= len)
		return;
	end = http_parse_find_end(p, data, window);
	if (end == 0) {
		if (len < limits->header_max)
			return;
		if (memchr(data + start, '\n', window - start) == NULL)
			http_parse_bad(p, 414, "request line too long");
		else
			http_parse_bad(p, 431, "header too large");
		return;
	}
	at = http_parse_request_line(p, data, start, end);
	while (at != 0 && at < end && data[at] != '\r')
		at = http_parse_line(p, data, at);
	if (at == 0)
		return;
	if (at + 2 != end) {
		http_parse_bad(p, 400, "bad header field name");
		return;
	}
	p->body = end;
	if (http_parse_check_host(p, data) == 0)
		http_parse_framing(p, limits);
}

static void http_parse_finish(struct http_parse *p, size_t used)
{
	p->stage = HTTP_PARSE_DONE;
	p->used = used;
}

static void http_parse_chunks(struct http_parse *p, char *data, size_t *len,
	const struct http_parse_limits *limits)
{
	/* Decoded bytes end here; the raw ones that were read are gone. */
	size_t at = p->body + p->body_len;
	size_t used, put;
	int end;

	end = http_chunk_feed(&p->chunk, data + at, *len - at,
		limits->body_max - p->body_len, data + at, &used, &put);
	p->body_len += put;
	if (end == -1)
		http_parse_bad(p, p->chunk.status, p->chunk.why);
	else if (end == 1)
		http_parse_finish(p, at + used);
	else
		*len = at + put;
}

enum http_parse_stage http_parse_run(struct http_parse *p, char *data,
	size_t *len, const struct http_parse_limits *limits)
{
	if (p->stage == HTTP_PARSE_HEAD && *len > 0)
		http_parse_head(p, data, *len, limits);
	if (p->stage == HTTP_PARSE_LENGTH) {
		p->body_len = *len - p->body;
		if (p->body_len >= p->length) {
			p->body_len = (size_t)p->length;
			http_parse_finish(p, p->body + p->body_len);
		}
	}
	if (p->stage == HTTP_PARSE_CHUNKS)
		http_parse_chunks(p, data, len, limits);
	return p->stage;
}

const char *http_parse_field(
	const struct http_parse *p, const char *data, const char *name)
{
	unsigned i;

	for (i = 0; i < p->field_count; i++)
		if (strcasecmp(data + p->fields[i].name, name) == 0)
			return data + p->fields[i].value;
	return NULL;
}
