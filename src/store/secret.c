/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "store/crypt.h"
#include "store/secret.h"
#include "task/task.h"

static const char secret_missing[] =
	"process.yaml of this node has no database.secret_key_file";

struct secret {
	struct crypt_key keys[CRYPT_KEYS_MAX]; /* the first seals */
	size_t count;
};

struct secret *secret_open(const char *path, struct err *err)
{
	struct secret *s;

	if (path == NULL) {
		(void)err_set(err, 0, "%s", secret_missing);
		return NULL;
	}
	if (crypt_load(err) != 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	if (crypt_keys_read(path, s->keys, &s->count, err) == 0)
		return s;
	free(s);
	return NULL;
}

void secret_close(struct secret *s)
{
	if (s == NULL)
		return;
	crypt_wipe(s->keys, sizeof(s->keys));
	free(s);
}

static char *secret_place(const char *tenant, const char *owner)
{
	return xasprintf("%s/%s", tenant, owner);
}

void secret_seal(const struct secret *s, const char *tenant, const char *owner,
	const char *text, size_t len, struct buf *out)
{
	char *place = secret_place(tenant, owner);
	struct buf box = BUF_INIT;

	crypt_seal(&s->keys[0], place, text, len, &box);
	buf_puts(out, "\\x");
	crypt_hex(box.data, box.len, buf_reserve(out, 2 * box.len));
	out->len += 2 * box.len;
	buf_done(&box);
	free(place);
}

void secret_hash(const struct secret *s, const void *data, size_t len,
	unsigned char ret_hash[32])
{
	static_assert(CRYPT_HASH_BYTES == 32, "as secret.h says");
	struct buf text = BUF_INIT;

	if (s != NULL)
		buf_add(&text, s->keys[0].bytes, sizeof(s->keys[0].bytes));
	buf_add(&text, data, len);
	crypt_hash(text.data, text.len, ret_hash);
	crypt_wipe(text.data, text.len);
	buf_done(&text);
}

void secret_names(const char *text, size_t len, struct buf *out)
{
	struct jsonr_value name, value;
	struct jsonw j;
	struct jsonr r;
	char *plain;

	jsonw_init(&j, out);
	jsonw_array(&j, NULL);
	if (jsonr_object(&r, text, len, TASK_DEPTH_MAX, NULL) == 0)
		while (jsonr_member(&r, &name, &value) == 1) {
			plain = jsonr_string(&name, NULL);
			jsonw_str(&j, NULL, plain);
			free(plain);
		}
	jsonr_done(&r);
	jsonw_end_array(&j);
}

static int secret_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "OWNER HEX" as PostgreSQL writes it: lower case. */
static int secret_unseal(const struct secret *s, const char *tenant,
	const char *sealed, struct buf *out)
{
	const char *hex = strchr(sealed, ' ');
	struct buf box = BUF_INIT;
	char *owner, *place;
	size_t i;
	int rc = -1;

	if (hex == NULL)
		return -1;
	owner = xstrndup(sealed, (size_t)(hex - sealed));
	place = secret_place(tenant, owner);
	for (hex++; hex[0] != '\0' && hex[1] != '\0'; hex += 2)
		buf_putc(&box, (char)(secret_digit(hex[0]) << 4 |
				       secret_digit(hex[1])));
	for (i = 0; i < s->count && rc != 0 && box.len > 0; i++)
		rc = crypt_open(&s->keys[i], place, box.data, box.len, out);
	buf_done(&box);
	free(place);
	free(owner);
	return rc;
}

static void secret_put(struct jsonw *j, const struct jsonr_value *name,
	const struct jsonr_value *value)
{
	char *plain = jsonr_string(name, NULL);

	if (value->type == JSONR_STRING) /* with its quotes */
		jsonw_raw(j, plain, value->text - 1, value->len + 2);
	else
		jsonw_raw(j, plain, value->text, value->len);
	free(plain);
}

static bool secret_has(const struct buf *text, const struct jsonr_value *wanted)
{
	char *plain = jsonr_string(wanted, NULL);
	struct jsonr_value name, value;
	bool is_there = false;
	struct jsonr r;

	if (jsonr_object(&r, text->data, text->len, TASK_DEPTH_MAX, NULL) == 0)
		while (!is_there && jsonr_member(&r, &name, &value) == 1)
			is_there = jsonr_is(&name, plain);
	jsonr_done(&r);
	free(plain);
	return is_there;
}

static int secret_merge(
	const struct task *t, const struct buf *text, struct buf *out)
{
	struct jsonr_value name, value;
	struct jsonw j;
	struct jsonr r;
	int rc;

	(void)buf_reserve(out, t->params_len + text->len + 16);
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	rc = jsonr_object(&r, t->params, t->params_len, TASK_DEPTH_MAX, NULL);
	while (rc == 0 && jsonr_member(&r, &name, &value) == 1)
		if (!secret_has(text, &name))
			secret_put(&j, &name, &value);
	jsonr_done(&r);
	if (rc != 0)
		return -1;
	rc = jsonr_object(&r, text->data, text->len, TASK_DEPTH_MAX, NULL);
	while (rc == 0 && jsonr_member(&r, &name, &value) == 1)
		secret_put(&j, &name, &value);
	jsonr_done(&r);
	jsonw_end_object(&j);
	return rc;
}

static void secret_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

int secret_give(const struct secret *s, struct task *t, const char *sealed,
	struct err *err)
{
	struct buf text = BUF_INIT, merged = BUF_INIT;
	int rc = 0;

	if (s == NULL)
		return err_set(err, 0, "its secret params stay sealed: %s",
			secret_missing);
	if (secret_unseal(s, t->tenant, sealed, &text) != 0)
		rc = err_set(err, 0,
			"its secret params were sealed with another key than "
			"those of database.secret_key_file");
	else if (secret_merge(t, &text, &merged) != 0)
		rc = err_set(err, 0,
			"its params are no object that secret ones can be "
			"added to");
	else
		task_give(t, merged.data, merged.len);
	secret_wipe(&text);
	secret_wipe(&merged);
	return rc;
}
