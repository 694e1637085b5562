/* SPDX-License-Identifier: ISC */
/*
 * http (outgoing) - requests to other services: libcurl's multi interface on
 * the loop.  libcurl is known in this file's .c only.
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

struct http_call_options {
	const char *method; /* "POST" */
	const char *url;
	const struct conf_map *headers; /* NULL: none */
	const void *body;               /* borrowed until the end of the call */
	size_t body_len;
	int64_t timeout_us; /* of the whole exchange */
	size_t answer_max;  /* bytes of body kept; more is cut, and told */
	/* Peer certificates are verified always. */
	const char *ca_file; /* NULL: the system's */
};

struct http_answer {
	int status; /* 0: none came, see error */
	const char *body;
	size_t body_len;
	bool is_cut;
	int64_t retry_after_us; /* -1: no Retry-After */
	const char *error;      /* of the network or TLS; NULL */
	bool is_timeout;
};

/* Borrowed for the call; the call object is gone after it. */
typedef void (*http_answer_fn)(const struct http_answer *a, void *arg);

/* connections: open at a time to all hosts; 0: no limit. */
struct http_client *http_client_new(
	struct loop *l, unsigned connections, struct err *err);
/* Calls under way end without their fn. */
void http_client_free(struct http_client *c);
/* NULL with err when it can't even begin. */
struct http_call *http_call_start(struct http_client *c,
	const struct http_call_options *o, http_answer_fn fn, void *arg,
	struct err *err);
/* fn is not called any more. */
void http_call_cancel(struct http_call *call);

#endif
