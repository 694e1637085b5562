/* SPDX-License-Identifier: ISC */
/*
 * answer - rows of the database as JSON, after the fields of an answer.
 */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/field.h"

struct call;
struct jsonw;
struct pg_result;

/*
 * One row as an object: column `first` is the first field, and so on.  Times
 * come out of reeve.iso(), objects and lists as JSON text; an SQL NULL is null.
 */
void answer_put(struct jsonw *j, const char *key, const struct field *fields,
	const struct pg_result *r, int row, int first);

/* The call's answer is this row. */
void answer_row(struct call *call, const struct pg_result *r, int row);
/* db_rows_fn: it is the only row; none: 404. */
void answer_one(struct call *call, const struct pg_result *r);

/*
 * Lists: the parameters that each has, to be put at the end of its own, and
 * their values as statements take them.  A statement selects the cursor's text
 * in its first column, then the fields, one row more than the limit, in the
 * order of the cursor; $1 is the limit plus one, $2 the cursor or NULL.  A list
 * of several orders has them in the words of its parameter `sort`, the usual
 * one first; a cursor is good for the order of its list alone.
 */
#define ANSWER_LIMIT_DEFAULT "50"
#define ANSWER_LIMIT_MAX     500
#define ANSWER_LIST_FIELDS                                               \
	{ .name = "limit",                                               \
		.type = FIELD_INT,                                       \
		.minimum = 1,                                            \
		.maximum = ANSWER_LIMIT_MAX,                             \
		.default_text = ANSWER_LIMIT_DEFAULT,                    \
		.help = "at most so many items" },                       \
	{                                                                \
		.name = "cursor", .type = FIELD_STRING, .maximum = 512,  \
		.help = "nextCursor of the list before: what follows it" \
	}

/*
 * A page ends early behind the item that makes it longer than so many bytes.  A
 * list of rows that may be long selects no more of them than it needs to know
 * that, those with bytes < ANSWER_BYTES_MAX: the sum of `length` over the rows
 * but the last two, in their order.
 */
#define ANSWER_BYTES_MAX "4194304"
#define ANSWER_BYTES(length, order)                      \
	"coalesce(sum(" length ") OVER (ORDER BY " order \
	" ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0)"

struct answer_page {
	char limit[24];     /* plus one */
	const char *cursor; /* decoded; NULL: from the start */
};
/* False when the cursor is none of ours, and the call is answered. */
bool answer_page(struct call *call, struct answer_page *ret_page);
/* The same of a list in the order of its ids. */
bool answer_page_by_id(struct call *call, struct answer_page *ret_page);
/* nextCursor for what page.cursor will be; on the call's arena. */
const char *answer_cursor(struct call *call, const char *text);
/* db_rows_fn */
void answer_list(struct call *call, const struct pg_result *r);

#endif
