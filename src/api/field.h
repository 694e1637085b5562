/* SPDX-License-Identifier: ISC */
/*
 * field - what a request may hold: one row per member of a body or parameter
 * of a query, which checks it and describes it (OpenAPI).
 */
#ifndef API_FIELD_H
#define API_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct http_request;
struct jsonw;

/* Characters of a string whose row says no limits. */
#define FIELD_STRING_MAX 1024

enum field_type {
	FIELD_STRING = 0,   /* characters between minimum and maximum */
	FIELD_INT = 1,      /* between minimum and maximum */
	FIELD_BOOL = 2,     /* in a query: true, false, 1 or 0 */
	FIELD_ENUM = 3,     /* one of words */
	FIELD_UUID = 4,     /* lower case in the value */
	FIELD_TIME = 5,     /* ISO 8601, UTC without an offset; number is us
			       since 1970 */
	FIELD_DURATION = 6, /* ms, or text like "1m30s"; number is ms */
	FIELD_OBJECT = 7,   /* an object, or a string that holds one; text is
			       its JSON */
	FIELD_STRINGS = 8,  /* a list of 1 to maximum strings; text is its
			       JSON, items the strings */
	FIELD_LIST = 9,     /* a list of 1 to maximum objects after `rows`;
			       text is its JSON, lists the values */
	/* Of answers only. */
	FIELD_NUMBER = 10, /* with a fraction */
	FIELD_ANY = 11,    /* any JSON */
	FIELD_TYPE_COUNT
};

struct field {
	const char *name;
	enum field_type type;
	bool is_required; /* of an answer: it is never null */
	bool is_optional; /* of an answer: it may be left out */
	/* 0 and 0: characters of a string 1 to 1024, others without limit. */
	int64_t minimum, maximum;
	const char *const *words; /* NULL-terminated */
	/* Further names of words: pairs of alias and word; NULL. */
	const char *const (*aliases)[2];
	const struct field *rows; /* of FIELD_LIST; of an answer's FIELD_OBJECT,
				     NULL: any members */
	const char *default_text; /* as a client would write it; NULL: none */
	const char *help;
};

/* Of one row; text is NUL-terminated UTF-8 without a NUL inside. */
struct field_value {
	bool is_there; /* right or wrong */
	bool is_set;   /* there, and neither null nor of a wrong type */
	bool is_null;
	const char *text; /* "" when not set: never NULL */
	size_t len;
	int64_t number;
	const char **items;
	struct field_values *lists;
	size_t count;
};

/* In the order of the rows; all owned by the arena. */
struct field_values {
	const struct field *fields;
	struct field_value *values;
};

/* What is wrong with a request. */
#define FIELD_FAULTS_MAX 32
struct field_faults {
	size_t count;   /* of all; the first FIELD_FAULTS_MAX are kept */
	bool is_syntax; /* the text is no JSON object at all */
	struct field_fault {
		const char *name; /* "params.x" has a path; "" for the whole */
		const char *detail;
	} list[FIELD_FAULTS_MAX];
};

/* Both texts are copied into the arena. */
void field_fault(struct field_faults *faults, struct arena *a, const char *name,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Read the JSON object text[0..len) after the rows.  Unknown members, wrong
 * types and what is out of range are faults, each with its name.  Returns true
 * when there are none.  Nested values: 64.
 */
bool field_read_body(const struct field *fields, const char *text, size_t len,
	struct arena *a, struct field_values *ret_values,
	struct field_faults *faults);
/* The same for the parameters of a query. */
bool field_read_query(const struct field *fields, struct http_request *req,
	struct arena *a, struct field_values *ret_values,
	struct field_faults *faults);

/* The value of a name that the rows have. */
const struct field_value *field_get(
	const struct field_values *v, const char *name);
/* Is it a uuid in its text form of 36 bytes? */
bool field_is_uuid(const char *text);

/* The JSON schema of one row, and of an object of rows. */
void field_describe(struct jsonw *j, const char *key, const struct field *f,
	bool is_answer);
void field_describe_all(struct jsonw *j, const char *key,
	const struct field *fields, bool is_answer);

#endif
