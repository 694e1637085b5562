/* SPDX-License-Identifier: ISC */
/*
 * http_answer - answers as bytes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/jsonw.h"
#include "loop/http_conn.h"

#define HTTP_FIXED_MAX 320 /* bytes of the fields that always stand */

static const struct http_status {
	int status;
	const char *text;
} http_statuses[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *http_status_text(int status)
{
	size_t i;

	for (i = 0; i < sizeof(http_statuses) / sizeof(*http_statuses); i++)
		if (http_statuses[i].status == status)
			return http_statuses[i].text;
	return "Unknown";
}

/* Formatted once a second: names in English whatever the locale. */
static const char *http_answer_date(struct http_server *s)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;

	if (now == s->date_s)
		return s->date;
	s->date_s = now;
	gmtime_r(&now, &tm);
	snprintf(s->date, sizeof(s->date),
		"Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n",
		days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
		(unsigned)(tm.tm_year + 1900) % 10000,
		(unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		(unsigned)tm.tm_sec % 100);
	return s->date;
}

static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	int i = sizeof(digits);

	do
		digits[--i] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	memcpy(at, digits + i, sizeof(digits) - (size_t)i);
	return at + sizeof(digits) - (size_t)i;
}

/* RFC 9110, 8.6: these have no content, and 204 may not even say so. */
static bool http_answer_is_bare(int status)
{
	return status == 204 || status == 304;
}

uint64_t http_answer_bytes(const struct http_answer *a)
{
	return a->is_head || http_answer_is_bare(a->status) ? 0 : a->len;
}

void http_answer_put(
	struct http_server *s, struct buf *out, const struct http_answer *a)
{
	size_t extra = a->extra == NULL ? 0 : a->extra->len;
	size_t type = a->type == NULL ? 0 : strlen(a->type);
	size_t id = a->id == NULL ? 0 : strlen(a->id);
	char *start, *at;

	start = at =
		buf_reserve(out, HTTP_FIXED_MAX + extra + type + id + a->len);
	at = put_text(at, "HTTP/1.1 ");
	at = put_number(at, (uint64_t)a->status);
	*at++ = ' ';
	at = put_text(at, http_status_text(a->status));
	at = put_text(at, "\r\n");
	at = put_text(at, http_answer_date(s));
	if (a->type != NULL) {
		at = put_text(at, "Content-Type: ");
		at = put_text(at, a->type);
		at = put_text(at, "\r\n");
	}
	if (a->framing == HTTP_FRAMING_CHUNKED) {
		at = put_text(at, "Transfer-Encoding: chunked\r\n");
	} else if (a->framing == HTTP_FRAMING_LENGTH &&
		   !http_answer_is_bare(a->status)) {
		at = put_text(at, "Content-Length: ");
		at = put_number(at, a->len);
		at = put_text(at, "\r\n");
	}
	if (a->says_close)
		at = put_text(at, "Connection: close\r\n");
	else if (a->says_keep_alive)
		at = put_text(at, "Connection: keep-alive\r\n");
	if (a->id != NULL) {
		at = put_text(at, "X-Request-Id: ");
		at = put_text(at, a->id);
		at = put_text(at, "\r\n");
	}
	if (extra > 0) {
		memcpy(at, a->extra->data, extra);
		at += extra;
	}
	at = put_text(at, "\r\n");
	if (http_answer_bytes(a) > 0) {
		memcpy(at, a->body, a->len);
		at += a->len;
	}
	*at = '\0';
	out->len += (size_t)(at - start);
}

void http_answer_problem(struct buf *body, int status, const char *detail)
{
	struct jsonw j;

	jsonw_init(&j, body);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "type", "about:blank");
	jsonw_str(&j, "title", http_status_text(status));
	jsonw_int(&j, "status", status);
	if (detail != NULL)
		jsonw_str(&j, "detail", detail);
	jsonw_end_object(&j);
	buf_putc(body, '\n');
}
