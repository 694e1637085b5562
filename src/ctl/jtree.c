/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "base/jsonr.h"
#include "base/mem.h"
#include "ctl/jtree.h"

static json_t *jtree_make(const struct jsonr_value *v);

static json_t *jtree_object(const struct jsonr_value *v)
{
	struct jsonr_value name, value;
	json_t *object = json_object();
	struct jsonr r;
	char *key;

	if (jsonr_object(&r, v->text, v->len, JSONR_DEPTH_MAX, NULL) == 0) {
		while (jsonr_member(&r, &name, &value) == 1) {
			key = jsonr_string(&name, NULL);
			json_object_set_new(object, key, jtree_make(&value));
			free(key);
		}
	}
	jsonr_done(&r);
	return object;
}

static json_t *jtree_array(const struct jsonr_value *v)
{
	json_t *array = json_array();
	struct jsonr_value item;
	struct jsonr r;

	if (jsonr_array(&r, v->text, v->len, JSONR_DEPTH_MAX, NULL) == 0)
		while (jsonr_item(&r, &item) == 1)
			json_array_append_new(array, jtree_make(&item));
	jsonr_done(&r);
	return array;
}

static json_t *jtree_string(const struct jsonr_value *v)
{
	size_t len;
	char *text = jsonr_string(v, &len);
	json_t *string = json_stringn(text, len);

	free(text);
	return string;
}

static json_t *jtree_real(const struct jsonr_value *v)
{
	char *text = xstrndup(v->text, v->len);
	json_t *real = json_real(strtod(text, NULL));

	free(text);
	return real != NULL ? real : json_null(); /* 1e999 */
}

/* The text was checked: there is no deeper nesting than was allowed. */
static json_t *jtree_make(const struct jsonr_value *v)
{
	switch (v->type) {
	case JSONR_BOOL: return json_boolean(v->number != 0);
	case JSONR_INT: return json_integer((json_int_t)v->number);
	case JSONR_REAL: return jtree_real(v);
	case JSONR_STRING: return jtree_string(v);
	case JSONR_ARRAY: return jtree_array(v);
	case JSONR_OBJECT: return jtree_object(v);
	case JSONR_NULL:
	case JSONR_TYPE_COUNT: break;
	}
	return json_null();
}

json_t *jtree_read(const char *text, size_t len)
{
	json_t *tree = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	struct jsonr_value v;

	if (tree == NULL &&
		jsonr_check(text, len, JSONR_DEPTH_MAX, &v, NULL) == 0)
		tree = jtree_make(&v);
	return tree;
}
