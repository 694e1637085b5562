/* SPDX-License-Identifier: ISC */
/*
 * crypt - hashes of tokens and sealed parameters, by libsodium, which is
 * loaded when the first of them is asked for.
 */
#ifndef STORE_CRYPT_H
#define STORE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct buf;

#define CRYPT_HASH_BYTES 32 /* SHA-256 */
#define CRYPT_KEY_BYTES  32

struct crypt_key {
	unsigned char bytes[CRYPT_KEY_BYTES];
};

/* 0, or -1 with err: libsodium is not there.  Before any of the others. */
int crypt_load(struct err *err);

void crypt_hash(
	const void *data, size_t len, unsigned char ret_hash[CRYPT_HASH_BYTES]);
/* In a time that does not depend on the bytes. */
bool crypt_is_equal(const void *a, const void *b, size_t len);
void crypt_random(void *ret_bytes, size_t len);
/* Lower case hex and a NUL: 2 * len + 1 bytes. */
void crypt_hex(const void *bytes, size_t len, char *ret_text);
/* A new token of the API: "reeve_" and 32 random bytes in base64url. */
#define CRYPT_TOKEN_MAX 50
void crypt_token(char ret_text[CRYPT_TOKEN_MAX]);
/* Overwrite what was secret. */
void crypt_wipe(void *bytes, size_t len);

/*
 * Read the keys of a file that only its owner may read or write: a line of 64
 * hex digits each, at least one and at most CRYPT_KEYS_MAX.  0, or -1 with err,
 * which says how to make one; then no key is in ret_keys.
 */
#define CRYPT_KEYS_MAX 8
int crypt_keys_read(const char *path, struct crypt_key ret_keys[CRYPT_KEYS_MAX],
	size_t *ret_count, struct err *err);

/*
 * Seal text (XChaCha20-Poly1305) so that it opens only with the same key and
 * the same place: a text such as "tenant/id", so that a sealed value cannot be
 * moved to another row.  Appends a version, a nonce and the box to out.
 */
void crypt_seal(const struct crypt_key *key, const char *place,
	const void *text, size_t len, struct buf *out);
/* Appends the text to out.  -1: it was sealed with another key, for another
 * place, or changed. */
int crypt_open(const struct crypt_key *key, const char *place,
	const void *sealed, size_t len, struct buf *out)
	__attribute__((warn_unused_result));

#endif
