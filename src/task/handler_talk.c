/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "task/handler_kind.h"
#include "task/handler_talk.h"

#define TALK_SNOOZE_MAX_MS 31536000000 /* a year */

/* Outside of strings JSON may have line ends; a line may not. */
static void handler_talk_flatten(char *text, size_t len)
{
	char *end = text + len;

	while ((text = memchr(text, '\n', (size_t)(end - text))) != NULL)
		*text++ = ' ';
}

void handler_talk_request(const struct handler_run *run, struct buf *out)
{
	const struct task *t = run->task;
	const char *params;
	size_t from, len;
	struct jsonw j;

	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "id", t->id);
	jsonw_str(&j, "handler", t->handler);
	jsonw_str(&j, "topic", handler_topic(run));
	from = out->len;
	params = task_given(t, &len);
	jsonw_raw(&j, "params", params, len);
	handler_talk_flatten(out->data + from, out->len - from);
	jsonw_int(&j, "attempt", t->attempt);
	jsonw_int(&j, "timeout_ms", run->timeout_us / US_PER_MS);
	jsonw_int(&j, "epoch", t->epoch);
	jsonw_str(&j, "tenant", t->tenant);
	jsonw_end_object(&j);
	buf_putc(out, '\n');
}

/* The members of an answer; type NULL: not there. */
struct talk_members {
	struct jsonr_value id, ok, result, error, retry, snooze, progress, text;
};

static int handler_talk_members(
	const char *line, size_t len, struct talk_members *m)
{
	const struct {
		const char *name;
		struct jsonr_value *value;
	} rows[] = { { "id", &m->id }, { "ok", &m->ok },
		{ "result", &m->result }, { "error", &m->error },
		{ "retry", &m->retry }, { "snooze_ms", &m->snooze },
		{ "progress", &m->progress }, { "text", &m->text } };
	struct jsonr_value name, value;
	struct jsonr r;
	size_t i;
	int more;

	memset(m, 0, sizeof(*m));
	if (jsonr_object(&r, line, len, TASK_DEPTH_MAX, NULL) != 0)
		return -1;
	while ((more = jsonr_member(&r, &name, &value)) == 1)
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (jsonr_is(&name, rows[i].name))
				*rows[i].value = value;
	jsonr_done(&r);
	return more;
}

static void handler_talk_result(struct handler_answer *a,
	const struct jsonr_value *result, size_t output_max)
{
	const char *text = result->text != NULL ? result->text : "null";
	size_t len = result->text != NULL ? result->len : strlen(text);

	if (result->type == JSONR_STRING) { /* with its quotes */
		text--;
		len += 2;
	}
	a->result.outcome = HANDLER_SUCCESS;
	a->result.text = text;
	a->result.text_len = len;
	if (len > output_max) {
		a->result.text_len = output_max;
		a->result.is_cut = true;
	}
}

static void handler_talk_failure(
	struct handler_answer *a, const struct talk_members *m)
{
	if (m->error.type == JSONR_STRING)
		a->owned = jsonr_string(&m->error, NULL);
	else if (m->error.type != JSONR_NULL)
		a->owned = xstrndup(m->error.text, m->error.len);
	a->result.outcome = HANDLER_RETRY;
	a->result.text = a->owned;
	if (a->owned == NULL)
		a->result.text = "failed without a reason";
	if (m->retry.type == JSONR_BOOL && m->retry.number == 0)
		a->result.outcome = HANDLER_FATAL;
	if (m->snooze.type == JSONR_INT && m->snooze.number >= 0 &&
		m->snooze.number <= TALK_SNOOZE_MAX_MS) {
		a->result.outcome = HANDLER_SNOOZE;
		a->result.pause_us = m->snooze.number * US_PER_MS;
		if (a->owned == NULL)
			a->result.text = "snoozed";
	}
	a->result.text_len = strlen(a->result.text);
}

static void handler_talk_progress(
	struct handler_answer *a, const struct talk_members *m)
{
	if (m->progress.type == JSONR_INT && m->progress.number >= 0 &&
		m->progress.number <= 100)
		a->percent = (int)m->progress.number;
	if (m->text.type == JSONR_STRING)
		a->owned = jsonr_string(&m->text, NULL);
}

void handler_talk_read(const char *line, size_t len, size_t output_max,
	struct handler_answer *ret_answer)
{
	struct handler_answer *a = ret_answer;
	struct talk_members m;

	*a = (struct handler_answer){ .word = HANDLER_WORD_NONE,
		.percent = -1,
		.result = { .pause_us = -1 } };
	if (len == 0 || line[0] != '{' ||
		handler_talk_members(line, len, &m) != 0 ||
		m.id.type != JSONR_STRING)
		return;
	a->id = m.id;
	if (m.ok.type == JSONR_BOOL) {
		a->word = HANDLER_WORD_END;
		if (m.ok.number != 0)
			handler_talk_result(a, &m.result, output_max);
		else
			handler_talk_failure(a, &m);
	} else if (m.progress.type != JSONR_NULL || m.text.type != JSONR_NULL) {
		a->word = HANDLER_WORD_PROGRESS;
		handler_talk_progress(a, &m);
	}
}

void handler_answer_done(struct handler_answer *a)
{
	free(a->owned);
	a->owned = NULL;
}
