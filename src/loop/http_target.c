/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "loop/http_target.h"

static int http_target_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of "%XX" at s, or -1.  s is NUL-terminated. */
static int http_target_percent(const char *s)
{
	int high = http_target_hex(s[1]);
	int low = high == -1 ? -1 : http_target_hex(s[2]);

	return low == -1 ? -1 : high * 16 + low;
}

static const char *http_target_decode(char *path)
{
	char *out = path;
	int c;

	for (; *path != '\0'; path++) {
		c = (unsigned char)*path;
		if (c == '%') {
			c = http_target_percent(path);
			if (c == -1)
				return "bad percent-encoding in the path";
			if (c == '/' || c == '\\')
				return "encoded slash in the path";
			path += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return "control byte in the path";
		*out++ = (char)c;
	}
	*out = '\0';
	return NULL;
}

/* RFC 3986, 5.2.4, but for leaving the root, which is refused. */
static const char *http_target_undot(char *path)
{
	char *in = path, *out = path;
	size_t len;

	while (*in == '/') {
		len = strcspn(in + 1, "/");
		if (len == 1 && in[1] == '.') {
			in += 2;
			if (*in == '\0')
				*out++ = '/';
		} else if (len == 2 && in[1] == '.' && in[2] == '.') {
			if (out == path)
				return "path leads above the root";
			while (*--out != '/')
				;
			in += 3;
			if (*in == '\0')
				*out++ = '/';
		} else {
			memmove(out, in, len + 1);
			out += len + 1;
			in += len + 1;
		}
	}
	*out = '\0';
	return NULL;
}

static const char *http_target_check_query(const char *query)
{
	for (; *query != '\0'; query++) {
		if (*query != '%')
			continue;
		if (http_target_percent(query) <= 0)
			return "bad percent-encoding in the query";
		query += 2;
	}
	return NULL;
}

/* "http://authority" in front; the rest is put to *ret_rest. */
static const char *http_target_absolute(
	char *text, struct http_target *t, char **ret_rest)
{
	size_t scheme = 0;

	if (strncasecmp(text, "http://", 7) == 0)
		scheme = 7;
	else if (strncasecmp(text, "https://", 8) == 0)
		scheme = 8;
	else
		return "target is neither a path nor an http URL";
	t->authority = text + scheme;
	t->authority_len = strcspn(t->authority, "/?");
	if (t->authority_len == 0 ||
		!http_target_is_authority(t->authority, t->authority_len))
		return "bad authority in the target";
	*ret_rest = t->authority + t->authority_len;
	return NULL;
}

const char *http_target_parse(
	char *text, size_t len, struct http_target *ret_target)
{
	struct http_target *t = ret_target;
	const char *why;
	char *rest = text;

	memset(t, 0, sizeof(*t));
	text[len] = '\0';
	if (strpbrk(text, "#\\") != NULL)
		return "fragment or backslash in the target";
	if (strcmp(text, "*") == 0) {
		t->path = text;
		return NULL;
	}
	if (*text != '/' &&
		(why = http_target_absolute(text, t, &rest)) != NULL)
		return why;
	t->path = rest;
	t->query = strchr(rest, '?');
	if (t->query != NULL)
		*t->query++ = '\0';
	if (t->query != NULL &&
		(why = http_target_check_query(t->query)) != NULL)
		return why;
	if (*t->path == '\0')
		/* "http://host": the scheme makes room. */
		t->path = memcpy(text, "/", 2);
	if ((why = http_target_decode(t->path)) != NULL)
		return why;
	return http_target_undot(t->path);
}

static bool http_target_is_host_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("-._~!$&'()*+;=%", c) != NULL);
}

bool http_target_is_authority(const char *text, size_t len)
{
	size_t i = 0;

	if (len > 0 && text[0] == '[') {
		for (i = 1; i < len && text[i] != ']'; i++)
			if (http_target_hex(text[i]) == -1 && text[i] != ':' &&
				text[i] != '.')
				return false;
		if (i == len || i == 1)
			return false;
		i++;
	} else {
		while (i < len && http_target_is_host_byte(text[i]))
			i++;
	}
	if (i < len && text[i] == ':')
		for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++)
			;
	return i == len;
}

char *http_target_query(const char *query, size_t *ret_len)
{
	/* A pair "a&" of two bytes comes to "a NUL NUL". */
	char *pairs = xmalloc(strlen(query) * 2 + 3);
	char *out = pairs;
	bool in_value = false;

	for (;; query++) {
		if (*query == '\0' || *query == '&') {
			*out++ = '\0';
			if (!in_value)
				*out++ = '\0';
			in_value = false;
			if (*query == '\0')
				break;
		} else if (*query == '=' && !in_value) {
			*out++ = '\0';
			in_value = true;
		} else if (*query == '%') {
			*out++ = (char)http_target_percent(query);
			query += 2;
		} else {
			*out++ = *query == '+' ? ' ' : *query;
		}
	}
	*ret_len = (size_t)(out - pairs);
	return pairs;
}
