/* SPDX-License-Identifier: ISC */
/*
 * handler_http - a request to a service for each task.
 *
 * The body is the task's params, the answer's body its result.  The task's id
 * is the Idempotency-Key: every attempt has the same one.
 */
#include "task/handler_call.h"

static void http_on_answer(const struct http_answer *a, void *arg)
{
	struct handler_run *run = arg;
	struct handler_result r = { .outcome = HANDLER_SUCCESS,
		.text = a->body,
		.text_len = a->body_len,
		.is_cut = a->is_cut,
		.pause_us = -1 };

	run->own = NULL;
	if (handler_call_outcome(a) == HANDLER_SUCCESS)
		handler_finish(run, &r);
	else
		handler_call_fail(run, a);
}

static void http_start(struct handler_run *run)
{
	const struct handler_call c = { .request = &run->handler->conf->request,
		.key = run->task->id,
		.has_params = true };
	enum handler_outcome outcome;
	struct err err;

	run->own = handler_call_start(
		run, &c, http_on_answer, run, &outcome, &err);
	if (run->own == NULL)
		handler_finish_text(run, outcome, "%s", err.text);
}

static void http_kill(struct handler_run *run)
{
	http_call_cancel(run->own);
	run->own = NULL;
}

/* There is nothing to tidy up: the connection is cut. */
static void http_stop(struct handler_run *run, enum handler_force force)
{
	(void)force;
	http_kill(run);
	handler_finish_text(run, HANDLER_CANCELLED, "stopped");
}

const struct handler_kind handler_kind_http = {
	.trim = handler_call_trim,
	.start = http_start,
	.stop = http_stop,
	.kill = http_kill,
};
