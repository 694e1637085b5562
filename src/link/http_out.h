/* SPDX-License-Identifier: ISC */
/*
 * http_out - what a call says, put into libcurl's words.
 */
#ifndef LINK_HTTP_OUT_H
#define LINK_HTTP_OUT_H

#include <stdint.h>

#include "link/http.h"
#include "link/http_lib.h"

/* Is this a request that can be sent as it stands?
 * ret_key: "host:port" of the URL, heap.  0, or -1 with err. */
int http_out_check(const struct http_lib *lib,
	const struct http_call_options *o, char **ret_key, struct err *err);
/* The header fields (with those that libcurl would add taken away);
 * curl_slist_free_all. */
struct curl_slist *http_out_headers(
	const struct http_lib *lib, const struct http_call_options *o);
/* Method, body and URL. */
void http_out_apply(const struct http_lib *lib, CURL *easy,
	const struct http_call_options *o);

/* A field's value, if `line` (no NUL) is the field of that name: heap. */
char *http_out_field(const char *line, size_t len, const char *name);
/* Seconds or a date (RFC 9110, 10.2.3), from now; -1: neither. */
int64_t http_out_retry_after(const struct http_lib *lib, const char *value);

#endif
