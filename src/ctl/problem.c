/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/lane.h"
#include "ctl/problem.h"
#include "ctl/status.h"
#include "ctl/url.h"

/* What strangers say does not move the cursor. */
static void problem_put_text(struct buf *out, const char *text)
{
	char *clean = lane_clean(text);

	buf_puts(out, clean);
	free(clean);
}

static void problem_put_fields(struct buf *out, const json_t *errors)
{
	const json_t *e;
	size_t i;

	json_array_foreach(errors, i, e)
	{
		buf_puts(out, "; ");
		problem_put_text(out, status_text(e, "field"));
		buf_puts(out, ": ");
		problem_put_text(out, status_text(e, "detail"));
	}
}

static void problem_put_hint(
	const struct url *u, const struct client_answer *a, struct buf *out)
{
	if (a->status == 401 && u->token == NULL)
		buf_puts(out, "; no token was given: set REEVE_TOKEN, or name "
			      "its file by --token-file");
	else if (a->status == 401)
		buf_printf(out, "; it was the token of %s", u->token_from);
	if (a->retry_after_s > 0)
		buf_printf(out, "; wait %ld s", a->retry_after_s);
}

void problem_put(
	const struct url *u, const struct client_answer *a, struct buf *out)
{
	const char *title = status_text(a->json, "title");
	const char *detail = status_text(a->json, "detail");

	buf_printf(out, "%ld", a->status);
	if (*title == '\0' || a->status < 400) {
		buf_printf(out, ", which is no answer of reeve: is %s its API?",
			u->name);
		return;
	}
	buf_putc(out, ' ');
	problem_put_text(out, title);
	if (*detail != '\0') {
		buf_puts(out, ": ");
		problem_put_text(out, detail);
	}
	problem_put_fields(out, json_object_get(a->json, "errors"));
	problem_put_hint(u, a, out);
}

int problem_print(
	const struct url *u, const struct client_answer *a, const char *about)
{
	bool is_away = a->status == 502 || a->status == 503 || a->status == 504;
	struct buf text = BUF_INIT;
	int rc;

	problem_put(u, a, &text);
	rc = ctl_fail(is_away ? EXIT_SYSTEM : EXIT_CONFIG, "%s%s%s",
		about != NULL ? about : "", about != NULL ? ": " : "",
		buf_str(&text));
	buf_done(&text);
	return rc;
}
