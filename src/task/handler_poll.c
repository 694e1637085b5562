/* SPDX-License-Identifier: ISC */
/*
 * handler_poll - a job that runs elsewhere.
 *
 *	submitted -> known (has an id) -> asked after, every interval
 *	                                   -> done | failed | given up
 *
 * A question that gets no good answer is tolerated: it counts as one of
 * max_attempts, as does one while the job still runs.  The Idempotency-Key is
 * the task's id and attempt: a redelivered attempt finds its job again, a new
 * attempt after a failed job gets a new one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "task/handler_call.h"
#include "task/handler_path.h"

/* A question is lost after this, or after an interval if that is longer. */
#define POLL_ANSWER_US (INT64_C(10) * US_PER_S)
/* An answer is read whole, even if less of it is kept as the result. */
#define POLL_ANSWER_MAX (1u << 20)
#define POLL_KEY_MAX    (TASK_ID_MAX + 24)
#define POLL_ID_MAX     1024 /* bytes of a job's id */
#define POLL_STATE_SHOW 64   /* bytes of a state in texts */

struct poll {
	struct handler_run *run;
	struct http_call *call;   /* NULL: none under way */
	struct loop_timer *timer; /* to the next question */
	char *url;                /* of the job's state; NULL: no id yet */
	char *state;              /* as heard last; NULL: never */
	char lost[ERR_TEXT_MAX];  /* why the last question had no good
				     answer; "": it had one */
	int64_t asked;
};

static void poll_free(struct poll *p)
{
	http_call_cancel(p->call);
	loop_timer_free(p->timer);
	free(p->state);
	free(p->url);
	free(p);
}

/* Give p up and tell how its run ended. */
static void poll_finish(
	struct poll *p, enum handler_outcome outcome, const char *text)
{
	struct handler_run *run = p->run;

	poll_free(p);
	handler_finish_text(run, outcome, "%s", text);
}

static void poll_ask_later(struct poll *p, int64_t pause_us)
{
	int64_t wait_us = p->run->handler->conf->interval_us;

	loop_timer_start(p->timer, pause_us > wait_us ? pause_us : wait_us);
}

static void poll_give_up(struct poll *p)
{
	char text[ERR_TEXT_MAX];

	if (p->lost[0] != '\0')
		snprintf(text, sizeof(text),
			"no end after %lld questions, the last one: %.300s",
			(long long)p->asked, p->lost);
	else
		snprintf(text, sizeof(text), "still %.*s after %lld questions",
			POLL_STATE_SHOW, p->state, (long long)p->asked);
	poll_finish(p, HANDLER_TIMEOUT, text);
}

static bool poll_is_one_of(const struct conf_strings *list, const char *state)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], state) == 0)
			return true;
	return false;
}

static void poll_done(struct poll *p, const struct http_answer *a)
{
	struct handler_run *run = p->run;
	size_t max = (size_t)run->handler->conf->output_max;
	struct handler_result r = { .outcome = HANDLER_SUCCESS,
		.text = a->body,
		.text_len = a->body_len < max ? a->body_len : max,
		.is_cut = a->body_len > max,
		.pause_us = -1 };

	poll_free(p);
	handler_finish(run, &r);
}

static void poll_failed(struct poll *p, const struct http_answer *a)
{
	char quote[HANDLER_CALL_QUOTE_MAX + 1], text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "the job is %.*s: %s", POLL_STATE_SHOW,
		p->state, handler_call_quote(a, quote));
	poll_finish(p, HANDLER_RETRY, text);
}

static void poll_take_state(struct poll *p, char *state)
{
	bool is_new = p->state == NULL || strcmp(p->state, state) != 0;

	free(p->state);
	p->state = state;
	p->lost[0] = '\0';
	if (is_new)
		handler_tell_progress(p->run, -1, state);
}

/* Without an answer that says the state: the next question, if any. */
static void poll_go_on(struct poll *p, int64_t pause_us)
{
	if (p->asked >= p->run->handler->conf->max_attempts)
		poll_give_up(p);
	else
		poll_ask_later(p, pause_us);
}

/* Too busy, away, or not yet in every copy of the service's data. */
static bool poll_is_lost(const struct http_answer *a)
{
	return handler_call_outcome(a) == HANDLER_RETRY || a->status == 404;
}

static void poll_on_lost(struct poll *p, const struct http_answer *a)
{
	if (a->status == 0)
		snprintf(p->lost, sizeof(p->lost), "no answer: %.300s",
			a->error);
	else
		snprintf(p->lost, sizeof(p->lost), "answered with status %d",
			a->status);
	poll_go_on(p, a->retry_after_us);
}

static void poll_on_state(const struct http_answer *a, void *arg)
{
	struct poll *p = arg;
	const struct conf_handler *conf = p->run->handler->conf;
	struct err err;
	char *state;

	p->call = NULL;
	if (poll_is_lost(a)) {
		poll_on_lost(p, a);
		return;
	}
	if (handler_call_outcome(a) != HANDLER_SUCCESS) {
		struct handler_run *run = p->run;

		poll_free(p);
		handler_call_fail(run, a);
		return;
	}
	state = handler_path_find(
		a->body, a->body_len, conf->state_field, &err);
	if (state == NULL) {
		snprintf(p->lost, sizeof(p->lost), "%s", err.text);
		poll_go_on(p, -1);
		return;
	}
	poll_take_state(p, state);
	if (poll_is_one_of(&conf->done, state))
		poll_done(p, a);
	else if (poll_is_one_of(&conf->failed, state))
		poll_failed(p, a);
	else
		poll_go_on(p, -1);
}

static void poll_ask(void *arg)
{
	struct poll *p = arg;
	const struct conf_handler *conf = p->run->handler->conf;
	const struct handler_call c = { .request = &conf->status,
		.url = p->url,
		.answer_max = POLL_ANSWER_MAX,
		.timeout_us = conf->interval_us > POLL_ANSWER_US
				      ? conf->interval_us
				      : POLL_ANSWER_US };
	enum handler_outcome outcome;
	struct err err;

	p->asked++;
	p->call = handler_call_start(
		p->run, &c, poll_on_state, p, &outcome, &err);
	if (p->call == NULL)
		poll_finish(p, outcome, err.text);
}

static void poll_on_submitted(const struct http_answer *a, void *arg)
{
	struct poll *p = arg;
	struct handler_run *run = p->run;
	const struct conf_handler *conf = run->handler->conf;
	char *id, text[ERR_TEXT_MAX];
	struct err err;

	p->call = NULL;
	if (handler_call_outcome(a) != HANDLER_SUCCESS) {
		poll_free(p);
		handler_call_fail(run, a);
		return;
	}
	id = handler_path_find(a->body, a->body_len, conf->id_field, &err);
	if (id == NULL || *id == '\0' || strlen(id) > POLL_ID_MAX) {
		snprintf(text, sizeof(text),
			"the job was taken without an id: %.300s",
			id == NULL ? err.text : "it is empty or too long");
		free(id);
		poll_finish(p, HANDLER_FATAL, text);
		return;
	}
	p->url = handler_path_url(conf->status.url, id);
	free(id);
	poll_ask_later(p, -1);
}

static void poll_start(struct handler_run *run)
{
	struct poll *p = xcalloc(1, sizeof(*p));
	char key[POLL_KEY_MAX];
	const struct handler_call c = { .request = &run->handler->conf->submit,
		.key = key,
		.answer_max = POLL_ANSWER_MAX,
		.has_params = true };
	enum handler_outcome outcome;
	struct err err;

	snprintf(key, sizeof(key), "%s-%lld", run->task->id,
		(long long)run->task->attempt);
	p->run = run;
	p->timer = loop_timer_new(run->handler->all->loop, poll_ask, p);
	run->own = p;
	p->call = handler_call_start(
		run, &c, poll_on_submitted, p, &outcome, &err);
	if (p->call == NULL)
		poll_finish(p, outcome, err.text);
}

static void poll_kill(struct handler_run *run)
{
	poll_free(run->own);
	run->own = NULL;
}

/* The job goes on where it runs; nobody asks after it any more. */
static void poll_stop(struct handler_run *run, enum handler_force force)
{
	(void)force;
	poll_kill(run);
	handler_finish_text(run, HANDLER_CANCELLED, "stopped");
}

const struct handler_kind handler_kind_poll = {
	.trim = handler_call_trim,
	.start = poll_start,
	.stop = poll_stop,
	.kill = poll_kill,
};
