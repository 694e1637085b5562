/* SPDX-License-Identifier: ISC */
/*
 * task - any bytes as an envelope.
 *
 * What is read, printed and read again must be the same; and the reader of
 * JSON must take and refuse what jansson takes and refuses.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/mem.h"
#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static void compare_readers(const char *text, size_t len)
{
	struct jsonr_value v;
	json_error_t why;
	struct err err;
	bool is_taken = jsonr_check(text, len, TASK_DEPTH_MAX, &v, &err) == 0;
	json_t *json = json_loadb(
		text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (json == NULL && is_taken)
		must(json_error_code(&why) == json_error_numeric_overflow,
			"nothing is taken that is not JSON");
	/* jansson passes over a NUL that stands behind a number. */
	if (json != NULL && !is_taken && memchr(text, '\0', len) == NULL)
		must(strstr(err.text, "nested too deep") != NULL,
			"nothing is refused that is JSON");
	if (json != NULL && is_taken && json_is_integer(json))
		must(json_integer_value(json) == v.number, "numbers are right");
	if (json != NULL && is_taken && json_is_string(json))
		must(jsonr_is(&v, json_string_value(json)),
			"strings are right");
	json_decref(json);
}

static void print_again(const struct task *t)
{
	struct err err;
	size_t len, again_len;
	char *out = task_print(t, &len), *again_out;
	struct task *again = task_parse(out, len, &err);

	must(again != NULL || len > TASK_ENVELOPE_MAX,
		"what is printed can be read");
	if (again != NULL) {
		again_out = task_print(again, &again_len);
		must(len == again_len && memcmp(out, again_out, len) == 0,
			"printing loses nothing");
		free(again_out);
	}
	task_free(again);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size > 0 ? size : 1);
	struct err err = { 0, "" };
	struct task *t;

	memcpy(text, data, size);
	compare_readers(text, size);
	t = task_parse(text, size, &err);
	must(t != NULL || err.text[0] != '\0', "a refusal has a reason");
	if (t != NULL)
		print_again(t);
	task_free(t);
	free(text);
	return 0;
}
