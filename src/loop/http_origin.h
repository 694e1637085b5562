/* SPDX-License-Identifier: ISC */
/*
 * http_origin - who sent a request that came through proxies.
 *
 * A header field is anybody's word: what it says of a request is believed as
 * far as the addresses that say so are trusted, and no further.
 */
#ifndef LOOP_HTTP_ORIGIN_H
#define LOOP_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct sockaddr_storage;

/* Bytes of an address as text, with the NUL. */
#define HTTP_ORIGIN_TEXT_MAX 46
/* The address of who is on the other end of a unix socket. */
#define HTTP_ORIGIN_UNIX "unix"

/* The field that the proxies set.  Only that one is read: the other is passed
 * on as the client sent it. */
enum http_origin_field {
	HTTP_ORIGIN_X_FORWARDED_FOR = 0,
	HTTP_ORIGIN_FORWARDED = 1, /* RFC 7239 */
	HTTP_ORIGIN_FIELD_COUNT
};

extern const char *const http_origin_field_names[HTTP_ORIGIN_FIELD_COUNT + 1];

struct http_origin;

/* Trusts nobody. */
struct http_origin *http_origin_new(enum http_origin_field field);
void http_origin_free(struct http_origin *o);
/*
 * Trust "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", or "unix": who connects
 * to a unix socket.  -1 with err.
 */
int http_origin_add(struct http_origin *o, const char *text, struct err *err)
	__attribute__((warn_unused_result));
/* The field that it reads, in small letters. */
const char *http_origin_name(const struct http_origin *o);
/* The normal form of an address; "" for what is none of IP. */
void http_origin_print(
	const struct sockaddr_storage *a, char ret_text[HTTP_ORIGIN_TEXT_MAX]);
/* `text` is an address of a connection's other end. */
bool http_origin_trusts(const struct http_origin *o, const char *text);

/*
 * The walk over the addresses that a request names, from the client's side on,
 * that is, in the order of the field and its values.  Behind it stands the
 * leftmost one such that all to the right of it are trusted.
 */
struct http_origin_walk {
	const struct http_origin *origin;
	bool has_address;
	char address[HTTP_ORIGIN_TEXT_MAX]; /* in its normal form */
};
/* The next value of the field. */
void http_origin_feed(struct http_origin_walk *w, const char *value);

#endif
