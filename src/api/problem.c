/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "api/problem.h"
#include "base/buf.h"
#include "base/jsonw.h"
#include "loop/http.h"

static const struct field problem_error_fields[] = {
	{ .name = "field",
		.type = FIELD_STRING,
		.is_required = true,
		.help = "name of the field or parameter, \"subtasks[3].topic\" "
			"inside a list" },
	{ .name = "detail",
		.type = FIELD_STRING,
		.is_required = true,
		.help = "what is wrong with it" },
	{ .name = NULL },
};

const struct field problem_fields[] = {
	{ .name = "type",
		.type = FIELD_STRING,
		.is_required = true,
		.help = "about:blank: the status says it all" },
	{ .name = "title",
		.type = FIELD_STRING,
		.is_required = true,
		.help = "the status in words" },
	{ .name = "status",
		.type = FIELD_INT,
		.is_required = true,
		.help = "as in the status line" },
	{ .name = "detail",
		.type = FIELD_STRING,
		.is_required = true,
		.is_optional = true,
		.help = "what was wrong, and what to do" },
	{ .name = "errors",
		.type = FIELD_LIST,
		.is_required = true,
		.is_optional = true,
		.rows = problem_error_fields,
		.help = "each field that is wrong" },
	{ .name = NULL },
};

static void problem_put_faults(
	struct jsonw *j, const struct field_faults *faults)
{
	size_t i;

	jsonw_array(j, "errors");
	for (i = 0; i < faults->count && i < FIELD_FAULTS_MAX; i++) {
		jsonw_object(j, NULL);
		jsonw_str(j, "field", faults->list[i].name);
		jsonw_str(j, "detail", faults->list[i].detail);
		jsonw_end_object(j);
	}
	jsonw_end_array(j);
}

void problem_reply(struct http_request *req, int status, const char *detail,
	const struct field_faults *faults)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "type", "about:blank");
	jsonw_str(&j, "title", http_status_text(status));
	jsonw_int(&j, "status", status);
	if (detail != NULL)
		jsonw_str(&j, "detail", detail);
	if (faults != NULL && faults->count > 0)
		problem_put_faults(&j, faults);
	jsonw_end_object(&j);
	buf_putc(&out, '\n');
	http_reply(req, status, "application/problem+json", out.data, out.len);
	buf_done(&out);
}

void problem_reply_later(struct http_request *req, int status,
	const char *detail, int retry_after_s)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", retry_after_s);
	(void)http_reply_header(req, "Retry-After", text);
	problem_reply(req, status, detail, NULL);
}
