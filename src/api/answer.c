/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "base/utf8.h"
#include "link/pg.h"

static const char answer_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void answer_put_value(
	struct jsonw *j, const struct field *f, const char *text)
{
	if (text == NULL) {
		jsonw_null(j, f->name);
		return;
	}
	switch (f->type) {
	case FIELD_INT:
	case FIELD_DURATION:
	case FIELD_NUMBER:
	case FIELD_OBJECT:
	case FIELD_STRINGS:
	case FIELD_LIST:
	case FIELD_ANY: jsonw_raw(j, f->name, text, strlen(text)); break;
	case FIELD_BOOL: jsonw_bool(j, f->name, *text == 't'); break;
	default: jsonw_str(j, f->name, text); break;
	}
}

void answer_put(struct jsonw *j, const char *key, const struct field *fields,
	const struct pg_result *r, int row, int first)
{
	int i;

	jsonw_object(j, key);
	for (i = 0; fields[i].name != NULL; i++)
		answer_put_value(
			j, &fields[i], pg_result_text(r, row, first + i));
	jsonw_end_object(j);
}

void answer_row(struct call *call, const struct pg_result *r, int row)
{
	struct jsonw j;

	jsonw_init(&j, &call->out);
	answer_put(&j, NULL, call->route->answer, r, row, 0);
}

void answer_one(struct call *call, const struct pg_result *r)
{
	if (pg_result_rows(r) == 0)
		call_fail(call, 404, "there is none of that id");
	else
		answer_row(call, r, 0);
}

/* Before each cursor: the list and the order that it is of. */
static const char *answer_mark(const struct call *call)
{
	const struct field_value *sort = field_get(&call->query, "sort");

	return arena_printf(call->arena, "%s %lld:", call->route->operation,
		(long long)sort->number);
}

/* base64url of the mark and the text, without padding. */
static const char *answer_encode(const struct call *call, const char *text)
{
	const char *from =
		arena_printf(call->arena, "%s%s", answer_mark(call), text);
	size_t i, len = strlen(from), n = 0;
	char *to = arena_alloc(call->arena, len * 4 / 3 + 4);
	unsigned bits = 0;
	int held = 0;

	for (i = 0; i < len; i++) {
		bits = bits << 8 | (unsigned char)from[i];
		for (held += 8; held >= 6; held -= 6)
			to[n++] = answer_digits[bits >> (held - 6) & 63];
	}
	if (held > 0)
		to[n++] = answer_digits[bits << (6 - held) & 63];
	return to;
}

const char *answer_cursor(struct call *call, const char *text)
{
	return answer_encode(call, text);
}

static const char *answer_decode(const struct call *call, const char *text)
{
	const char *mark = answer_mark(call);
	char *to = arena_alloc(call->arena, strlen(text) + 1);
	size_t n = 0;
	unsigned bits = 0;
	const char *digit;
	int held = 0;

	for (; *text != '\0'; text++) {
		digit = strchr(answer_digits, *text);
		if (digit == NULL)
			return NULL;
		bits = bits << 6 | (unsigned)(digit - answer_digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			to[n++] = (char)(bits >> held & 255);
		}
	}
	if (memchr(to, '\0', n) != NULL || utf8_valid(to, n) != n ||
		strncmp(to, mark, strlen(mark)) != 0)
		return NULL;
	return to + strlen(mark);
}

bool answer_page(struct call *call, struct answer_page *ret_page)
{
	const struct field_value *limit = field_get(&call->query, "limit");
	const struct field_value *cursor = field_get(&call->query, "cursor");

	snprintf(ret_page->limit, sizeof(ret_page->limit), "%lld",
		(long long)(limit->is_set ? limit->number
					  : atoi(ANSWER_LIMIT_DEFAULT)) +
			1);
	ret_page->cursor = NULL;
	if (!cursor->is_set)
		return true;
	ret_page->cursor = answer_decode(call, cursor->text);
	if (ret_page->cursor != NULL)
		return true;
	call_reply_wrong(call, "cursor", "is not a nextCursor of this list");
	return false;
}

bool answer_page_by_id(struct call *call, struct answer_page *ret_page)
{
	if (!answer_page(call, ret_page))
		return false;
	if (ret_page->cursor == NULL || field_is_uuid(ret_page->cursor))
		return true;
	call_reply_wrong(call, "cursor", "is not a nextCursor of this list");
	return false;
}

void answer_list(struct call *call, const struct pg_result *r)
{
	const struct field_value *limit = field_get(&call->query, "limit");
	int most =
		limit->is_set ? (int)limit->number : atoi(ANSWER_LIMIT_DEFAULT);
	int i, rows = pg_result_rows(r);
	size_t enough = (size_t)atoi(ANSWER_BYTES_MAX);
	struct jsonw j;

	jsonw_init(&j, &call->out);
	jsonw_object(&j, NULL);
	jsonw_array(&j, "items");
	for (i = 0; i < rows && i < most && call->out.len < enough; i++)
		answer_put(&j, NULL, call->route->answer, r, i, 1);
	jsonw_end_array(&j);
	jsonw_str(&j, "nextCursor",
		i > 0 && i < rows
			? answer_encode(call, pg_result_text(r, i - 1, 0))
			: NULL);
	jsonw_end_object(&j);
}
