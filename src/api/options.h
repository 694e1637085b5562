/* SPDX-License-Identifier: ISC */
/*
 * options - the settings of an `http` pool.
 */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/opt.h"

struct conf_kind;
struct err;
struct http_origin;

enum api_auth { API_AUTH_TOKEN = 0, API_AUTH_NONE = 1 };

struct api_options {
	int64_t max_header, max_body; /* bytes */
	int64_t max_connections;      /* of one worker */
	int64_t header_timeout_us, body_timeout_us;
	int64_t write_timeout_us, keepalive_timeout_us;
	int64_t linger_us;
	int auth; /* enum api_auth */
	struct conf_strings trusted_proxies;
	int proxy_header; /* enum http_origin_field */
	bool gzip;
};

extern const struct conf_kind conf_kind_http;

/* Whom to believe: NULL with err when one of them is no address. */
struct http_origin *api_options_origin(
	const struct api_options *o, struct err *err);

#endif
