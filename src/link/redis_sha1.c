/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "link/redis_sha1.h"

#define SHA1_BLOCK 64

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void sha1_schedule(const unsigned char *block, uint32_t w[80])
{
	int t;

	for (t = 0; t < 16; t++, block += 4)
		w[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 |
		       (uint32_t)block[2] << 8 | block[3];
	for (; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
}

static uint32_t sha1_mix(int t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (t < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void sha1_block(uint32_t h[5], const unsigned char *block)
{
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[80], x;
	int t;

	sha1_schedule(block, w);
	for (t = 0; t < 80; t++) {
		x = rotate(a, 5) + sha1_mix(t, b, c, d) + e + w[t];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = x;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* The last one or two blocks: the rest, a 1 bit, zeros, the length in bits. */
static void sha1_end(uint32_t h[5], const void *rest, size_t n, size_t len)
{
	unsigned char last[2 * SHA1_BLOCK] = { 0 };
	size_t size = n < SHA1_BLOCK - 8 ? SHA1_BLOCK : 2 * SHA1_BLOCK;
	uint64_t bits = (uint64_t)len * 8;
	int i;

	if (n > 0)
		memcpy(last, rest, n);
	last[n] = 0x80;
	for (i = 0; i < 8; i++)
		last[size - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
	sha1_block(h, last);
	if (size > SHA1_BLOCK)
		sha1_block(h, last + SHA1_BLOCK);
}

void redis_sha1(const void *data, size_t len, char ret_hex[REDIS_SHA1_MAX])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	const unsigned char *p = data;
	size_t left = len;
	int i;

	for (; left >= SHA1_BLOCK; left -= SHA1_BLOCK, p += SHA1_BLOCK)
		sha1_block(h, p);
	sha1_end(h, p, left, len);
	for (i = 0; i < 5; i++)
		snprintf(ret_hex + 8 * i, 9, "%08x", (unsigned)h[i]);
}
