/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/crypt.h"

/* The ABI of libsodium 1.0.13 to 1.0.20. */
#define CRYPT_LIB_NAME "libsodium.so.23"
#define CRYPT_VERSION  1
#define CRYPT_NONCE    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define CRYPT_TAG      crypto_aead_xchacha20poly1305_ietf_ABYTES

static struct {
	__typeof__(&sodium_init) init;
	__typeof__(&crypto_hash_sha256) sha256;
	__typeof__(&sodium_memcmp) memcmp;
	__typeof__(&sodium_memzero) memzero;
	__typeof__(&randombytes_buf) randombytes;
	__typeof__(&crypto_aead_xchacha20poly1305_ietf_encrypt) encrypt;
	__typeof__(&crypto_aead_xchacha20poly1305_ietf_decrypt) decrypt;
} crypt_lib;
static bool crypt_is_loaded;

#define ROW(field, symbol)                                \
	{                                                 \
		.name = #symbol, .slot = &crypt_lib.field \
	}

static int crypt_find(void *library, struct err *err)
{
	static const struct {
		const char *name;
		void *slot;
	} rows[] = {
		ROW(init, sodium_init),
		ROW(sha256, crypto_hash_sha256),
		ROW(memcmp, sodium_memcmp),
		ROW(memzero, sodium_memzero),
		ROW(randombytes, randombytes_buf),
		ROW(encrypt, crypto_aead_xchacha20poly1305_ietf_encrypt),
		ROW(decrypt, crypto_aead_xchacha20poly1305_ietf_decrypt),
	};
	void *symbol;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		symbol = dlsym(library, rows[i].name);
		if (symbol == NULL)
			return err_set(err, 0, "%s has no %s: it is too old",
				CRYPT_LIB_NAME, rows[i].name);
		memcpy(rows[i].slot, &symbol, sizeof(symbol));
	}
	return 0;
}

int crypt_load(struct err *err)
{
	void *library;

	if (crypt_is_loaded)
		return 0;
	library = dlopen(CRYPT_LIB_NAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(err, 0, "cannot load libsodium: %s", dlerror());
	if (crypt_find(library, err) != 0)
		return -1;
	if (crypt_lib.init() < 0)
		return err_set(err, 0, "libsodium does not work here");
	crypt_is_loaded = true;
	return 0;
}

void crypt_hash(
	const void *data, size_t len, unsigned char ret_hash[CRYPT_HASH_BYTES])
{
	crypt_lib.sha256(ret_hash, data, len);
}

bool crypt_is_equal(const void *a, const void *b, size_t len)
{
	return crypt_lib.memcmp(a, b, len) == 0;
}

void crypt_random(void *ret_bytes, size_t len)
{
	crypt_lib.randombytes(ret_bytes, len);
}

void crypt_hex(const void *bytes, size_t len, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		ret_text[2 * i] = digits[b[i] >> 4];
		ret_text[2 * i + 1] = digits[b[i] & 15];
	}
	ret_text[2 * len] = '\0';
}

void crypt_token(char ret_text[CRYPT_TOKEN_MAX])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[33] = { 0 }; /* the last one: 0, for two bits */
	char *to = ret_text + 6;
	size_t i;

	memcpy(ret_text, "reeve_", 6);
	crypt_lib.randombytes(bytes, 32);
	for (i = 0; i < 43; i++) {
		unsigned at = bytes[i * 6 / 8] << 8;

		if (i * 6 / 8 + 1 < sizeof(bytes))
			at |= bytes[i * 6 / 8 + 1];
		*to++ = digits[at >> (10 - i * 6 % 8) & 63];
	}
	*to = '\0';
	crypt_lib.memzero(bytes, sizeof(bytes));
}

void crypt_wipe(void *bytes, size_t len)
{
	crypt_lib.memzero(bytes, len);
}

static int crypt_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int crypt_key_parse(const char *text, struct crypt_key *key)
{
	size_t i;
	int high, low;

	for (i = 0; i < sizeof(key->bytes); i++) {
		high = crypt_digit(text[2 * i]);
		low = crypt_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		key->bytes[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

/* How many there are; 0: something is no key, or there are too many. */
static size_t crypt_keys_parse(
	const char *text, size_t len, struct crypt_key keys[CRYPT_KEYS_MAX])
{
	const char *end = text + len, *at = text, *line;
	size_t n = 0;

	for (;;) {
		while (at < end && isspace((unsigned char)*at))
			at++;
		if (at == end)
			return n;
		for (line = at; at < end && !isspace((unsigned char)*at);)
			at++;
		if (n == CRYPT_KEYS_MAX || at - line != 2 * CRYPT_KEY_BYTES ||
			crypt_key_parse(line, &keys[n]) != 0)
			return 0;
		n++;
	}
}

static int crypt_keys_take(int fd, const char *path,
	struct crypt_key keys[CRYPT_KEYS_MAX], size_t *ret_count,
	struct err *err)
{
	char text[(CRYPT_KEYS_MAX + 1) * (2 * CRYPT_KEY_BYTES + 2)];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, 0, "%s: is not a file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(err, 0,
			"%s: others than its owner may read or write it: "
			"chmod 600 %s",
			path, path);
	n = read(fd, text, sizeof(text));
	if (n == -1)
		return err_errno(err, "%s", path);
	*ret_count = crypt_keys_parse(text, (size_t)n, keys);
	explicit_bzero(text, sizeof(text));
	if (*ret_count > 0)
		return 0;
	explicit_bzero(keys, CRYPT_KEYS_MAX * sizeof(*keys));
	return err_set(err, 0,
		"%s: a key is a line of 64 hex digits, and there are up to %d: "
		"make one with `openssl rand -hex 32`",
		path, CRYPT_KEYS_MAX);
}

int crypt_keys_read(const char *path, struct crypt_key ret_keys[CRYPT_KEYS_MAX],
	size_t *ret_count, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc;

	if (fd == -1)
		return err_errno(err, "%s", path);
	rc = crypt_keys_take(fd, path, ret_keys, ret_count, err);
	close(fd);
	return rc;
}

void crypt_seal(const struct crypt_key *key, const char *place,
	const void *text, size_t len, struct buf *out)
{
	unsigned char *at = (unsigned char *)buf_reserve(
		out, 1 + CRYPT_NONCE + len + CRYPT_TAG);
	unsigned long long box;

	at[0] = CRYPT_VERSION;
	crypt_lib.randombytes(at + 1, CRYPT_NONCE);
	crypt_lib.encrypt(at + 1 + CRYPT_NONCE, &box, text, len,
		(const unsigned char *)place, strlen(place), NULL, at + 1,
		key->bytes);
	out->len += 1 + CRYPT_NONCE + (size_t)box;
	out->data[out->len] = '\0';
}

int crypt_open(const struct crypt_key *key, const char *place,
	const void *sealed, size_t len, struct buf *out)
{
	const unsigned char *from = sealed;
	unsigned long long text;
	unsigned char *at;

	if (len < 1 + CRYPT_NONCE + CRYPT_TAG || from[0] != CRYPT_VERSION)
		return -1;
	at = (unsigned char *)buf_reserve(out, len);
	if (crypt_lib.decrypt(at, &text, NULL, from + 1 + CRYPT_NONCE,
		    len - 1 - CRYPT_NONCE, (const unsigned char *)place,
		    strlen(place), from + 1, key->bytes) != 0)
		return -1;
	out->len += (size_t)text;
	out->data[out->len] = '\0';
	return 0;
}
