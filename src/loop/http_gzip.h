/* SPDX-License-Identifier: ISC */
/*
 * http_gzip - answers made smaller.
 *
 * zlib is loaded for the first answer that needs it, with few memory and
 * little effort: a window of 8 KiB and level 1 cost JSON 1 % of its size
 * against zlib's best, and a fifth of the time.
 */
#ifndef LOOP_HTTP_GZIP_H
#define LOOP_HTTP_GZIP_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Below it is not worth the while; beyond, others would wait too long: 1 MiB
 * takes about 20 ms. */
#define HTTP_GZIP_MIN 1024
#define HTTP_GZIP_MAX (1 << 20)

/* What an answer of this type holds can be made smaller. */
bool http_gzip_suits(const char *content_type);
/* Is gzip what the field Accept-Encoding (NULL: absent) asks for, by its
 * weights?  RFC 9110, 12.5.3. */
bool http_gzip_is_wanted(const char *accept_encoding);
/*
 * Append data[0..len) to `out` in gzip's format.
 * False with nothing appended: it would not be smaller, or there is no zlib,
 * which is logged once.
 */
bool http_gzip(const void *data, size_t len, struct buf *out);

#endif
