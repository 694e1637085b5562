/* SPDX-License-Identifier: ISC */
/* http: who sent a request, and what it is called. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/uuid.h"
#include "http_help.h"
#include "loop/http_origin.h"
#include "tap.h"

static struct http_origin *trust(enum http_origin_field field, const char *text)
{
	struct http_origin *o = http_origin_new(field);
	char all[256], *one, *rest = all;
	struct err err;

	snprintf(all, sizeof(all), "%s", text);
	while ((one = strtok_r(rest, " ", &rest)) != NULL)
		if (http_origin_add(o, one, &err) != 0)
			bail("%s", err.text);
	return o;
}

static void refuses(const char *text, const char *why)
{
	struct http_origin *o = http_origin_new(HTTP_ORIGIN_FORWARDED);
	struct err err = { 0, "" };

	is_int(-1, http_origin_add(o, text, &err), "%s is refused", text);
	has_str(why, err.text, "as \"%s\" says", why);
	http_origin_free(o);
}

static void test_ranges(void)
{
	struct http_origin *o = trust(HTTP_ORIGIN_FORWARDED,
		"10.0.0.0/8 192.0.2.7 2001:db8::/33 ::1 172.16.0.0/12");
	static const char *const in[] = { "10.0.0.1", "10.255.255.255",
		"192.0.2.7", "::ffff:192.0.2.7", "2001:db8:7fff::1", "::1",
		"172.31.0.1" };
	static const char *const out[] = { "11.0.0.0", "9.255.255.255",
		"192.0.2.6", "2001:db8:8000::1", "2001:db9::1", "::2",
		"172.32.0.1", "unix", "", "10", "::ffff:11.0.0.1", "::10.0.0.1",
		"127.0.0.1" };
	size_t i;

	for (i = 0; i < sizeof(in) / sizeof(*in); i++)
		ok(http_origin_trusts(o, in[i]), "%s is trusted", in[i]);
	for (i = 0; i < sizeof(out) / sizeof(*out); i++)
		ok(!http_origin_trusts(o, out[i]), "\"%s\" is not", out[i]);
	http_origin_free(o);
	o = trust(HTTP_ORIGIN_FORWARDED, "0.0.0.0/0 unix");
	ok(http_origin_trusts(o, "1.2.3.4") && http_origin_trusts(o, "unix"),
		"all of IPv4, and unix sockets, can be");
	ok(!http_origin_trusts(o, "2001::1"), "which is nothing to IPv6");
	http_origin_free(o);
	http_origin_free(NULL);
	refuses("10.0.0.0/33", "0 to 32 bits");
	refuses("10.0.0.0/", "0 to 32 bits");
	refuses("10.0.0.0/8x", "0 to 32 bits");
	refuses("10.0.0.0/0008", "0 to 32 bits");
	refuses("2001::/129", "0 to 128 bits");
	refuses("10.0.0.1/8", "behind the prefix");
	refuses("2001:db8::1/32", "behind the prefix");
	refuses("example.org", "neither an address");
	refuses("", "neither an address");
	refuses("10.0.0", "neither an address");
	refuses("11111111111111111111111111111111111111111111111111111",
		"neither an address");
}

/* The client after these values of the field, where 10/8 and fd00::/8 are
 * trusted; "-" when nobody is named. */
static void client_is(const char *wanted, enum http_origin_field field, ...)
{
	struct http_origin *o = trust(field, "10.0.0.0/8 fd00::/8");
	struct http_origin_walk w = { .origin = o };
	const char *value, *first = NULL;
	va_list ap;

	va_start(ap, field);
	while ((value = va_arg(ap, const char *)) != NULL) {
		http_origin_feed(&w, value);
		first = first == NULL ? value : first;
	}
	va_end(ap);
	is_str(wanted, w.has_address ? w.address : "-", "%.60s: %s",
		first == NULL ? "" : first, wanted);
	http_origin_free(o);
}

#define LIST(wanted, ...) \
	client_is(wanted, HTTP_ORIGIN_X_FORWARDED_FOR, __VA_ARGS__, NULL)
#define FORWARDED(wanted, ...) \
	client_is(wanted, HTTP_ORIGIN_FORWARDED, __VA_ARGS__, NULL)

static void test_list(void)
{
	LIST("1.2.3.4", "1.2.3.4");
	LIST("1.2.3.4", " 1.2.3.4 ,\t10.0.0.1");
	LIST("1.2.3.4", "9.9.9.9, 1.2.3.4, 10.0.0.1, 10.0.0.2");
	LIST("1.2.3.4", "9.9.9.9", "1.2.3.4", "10.0.0.1");
	LIST("10.0.0.1", "10.0.0.1, 10.0.0.2");
	LIST("1.2.3.4", "10.0.0.9, 1.2.3.4, 10.0.0.1");
	LIST("10.0.0.1", "1.2.3.4, unknown, 10.0.0.1");
	LIST("-", "1.2.3.4, junk");
	LIST("1.2.3.4", "1.2.3.4,, ,");
	LIST("-", "");
	LIST("1.2.3.4", "1.2.3.4:80");
	LIST("2001:db8::1", "[2001:DB8:0::1]:80");
	LIST("2001:db8::1", "2001:db8::1, fd00::7");
	LIST("1.2.3.4", "::ffff:1.2.3.4");
	LIST("-", "[1.2.3.4]");
	LIST("-", "[::1]x");
	LIST("-", "[::1");
	LIST("-", "1.2.3.4\"");
	LIST("-", "11111111111111111111111111111111111111111111111111111111111"
		  "1111111111");
}

static void test_forwarded(void)
{
	FORWARDED("1.2.3.4", "for=1.2.3.4");
	FORWARDED("1.2.3.4", "For=1.2.3.4;proto=http;by=10.0.0.3");
	FORWARDED("1.2.3.4", "proto=http; for=\"1.2.3.4:4711\" , for=10.0.0.1");
	FORWARDED("2001:db8::1", "for=\"[2001:db8::1]:80\"");
	FORWARDED("2001:db8::1", "for=\"[2001:\\db8::1]\"");
	FORWARDED("1.2.3.4", "for=9.9.9.9, for=1.2.3.4", "for=10.0.0.1");
	FORWARDED("10.0.0.1", "for=1.2.3.4, for=unknown, for=10.0.0.1");
	FORWARDED("-", "for=1.2.3.4, by=10.0.0.1");
	FORWARDED("-", "for=1.2.3.4, for=_hidden");
	FORWARDED("-", "for=\"1.2.3.4, for=10.0.0.1");
	FORWARDED("-", "for=1.2.3.4 for=10.0.0.1");
	FORWARDED("-", "for=1.2.3.4, =x");
	FORWARDED("-", "for=1.2.3.4, \"for\"=x");
	FORWARDED("-", "for=\"1.2.3.4\\");
	FORWARDED("1.2.3.4", ", for=1.2.3.4,");
	FORWARDED("1.2.3.4", "by=\"a,for=9.9.9.9\";for=1.2.3.4");
	FORWARDED("-", "");
}

static void on_request(struct http_request *req, void *arg)
{
	char text[256];

	(void)arg;
	snprintf(text, sizeof(text), "<%s %.200s>", http_request_client(req),
		http_request_id(req));
	http_reply(req, 200, "text/plain", text, strlen(text));
}

/* One request with these fields; does the answer hold `text`? */
static void asks(struct client *c, const char *fields, const char *text,
	const char *title)
{
	char request[1024];

	buf_reset(&c->in);
	snprintf(request, sizeof(request),
		"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	client_send(c, request);
	ok(client_wait(c, ">") && strstr(c->in.data, text) != NULL, "%s",
		title);
}

static void test_client(void)
{
	struct http_origin *o = trust(HTTP_ORIGIN_X_FORWARDED_FOR, "127.0.0.1");
	struct http_server *s = help_open(&help_limits, AF_INET, on_request);
	struct client c;

	client_open(&c);
	asks(&c, "X-Forwarded-For: 1.2.3.4\r\n", "<127.0.0.1 ",
		"nobody is believed");
	http_server_set_origin(s, o);
	asks(&c, "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n",
		"<1.2.3.4 ", "but who is trusted, and of two fields the last");
	asks(&c, "Forwarded: for=1.2.3.4\r\n", "<127.0.0.1 ",
		"the other field is not read");
	asks(&c, "", "<127.0.0.1 ", "and without one it is who connects");
	client_close(&c);
	http_server_free(s);
	help_close();

	s = help_open(&help_limits, AF_UNIX, on_request);
	http_server_set_origin(s, o);
	client_open(&c);
	asks(&c, "X-Forwarded-For: 1.2.3.4\r\n", "<unix ",
		"a unix socket is not trusted by itself");
	http_origin_free(o);
	o = trust(HTTP_ORIGIN_FORWARDED, "unix");
	http_server_set_origin(s, o);
	asks(&c, "Forwarded: for=\"[::1]\"\r\n", "<::1 ", "it can be");
	client_close(&c);
	http_server_free(s);
	help_close();
	http_origin_free(o);
}

static void on_done(const struct http_done *d, void *arg)
{
	snprintf(arg, HTTP_ORIGIN_TEXT_MAX, "%s", http_request_client(d->req));
}

/* The body never comes, or is no good: who was it? */
static void test_refused(void)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\n"
				   "Forwarded: for=1.2.3.4\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	struct http_origin *o = trust(HTTP_ORIGIN_FORWARDED, "unix");
	struct http_limits limits = help_limits;
	char seen[HTTP_ORIGIN_TEXT_MAX] = "";
	struct http_server *s;
	struct client c, other;

	limits.body_timeout_us = 50 * MS;
	s = help_open(&limits, AF_UNIX, on_request);
	http_server_set_origin(s, o);
	http_server_on_done(s, on_done, seen);
	client_open(&c);
	client_send(&c, head);
	help_pump(5 * MS);
	client_open(&other);
	client_send(&other, "POST / HTTP/1.1\r\nHost: a\r\n"
			    "Forwarded: for=9.9.9.9\r\n"
			    "Content-Length: 0\r\n\r\n");
	ok(client_wait(&other, "<9.9.9.9 "), "another one comes between");
	ok(client_wait(&c, "HTTP/1.1 408 "), "a slow request is refused");
	is_str("1.2.3.4", seen, "and whose it was is known");
	client_close(&c);
	client_close(&other);
	client_open(&c);
	seen[0] = '\0';
	client_send(&c, head);
	client_send(&c, "x\r\n");
	ok(client_wait(&c, "HTTP/1.1 400 "), "so is one with a bad body");
	is_str("1.2.3.4", seen, "and whose that was");
	client_close(&c);
	http_server_free(s);
	help_close();
	http_origin_free(o);
}

static bool is_uuid(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef-");

	return len == UUID_TEXT_LEN && strchr(">\r", text[len]) != NULL;
}

static void test_id(void)
{
	static const char field[] = "\r\nX-Request-Id: ";
	struct http_server *s = help_open(&help_limits, AF_INET, on_request);
	char given[300], longest[129], wanted[200];
	const char *id;
	struct client c;

	client_open(&c);
	asks(&c, "X-Request-Id: abc\r\n", " abc>", "a client's id is taken");
	ok(strstr(c.in.data, field) == NULL, "and not given back");
	http_server_use_ids(s);
	asks(&c, "x-request-id: a/b=\"c\"\r\n", "X-Request-Id: a/b=\"c\"\r\n",
		"but where ids are used");
	memset(longest, 'i', sizeof(longest) - 1);
	longest[128] = '\0';
	snprintf(given, sizeof(given), "X-Request-Id: %s\r\n", longest);
	snprintf(wanted, sizeof(wanted), "X-Request-Id: %s\r\n", longest);
	asks(&c, given, wanted, "it may have 128 bytes");
	snprintf(given, sizeof(given), "X-Request-Id: %si\r\n", longest);
	asks(&c, given, "<127.0.0.1 ", "one of more");
	id = strstr(c.in.data, "<127.0.0.1 ") + 11;
	ok(is_uuid(id), "is replaced by a uuid");
	asks(&c, "X-Request-Id: a b\r\n", "<127.0.0.1 0",
		"and one of two words");
	asks(&c, "X-Request-Id: \xc3\xa4\r\n", "<127.0.0.1 0", "one not ASCII");
	asks(&c, "X-Request-Id:\r\n", "<127.0.0.1 0", "an empty one");
	asks(&c, "", "<127.0.0.1 0", "and none at all");
	id = strstr(c.in.data, field);
	ok(id != NULL && is_uuid(id + sizeof(field) - 1) &&
			strncmp(id + sizeof(field) - 1,
				strstr(c.in.data, "<127.0.0.1 ") + 11,
				UUID_TEXT_LEN) == 0,
		"which is the one given back");
	buf_reset(&c.in);
	client_send(&c, "GET / HTTP/1.1\r\nX-Request-Id: x\r\n\r\n");
	ok(client_wait(&c, NULL), "a bad request is refused");
	id = strstr(buf_str(&c.in), field);
	ok(id != NULL && is_uuid(id + sizeof(field) - 1),
		"with an id that was made for it");
	client_close(&c);
	http_server_free(s);
	help_close();
}

int main(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	test_ranges();
	test_list();
	test_forwarded();
	test_client();
	test_refused();
	test_id();
	return tap_done();
}
