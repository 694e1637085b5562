/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/opt.h"
#include "link/http_out.h"

/* The characters of a token (RFC 9110, 5.6.2). */
static bool http_out_is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) &&
			strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	return true;
}

static bool http_out_is_value(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 127)
			return false;
	return true;
}

static int http_out_check_headers(
	const struct conf_map *headers, struct err *err)
{
	size_t i;

	for (i = 0; headers != NULL && i < headers->count; i++) {
		if (!http_out_is_token(headers->items[i].name))
			return err_set(err, 0, "a header's name is no token");
		if (!http_out_is_value(headers->items[i].value))
			return err_set(err, 0,
				"header %s holds a control character",
				headers->items[i].name);
	}
	return 0;
}

/* The URL itself may hold a password: it is in no text. */
static int http_out_read_url(
	const struct http_lib *lib, CURLU *u, const char *url, struct err *err)
{
	char *scheme = NULL;
	CURLUcode code = lib->url_set(u, CURLUPART_URL, url, 0);
	bool known;

	if (code != CURLUE_OK)
		return err_set(err, 0, "the URL does not read: %s",
			lib->url_strerror(code));
	if (lib->url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return err_set(err, 0, "the URL has no scheme");
	known = strcasecmp(scheme, "http") == 0 ||
		strcasecmp(scheme, "https") == 0;
	lib->free(scheme);
	if (!known)
		return err_set(err, 0, "the URL is neither http nor https");
	return 0;
}

static int http_out_key(
	const struct http_lib *lib, CURLU *u, char **ret_key, struct err *err)
{
	char *host = NULL, *port = NULL;
	int result = -1;

	if (lib->url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		lib->url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) !=
			CURLUE_OK) {
		err_set(err, 0, "the URL has no host");
		goto out;
	}
	*ret_key = xasprintf("%s:%s", host, port);
	result = 0;
out:
	lib->free(port);
	lib->free(host);
	return result;
}

int http_out_check(const struct http_lib *lib,
	const struct http_call_options *o, char **ret_key, struct err *err)
{
	CURLU *u;
	int result;

	if (!http_out_is_token(o->method))
		return err_set(err, 0, "the method is no token");
	if (http_out_check_headers(o->headers, err) != 0)
		return -1;
	u = lib->url();
	if (u == NULL)
		return err_set(err, 0, "out of memory");
	result = http_out_read_url(lib, u, o->url, err);
	if (result == 0)
		result = http_out_key(lib, u, ret_key, err);
	lib->url_cleanup(u);
	return result;
}

static void http_out_add(
	const struct http_lib *lib, struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = lib->slist_append(*list, text);

	if (longer != NULL)
		*list = longer;
}

static void http_out_add_field(const struct http_lib *lib,
	struct curl_slist **list, const char *name, const char *value)
{
	/* A semicolon is libcurl's way to say: a field without a value. */
	char *line = *value == '\0' ? xasprintf("%s;", name)
				    : xasprintf("%s: %s", name, value);

	http_out_add(lib, list, line);
	free(line);
}

struct curl_slist *http_out_headers(
	const struct http_lib *lib, const struct http_call_options *o)
{
	struct curl_slist *list = NULL;
	bool has_type = false;
	size_t i;

	/* A second round trip before a long body, for nothing. */
	http_out_add(lib, &list, "Expect:");
	for (i = 0; o->headers != NULL && i < o->headers->count; i++) {
		const struct conf_pair *p = &o->headers->items[i];

		http_out_add_field(lib, &list, p->name, p->value);
		has_type |= strcasecmp(p->name, "Content-Type") == 0;
	}
	if (!has_type)
		http_out_add(lib, &list, "Content-Type:");
	return list;
}

void http_out_apply(const struct http_lib *lib, CURL *easy,
	const struct http_call_options *o)
{
	lib->easy_setopt(easy, CURLOPT_URL, o->url);
	if (strcmp(o->method, "HEAD") == 0) {
		lib->easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (o->body == NULL && strcmp(o->method, "GET") == 0) {
		lib->easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	if (o->body != NULL || strcmp(o->method, "POST") == 0 ||
		strcmp(o->method, "PUT") == 0 ||
		strcmp(o->method, "PATCH") == 0) {
		lib->easy_setopt(easy, CURLOPT_POST, 1L);
		lib->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)o->body_len);
		lib->easy_setopt(easy, CURLOPT_POSTFIELDS,
			o->body == NULL ? "" : o->body);
	}
	lib->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, o->method);
}

char *http_out_field(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	for (n++; n < len && (line[n] == ' ' || line[n] == '\t');)
		n++;
	while (len > n && isspace((unsigned char)line[len - 1]))
		len--;
	return xstrndup(line + n, len - n);
}

int64_t http_out_retry_after(const struct http_lib *lib, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	int64_t s;

	if (digits == 0) {
		time_t at = lib->getdate(value, NULL);

		if (at == (time_t)-1)
			return -1;
		s = (int64_t)at - clock_wall() / US_PER_S;
	} else if (value[digits] != '\0') {
		return -1;
	} else {
		s = digits > 9 ? INT32_MAX : atoi(value);
	}
	if (s < 0)
		s = 0;
	if (s > HTTP_RETRY_AFTER_MAX_US / US_PER_S)
		return HTTP_RETRY_AFTER_MAX_US;
	return s * US_PER_S;
}
