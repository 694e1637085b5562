/* SPDX-License-Identifier: ISC */
/* crypt: what is sealed opens only where it was sealed for. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/crypt.h"
#include "tap.h"

static void test_hash(void)
{
	unsigned char hash[CRYPT_HASH_BYTES], other[CRYPT_HASH_BYTES];
	char text[2 * CRYPT_HASH_BYTES + 1];

	crypt_hash("abc", 3, hash);
	crypt_hex(hash, sizeof(hash), text);
	/* FIPS 180-2, appendix B.1. */
	is_str("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015"
	       "ad",
		text, "the hash is SHA-256");
	memcpy(other, hash, sizeof(other));
	ok(crypt_is_equal(hash, other, sizeof(hash)), "equal bytes are equal");
	other[31] ^= 1;
	ok(!crypt_is_equal(hash, other, sizeof(hash)), "others are not");
	crypt_random(hash, sizeof(hash));
	ok(!crypt_is_equal(hash, other, sizeof(hash)), "chance is no hash");
	crypt_wipe(hash, sizeof(hash));
	crypt_hex(hash, 4, text);
	is_str("00000000", text, "what is wiped is gone");
}

static void test_seal(void)
{
	struct crypt_key key, other;
	struct buf box = BUF_INIT, text = BUF_INIT;
	size_t i, opened = 0;

	crypt_random(&key, sizeof(key));
	crypt_random(&other, sizeof(other));
	crypt_seal(&key, "acme/1", "hidden", 6, &box);
	ok(memmem(box.data, box.len, "hidden", 6) == NULL,
		"what is sealed can't be read");
	ok(crypt_open(&key, "acme/1", box.data, box.len, &text) == 0,
		"it opens with its key at its place");
	is_str("hidden", buf_str(&text), "as it was");
	ok(crypt_open(&other, "acme/1", box.data, box.len, &text) == -1,
		"not with another key");
	ok(crypt_open(&key, "acme/2", box.data, box.len, &text) == -1,
		"not at another place");
	for (i = 0; i < box.len; i++) {
		box.data[i] ^= 1;
		opened += crypt_open(&key, "acme/1", box.data, box.len,
				  &text) == 0;
		box.data[i] ^= 1;
		opened += crypt_open(&key, "acme/1", box.data, i, &text) == 0;
	}
	is_int(0, (int)opened, "not with any byte changed or cut off");
	buf_done(&box);
	buf_done(&text);
}

static void put(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
		fchmod(fd, mode) == -1)
		bail("cannot write %s", path);
	close(fd);
}

static void test_token(void)
{
	char a[CRYPT_TOKEN_MAX], b[CRYPT_TOKEN_MAX];

	crypt_token(a);
	crypt_token(b);
	ok(strncmp(a, "reeve_", 6) == 0 && strlen(a) == 6 + 43,
		"a token is of 43 characters behind its mark");
	ok(strspn(a + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789-_") == 43,
		"which need no quoting");
	ok(strcmp(a, b) != 0, "and no two are alike");
}

static void test_key(void)
{
	char path[] = "/tmp/crypt-key.XXXXXX";
	struct crypt_key keys[CRYPT_KEYS_MAX];
	size_t n = 0, i;
	struct err err;
	char text[1024];

	close(mkstemp(path));
	memset(text, 'a', 64);
	strcpy(text + 64, "\n");
	put(path, 0600, text);
	ok(crypt_keys_read(path, keys, &n, &err) == 0 && n == 1 &&
			keys[0].bytes[31] == 0xaa,
		"a key is read from a file");
	for (i = 0; i < CRYPT_KEYS_MAX; i++) {
		memset(text + 66 * i, 'a' + (int)i % 6, 64);
		strcpy(text + 66 * i + 64, "\r\n");
	}
	put(path, 0600, text);
	ok(crypt_keys_read(path, keys, &n, &err) == 0 && n == CRYPT_KEYS_MAX &&
			keys[1].bytes[0] == 0xbb && keys[7].bytes[31] == 0xbb,
		"several are, a line each");
	strcpy(text + strlen(text), "a");
	put(path, 0600, text);
	ok(crypt_keys_read(path, keys, &n, &err) == -1,
		"unless something else is with them");
	ok(keys[0].bytes[0] == 0, "then none is");
	memset(text + 66 * i, 'a', 64);
	text[66 * i + 64] = '\0';
	put(path, 0600, text);
	ok(crypt_keys_read(path, keys, &n, &err) == -1, "nor too many");
	text[66] = '\0';
	put(path, 0640, text);
	ok(crypt_keys_read(path, keys, &n, &err) == -1,
		"not from one that others may read");
	has_str("chmod 600", err.text, "and it says what to do");
	put(path, 0600, "abc\n");
	ok(crypt_keys_read(path, keys, &n, &err) == -1, "nor a key too short");
	has_str("64 hex digits", err.text, "which it says");
	text[5] = 'x';
	put(path, 0600, text);
	ok(crypt_keys_read(path, keys, &n, &err) == -1,
		"nor one of other letters");
	ok(crypt_keys_read("/tmp", keys, &n, &err) == -1, "nor a directory");
	unlink(path);
	ok(crypt_keys_read(path, keys, &n, &err) == -1,
		"nor a file that is gone");
}

int main(void)
{
	struct err err;

	if (crypt_load(&err) != 0)
		bail("%s", err.text);
	test_hash();
	test_seal();
	test_token();
	test_key();
	return tap_done();
}
