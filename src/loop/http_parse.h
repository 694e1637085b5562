/* SPDX-License-Identifier: ISC */
/*
 * http_parse - one HTTP/1 request out of a buffer, strictly (RFC 9112).
 *
 * Pure: no descriptor, no clock, no allocation.  Fed again and again with
 * the same, growing buffer until the request is whole; how the bytes were cut
 * changes nothing.  All places are offsets, for the buffer may move between
 * two calls.
 *
 *	HEAD -> LENGTH or CHUNKS -> DONE
 *	   \---------\-----------> BAD
 */
#ifndef LOOP_HTTP_PARSE_H
#define LOOP_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/http.h"
#include "loop/http_chunk.h"

#define HTTP_PARSE_FIELDS_MAX 100
#define HTTP_PARSE_LINE_MAX   8192 /* bytes of the request line */

enum http_parse_stage {
	HTTP_PARSE_HEAD = 0,
	HTTP_PARSE_LENGTH = 1, /* a body of known length */
	HTTP_PARSE_CHUNKS = 2, /* a chunked body */
	HTTP_PARSE_DONE = 3,
	HTTP_PARSE_BAD = 4, /* status and why say what to answer */
	HTTP_PARSE_STAGE_COUNT
};

struct http_parse_limits {
	size_t header_max, body_max; /* bytes; header_max below 4 GiB */
};

struct http_field {
	uint32_t name, value; /* offsets of NUL-terminated texts */
};

struct http_parse {
	enum http_parse_stage stage;
	int status;       /* BAD: the answer's status */
	const char *why;  /* BAD: the reason, a constant */
	uint32_t scanned; /* HEAD: bytes known to hold no end */

	/* From here on valid when the stage is behind HEAD. */
	enum http_method method;
	int minor; /* of HTTP/1.x: 0 or 1 */
	bool keep_alive;
	bool expects_continue;
	uint32_t path;      /* offset, NUL-terminated */
	uint32_t query;     /* likewise; 0: none */
	size_t body;        /* offset */
	size_t body_len;    /* bytes there are; chunks: decoded ones */
	uint64_t length;    /* LENGTH: bytes there will be */
	size_t used;        /* DONE: bytes of the buffer that it took */
	unsigned seen;      /* fields that may come once: a bit each */
	uint32_t authority; /* absolute-form: its place and length */
	uint32_t authority_len;
	struct http_chunk chunk;
	unsigned field_count;
	struct http_field fields[HTTP_PARSE_FIELDS_MAX];
};

void http_parse_init(struct http_parse *p);

/*
 * Go on with data[0..*len), which starts with the request's first byte and
 * may end with bytes of the next request.  The bytes are changed in place;
 * while chunks are decoded *len may become smaller.
 * Returns the stage: DONE and BAD are final, others want more bytes.
 */
enum http_parse_stage http_parse_run(struct http_parse *p, char *data,
	size_t *len, const struct http_parse_limits *limits);

/* The value of a field by its name, whatever its case; NULL. */
const char *http_parse_field(
	const struct http_parse *p, const char *data, const char *name);

#endif
