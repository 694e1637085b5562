/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/board.h"
#include "conf/conf.h"
#include "link/http.h"
#include "task/handler_child.h"
#include "task/handler_kind.h"

#define HANDLER_SPARE_MAX 64 /* ended runs kept for the next ones */

const char *const handler_outcome_names[HANDLER_OUTCOME_COUNT] = {
	[HANDLER_SUCCESS] = "success",
	[HANDLER_RETRY] = "retry",
	[HANDLER_FATAL] = "fatal",
	[HANDLER_SNOOZE] = "snooze",
	[HANDLER_TIMEOUT] = "timeout",
	[HANDLER_CANCELLED] = "cancelled",
	[HANDLER_CRASHED] = "crashed",
};

static const struct handler_kind *const handler_kinds[] = {
	[CONF_HANDLER_EXEC] = &handler_kind_exec,
	[CONF_HANDLER_WORKER] = &handler_kind_worker,
	[CONF_HANDLER_HTTP] = &handler_kind_http,
	[CONF_HANDLER_POLL] = &handler_kind_poll,
	[CONF_HANDLER_PLUGIN] = &handler_kind_plugin,
};
static_assert(sizeof(handler_kinds) / sizeof(handler_kinds[0]) ==
		      CONF_HANDLER_KIND_COUNT,
	"a row for each kind");

static int handler_compare(const void *a, const void *b)
{
	const struct handler *const *x = a, *const *y = b;

	return strcmp((*x)->conf->name, (*y)->conf->name);
}

static int handler_open(struct handler *h, struct err *err)
{
	struct err why = { 0, "" };

	h->kind = handler_kinds[h->conf->kind];
	if (h->kind == NULL)
		return err_set(err, 0, "handler %s: there is no kind %s here",
			h->conf->name, conf_handler_kind_names[h->conf->kind]);
	if (h->kind->open == NULL || h->kind->open(h, &why) == 0)
		return 0;
	h->kind = NULL;
	return err_set(
		err, why.code, "handler %s: %s", h->conf->name, why.text);
}

struct handlers *handlers_new(struct loop *l, const struct conf *conf,
	const struct handler_context *ctx, struct err *err)
{
	struct handlers *h = xcalloc(1, sizeof(*h));
	size_t i;

	h->loop = l;
	h->conf = conf;
	h->context = *ctx;
	if (ctx->board != NULL)
		quota_clear(ctx->board, ctx->slot);
	LIST_INIT(&h->runs);
	LIST_INIT(&h->spare);
	h->children = handler_children_new(l);
	h->items = xcalloc(conf->handler_count + 1, sizeof(*h->items));
	h->by_name = xcalloc(conf->handler_count + 1, sizeof(*h->by_name));
	for (i = 0; i < conf->handler_count; i++) {
		h->items[i].all = h;
		h->items[i].conf = &conf->handlers[i];
		h->by_name[i] = &h->items[i];
		h->count++;
		handler_limit_open(&h->items[i]);
		if (handler_open(&h->items[i], err) != 0) {
			handlers_free(h);
			return NULL;
		}
	}
	qsort(h->by_name, h->count, sizeof(*h->by_name), handler_compare);
	return h;
}

static void handler_run_free(struct handler_run *run)
{
	loop_timer_free(run->timer);
	free(run);
}

static void handlers_drop_spare(struct handlers *h)
{
	struct handler_run *run;

	while ((run = LIST_FIRST(&h->spare)) != NULL) {
		LIST_REMOVE(run, entry);
		handler_run_free(run);
	}
	h->spare_count = 0;
}

void handlers_free(struct handlers *h)
{
	struct handler_run *run;
	size_t i;

	if (h == NULL)
		return;
	while ((run = LIST_FIRST(&h->runs)) != NULL)
		handler_kill(run);
	for (i = 0; i < h->count; i++)
		if (h->items[i].kind != NULL && h->items[i].kind->close != NULL)
			h->items[i].kind->close(&h->items[i]);
	handler_limit_close(h);
	http_client_free(h->http);
	handler_children_free(h->children);
	handlers_drop_spare(h);
	free(h->by_name);
	free(h->items);
	free(h);
}

void handlers_trim(struct handlers *h)
{
	size_t i;

	handlers_drop_spare(h);
	for (i = 0; i < h->count; i++)
		if (h->items[i].kind->trim != NULL)
			h->items[i].kind->trim(&h->items[i]);
}

const struct conf_handler *handlers_find(
	const struct handlers *h, const char *name)
{
	size_t low = 0, high = h->count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(name, h->by_name[middle]->conf->name);
		if (order == 0)
			return h->by_name[middle]->conf;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static struct handler *handler_of(
	struct handlers *h, const struct conf_handler *c)
{
	return &h->items[c - h->conf->handlers];
}

bool handlers_has_room(struct handlers *all, const struct conf_handler *c,
	int64_t *ret_wait_us)
{
	struct handler *h = handler_of(all, c);
	int64_t wait_us = -1;

	if (!handler_limit_place(h, ret_wait_us))
		return false;
	if (h->kind->has_room != NULL && !h->kind->has_room(h, &wait_us)) {
		*ret_wait_us = wait_us;
		return false;
	}
	return handler_limit_token(h, ret_wait_us);
}

void handlers_reserve(struct handlers *all, const struct conf_handler *c)
{
	struct handler *h = handler_of(all, c);

	h->reserved++;
	handler_limit_begin(h);
}

void handlers_release(struct handlers *all, const struct conf_handler *c)
{
	struct handler *h = handler_of(all, c);

	h->reserved--;
	handler_limit_release(h);
}

static void handler_stop(struct handler_run *run, enum handler_stop why)
{
	int64_t wait_us = run->handler->conf->kill_after_us;

	if (run->stop == HANDLER_STOP_NOT)
		run->stop = why;
	run->is_hard = wait_us == 0;
	if (!run->is_hard)
		loop_timer_start(run->timer, wait_us);
	run->handler->kind->stop(
		run, run->is_hard ? HANDLER_FORCE_HARD : HANDLER_FORCE_SOFT);
}

static void handler_on_timer(void *arg)
{
	struct handler_run *run = arg;

	if (run->stop == HANDLER_STOP_NOT) {
		handler_stop(run, HANDLER_STOP_TIMEOUT);
		return;
	}
	if (run->is_hard)
		return;
	run->is_hard = true;
	run->handler->kind->stop(run, HANDLER_FORCE_HARD);
}

static struct handler_run *handler_run_take(struct handlers *h)
{
	struct handler_run *run = LIST_FIRST(&h->spare);
	struct loop_timer *timer;

	if (run == NULL) {
		run = xcalloc(1, sizeof(*run));
		run->timer = loop_timer_new(h->loop, handler_on_timer, run);
		return run;
	}
	LIST_REMOVE(run, entry);
	h->spare_count--;
	timer = run->timer;
	memset(run, 0, sizeof(*run));
	run->timer = timer;
	return run;
}

/* Nobody may use it any more. */
static void handler_run_drop(struct handler_run *run)
{
	struct handlers *h = run->handler->all;

	if (run->is_over != NULL)
		*run->is_over = true;
	run->handler->running--;
	handler_limit_end(run->handler);
	LIST_REMOVE(run, entry);
	if (loop_timer_is_set(run->timer))
		loop_timer_stop(run->timer);
	if (h->spare_count == HANDLER_SPARE_MAX) {
		handler_run_free(run);
		return;
	}
	h->spare_count++;
	LIST_INSERT_HEAD(&h->spare, run, entry);
}

struct handler_run *handler_run(struct handlers *all,
	const struct conf_handler *c, const struct task *task,
	int64_t timeout_us, handler_done_fn done, handler_progress_fn progress,
	void *arg)
{
	struct handler *h = handler_of(all, c);
	struct handler_run *run = handler_run_take(all);
	bool is_over = false;

	run->handler = h;
	run->task = task;
	run->timeout_us = timeout_us;
	run->done = done;
	run->progress = progress;
	run->arg = arg;
	run->is_over = &is_over;
	LIST_INSERT_HEAD(&all->runs, run, entry);
	h->running++;
	handler_limit_begin(h);
	h->kind->start(run);
	if (is_over)
		return NULL;
	run->is_over = NULL;
	if (timeout_us > 0)
		loop_timer_start(run->timer, timeout_us);
	return run;
}

void handler_cancel(struct handler_run *run)
{
	if (run->stop == HANDLER_STOP_NOT)
		handler_stop(run, HANDLER_STOP_CANCEL);
}

void handler_kill(struct handler_run *run)
{
	run->handler->kind->kill(run);
	handler_run_drop(run);
}

/* What is told of a run that was asked to stop. */
static void handler_tell_stopped(struct handler_run *run,
	const struct handler_result *r, handler_done_fn done, void *arg)
{
	struct handler_result told = { .pause_us = -1, .peak_kb = r->peak_kb };
	char text[64], span[32];

	if (run->stop == HANDLER_STOP_TIMEOUT) {
		told.outcome = HANDLER_TIMEOUT;
		snprintf(text, sizeof(text), "timed out after %s",
			clock_span(run->timeout_us, span, sizeof(span)));
	} else {
		told.outcome = HANDLER_CANCELLED;
		snprintf(text, sizeof(text), "cancelled");
	}
	told.text = text;
	told.text_len = strlen(text);
	handler_run_drop(run);
	done(&told, arg);
}

void handler_finish(struct handler_run *run, const struct handler_result *r)
{
	handler_done_fn done = run->done;
	void *arg = run->arg;

	if (run->stop != HANDLER_STOP_NOT) {
		handler_tell_stopped(run, r, done, arg);
		return;
	}
	handler_run_drop(run);
	done(r, arg);
}

void handler_finish_text(struct handler_run *run, enum handler_outcome outcome,
	const char *fmt, ...)
{
	struct handler_result r = { .outcome = outcome, .pause_us = -1 };
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r.text = text;
	r.text_len = strlen(text);
	handler_finish(run, &r);
}

void handler_tell_progress(
	struct handler_run *run, int percent, const char *text)
{
	if (run->progress != NULL)
		run->progress(percent, text, run->arg);
}

void handlers_on_log(struct handlers *h, handler_log_fn fn)
{
	h->on_log = fn;
}

void handler_tell_log(struct handler_run *run, const char *line)
{
	log_info("task %s: %s", run->task->id, line);
	if (run->handler->all->on_log != NULL)
		run->handler->all->on_log(line, run->arg);
}

const char *handler_topic(const struct handler_run *run)
{
	const char *topic = run->task->topic;

	if (topic == NULL)
		topic = run->handler->all->context.topic;
	return topic != NULL ? topic : "";
}
