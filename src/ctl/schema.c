/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/schema.h"

#define SCHEMA_PATH_MAX 256

/* One comparison; the path grows and shrinks with the depth. */
struct schema_look {
	char path[SCHEMA_PATH_MAX];
	size_t len;
	int depth;
	char *why;
	size_t size;
};

static bool schema_value(
	struct schema_look *l, const json_t *schema, const json_t *value);

static bool schema_misfit(struct schema_look *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static bool schema_misfit(struct schema_look *l, const char *fmt, ...)
{
	int n = snprintf(l->why, l->size, "%s: ", l->path);
	va_list ap;

	if (n < 0 || (size_t)n >= l->size)
		return false;
	va_start(ap, fmt);
	vsnprintf(l->why + n, l->size - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

static const char *schema_type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "string";
	case JSON_INTEGER: return "integer";
	case JSON_REAL: return "number";
	case JSON_TRUE:
	case JSON_FALSE: return "boolean";
	default: return "null";
	}
}

static bool schema_is_type(const json_t *value, const char *type)
{
	const char *seen = schema_type_of(value);
	double real;

	if (strcmp(seen, type) == 0)
		return true;
	if (strcmp(type, "number") == 0)
		return strcmp(seen, "integer") == 0;
	/* 1.0 is an integer (JSON Schema 2020-12, 6.1.1). */
	if (strcmp(type, "integer") == 0 && json_is_real(value)) {
		real = json_real_value(value);
		return real > -1e15 && real < 1e15 &&
		       real == (double)(long long)real;
	}
	return false;
}

static bool schema_type(
	struct schema_look *l, const json_t *type, const json_t *value)
{
	const json_t *one;
	size_t i;

	if (json_is_string(type)) {
		if (schema_is_type(value, json_string_value(type)))
			return true;
		return schema_misfit(l, "must be of type %s, not %s",
			json_string_value(type), schema_type_of(value));
	}
	json_array_foreach(
		type, i, one) if (json_is_string(one) &&
				  schema_is_type(value,
					  json_string_value(one))) return true;
	return json_array_size(type) == 0 ||
	       schema_misfit(l, "is of none of the types that it may have");
}

static bool schema_enum(
	struct schema_look *l, const json_t *list, const json_t *value)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list))
		return true;
	json_array_foreach(
		list, i, one) if (json_equal(one, value)) return true;
	return schema_misfit(l, "is none of the values that it may have");
}

static bool schema_bounds(struct schema_look *l, const json_t *schema,
	const char *low, const char *high, double n)
{
	const json_t *min = json_object_get(schema, low);
	const json_t *max = json_object_get(schema, high);

	if (json_is_number(min) && n < json_number_value(min))
		return schema_misfit(
			l, "%s is %g", low, json_number_value(min));
	if (json_is_number(max) && n > json_number_value(max))
		return schema_misfit(
			l, "%s is %g", high, json_number_value(max));
	return true;
}

/* Characters, not bytes. */
static size_t schema_length(const json_t *value)
{
	const char *s = json_string_value(value);
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static bool schema_below(struct schema_look *l, const json_t *schema,
	const json_t *value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static bool schema_below(struct schema_look *l, const json_t *schema,
	const json_t *value, const char *fmt, ...)
{
	size_t before = l->len;
	va_list ap;
	bool fits;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->path + l->len, sizeof(l->path) - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n;
	if (l->len >= sizeof(l->path))
		l->len = sizeof(l->path) - 1;
	fits = schema_value(l, schema, value);
	l->len = before;
	l->path[before] = '\0';
	return fits;
}

static bool schema_required(
	struct schema_look *l, const json_t *list, const json_t *value)
{
	const json_t *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		if (json_is_string(name) &&
			json_object_get(value, json_string_value(name)) == NULL)
			return schema_misfit(
				l, "%s is missing", json_string_value(name));
	}
	return true;
}

static bool schema_object(
	struct schema_look *l, const json_t *schema, const json_t *value)
{
	const json_t *known = json_object_get(schema, "properties");
	const json_t *more = json_object_get(schema, "additionalProperties");
	const json_t *below;
	const char *name;
	json_t *member;

	if (!schema_required(l, json_object_get(schema, "required"), value))
		return false;
	json_object_foreach((json_t *)value, name, member)
	{
		below = json_object_get(known, name);
		if (below == NULL && json_is_false(more))
			return schema_misfit(l, "%s is not known", name);
		if (below == NULL)
			below = more;
		if (below != NULL &&
			!schema_below(l, below, member, ".%s", name))
			return false;
	}
	return true;
}

static bool schema_array(
	struct schema_look *l, const json_t *schema, const json_t *value)
{
	const json_t *items = json_object_get(schema, "items");
	const json_t *one;
	size_t i;

	if (!schema_bounds(l, schema, "minItems", "maxItems",
		    (double)json_array_size(value)))
		return false;
	json_array_foreach(value, i,
		one) if (items != NULL &&
			 !schema_below(l, items, one, "[%zu]", i)) return false;
	return true;
}

static bool schema_kind(
	struct schema_look *l, const json_t *schema, const json_t *value)
{
	if (json_is_object(value))
		return schema_object(l, schema, value);
	if (json_is_array(value))
		return schema_array(l, schema, value);
	if (json_is_string(value))
		return schema_bounds(l, schema, "minLength", "maxLength",
			(double)schema_length(value));
	if (json_is_number(value))
		return schema_bounds(l, schema, "minimum", "maximum",
			json_number_value(value));
	return true;
}

static bool schema_value(
	struct schema_look *l, const json_t *schema, const json_t *value)
{
	const json_t *constant;
	bool fits;

	if (json_is_boolean(schema))
		return json_is_true(schema) ||
		       schema_misfit(l, "must not be there");
	if (l->depth >= SCHEMA_DEPTH_MAX)
		return schema_misfit(l, "is nested too deep");
	constant = json_object_get(schema, "const");
	l->depth++;
	fits = schema_type(l, json_object_get(schema, "type"), value) &&
	       schema_enum(l, json_object_get(schema, "enum"), value) &&
	       (constant == NULL || json_equal(constant, value) ||
		       schema_misfit(l, "is not the value that it must be")) &&
	       schema_kind(l, schema, value);
	l->depth--;
	return fits;
}

bool schema_fits(
	const json_t *schema, const json_t *value, char *ret_why, size_t size)
{
	struct schema_look l = {
		.path = "params", .len = 6, .why = ret_why, .size = size
	};

	return schema_value(&l, schema, value);
}
