/* SPDX-License-Identifier: ISC */
/*
 * http_token - which byte may stand where (RFC 9110, section 5.6).
 */
#ifndef LOOP_HTTP_TOKEN_H
#define LOOP_HTTP_TOKEN_H

#include <stdbool.h>

/* Bit 0: of a token; bit 1: of a field value (HTAB, SP, visible, obs-text);
 * bit 2: of a request target (visible ASCII). */
extern const unsigned char http_token_table[256];

static inline bool http_token_is(unsigned char c)
{
	return http_token_table[c] & 1;
}

static inline bool http_token_is_value(unsigned char c)
{
	return http_token_table[c] & 2;
}

static inline bool http_token_is_target(unsigned char c)
{
	return http_token_table[c] & 4;
}

#endif
