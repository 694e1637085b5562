/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonr.h"
#include "base/mem.h"
#include "task/handler_path.h"

#define PATH_DEPTH_MAX 64

/* The name that the path begins with, in an object; 1 found, 0 not, -1 err. */
static int path_member(struct jsonr_value *v, const char *name, size_t name_len,
	struct err *err)
{
	struct jsonr_value key, value;
	char *wanted = xstrndup(name, name_len);
	struct jsonr r;
	int more = jsonr_object(&r, v->text, v->len, PATH_DEPTH_MAX, err);

	if (more == 0)
		while ((more = jsonr_member(&r, &key, &value)) == 1)
			if (jsonr_is(&key, wanted))
				break;
	jsonr_done(&r);
	free(wanted);
	if (more == 1)
		*v = value;
	return more;
}

static int path_item(struct jsonr_value *v, const char *name, size_t name_len,
	struct err *err)
{
	struct jsonr_value value;
	struct jsonr r;
	size_t left;
	char *end;
	int more;

	left = strtoul(name, &end, 10);
	if (!isdigit((unsigned char)*name) || end != name + name_len)
		return 0;
	more = jsonr_array(&r, v->text, v->len, PATH_DEPTH_MAX, err);
	if (more == 0)
		while ((more = jsonr_item(&r, &value)) == 1 && left > 0)
			left--;
	jsonr_done(&r);
	if (more == 1)
		*v = value;
	return more;
}

static int path_step(struct jsonr_value *v, const char *name, size_t name_len,
	struct err *err)
{
	if (v->type == JSONR_OBJECT)
		return path_member(v, name, name_len, err);
	if (v->type == JSONR_ARRAY)
		return path_item(v, name, name_len, err);
	return 0;
}

static char *path_text(
	const struct jsonr_value *v, const char *path, struct err *err)
{
	switch (v->type) {
	case JSONR_STRING: return jsonr_string(v, NULL);
	case JSONR_BOOL:
	case JSONR_INT:
	case JSONR_REAL: return xstrndup(v->text, v->len);
	default:
		err_set(err, 0, "%s is %s", path, jsonr_type_names[v->type]);
		return NULL;
	}
}

char *handler_path_find(
	const char *text, size_t len, const char *path, struct err *err)
{
	struct jsonr_value v;
	const char *at = path;
	size_t n;
	int found;

	if (jsonr_check(text, len, PATH_DEPTH_MAX, &v, err) != 0)
		return NULL;
	for (;;) {
		n = strcspn(at, ".");
		found = path_step(&v, at, n, err);
		if (found == -1)
			return NULL;
		if (found == 0) {
			err_set(err, 0, "there is no %s", path);
			return NULL;
		}
		at += n;
		if (*at == '\0')
			return path_text(&v, path, err);
		at++;
	}
}

static void path_encode(struct buf *b, const char *id)
{
	for (; *id != '\0'; id++) {
		if (isalnum((unsigned char)*id) || strchr("-._~", *id) != NULL)
			buf_putc(b, *id);
		else
			buf_printf(b, "%%%02X", (unsigned char)*id);
	}
}

char *handler_path_url(const char *url, const char *id)
{
	struct buf b = BUF_INIT;
	const char *hole;

	while ((hole = strstr(url, "{id}")) != NULL) {
		buf_add(&b, url, (size_t)(hole - url));
		path_encode(&b, id);
		url = hole + 4;
	}
	buf_puts(&b, url);
	return buf_take(&b);
}
