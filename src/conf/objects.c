/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/node.h"
#include "conf/objects.h"

/* Members that are maps may hold maps; of so many levels. */
#define OBJECTS_DEPTH 16

static size_t objects_digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* A number as JSON has it (RFC 8259, section 6). */
static bool objects_is_number(const char *s)
{
	size_t n;

	s += *s == '-';
	n = objects_digits(s);
	if (n == 0 || (n > 1 && *s == '0'))
		return false;
	s += n;
	if (*s == '.') {
		n = objects_digits(++s);
		if (n == 0)
			return false;
		s += n;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		n = objects_digits(s);
		if (n == 0)
			return false;
		s += n;
	}
	return *s == '\0';
}

static int objects_scalar(
	struct draft *d, struct node *n, const char *key, struct jsonw *j)
{
	const char *text;

	if (expand_is_null(d, n)) {
		jsonw_null(j, key);
		return 0;
	}
	text = expand_text(d, n);
	if (text == NULL)
		return -1;
	if (n->is_plain &&
		(strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		jsonw_bool(j, key, *text == 't');
	else if (n->is_plain && objects_is_number(text))
		jsonw_raw(j, key, text, strlen(text));
	else
		jsonw_str(j, key, text);
	return 0;
}

static int objects_value(struct draft *d, struct node *n, const char *key,
	struct jsonw *j, int depth)
{
	size_t i;
	int rc = 0;

	if (n->type == NODE_SCALAR)
		return objects_scalar(d, n, key, j);
	if (depth > OBJECTS_DEPTH)
		return draft_error(d, n, "values are nested more than %d deep",
			OBJECTS_DEPTH);
	if (n->type == NODE_LIST) {
		jsonw_array(j, key);
		for (i = 0; i < n->count && rc == 0; i++)
			rc = objects_value(d, n->items[i], NULL, j, depth + 1);
		jsonw_end_array(j);
		return rc;
	}
	jsonw_object(j, key);
	for (i = 0; i < n->count && rc == 0; i++)
		rc = objects_value(d, n->pairs[i].value, n->pairs[i].key->text,
			j, depth + 1);
	jsonw_end_object(j);
	return rc;
}

/* name: its key in a map; NULL in a list. */
static int objects_one(struct draft *d, struct node *n, const char *row,
	const char *name, struct conf_strings *ret)
{
	struct buf text = BUF_INIT;
	struct jsonw j;
	size_t i;
	int rc = 0;

	if (n->type != NODE_MAP)
		return draft_error(d, n, "each of \"%s\" is a map, not %s", row,
			node_show(d, n));
	if (name != NULL && node_get(n, "name") != NULL)
		return draft_error(
			d, n, "\"name\" is said by the key \"%s\"", name);
	jsonw_init(&j, &text);
	jsonw_object(&j, NULL);
	if (name != NULL)
		jsonw_str(&j, "name", name);
	for (i = 0; i < n->count && rc == 0; i++)
		rc = objects_value(
			d, n->pairs[i].value, n->pairs[i].key->text, &j, 1);
	jsonw_end_object(&j);
	if (rc == 0)
		ret->items[ret->count++] =
			arena_strndup(d->keep, buf_str(&text), text.len);
	buf_done(&text);
	return rc;
}

int objects_read(struct draft *d, struct node *n, const char *row,
	struct conf_strings *ret)
{
	size_t i;
	int rc = 0;

	if (n->type == NODE_SCALAR)
		return draft_error(d, n,
			"\"%s\" takes a list of maps, or a map of names to "
			"maps, not %s",
			row, node_show(d, n));
	if (n->count > OBJECTS_MAX)
		return draft_error(d, n, "\"%s\" has %zu entries, more than %d",
			row, n->count, OBJECTS_MAX);
	ret->count = 0;
	ret->items = arena_alloc(d->keep, (n->count + 1) * sizeof(*ret->items));
	for (i = 0; i < n->count; i++)
		if (n->type == NODE_LIST)
			rc |= objects_one(d, n->items[i], row, NULL, ret);
		else
			rc |= objects_one(d, n->pairs[i].value, row,
				n->pairs[i].key->text, ret);
	return rc;
}

void objects_print(const struct conf_strings *objects, struct buf *out)
{
	size_t i;

	buf_putc(out, '[');
	for (i = 0; i < objects->count; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", objects->items[i]);
	buf_putc(out, ']');
}
