/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/http_origin.h"

#define ORIGIN_BITS        128
#define ORIGIN_MAPPED_BITS 96 /* in front of an IPv4 address */
#define ORIGIN_VALUE_MAX   64 /* bytes of an address with its port */

/* An IPv4 address is kept as ::ffff:a.b.c.d, which is the same to us. */
struct origin_address {
	unsigned char bytes[16];
};

struct origin_range {
	struct origin_address address;
	unsigned bits; /* of its front that count */
};

struct http_origin {
	enum http_origin_field field;
	bool trusts_unix;
	struct origin_range *ranges;
	size_t count;
};

const char *const http_origin_field_names[HTTP_ORIGIN_FIELD_COUNT + 1] = {
	[HTTP_ORIGIN_X_FORWARDED_FOR] = "x-forwarded-for",
	[HTTP_ORIGIN_FORWARDED] = "forwarded",
};

static const unsigned char origin_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff };

struct http_origin *http_origin_new(enum http_origin_field field)
{
	struct http_origin *o = xcalloc(1, sizeof(*o));

	o->field = field;
	return o;
}

void http_origin_free(struct http_origin *o)
{
	if (o == NULL)
		return;
	free(o->ranges);
	free(o);
}

/* Its number of bits, 32 or 128; 0: it is no address. */
static unsigned origin_read(const char *text, struct origin_address *ret)
{
	if (inet_pton(AF_INET, text, ret->bytes + 12) == 1) {
		memcpy(ret->bytes, origin_mapped, sizeof(origin_mapped));
		return 32;
	}
	return inet_pton(AF_INET6, text, ret->bytes) == 1 ? ORIGIN_BITS : 0;
}

static void origin_print(
	const struct origin_address *a, char ret_text[HTTP_ORIGIN_TEXT_MAX])
{
	if (memcmp(a->bytes, origin_mapped, sizeof(origin_mapped)) == 0)
		inet_ntop(
			AF_INET, a->bytes + 12, ret_text, HTTP_ORIGIN_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->bytes, ret_text, HTTP_ORIGIN_TEXT_MAX);
}

void http_origin_print(
	const struct sockaddr_storage *a, char ret_text[HTTP_ORIGIN_TEXT_MAX])
{
	struct origin_address own;

	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr,
			ret_text, HTTP_ORIGIN_TEXT_MAX);
	} else if (a->ss_family == AF_INET6) {
		memcpy(own.bytes, &((const struct sockaddr_in6 *)a)->sin6_addr,
			sizeof(own.bytes));
		origin_print(&own, ret_text);
	} else {
		ret_text[0] = '\0';
	}
}

/* Are the first `bits` of both the same? */
static bool origin_is_in(const struct origin_address *a,
	const struct origin_address *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a->bytes, b->bytes, whole) == 0 &&
	       (rest == 0 ||
		       (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0);
}

/* Bits behind the prefix tell of a mistake: which of both was meant? */
static bool origin_is_clean(const struct origin_range *r)
{
	unsigned bit;

	for (bit = r->bits; bit < ORIGIN_BITS; bit++)
		if (r->address.bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool origin_read_bits(const char *text, unsigned limit, unsigned *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0')
		return false;
	*ret = (unsigned)strtoul(text, NULL, 10);
	return *ret <= limit;
}

int http_origin_add(struct http_origin *o, const char *text, struct err *err)
{
	size_t len = strcspn(text, "/");
	char address[HTTP_ORIGIN_TEXT_MAX];
	struct origin_range r;
	unsigned limit = 0;

	if (strcmp(text, HTTP_ORIGIN_UNIX) == 0) {
		o->trusts_unix = true;
		return 0;
	}
	if (len < sizeof(address)) {
		memcpy(address, text, len);
		address[len] = '\0';
		limit = origin_read(address, &r.address);
	}
	if (limit == 0)
		return err_set(err, 0,
			"\"%s\" is neither an address nor a range like "
			"10.0.0.0/8, nor \"unix\"",
			text);
	r.bits = limit;
	if (text[len] == '/' &&
		!origin_read_bits(text + len + 1, limit, &r.bits))
		return err_set(err, 0, "\"%s\": a prefix has 0 to %u bits",
			text, limit);
	r.bits += ORIGIN_BITS - limit;
	if (!origin_is_clean(&r))
		return err_set(
			err, 0, "\"%s\": bits are set behind the prefix", text);
	o->ranges = xrealloc(o->ranges, (o->count + 1) * sizeof(*o->ranges));
	o->ranges[o->count++] = r;
	return 0;
}

const char *http_origin_name(const struct http_origin *o)
{
	return http_origin_field_names[o->field];
}

static bool origin_has(
	const struct http_origin *o, const struct origin_address *a)
{
	size_t i;

	for (i = 0; i < o->count; i++)
		if (origin_is_in(a, &o->ranges[i].address, o->ranges[i].bits))
			return true;
	return false;
}

bool http_origin_trusts(const struct http_origin *o, const char *text)
{
	struct origin_address a;

	if (strcmp(text, HTTP_ORIGIN_UNIX) == 0)
		return o->trusts_unix;
	return origin_read(text, &a) != 0 && origin_has(o, &a);
}

/* "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80"; the port is dropped. */
static bool origin_read_node(char *text, struct origin_address *ret)
{
	char *colon = strchr(text, ':'), *end;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		*end = '\0';
		return origin_read(text, ret) == ORIGIN_BITS;
	}
	if (colon != NULL && strchr(colon + 1, ':') == NULL)
		*colon = '\0';
	return origin_read(text, ret) != 0;
}

/* One more hop, nearer to us than those before.  Who is not trusted may have
 * made up all that stands to the left, and a hop that can't be read hides who
 * it was. */
static void origin_step(struct http_origin_walk *w, char *text)
{
	struct origin_address a;

	if (text == NULL || !origin_read_node(text, &a)) {
		w->has_address = false;
		return;
	}
	if (w->has_address && origin_has(w->origin, &a))
		return;
	w->has_address = true;
	origin_print(&a, w->address);
}

static void origin_feed_list(struct http_origin_walk *w, const char *value)
{
	char text[ORIGIN_VALUE_MAX];
	size_t len, used;

	for (;; value++) {
		value += strspn(value, " \t");
		used = len = strcspn(value, ",");
		while (len > 0 &&
			(value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		/* An empty one stands for nothing (RFC 9110, 5.6.1). */
		if (len > 0 && len < sizeof(text)) {
			memcpy(text, value, len);
			text[len] = '\0';
			origin_step(w, text);
		} else if (len > 0) {
			origin_step(w, NULL);
		}
		value += used;
		if (*value == '\0')
			return;
	}
}

/* What a value of the field Forwarded is read with. */
struct origin_pair {
	const char *name;
	size_t name_len;
	char text[ORIGIN_VALUE_MAX]; /* "" when too long */
};

static void origin_put(struct origin_pair *p, size_t *len, char c)
{
	if (*len < sizeof(p->text))
		p->text[*len] = c;
	++*len;
}

/* The value of a pair at `at`; where it ends, or NULL. */
static const char *origin_read_value(struct origin_pair *p, const char *at)
{
	size_t len = 0;

	if (*at != '"') {
		while (*at != '\0' && strchr(";, \t\"", *at) == NULL)
			origin_put(p, &len, *at++);
	} else {
		for (at++; *at != '"'; at++) {
			if (*at == '\\')
				at++;
			if (*at == '\0')
				return NULL;
			origin_put(p, &len, *at);
		}
		at++;
	}
	p->text[len < sizeof(p->text) ? len : 0] = '\0';
	return at;
}

/* "name=value" at `at`; where it ends, or NULL when that is none. */
static const char *origin_read_pair(struct origin_pair *p, const char *at)
{
	at += strspn(at, " \t");
	p->name = at;
	p->name_len = strcspn(at, "=;, \t\"");
	p->text[0] = '\0';
	if (p->name_len == 0)
		return at;
	at += p->name_len;
	if (*at != '=')
		return NULL;
	at = origin_read_value(p, at + 1);
	return at == NULL ? NULL : at + strspn(at, " \t");
}

/* One element, up to a comma: where it ends, or NULL. */
static const char *origin_feed_element(
	struct http_origin_walk *w, const char *at)
{
	struct origin_pair p;
	char node[ORIGIN_VALUE_MAX] = "";
	bool is_empty = true;

	for (;; at++) {
		at = origin_read_pair(&p, at);
		if (at == NULL || strchr(";,", *at) == NULL)
			return NULL;
		is_empty = is_empty && p.name_len == 0;
		if (p.name_len == 3 && strncasecmp(p.name, "for", 3) == 0)
			memcpy(node, p.text, sizeof(node));
		if (*at != ';')
			break;
	}
	if (!is_empty)
		origin_step(w, node);
	return at;
}

void http_origin_feed(struct http_origin_walk *w, const char *value)
{
	if (w->origin->field == HTTP_ORIGIN_X_FORWARDED_FOR) {
		origin_feed_list(w, value);
		return;
	}
	for (;; value++) {
		value = origin_feed_element(w, value);
		if (value == NULL)
			origin_step(w, NULL);
		if (value == NULL || *value == '\0')
			return;
	}
}
