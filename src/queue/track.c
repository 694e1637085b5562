/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/lease.h"
#include "queue/mark.h"
#include "queue/track.h"
#include "store/secret.h"
#include "store/store.h"
#include "store/writer.h"

/* What is put aside comes again after this, or up to twice as long. */
#define TRACK_ASIDE_MS 2000
/* So many are put aside in such a time. */
#define TRACK_ASIDE_COUNT 256
#define TRACK_ASIDE_US    (100 * US_PER_MS)
/* A row says what this node can't: one with a database should have it. */
#define TRACK_ELSEWHERE_MS 30000
#define TRACK_ERROR_MAX    8192 /* bytes of an error in its row */

static void track_on_pg(enum pg_state state, const char *why, void *arg)
{
	struct consumer *c = arg;

	if (state == PG_DOWN)
		log_warn("%s", why);
	else
		log_info("%s: connected", why);
	if (c->writer != NULL)
		writer_on_pg(c->writer);
	consumer_poke(c);
}

static int track_open(struct consumer *c, struct err *err)
{
	c->pg = store_open(c->loop, c->conf, c->name, track_on_pg, c, err);
	if (c->pg == NULL)
		return -1;
	c->writer = writer_new(c->loop, c->pg, c->name);
	return 0;
}

static void track_on_aside(void *arg)
{
	struct consumer *c = arg;
	size_t i;

	c->aside_count = 0;
	for (i = 0; i < c->topic_count; i++)
		c->topics[i].is_held = false;
	consumer_poke(c);
}

static void track_on_log(const char *line, void *arg)
{
	struct flight *f = arg;

	if (f->tracked != NULL)
		writer_log(f->tracked, line, f->handler->task_logs_max);
}

int track_start(struct consumer *c, struct err *err)
{
	const char *key = c->conf->database_secret_key_file;
	size_t i;

	if (key != NULL && (c->secret = secret_open(key, err)) == NULL)
		return -1;
	c->aside = loop_timer_new(c->loop, track_on_aside, c);
	handlers_on_log(c->handlers, track_on_log);
	for (i = 0; i < c->conf->handler_count; i++)
		if (c->conf->handlers[i].tracked &&
			c->conf->database_url != NULL)
			return track_open(c, err);
	return 0;
}

void track_close(struct consumer *c)
{
	pg_close(c->pg);
	c->pg = NULL;
}

void track_stop(struct consumer *c)
{
	secret_close(c->secret);
	writer_free(c->writer);
	loop_timer_free(c->aside);
}

/* There is a database to tell, or could be. */
static bool track_is_possible(struct consumer *c)
{
	struct err err = { 0, "no database is configured" };

	if (c->writer != NULL)
		return true;
	if (c->conf->database_url != NULL && track_open(c, &err) == 0)
		return true;
	if (!c->is_warned)
		log_warn("tracked tasks leave no trace here: %s", err.text);
	c->is_warned = true;
	return false;
}

/* What its producer did not name has the name of its entry, which is the same
 * for all who take it. */
static void track_name(struct flight *f)
{
	struct task *t = f->task;
	char *name;
	size_t i;

	if (!t->is_named) {
		name = xasprintf("%s/%s", f->topic->stream, f->id);
		uuid_derive(
			strtoll(f->id, NULL, 10), name, strlen(name), t->id);
		free(name);
	}
	for (i = 0; t->id[i] != '\0'; i++)
		t->id[i] = (char)tolower((unsigned char)t->id[i]);
}

static void track_on_event(
	struct writer_run *r, enum writer_event event, void *arg);

bool track_take(struct flight *f, int64_t deliveries)
{
	struct consumer *c = f->topic->consumer;
	struct task *t = f->task;
	char why[160];

	if (!t->tracked && !t->stored &&
		(f->handler == NULL || !f->handler->tracked))
		return true;
	if (!track_is_possible(c)) {
		if (t->stored)
			finish_postpone(f, TRACK_ELSEWHERE_MS);
		return !t->stored;
	}
	track_name(f);
	if (!uuid_is_v7(t->id)) {
		snprintf(why, sizeof(why),
			"a tracked task is called by a uuid of version 7, not "
			"'%s'",
			t->id);
		finish_end(f, END_DEAD, why);
		return false;
	}
	t->tracked = true;
	f->is_takeover = deliveries > 0;
	f->tracked =
		writer_run_new(c->writer, t, f->topic->name, track_on_event, f);
	return true;
}

static void track_release(struct flight *f)
{
	if (f->is_reserved)
		handlers_release(f->topic->consumer->handlers, f->handler);
	f->is_reserved = false;
}

void track_leave(struct flight *f)
{
	track_release(f);
	writer_run_free(f->tracked);
	f->tracked = NULL;
}

/* Later, when PostgreSQL may be there. */
static void track_put_aside(struct flight *f, int64_t pause_ms)
{
	track_leave(f);
	finish_postpone(f, pause_ms + clock_jitter(pause_ms));
}

unsigned track_parked(const struct consumer *c)
{
	unsigned limit = (unsigned)c->options->concurrency;

	if (c->writer == NULL || writer_has_room(c->writer))
		return 0;
	return c->beginning_count < limit ? c->beginning_count : limit;
}

unsigned track_stuck(const struct consumer *c)
{
	return c->writer == NULL || pg_is_up(c->pg) ? 0 : c->storing_count;
}

/* Whether it may wait here; when not, it is put aside, and its topic is left
 * alone for a while when many are. */
static bool track_may_wait(struct flight *f)
{
	struct consumer *c = f->topic->consumer;

	if (writer_has_room(c->writer) ||
		c->beginning_count < (unsigned)c->options->concurrency)
		return true;
	if (!loop_timer_is_set(c->aside))
		loop_timer_start(c->aside, TRACK_ASIDE_US);
	if (++c->aside_count >= TRACK_ASIDE_COUNT)
		f->topic->is_held = true;
	track_put_aside(f, TRACK_ASIDE_MS);
	return false;
}

void track_begin(struct flight *f)
{
	if (!track_may_wait(f))
		return;
	handlers_reserve(f->topic->consumer->handlers, f->handler);
	f->is_reserved = true;
	flight_set_state(f, FLIGHT_BEGINNING);
	writer_begin(f->tracked, f->is_takeover);
}

static enum task_state track_state(const struct flight *f)
{
	const struct handler_result *r = f->result;

	switch (f->end) {
	case END_SUCCESS: return TASK_SUCCESS;
	case END_RETRY: return TASK_PENDING;
	case END_CANCELLED: return TASK_CANCELLED;
	default: break;
	}
	if (f->is_late || (r != NULL && r->outcome == HANDLER_TIMEOUT))
		return TASK_TIMEOUT;
	return TASK_FAILED;
}

/* What error_logs calls it. */
static const char *track_error_type(const struct handler_result *r)
{
	if (r == NULL)
		return "refused";
	switch (r->outcome) {
	case HANDLER_FATAL: return "fatal";
	case HANDLER_TIMEOUT: return "timeout";
	case HANDLER_CRASHED: return "crash";
	default: return "error";
	}
}

static void track_set_error(struct writer_end *e, const struct flight *f)
{
	const struct handler_result *r = f->result;

	e->is_failure = true;
	e->type = track_error_type(r);
	if (r != NULL && r->text != NULL && r->text_len > 0) {
		e->error = r->text;
		e->error_len = r->text_len;
	} else {
		e->error = f->reason != NULL ? f->reason : e->type;
		e->error_len = strlen(e->error);
	}
	if (e->error_len > TRACK_ERROR_MAX)
		e->error_len = TRACK_ERROR_MAX;
}

static void track_store(struct flight *f)
{
	const struct handler_result *r = f->result;
	struct writer_end e = { .state = track_state(f),
		.duration_ms = -1,
		.attempt = f->task->attempt,
		.pause_ms = f->pause_ms };

	if (f->ended_at_us > 0)
		e.duration_ms = (f->ended_at_us - f->started_at_us) / US_PER_MS;
	if (f->end == END_SUCCESS && r != NULL) {
		e.result = r->text;
		e.result_len = r->text_len;
	} else if (f->end == END_DEAD ||
		   (f->end == END_RETRY && r != NULL &&
			   r->outcome != HANDLER_SNOOZE)) {
		track_set_error(&e, f);
	}
	flight_set_state(f, FLIGHT_STORING);
	writer_finish(f->tracked, &e);
}

bool track_end(struct flight *f)
{
	if (f->tracked == NULL || f->is_kept)
		return false;
	if (f->is_begun) {
		track_store(f);
		return true;
	}
	/* It leaves no trace that it came, and comes again. */
	if (f->end == END_RETRY || f->end == END_DUPLICATE)
		return false;
	f->is_ended = true;
	flight_set_state(f, FLIGHT_BEGINNING);
	writer_begin(f->tracked, f->is_takeover);
	return true;
}

static void track_on_begun(struct flight *f)
{
	const struct writer_run *r = f->tracked;
	const struct consumer *c = f->topic->consumer;
	struct err err;

	track_release(f);
	f->is_begun = true;
	f->task->stored = true;
	f->task->epoch = r->epoch;
	f->task->attempt = r->attempt;
	if (f->is_ended)
		track_store(f);
	else if (r->secret != NULL &&
		 secret_give(c->secret, f->task, r->secret, &err) != 0)
		finish_end(f, END_DEAD, err.text);
	else
		flight_begun(f);
}

/* The entry leads to nothing: its task is over, or in other hands. */
static void track_drop(struct flight *f, enum task_state seen)
{
	track_release(f);
	f->is_kept = true;
	f->is_over = seen != TASK_RUNNING && seen != TASK_PENDING;
	f->task->reply = false;
	log_debug("task %s (%s): it is %s already", f->task->id, f->id,
		task_state_names[seen]);
	finish_end(f, seen == TASK_CANCELLED ? END_CANCELLED : END_DUPLICATE,
		NULL);
}

/* Its row says that it runs; whoever said so may be gone. */
static void track_on_judged(struct flight *f, bool is_live)
{
	if (is_live)
		track_drop(f, TASK_RUNNING);
	else
		writer_begin(f->tracked, true);
}

static bool track_runs_here(const struct flight *mine)
{
	const struct flight *f;

	TAILQ_FOREACH(f, &mine->topic->consumer->flights, entry)
		if (f != mine && f->tracked != NULL && f->is_begun &&
			strcmp(f->task->id, mine->task->id) == 0)
			return true;
	return false;
}

static void track_on_left(struct flight *f)
{
	const struct writer_run *r = f->tracked;
	const struct consumer *c = f->topic->consumer;

	if (r->seen != TASK_RUNNING || r->seen_worker == NULL)
		track_drop(f, r->seen);
	else if (strcmp(r->seen_worker, c->name) == 0)
		track_on_judged(f, track_runs_here(f));
	else
		lease_ask_worker(f, r->seen_worker, track_on_judged);
}

static void track_on_event(
	struct writer_run *r, enum writer_event event, void *arg)
{
	struct flight *f = arg;
	struct consumer *c = f->topic->consumer;

	switch (event) {
	case WRITER_BEGUN: track_on_begun(f); break;
	case WRITER_LEFT: track_on_left(f); break;
	case WRITER_ENDED:
		f->is_kept = true;
		finish_kept(f);
		break;
	case WRITER_FENCED:
		log_warn("task %s (%s): its outcome comes too late, another "
			 "worker has it, dropping it",
			f->task->id, f->id);
		f->is_kept = true;
		f->task->reply = false;
		finish_end(f, END_FENCED, NULL);
		break;
	case WRITER_REFUSED:
		track_release(f);
		f->is_kept = true;
		finish_end(f, END_DEAD, r->why);
		break;
	}
	consumer_poke(c);
}

void track_drain(struct consumer *c)
{
	struct flight *f, *next;

	if (c->beginning_count == 0 || writer_has_room(c->writer))
		return;
	for (f = TAILQ_FIRST(&c->flights); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->state == FLIGHT_BEGINNING && f->ask == NULL &&
			!writer_is_sent(f->tracked))
			track_put_aside(f, TRACK_ASIDE_MS / 2);
	}
}
