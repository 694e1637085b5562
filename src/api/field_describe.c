/* SPDX-License-Identifier: ISC */
/*
 * field_describe - rows as JSON Schema, for OpenAPI.
 */
#include <string.h>

#include "api/field.h"
#include "base/jsonw.h"

/* Only what a client may send: an answer's strings have no limits to tell. */
static void describe_limits(struct jsonw *j, const struct field *f)
{
	bool is_string = f->type == FIELD_STRING;

	if (is_string && f->maximum == 0) {
		jsonw_int(j, "minLength", 1);
		jsonw_int(j, "maxLength", FIELD_STRING_MAX);
	} else if (f->maximum != 0) {
		jsonw_int(j, is_string ? "minLength" : "minimum", f->minimum);
		jsonw_int(j, is_string ? "maxLength" : "maximum", f->maximum);
	}
}

/* "type": of a nullable answer both. */
static void describe_type(struct jsonw *j, const char *type, bool is_nullable)
{
	if (!is_nullable) {
		jsonw_str(j, "type", type);
		return;
	}
	jsonw_array(j, "type");
	jsonw_str(j, NULL, type);
	jsonw_str(j, NULL, "null");
	jsonw_end_array(j);
}

static void describe_items(
	struct jsonw *j, const struct field *f, bool is_answer)
{
	describe_type(j, "array", is_answer && !f->is_required);
	if (!is_answer) {
		jsonw_int(j, "minItems", 1);
		jsonw_int(j, "maxItems", f->maximum);
	}
	if (f->type == FIELD_LIST) {
		field_describe_all(j, "items", f->rows, is_answer);
		return;
	}
	jsonw_object(j, "items");
	jsonw_str(j, "type", "string");
	jsonw_end_object(j);
}

static void describe_words(
	struct jsonw *j, const struct field *f, bool is_nullable)
{
	size_t i;

	jsonw_array(j, "enum");
	for (i = 0; f->words[i] != NULL; i++)
		jsonw_str(j, NULL, f->words[i]);
	if (is_nullable)
		jsonw_null(j, NULL);
	jsonw_end_array(j);
}

static void describe_string(struct jsonw *j, const struct field *f,
	bool is_answer, bool is_nullable)
{
	describe_type(j, "string", is_nullable);
	if (f->type == FIELD_UUID)
		jsonw_str(j, "format", "uuid");
	else if (f->type == FIELD_TIME)
		jsonw_str(j, "format", "date-time");
	else if (f->type == FIELD_ENUM)
		describe_words(j, f, is_nullable);
	else if (!is_answer)
		describe_limits(j, f);
}

static void describe_two(struct jsonw *j, const char *first)
{
	jsonw_array(j, "type");
	jsonw_str(j, NULL, first);
	jsonw_str(j, NULL, "string");
	jsonw_end_array(j);
}

/* Without the braces. */
static void describe_members(
	struct jsonw *j, const struct field *fields, bool is_answer)
{
	size_t i;

	jsonw_object(j, "properties");
	for (i = 0; fields[i].name != NULL; i++)
		field_describe(j, fields[i].name, &fields[i], is_answer);
	jsonw_end_object(j);
	jsonw_array(j, "required");
	for (i = 0; fields[i].name != NULL; i++)
		if (is_answer ? !fields[i].is_optional : fields[i].is_required)
			jsonw_str(j, NULL, fields[i].name);
	jsonw_end_array(j);
	jsonw_bool(j, "additionalProperties", false);
}

static void describe_object(
	struct jsonw *j, const struct field *f, bool is_nullable)
{
	describe_type(j, "object", is_nullable);
	if (f->rows != NULL)
		describe_members(j, f->rows, true);
}

static void describe_shape(
	struct jsonw *j, const struct field *f, bool is_answer)
{
	bool is_nullable = is_answer && !f->is_required;

	switch (f->type) {
	case FIELD_INT:
		describe_type(j, "integer", is_nullable);
		if (!is_answer)
			describe_limits(j, f);
		break;
	case FIELD_DURATION:
		if (is_answer)
			describe_type(j, "integer", is_nullable);
		else
			describe_two(j, "integer");
		break;
	case FIELD_OBJECT:
		if (!is_answer)
			describe_two(j, "object");
		else
			describe_object(j, f, is_nullable);
		break;
	case FIELD_BOOL: describe_type(j, "boolean", is_nullable); break;
	case FIELD_NUMBER: describe_type(j, "number", is_nullable); break;
	case FIELD_STRINGS:
	case FIELD_LIST: describe_items(j, f, is_answer); break;
	case FIELD_ANY: break;
	default: describe_string(j, f, is_answer, is_nullable); break;
	}
}

void field_describe(
	struct jsonw *j, const char *key, const struct field *f, bool is_answer)
{
	jsonw_object(j, key);
	describe_shape(j, f, is_answer);
	if (f->help != NULL)
		jsonw_str(j, "description", f->help);
	if (f->default_text != NULL && !is_answer) {
		if (f->type == FIELD_INT || f->type == FIELD_BOOL ||
			f->type == FIELD_OBJECT)
			jsonw_raw(j, "default", f->default_text,
				strlen(f->default_text));
		else
			jsonw_str(j, "default", f->default_text);
	}
	jsonw_end_object(j);
}

void field_describe_all(struct jsonw *j, const char *key,
	const struct field *fields, bool is_answer)
{
	jsonw_object(j, key);
	jsonw_str(j, "type", "object");
	describe_members(j, fields, is_answer);
	jsonw_end_object(j);
}
