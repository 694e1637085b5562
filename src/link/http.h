/* SPDX-License-Identifier: ISC */
/*
 * http (outgoing) - requests to other services: libcurl's multi interface on
 * the loop.
 *
 * Connections are kept and used again; redirects are not followed; nothing
 * but http and https is spoken; peers' certificates are verified always.
 * Names are looked up in threads of libcurl: one question a host at a time
 * and a minute of memory, however many calls begin at once.
 *
 * libcurl is loaded with the first client: it and the thirty libraries behind
 * it would cost every process of the daemon a megabyte of its own memory and
 * four of pages (Debian 12, 2026-11-22).
 */
#ifndef LINK_HTTP_H
#define LINK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct conf_map;
struct loop;
struct http_client;
struct http_call;

/* The longest Retry-After that is told: a day. */
#define HTTP_RETRY_AFTER_MAX_US (INT64_C(86400) * 1000000)

struct http_call_options {
	const char *method; /* "POST" */
	const char *url;
	const struct conf_map *headers; /* NULL: none */
	const void *body;               /* borrowed until the end of the call;
					   NULL: none */
	size_t body_len;
	int64_t timeout_us;  /* of the whole exchange; 0: none */
	size_t answer_max;   /* bytes of body kept; more is cut, and told */
	const char *ca_file; /* NULL: the system's */
};

struct http_answer {
	int status; /* 0: none came, or not whole: see error */
	const char *body;
	size_t body_len;
	bool is_cut;
	int64_t retry_after_us; /* -1: no Retry-After */
	const char *error;      /* of the network or TLS; NULL */
	bool is_timeout;
};

/* Borrowed for the call; the call object is gone before it.  It may start,
 * cancel and free whatever it likes. */
typedef void (*http_answer_fn)(const struct http_answer *a, void *arg);

/*
 * connections: open at a time to all hosts, further calls wait; 0: no limit.
 * NULL with err when libcurl can't be loaded.
 */
struct http_client *http_client_new(
	struct loop *l, unsigned connections, struct err *err);
/* Calls under way end without their fn.  NULL is a no-op. */
void http_client_free(struct http_client *c);
/* Drop what is kept for later calls: idle connections, names, handles. */
void http_client_trim(struct http_client *c);
/* Calls that have not been answered. */
unsigned http_client_calls(const struct http_client *c);

/*
 * Begin; fn is called from the loop, in a later turn.
 * NULL with err when it can't even begin: a URL that does not read, another
 * scheme than http and https, a method or a header that would split the
 * request.
 */
struct http_call *http_call_start(struct http_client *c,
	const struct http_call_options *o, http_answer_fn fn, void *arg,
	struct err *err);
/* fn is not called any more.  NULL is a no-op. */
void http_call_cancel(struct http_call *call);

#endif
