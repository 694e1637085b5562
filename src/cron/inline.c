/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/due.h"
#include "cron/inline.h"
#include "store/outbox.h"
#include "store/secret.h"
#include "store/writer.h"
#include "task/handler.h"
#include "worker/worker.h"

#define INLINE_ERROR_MAX 8192 /* bytes of an error in its row */

enum inline_state {
	INLINE_BEGINNING = 0,
	INLINE_RUNNING = 1,
	INLINE_ENDING = 2,
	INLINE_PAUSED = 3 /* until its next try */
};

struct inline_run {
	TAILQ_ENTRY(inline_run) entry;
	struct inlines *runs;
	struct task *task;
	const struct conf_handler *handler; /* NULL: this node has none */
	struct writer_run *tracked;
	struct handler_run *run; /* RUNNING */
	struct loop_timer *timer;
	enum inline_state state;
	bool is_again;
	int64_t pause_us, started_us;
};

struct inlines {
	struct crontab *crontab;
	struct handlers *handlers;
	struct writer *writer;
	struct secret *secret; /* NULL: no key is configured */
	struct redis
		*events; /* told who is cancelled; made for the first run */
	TAILQ_HEAD(, inline_run) all;
	unsigned count;
	bool is_draining;
};

static const struct pg_statement inline_leftovers = {
	.name = "inline_leftovers",
	.text = "SELECT reeve.requeue_inline($1, $2)",
	.params = 2,
};

bool inlines_has_room(const struct inlines *s, unsigned coming)
{
	return !s->is_draining &&
	       s->count + coming <
		       (unsigned)s->crontab->options->concurrent_limit;
}

bool inlines_is_idle(const struct inlines *s)
{
	return s->count == 0;
}

static void inline_free(struct inline_run *i)
{
	struct inlines *s = i->runs;

	TAILQ_REMOVE(&s->all, i, entry);
	s->count--;
	writer_run_free(i->tracked);
	loop_timer_free(i->timer);
	task_free(i->task);
	free(i);
}

/* Over, or another's. */
static void inline_leave(struct inline_run *i)
{
	struct crontab *c = i->runs->crontab;

	inline_free(i);
	due_schedule(c->due);
	crontab_settle(c);
}

static void inline_end(struct inline_run *i, const struct writer_end *e)
{
	i->state = INLINE_ENDING;
	writer_finish(i->tracked, e);
}

static int64_t inline_retry_max(const struct inline_run *i)
{
	return i->task->retry_max >= 0 ? i->task->retry_max
				       : i->handler->retry_max;
}

/* Once more, if it may; snoozing is no attempt. */
static bool inline_is_again(
	const struct inline_run *i, const struct handler_result *r)
{
	if (r->outcome == HANDLER_SNOOZE)
		return true;
	if (r->outcome == HANDLER_SUCCESS || r->outcome == HANDLER_FATAL ||
		r->outcome == HANDLER_CANCELLED)
		return false;
	return i->task->attempt < inline_retry_max(i);
}

static int64_t inline_pause(
	const struct inline_run *i, const struct handler_result *r)
{
	struct task_retry policy = { inline_retry_max(i) + 1,
		i->handler->retry_base_us, i->handler->retry_cap_us };

	return r->pause_us >= 0 ? r->pause_us
				: task_retry_pause(&policy, i->task->attempt);
}

static enum task_state inline_verdict(const struct handler_result *r)
{
	switch (r->outcome) {
	case HANDLER_SUCCESS: return TASK_SUCCESS;
	case HANDLER_TIMEOUT: return TASK_TIMEOUT;
	case HANDLER_CANCELLED: return TASK_CANCELLED;
	default: return TASK_FAILED;
	}
}

static void inline_set_text(
	struct writer_end *e, const struct handler_result *r)
{
	bool is_failure = r->outcome != HANDLER_SUCCESS &&
			  r->outcome != HANDLER_SNOOZE &&
			  r->outcome != HANDLER_CANCELLED;

	if (!is_failure) {
		e->result = r->text;
		e->result_len = r->text_len;
		return;
	}
	e->is_failure = true;
	e->type = handler_outcome_names[r->outcome];
	e->error = r->text_len > 0 ? r->text : e->type;
	e->error_len = r->text_len > 0 ? r->text_len : strlen(e->type);
	if (e->error_len > INLINE_ERROR_MAX)
		e->error_len = INLINE_ERROR_MAX;
}

static void inline_on_done(const struct handler_result *r, void *arg)
{
	struct inline_run *i = arg;
	int64_t us = clock_now() - i->started_us;
	struct writer_end e = { .duration_ms = us / US_PER_MS };

	i->run = NULL;
	worker_task_end(
		i->runs->crontab->worker, r->outcome != HANDLER_SUCCESS, us);
	i->is_again = inline_is_again(i, r);
	if (i->is_again)
		i->pause_us = inline_pause(i, r);
	if (r->outcome != HANDLER_SUCCESS && r->outcome != HANDLER_SNOOZE &&
		r->outcome != HANDLER_CANCELLED)
		i->task->attempt++;
	e.state = i->is_again ? TASK_PENDING : inline_verdict(r);
	e.attempt = i->task->attempt;
	e.pause_ms = i->is_again ? i->pause_us / US_PER_MS : 0;
	inline_set_text(&e, r);
	inline_end(i, &e);
}

static void inline_on_progress(int percent, const char *text, void *arg)
{
	struct inline_run *i = arg;

	writer_progress(i->tracked, percent, text);
}

static void inline_on_log(const char *line, void *arg)
{
	struct inline_run *i = arg;

	writer_log(i->tracked, line, i->handler->task_logs_max);
}

static void inline_run(struct inline_run *i)
{
	struct inlines *s = i->runs;
	struct handler_run *run;
	int64_t timeout_us = i->task->timeout_ms > 0
				     ? i->task->timeout_ms * US_PER_MS
				     : i->handler->timeout_us;

	i->state = INLINE_RUNNING;
	i->started_us = clock_now();
	worker_task_begin(s->crontab->worker);
	run = handler_run(s->handlers, i->handler, i->task, timeout_us,
		inline_on_done, inline_on_progress, i);
	/* NULL: it has answered already. */
	if (run != NULL)
		i->run = run;
}

static void inline_refuse(struct inline_run *i, const char *why)
{
	struct writer_end e = { .state = TASK_FAILED,
		.duration_ms = -1,
		.attempt = i->task->attempt + 1,
		.is_failure = true,
		.type = "refused",
		.error = why,
		.error_len = strlen(why) };

	i->is_again = false;
	inline_end(i, &e);
}

static void inline_on_begun(struct inline_run *i)
{
	const struct writer_run *r = i->tracked;
	struct err err;

	i->task->stored = true;
	i->task->epoch = r->epoch;
	i->task->attempt = r->attempt;
	if (i->handler == NULL)
		inline_refuse(i, "this node has no handler of that name");
	else if (r->secret != NULL &&
		 secret_give(i->runs->secret, i->task, r->secret, &err) != 0)
		inline_refuse(i, err.text);
	else
		inline_run(i);
}

static void inline_on_event(
	struct writer_run *r, enum writer_event event, void *arg);

static void inline_begin(struct inline_run *i)
{
	struct inlines *s = i->runs;

	writer_run_free(i->tracked);
	i->tracked = writer_run_new(
		s->writer, i->task, i->task->topic, inline_on_event, i);
	i->state = INLINE_BEGINNING;
	writer_begin(i->tracked, false);
}

static void inline_on_timer(void *arg)
{
	inline_begin(arg);
}

static void inline_on_ended(struct inline_run *i)
{
	outbox_poke(i->runs->crontab->outbox);
	if (!i->is_again || i->runs->is_draining) {
		inline_leave(i);
		return;
	}
	i->state = INLINE_PAUSED;
	loop_timer_start(i->timer, i->pause_us);
}

static void inline_on_event(
	struct writer_run *r, enum writer_event event, void *arg)
{
	struct inline_run *i = arg;

	switch (event) {
	case WRITER_BEGUN: inline_on_begun(i); break;
	case WRITER_ENDED: inline_on_ended(i); break;
	case WRITER_REFUSED:
		log_error("inline run %s: %s", i->task->id, r->why);
		inline_leave(i);
		break;
	case WRITER_FENCED:
		log_warn("inline run %s: its outcome comes too late, another "
			 "worker has it",
			i->task->id);
		inline_leave(i);
		break;
	case WRITER_LEFT: inline_leave(i); break;
	}
}

static void inline_cancel(struct inlines *s, const char *id)
{
	struct inline_run *i;

	TAILQ_FOREACH(i, &s->all, entry)
		if (strcmp(i->task->id, id) == 0 && i->run != NULL)
			handler_cancel(i->run);
}

static void inline_on_message(
	const char *channel, const char *text, size_t len, void *arg)
{
	char word[16], id[TASK_ID_MAX + 1], copy[128];

	(void)channel;
	snprintf(copy, sizeof(copy), "%.*s",
		(int)(len < sizeof(copy) ? len : sizeof(copy) - 1), text);
	if (sscanf(copy, "%15s %64s", word, id) == 2 &&
		strcmp(word, "cancel") == 0)
		inline_cancel(arg, id);
}

/* Only who has runs needs to hear that they are cancelled. */
static void inline_listen(struct inlines *s)
{
	const struct conf *conf = s->crontab->conf;
	const struct redis_options o = { .url = conf->redis_url,
		.sentinel_master = conf->redis_sentinel_master,
		.sentinel_nodes = &conf->redis_sentinel_nodes,
		.name = s->crontab->name };
	struct err err;
	char *channel;

	if (s->events != NULL)
		return;
	s->events = redis_open(s->crontab->loop, &o, NULL, NULL, &err);
	if (s->events == NULL)
		return;
	channel = xasprintf("%scontrol", conf->redis_prefix);
	(void)redis_subscribe(s->events, channel, inline_on_message, s);
	free(channel);
}

void inlines_take(struct inlines *s, const char *envelope)
{
	struct inline_run *i;
	struct task *task;
	struct err err;

	task = task_parse(envelope, strlen(envelope), &err);
	if (task == NULL) {
		log_error("an inline run can't be read: %s", err.text);
		return;
	}
	inline_listen(s);
	i = xcalloc(1, sizeof(*i));
	i->runs = s;
	i->task = task;
	i->task->topic = "inline";
	i->handler = handlers_find(s->handlers, task->handler);
	i->timer = loop_timer_new(s->crontab->loop, inline_on_timer, i);
	TAILQ_INSERT_TAIL(&s->all, i, entry);
	s->count++;
	inline_begin(i);
}

void inlines_drain(struct inlines *s)
{
	struct inline_run *i, *next;

	s->is_draining = true;
	for (i = TAILQ_FIRST(&s->all); i != NULL; i = next) {
		next = TAILQ_NEXT(i, entry);
		if (i->state == INLINE_PAUSED)
			inline_free(i);
	}
}

static void inline_on_leftovers(const struct pg_result *r, void *arg)
{
	struct inlines *s = arg;
	int64_t n;

	if (r == NULL || pg_result_is_error(r))
		return;
	n = pg_result_int(r, 0, 0, 0);
	if (n == 0)
		return;
	log_warn("%lld inline runs of a worker that is gone are put into the "
		 "queue",
		(long long)n);
	outbox_poke(s->crontab->outbox);
}

/* What the one before in this place had in hand. */
static void inline_look_for_leftovers(struct inlines *s)
{
	const struct crontab *c = s->crontab;
	const char *slash = strrchr(c->name, '/');
	char *place = xstrndup(c->name, (size_t)(slash - c->name) + 1);
	const char *values[2] = { place, c->name };

	(void)pg_query(
		c->pg, &inline_leftovers, values, inline_on_leftovers, s);
	free(place);
}

void inlines_on_pg(struct inlines *s)
{
	writer_on_pg(s->writer);
	if (pg_is_up(s->crontab->pg) && !s->is_draining && s->count == 0)
		inline_look_for_leftovers(s);
}

struct inlines *inlines_start(struct crontab *c, struct err *err)
{
	struct inlines *s = xcalloc(1, sizeof(*s));
	struct handler_context ctx = { .node = c->conf->node,
		.pool = c->pool->name,
		.topic = "inline",
		.index = worker_child(c->worker)->index };
	const char *key = c->conf->database_secret_key_file;

	s->crontab = c;
	TAILQ_INIT(&s->all);
	if (key != NULL)
		s->secret = secret_open(key, err);
	if (key == NULL || s->secret != NULL)
		s->handlers = handlers_new(c->loop, c->conf, &ctx, err);
	if (s->handlers == NULL) {
		secret_close(s->secret);
		free(s);
		return NULL;
	}
	handlers_on_log(s->handlers, inline_on_log);
	s->writer = writer_new(c->loop, c->pg, c->name);
	return s;
}

void inlines_stop(struct inlines *s)
{
	struct inline_run *i;

	if (s == NULL)
		return;
	redis_close(s->events);
	handlers_free(s->handlers);
	while ((i = TAILQ_FIRST(&s->all)) != NULL)
		inline_free(i);
	secret_close(s->secret);
	writer_free(s->writer);
	free(s);
}
