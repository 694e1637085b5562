/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/access_log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/http.h"
#include "loop/loop.h"

/* Bytes that wait for the logger. */
#define ACCESS_KEEP_MAX (256 << 10)
/* Memory that is kept for the next lines. */
#define ACCESS_CAP_MAX  (16 << 10)
#define ACCESS_RETRY_US (20 * US_PER_MS)
#define ACCESS_TELL_US  (60 * (int64_t)US_PER_S)
/* Bytes of what a client chose: a line is below PIPE_BUF, so that no other
 * line can get between its bytes. */
#define ACCESS_TARGET_MAX 1500
#define ACCESS_FIELD_MAX  700
#define ACCESS_USER_MAX   128

struct access_log {
	struct loop *loop; /* borrowed */
	struct loop_timer *retry;
	struct buf lines; /* not written yet */
	bool is_due;      /* access_log_on_turn will be called */
	uint64_t lost;    /* lines, not told yet */
	int64_t told_us;  /* when the last loss was told; 0: never */
	time_t second;    /* of `date` */
	char date[32];    /* "22/Nov/2026:11:20:00 +0000" */
};

static void access_log_on_retry(void *arg);

struct access_log *access_log_new(struct loop *l)
{
	struct access_log *a = xcalloc(1, sizeof(*a));

	a->loop = l;
	a->retry = loop_timer_new(l, access_log_on_retry, a);
	return a;
}

/* Whole lines, as many as a pipe takes in one piece: it takes all or none of
 * them. */
static size_t access_log_piece(const char *lines, size_t len)
{
	const char *end;

	if (len <= PIPE_BUF)
		return len;
	end = memrchr(lines, '\n', PIPE_BUF);
	return end == NULL ? PIPE_BUF : (size_t)(end + 1 - lines);
}

static void access_log_tell_lost(struct access_log *a)
{
	int64_t now = clock_now();

	if (a->lost == 0 ||
		(a->told_us != 0 && now - a->told_us < ACCESS_TELL_US))
		return;
	log_warn("%llu lines of the access log are lost: the logger did not "
		 "take them",
		(unsigned long long)a->lost);
	a->lost = 0;
	a->told_us = now;
}

static void access_log_flush(struct access_log *a)
{
	struct buf *b = &a->lines;
	size_t at = 0;
	ssize_t n = 1;

	while (at < b->len && n > 0) {
		do
			n = write(STDOUT_FILENO, b->data + at,
				access_log_piece(b->data + at, b->len - at));
		while (n == -1 && errno == EINTR);
		at += n > 0 ? (size_t)n : 0;
	}
	if (at < b->len) {
		buf_drop(b, at);
		loop_timer_start(a->retry, ACCESS_RETRY_US);
		return;
	}
	if (b->cap > ACCESS_CAP_MAX)
		buf_done(b);
	else
		buf_reset(b);
	access_log_tell_lost(a);
}

static void access_log_on_retry(void *arg)
{
	access_log_flush(arg);
}

static void access_log_on_turn(void *arg)
{
	struct access_log *a = arg;

	a->is_due = false;
	access_log_flush(a);
}

void access_log_free(struct access_log *a)
{
	if (a == NULL)
		return;
	access_log_flush(a);
	loop_defer_cancel(a->loop, access_log_on_turn, a);
	loop_timer_free(a->retry);
	buf_done(&a->lines);
	free(a);
}

/* In English, whatever the locale; once a second. */
static const char *access_log_date(struct access_log *a)
{
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct buf text = BUF_INIT;
	time_t now = time(NULL);
	char zone[8];
	struct tm tm;

	if (now == a->second)
		return a->date;
	a->second = now;
	localtime_r(&now, &tm);
	(void)strftime(zone, sizeof(zone), "%z", &tm);
	buf_printf(&text, "%02d/%s/%04d:%02d:%02d:%02d %s", tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		tm.tm_sec, zone);
	memcpy(a->date, text.data,
		text.len < sizeof(a->date) ? text.len + 1 : 0);
	buf_done(&text);
	return a->date;
}

/* What would end a quoted field, or a line, as \xNN. */
static void access_log_escape(struct buf *b, const char *text, size_t max)
{
	size_t start = b->len;

	for (; *text != '\0' && b->len - start < max; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			buf_printf(b, "\\x%02X", c);
		else
			buf_putc(b, (char)c);
	}
	if (*text != '\0')
		buf_puts(b, "...");
}

/* The same outside of quotes, where a space would be one too many. */
static void access_log_word(struct buf *b, const char *text)
{
	size_t start = b->len, i;

	access_log_escape(b, text, ACCESS_USER_MAX);
	for (i = start; i < b->len; i++)
		if (b->data[i] == ' ')
			b->data[i] = '_';
}

static void access_log_field(struct buf *b, const char *text)
{
	buf_puts(b, " \"");
	access_log_escape(b, text == NULL ? "-" : text, ACCESS_FIELD_MAX);
	buf_putc(b, '"');
}

/* The path was decoded: encode it again, so that it is one word. */
static void access_log_path(struct buf *b, const char *path)
{
	size_t start = b->len;

	for (; *path != '\0' && b->len - start < ACCESS_TARGET_MAX; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= ' ' || c >= 0x7f || strchr("\"%?#\\", c) != NULL)
			buf_printf(b, "%%%02X", c);
		else
			buf_putc(b, (char)c);
	}
	if (*path != '\0')
		buf_puts(b, "...");
}

static void access_log_request(struct buf *b, const struct http_done *d)
{
	const char *query;

	if (d->is_refused) {
		buf_puts(b, "-");
		return;
	}
	query = http_request_query_text(d->req);
	buf_printf(b, "%s ", http_method_name(http_request_method(d->req)));
	access_log_path(b, http_request_path(d->req));
	if (query != NULL) {
		buf_putc(b, '?');
		access_log_escape(b, query, ACCESS_FIELD_MAX);
	}
	buf_printf(b, " HTTP/1.%d", http_request_minor(d->req));
}

static void access_log_line(struct access_log *a, const struct http_done *d)
{
	const char *client = http_request_client(d->req);
	const char *user = http_request_user(d->req);
	struct buf *b = &a->lines;

	buf_printf(b, "%s - ", *client != '\0' ? client : "-");
	access_log_word(b, *user != '\0' ? user : "-");
	buf_printf(b, " [%s] \"", access_log_date(a));
	access_log_request(b, d);
	buf_printf(
		b, "\" %d %llu", d->status, (unsigned long long)d->body_bytes);
	access_log_field(b,
		d->is_refused ? NULL : http_request_header(d->req, "Referer"));
	access_log_field(
		b, d->is_refused ? NULL
				 : http_request_header(d->req, "User-Agent"));
	buf_putc(b, ' ');
	access_log_escape(b, http_request_id(d->req), ACCESS_USER_MAX);
	buf_printf(b, " %lld.%06lld\n", (long long)(d->duration_us / US_PER_S),
		(long long)(d->duration_us % US_PER_S));
}

void access_log_add(struct access_log *a, const struct http_done *d)
{
	if (a->lines.len >= ACCESS_KEEP_MAX) {
		a->lost++;
		return;
	}
	access_log_line(a, d);
	if (a->is_due || loop_timer_is_set(a->retry))
		return;
	a->is_due = true;
	loop_defer(a->loop, access_log_on_turn, a);
}
