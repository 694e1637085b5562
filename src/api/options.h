/* SPDX-License-Identifier: ISC */
/*
 * options - the settings of an `http` pool.
 */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct conf_kind;

struct api_options {
	int64_t max_header, max_body; /* bytes */
	int64_t max_connections;      /* of one worker */
	int64_t header_timeout_us, body_timeout_us;
	int64_t write_timeout_us, keepalive_timeout_us;
	int64_t linger_us;
	bool access_log;
};

extern const struct conf_kind conf_kind_http;

#endif
