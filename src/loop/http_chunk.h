/* SPDX-License-Identifier: ISC */
/*
 * http_chunk - the chunked transfer coding, decoded byte by byte (RFC 9112,
 * section 7.1).
 *
 * Stricter than the grammar: no white space around the size, no bare LF, and
 * extensions and trailers, which are checked and dropped, have limits.
 */
#ifndef LOOP_HTTP_CHUNK_H
#define LOOP_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_DIGITS_MAX  16   /* of one size */
#define HTTP_CHUNK_EXT_MAX     1024 /* bytes of extensions, whole body */
#define HTTP_CHUNK_TRAILER_MAX 4096 /* bytes of trailers */

enum http_chunk_state {
	HTTP_CHUNK_SIZE_FIRST = 0, /* the first digit must come */
	HTTP_CHUNK_SIZE = 1,
	HTTP_CHUNK_EXT = 2,
	HTTP_CHUNK_SIZE_LF = 3,
	HTTP_CHUNK_DATA = 4,
	HTTP_CHUNK_DATA_CR = 5,
	HTTP_CHUNK_DATA_LF = 6,
	HTTP_CHUNK_TRAILER_FIRST = 7, /* a trailer, or the end */
	HTTP_CHUNK_TRAILER_NAME = 8,
	HTTP_CHUNK_TRAILER_VALUE = 9,
	HTTP_CHUNK_TRAILER_LF = 10,
	HTTP_CHUNK_END_LF = 11,
	HTTP_CHUNK_DONE = 12,
	HTTP_CHUNK_STATE_COUNT
};

struct http_chunk {
	enum http_chunk_state state;
	unsigned digits;        /* of the size so far */
	unsigned ext_bytes;     /* of all extensions */
	unsigned trailer_bytes; /* of all trailers */
	uint64_t left;          /* the size; DATA: bytes still to come */
	int status;             /* when refused: the answer's status */
	const char *why;        /* and the reason */
};

/*
 * Decode in[0..in_len) to out, which may be the same memory or lie before
 * it.  `room`: bytes that the body may still grow.
 *
 * ret_used  bytes read; all of them unless the body ended
 * ret_out   bytes written
 * Returns 1 at the end of the body, 0 when more must come, -1 when refused.
 */
int http_chunk_feed(struct http_chunk *k, const char *in, size_t in_len,
	uint64_t room, char *out, size_t *ret_used, size_t *ret_out);

#endif
