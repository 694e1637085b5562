/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "loop/http_chunk.h"
#include "loop/http_token.h"

typedef int (*http_chunk_fn)(
	struct http_chunk *k, unsigned char c, uint64_t room);

static int http_chunk_bad(struct http_chunk *k, int status, const char *why)
{
	k->status = status;
	k->why = why;
	return -1;
}

static int http_chunk_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int http_chunk_size(struct http_chunk *k, unsigned char c, uint64_t room)
{
	int digit = http_chunk_digit(c);

	(void)room;
	if (digit != -1) {
		if (k->digits++ == HTTP_CHUNK_DIGITS_MAX)
			return http_chunk_bad(k, 400, "chunk size too long");
		k->left = k->left << 4 | (uint64_t)digit;
		k->state = HTTP_CHUNK_SIZE;
		return 0;
	}
	if (k->digits == 0)
		return http_chunk_bad(k, 400, "chunk without a size");
	if (c == ';')
		k->state = HTTP_CHUNK_EXT;
	else if (c == '\r')
		k->state = HTTP_CHUNK_SIZE_LF;
	else
		return http_chunk_bad(k, 400, "bad chunk size");
	return 0;
}

static int http_chunk_ext(struct http_chunk *k, unsigned char c, uint64_t room)
{
	(void)room;
	if (c == '\r') {
		k->state = HTTP_CHUNK_SIZE_LF;
		return 0;
	}
	if (!http_token_is_value(c))
		return http_chunk_bad(k, 400, "bad chunk extension");
	if (k->ext_bytes++ == HTTP_CHUNK_EXT_MAX)
		return http_chunk_bad(k, 400, "chunk extensions too long");
	return 0;
}

static int http_chunk_size_lf(
	struct http_chunk *k, unsigned char c, uint64_t room)
{
	if (c != '\n')
		return http_chunk_bad(k, 400, "bare CR behind a chunk size");
	if (k->left > room)
		return http_chunk_bad(k, 413, "body too large");
	k->digits = 0;
	k->state = k->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER_FIRST;
	return 0;
}

static int http_chunk_data_cr(
	struct http_chunk *k, unsigned char c, uint64_t room)
{
	(void)room;
	if (c != '\r')
		return http_chunk_bad(k, 400, "chunk longer than its size");
	k->state = HTTP_CHUNK_DATA_LF;
	return 0;
}

static int http_chunk_data_lf(
	struct http_chunk *k, unsigned char c, uint64_t room)
{
	(void)room;
	if (c != '\n')
		return http_chunk_bad(k, 400, "bare CR behind a chunk");
	k->state = HTTP_CHUNK_SIZE_FIRST;
	return 0;
}

static int http_chunk_trailer(
	struct http_chunk *k, unsigned char c, uint64_t room)
{
	(void)room;
	if (k->trailer_bytes++ == HTTP_CHUNK_TRAILER_MAX)
		return http_chunk_bad(k, 431, "trailers too long");
	if (k->state == HTTP_CHUNK_TRAILER_VALUE) {
		if (c == '\r')
			k->state = HTTP_CHUNK_TRAILER_LF;
		else if (!http_token_is_value(c))
			return http_chunk_bad(k, 400, "bad byte in a trailer");
		return 0;
	}
	if (k->state == HTTP_CHUNK_TRAILER_FIRST && c == '\r')
		k->state = HTTP_CHUNK_END_LF;
	else if (http_token_is(c))
		k->state = HTTP_CHUNK_TRAILER_NAME;
	else if (k->state == HTTP_CHUNK_TRAILER_NAME && c == ':')
		k->state = HTTP_CHUNK_TRAILER_VALUE;
	else
		return http_chunk_bad(k, 400, "bad trailer name");
	return 0;
}

static int http_chunk_trailer_lf(
	struct http_chunk *k, unsigned char c, uint64_t room)
{
	(void)room;
	if (c != '\n')
		return http_chunk_bad(k, 400, "bare CR in a trailer");
	k->state = k->state == HTTP_CHUNK_END_LF ? HTTP_CHUNK_DONE
						 : HTTP_CHUNK_TRAILER_FIRST;
	return 0;
}

/* What one byte does in each state; data goes by runs instead. */
static const http_chunk_fn http_chunk_steps[HTTP_CHUNK_STATE_COUNT] = {
	[HTTP_CHUNK_SIZE_FIRST] = http_chunk_size,
	[HTTP_CHUNK_SIZE] = http_chunk_size,
	[HTTP_CHUNK_EXT] = http_chunk_ext,
	[HTTP_CHUNK_SIZE_LF] = http_chunk_size_lf,
	[HTTP_CHUNK_DATA_CR] = http_chunk_data_cr,
	[HTTP_CHUNK_DATA_LF] = http_chunk_data_lf,
	[HTTP_CHUNK_TRAILER_FIRST] = http_chunk_trailer,
	[HTTP_CHUNK_TRAILER_NAME] = http_chunk_trailer,
	[HTTP_CHUNK_TRAILER_VALUE] = http_chunk_trailer,
	[HTTP_CHUNK_TRAILER_LF] = http_chunk_trailer_lf,
	[HTTP_CHUNK_END_LF] = http_chunk_trailer_lf,
};

int http_chunk_feed(struct http_chunk *k, const char *in, size_t in_len,
	uint64_t room, char *out, size_t *ret_used, size_t *ret_out)
{
	size_t at = 0, put = 0, run;
	int bad = 0;

	while (at < in_len && k->state != HTTP_CHUNK_DONE && bad == 0) {
		if (k->state != HTTP_CHUNK_DATA) {
			bad = http_chunk_steps[k->state](
				k, (unsigned char)in[at++], room - put);
			continue;
		}
		run = in_len - at < k->left ? in_len - at : (size_t)k->left;
		memmove(out + put, in + at, run);
		at += run;
		put += run;
		k->left -= run;
		if (k->left == 0)
			k->state = HTTP_CHUNK_DATA_CR;
	}
	*ret_used = at;
	*ret_out = put;
	if (bad != 0)
		return -1;
	return k->state == HTTP_CHUNK_DONE;
}
