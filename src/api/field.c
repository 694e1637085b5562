/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/field.h"
#include "base/clock.h"
#include "base/jsonr.h"
#include "base/number.h"
#include "base/utf8.h"
#include "loop/http.h"
#include "when/iso.h"
#include "when/zone.h"

#define FIELD_DEPTH_MAX 64

/* Where a value is read from, for its faults. */
struct field_reader {
	struct arena *arena;
	struct field_faults *faults;
	const char *prefix; /* "subtasks[3]." */
};

void field_fault(struct field_faults *faults, struct arena *a, const char *name,
	const char *fmt, ...)
{
	struct field_fault *f;
	char text[512];
	va_list ap;

	if (faults->count++ >= FIELD_FAULTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[utf8_valid(text, strlen(text))] = '\0';
	f = &faults->list[faults->count - 1];
	f->name = arena_strdup(a, name);
	f->detail = arena_strdup(a, text);
}

static void fault(
	const struct field_reader *r, const struct field *f, const char *detail)
{
	field_fault(r->faults, r->arena,
		arena_printf(r->arena, "%s%s", r->prefix, f->name), "%s",
		detail);
}

static size_t field_count(const struct field *fields)
{
	size_t n = 0;

	while (fields != NULL && fields[n].name != NULL)
		n++;
	return n;
}

static const struct field *field_find(
	const struct field *fields, const char *name)
{
	size_t i;

	for (i = 0; fields != NULL && fields[i].name != NULL; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

const struct field_value *field_get(
	const struct field_values *v, const char *name)
{
	static const struct field_value none = { .text = "" };
	const struct field *f = field_find(v->fields, name);

	return f != NULL ? &v->values[f - v->fields] : &none;
}

bool field_is_uuid(const char *text)
{
	int i;

	for (i = 0; i < 36; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-'
			    : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[36] == '\0';
}

static void field_begin(struct field_values *v, const struct field *fields,
	const struct field_reader *r)
{
	size_t i, n = field_count(fields);

	v->fields = fields;
	v->values = arena_alloc(r->arena, (n + 1) * sizeof(*v->values));
	for (i = 0; i < n; i++)
		v->values[i].text = "";
}

static bool is_in_range(const struct field *f, int64_t n)
{
	if (f->minimum == 0 && f->maximum == 0)
		return true;
	return n >= f->minimum && n <= f->maximum;
}

static void check_range(const struct field_reader *r, const struct field *f,
	int64_t n, const char *unit)
{
	if (is_in_range(f, n))
		return;
	fault(r, f,
		arena_printf(r->arena, "must be %lld to %lld%s, not %lld",
			(long long)f->minimum, (long long)f->maximum, unit,
			(long long)n));
}

/* Of UTF-8, whose characters have one byte each that is not 10xxxxxx. */
static int64_t count_characters(const char *text, size_t len)
{
	int64_t n = 0;

	while (len-- > 0)
		n += (text[len] & 0xc0) != 0x80;
	return n;
}

static void check_string(const struct field_reader *r, const struct field *f,
	const struct field_value *v)
{
	int64_t low = f->maximum == 0 ? 1 : f->minimum;
	int64_t high = f->maximum == 0 ? FIELD_STRING_MAX : f->maximum;
	int64_t len = count_characters(v->text, v->len);

	if (len < low)
		fault(r, f, low == 1 ? "must not be empty" : "is too short");
	else if (len > high)
		fault(r, f,
			arena_printf(r->arena,
				"is %lld characters long, and may have %lld",
				(long long)len, (long long)high));
}

static void check_enum(const struct field_reader *r, const struct field *f,
	struct field_value *v)
{
	const char *all = "";
	size_t i;

	for (i = 0; f->aliases != NULL && f->aliases[i][0] != NULL; i++)
		if (strcasecmp(f->aliases[i][0], v->text) == 0)
			v->text = f->aliases[i][1];
	for (i = 0; f->words[i] != NULL; i++) {
		if (strcasecmp(f->words[i], v->text) == 0) {
			v->text = f->words[i];
			v->len = strlen(v->text);
			v->number = (int64_t)i;
			return;
		}
		all = arena_printf(r->arena, "%s%s%s", all, i > 0 ? ", " : "",
			f->words[i]);
	}
	fault(r, f, arena_printf(r->arena, "must be one of %s", all));
}

static void check_uuid(const struct field_reader *r, const struct field *f,
	struct field_value *v)
{
	char *lower;
	size_t i;

	if (!field_is_uuid(v->text)) {
		fault(r, f, "must be a uuid");
		return;
	}
	lower = arena_strdup(r->arena, v->text);
	for (i = 0; i < v->len; i++)
		lower[i] = (char)tolower((unsigned char)lower[i]);
	v->text = lower;
}

static void check_time(const struct field_reader *r, const struct field *f,
	struct field_value *v)
{
	struct err err;

	if (iso_parse(v->text, v->len, zone_utc(), &v->number, &err) != 0)
		fault(r, f, err.text);
}

static void check_duration(const struct field_reader *r, const struct field *f,
	struct field_value *v)
{
	int64_t us;

	if (!number_duration(v->text, &us)) {
		fault(r, f,
			"must be milliseconds, or text like \"30s\" or "
			"\"1h30m\"");
		return;
	}
	v->number = us / US_PER_MS;
	check_range(r, f, v->number, " ms");
}

/* A value that came as a string. */
static void field_take_text(const struct field_reader *r, const struct field *f,
	struct field_value *v)
{
	v->is_set = true;
	switch (f->type) {
	case FIELD_STRING: check_string(r, f, v); break;
	case FIELD_ENUM: check_enum(r, f, v); break;
	case FIELD_UUID: check_uuid(r, f, v); break;
	case FIELD_TIME: check_time(r, f, v); break;
	case FIELD_DURATION: check_duration(r, f, v); break;
	default: break;
	}
}

static const char *const field_wants[FIELD_TYPE_COUNT] = {
	[FIELD_STRING] = "a string",
	[FIELD_INT] = "a whole number",
	[FIELD_BOOL] = "true or false",
	[FIELD_ENUM] = "a string",
	[FIELD_UUID] = "a string",
	[FIELD_TIME] = "a string",
	[FIELD_DURATION] = "a number of milliseconds or a string",
	[FIELD_OBJECT] = "an object, or a string that holds one",
	[FIELD_STRINGS] = "an array of strings",
	[FIELD_LIST] = "an array of objects",
	[FIELD_NUMBER] = "a number",
	[FIELD_ANY] = "any value",
};

static void fault_type(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json)
{
	fault(r, f,
		arena_printf(r->arena, "must be %s, not %s",
			field_wants[f->type], jsonr_type_names[json->type]));
}

static void set_string(const struct field_reader *r,
	const struct jsonr_value *json, struct field_value *v)
{
	char *text = jsonr_string(json, &v->len);

	v->text = arena_strndup(r->arena, text, v->len);
	free(text);
}

static void read_object(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json, struct field_value *v)
{
	struct jsonr_value inner;
	struct err err;

	if (json->type == JSONR_OBJECT) {
		v->text = arena_strndup(r->arena, json->text, json->len);
		v->len = json->len;
	} else if (json->type == JSONR_STRING) {
		set_string(r, json, v);
		if (jsonr_check(v->text, v->len, FIELD_DEPTH_MAX, &inner,
			    &err) != 0) {
			fault(r, f,
				arena_printf(r->arena,
					"is a string that holds no JSON: %s",
					err.text));
			return;
		}
		if (inner.type != JSONR_OBJECT) {
			fault_type(r, f, &inner);
			return;
		}
	} else {
		fault_type(r, f, json);
		return;
	}
	v->is_set = true;
	if (f->maximum > 0 && (int64_t)v->len > f->maximum)
		fault(r, f,
			arena_printf(r->arena,
				"is %zu bytes long, and may have %lld", v->len,
				(long long)f->maximum));
}

static bool read_rows(const struct field_reader *r, const struct field *fields,
	const char *text, size_t len, struct field_values *v);

static void read_item(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json, struct field_value *v)
{
	struct field_reader inner = *r;
	struct field_value one = { .text = "" };

	if (json->type !=
		(f->type == FIELD_LIST ? JSONR_OBJECT : JSONR_STRING)) {
		fault_type(r, f, json);
		return;
	}
	if (f->type == FIELD_LIST) {
		inner.prefix = arena_printf(
			r->arena, "%s%s[%zu].", r->prefix, f->name, v->count);
		(void)read_rows(&inner, f->rows, json->text, json->len,
			&v->lists[v->count]);
	} else {
		set_string(r, json, &one);
		v->items[v->count] = one.text;
	}
	v->count++;
}

static size_t count_items(const struct jsonr_value *json)
{
	struct jsonr_value item;
	struct jsonr j;
	size_t n = 0;

	if (jsonr_array(&j, json->text, json->len, FIELD_DEPTH_MAX, NULL) == 0)
		while (jsonr_item(&j, &item) == 1)
			n++;
	jsonr_done(&j);
	return n;
}

static void read_list(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json, struct field_value *v)
{
	struct jsonr_value item;
	struct jsonr j;
	size_t n;

	if (json->type != JSONR_ARRAY) {
		fault_type(r, f, json);
		return;
	}
	n = count_items(json);
	if (n == 0 || (f->maximum > 0 && n > (size_t)f->maximum)) {
		fault(r, f,
			arena_printf(r->arena, "must have 1 to %lld items",
				(long long)f->maximum));
		return;
	}
	v->text = arena_strndup(r->arena, json->text, json->len);
	v->len = json->len;
	v->is_set = true;
	if (f->type == FIELD_LIST)
		v->lists = arena_alloc(r->arena, n * sizeof(*v->lists));
	else
		v->items = arena_alloc(r->arena, n * sizeof(*v->items));
	if (jsonr_array(&j, json->text, json->len, FIELD_DEPTH_MAX, NULL) == 0)
		while (jsonr_item(&j, &item) == 1)
			read_item(r, f, &item, v);
	jsonr_done(&j);
}

static void read_number(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json, struct field_value *v)
{
	v->number = json->number;
	v->is_set = true;
	v->text = arena_strndup(r->arena, json->text, json->len);
	v->len = json->len;
	check_range(r, f, v->number, f->type == FIELD_DURATION ? " ms" : "");
}

static void read_value(const struct field_reader *r, const struct field *f,
	const struct jsonr_value *json, struct field_value *v)
{
	bool is_number = f->type == FIELD_INT || f->type == FIELD_DURATION;
	bool is_text = f->type == FIELD_STRING || f->type == FIELD_ENUM ||
		       f->type == FIELD_UUID || f->type == FIELD_TIME ||
		       f->type == FIELD_DURATION;

	if (json->type == JSONR_NULL) {
		v->is_null = true;
	} else if (f->type == FIELD_OBJECT) {
		read_object(r, f, json, v);
	} else if (f->type == FIELD_STRINGS || f->type == FIELD_LIST) {
		read_list(r, f, json, v);
	} else if (is_text && json->type == JSONR_STRING) {
		set_string(r, json, v);
		field_take_text(r, f, v);
	} else if (is_number && json->type == JSONR_INT) {
		read_number(r, f, json, v);
	} else if (f->type == FIELD_BOOL && json->type == JSONR_BOOL) {
		v->number = json->number;
		v->is_set = true;
	} else {
		fault_type(r, f, json);
	}
}

static void check_required(
	const struct field_reader *r, const struct field_values *v)
{
	size_t i, n = field_count(v->fields);

	for (i = 0; i < n; i++) {
		if (!v->fields[i].is_required || v->values[i].is_set)
			continue;
		/* Another type has been told. */
		if (v->values[i].is_null)
			fault(r, &v->fields[i], "must not be null");
		else if (!v->values[i].is_there)
			fault(r, &v->fields[i], "is missing");
	}
}

static void read_member(const struct field_reader *r, struct field_values *v,
	const struct jsonr_value *name, const struct jsonr_value *json)
{
	const struct field *f;
	char *text = jsonr_string(name, NULL);

	f = field_find(v->fields, text);
	if (f == NULL) {
		field_fault(r->faults, r->arena,
			arena_printf(r->arena, "%s%.100s", r->prefix, text),
			"there is no such field");
	} else {
		v->values[f - v->fields].is_there = true;
		read_value(r, f, json, &v->values[f - v->fields]);
	}
	free(text);
}

/* Reads rows of an object whose text is well-formed up to the first fault. */
static bool read_rows(const struct field_reader *r, const struct field *fields,
	const char *text, size_t len, struct field_values *v)
{
	struct jsonr_value name, value;
	size_t before = r->faults->count;
	struct jsonr j;
	struct err err;
	int n;

	field_begin(v, fields, r);
	n = jsonr_object(&j, text, len, FIELD_DEPTH_MAX, &err);
	while (n == 0 && (n = jsonr_member(&j, &name, &value)) == 1) {
		read_member(r, v, &name, &value);
		n = 0;
	}
	jsonr_done(&j);
	if (n == -1) {
		r->faults->is_syntax = true;
		field_fault(r->faults, r->arena, r->prefix, "%s", err.text);
		return false;
	}
	check_required(r, v);
	return r->faults->count == before;
}

bool field_read_body(const struct field *fields, const char *text, size_t len,
	struct arena *a, struct field_values *ret_values,
	struct field_faults *faults)
{
	struct field_reader r = { a, faults, "" };

	return read_rows(&r, fields, text, len, ret_values);
}

static void read_parameter(const struct field_reader *r, const struct field *f,
	const char *text, struct field_value *v)
{
	v->text = arena_strdup(r->arena, text);
	v->len = strlen(text);
	v->is_there = v->is_set = true;
	if (utf8_valid(text, v->len) != v->len) {
		v->text = "";
		fault(r, f, "is not UTF-8");
	} else if (f->type == FIELD_INT) {
		if (!number_int(text, &v->number))
			fault(r, f, "must be a whole number");
		else
			check_range(r, f, v->number, "");
	} else if (f->type == FIELD_BOOL) {
		v->number = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
		if (v->number == 0 && strcmp(text, "false") != 0 &&
			strcmp(text, "0") != 0)
			fault(r, f, "must be true or false");
	} else {
		field_take_text(r, f, v);
	}
}

bool field_read_query(const struct field *fields, struct http_request *req,
	struct arena *a, struct field_values *ret_values,
	struct field_faults *faults)
{
	struct field_reader r = { a, faults, "" };
	const struct field *f;
	const char *name, *value;
	size_t at = 0;

	field_begin(ret_values, fields, &r);
	while (http_request_query_at(req, &at, &name, &value)) {
		f = field_find(fields, name);
		if (f == NULL)
			field_fault(
				faults, a, name, "there is no such parameter");
		else if (ret_values->values[f - fields].is_there)
			fault(&r, f, "is there twice");
		else
			read_parameter(
				&r, f, value, &ret_values->values[f - fields]);
	}
	check_required(&r, ret_values);
	return faults->count == 0;
}
