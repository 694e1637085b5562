/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/lease.h"
#include "queue/mark.h"
#include "queue/record.h"
#include "queue/scripts.h"
#include "queue/topic.h"
#include "queue/track.h"
#include "store/writer.h"

/* How long a suspect and the others wait for each other. */
#define FLIGHT_QUIET_US (10 * US_PER_S)

/* The counters of a flight's topic and handler. */
static struct series *flight_series(const struct flight *f)
{
	struct consumer *c = f->topic->consumer;
	size_t width = c->conf->handler_count + 1;
	size_t column = f->handler != NULL
				? (size_t)(f->handler - c->conf->handlers)
				: c->conf->handler_count;
	struct series **s;

	if (c->series == NULL)
		c->series = xcalloc(c->topic_count * width, sizeof(*c->series));
	s = &c->series[(size_t)(f->topic - c->topics) * width + column];
	if (*s == NULL)
		*s = series_find(worker_child(c->worker)->board, f->topic->name,
			f->handler != NULL ? f->handler->name : "unknown");
	return *s;
}

static void flight_count(const struct flight *f, enum series_outcome what)
{
	atomic_fetch_add_explicit(
		&flight_series(f)->outcomes[what], 1, memory_order_relaxed);
}

static _Atomic uint32_t *flight_held(const struct flight *f)
{
	const struct child *child = worker_child(f->topic->consumer->worker);
	const struct board *b = child->board;

	return &b->map->held[child->slot]
			.count[series_number(b, flight_series(f))];
}

static void flight_count_start(struct flight *f)
{
	struct series *s = flight_series(f);
	struct consumer *c = f->topic->consumer;
	int64_t entered_ms = strtoll(f->id, NULL, 10);
	int64_t now_us =
		f->started_at_us + c->wall_ahead_us + c->skew_ms * US_PER_MS;

	atomic_fetch_add_explicit(flight_held(f), 1, memory_order_relaxed);
	series_observe(&s->wait, now_us - entered_ms * US_PER_MS);
}

static void flight_count_end(struct flight *f)
{
	atomic_fetch_sub_explicit(flight_held(f), 1, memory_order_relaxed);
	f->ended_at_us = clock_now();
	series_observe(
		&flight_series(f)->run, f->ended_at_us - f->started_at_us);
}

/* A task without an id of its own is called by its entry: the same for all who
 * take it, one after the other. */
static void flight_name_task(
	struct task *task, const struct topic *t, const char *id)
{
	char name[TASK_ID_MAX + 1];
	int n = snprintf(name, sizeof(name), "%s-%s", t->name, id);

	task->topic = t->name;
	if (!task->is_named && n > 0 && (size_t)n < sizeof(name))
		memcpy(task->id, name, (size_t)n + 1);
}

static struct flight *flight_new(
	struct topic *t, const char *id, struct task *task)
{
	struct consumer *c = t->consumer;
	struct flight *f = xcalloc(1, sizeof(*f));

	f->topic = t;
	f->task = task;
	if (task != NULL)
		flight_name_task(task, t, id);
	f->state = FLIGHT_WAITING;
	f->taken_at_us = f->renewed_at_us = c->arrived_at_us;
	/* When the entry became ours is not known after a long read: it may
	 * have lain here while this process slept.  So it is asked before its
	 * outcome is stored. */
	if (f->taken_at_us - t->asked_at_us > c->options->renew_us)
		f->renewed_at_us -= c->options->renew_us;
	memcpy(f->id, id, strnlen(id, sizeof(f->id) - 1));
	TAILQ_INSERT_TAIL(&c->flights, f, entry);
	c->flight_count++;
	if (c->flight_count >= CONSUMER_BURST && !c->is_grown) {
		c->is_grown = true;
		loop_timer_start(c->rest, CONSUMER_REST_US);
	}
	c->active_count++;
	c->waiting_count++;
	lease_on_taken(c, f->taken_at_us);
	worker_task_begin(c->worker);
	return f;
}

static bool flight_is_active(const struct flight *f)
{
	return f->state == FLIGHT_WAITING || f->state == FLIGHT_RUNNING ||
	       f->state == FLIGHT_BEGINNING;
}

static void flight_count_state(const struct flight *f, int step)
{
	struct consumer *c = f->topic->consumer;

	if (f->state == FLIGHT_WAITING)
		c->waiting_count += (unsigned)step;
	else if (f->state == FLIGHT_BEGINNING)
		c->beginning_count += (unsigned)step;
	else if (f->state == FLIGHT_STORING)
		c->storing_count += (unsigned)step;
	if (flight_is_active(f))
		c->active_count += (unsigned)step;
}

void flight_set_state(struct flight *f, enum flight_state state)
{
	struct consumer *c = f->topic->consumer;

	flight_count_state(f, -1);
	f->state = state;
	flight_count_state(f, 1);
	if (!flight_is_active(f) && f->is_suspect) {
		f->is_suspect = false;
		c->suspect_count--;
		c->look_due = true;
	}
}

static void flight_leave(struct flight *f, bool failed)
{
	struct consumer *c = f->topic->consumer;
	int64_t spent_us = f->started_at_us > 0 && f->ended_at_us > 0
				   ? f->ended_at_us - f->started_at_us
				   : clock_now() - f->taken_at_us;

	TAILQ_REMOVE(&c->flights, f, entry);
	c->flight_count--;
	if (f->ask != NULL)
		f->ask->flight = NULL;
	flight_set_state(f, FLIGHT_UNSTORED);
	if (f->tracked != NULL)
		track_leave(f);
	worker_task_end(c->worker, failed, spent_us);
	task_free(f->task);
	free(f->payload);
	free(f->answer);
	free(f->reason);
	free(f);
}

void flight_land(struct flight *f)
{
	/* The two enums name the same ends in the same order. */
	flight_count(f, (enum series_outcome)f->end);
	flight_leave(f, f->end == END_RETRY || f->end == END_DEAD);
}

void flight_fence(struct flight *f)
{
	if (!f->is_lost) {
		log_warn("task %s (%s): its lease is lost, dropping it",
			f->task != NULL ? f->task->id : "?", f->id);
		flight_count(f, SERIES_FENCED);
	}
	f->is_lost = true;
	if (f->state == FLIGHT_RUNNING && f->run != NULL) {
		handler_kill(f->run);
		flight_count_end(f);
		f->run = NULL;
	}
	if (f->tracked == NULL || f->is_kept || f->state == FLIGHT_WAITING)
		flight_leave(f, true);
	else if (f->is_begun && f->state != FLIGHT_STORING)
		/* Its row must not say for ever that it runs here. */
		finish_postpone(f, 0);
}

static void flight_on_done(const struct handler_result *r, void *arg)
{
	struct flight *f = arg;
	struct consumer *c = f->topic->consumer;

	f->run = NULL;
	flight_count_end(f);
	if (r->outcome == HANDLER_TIMEOUT)
		flight_count(f, SERIES_TIMEOUT);
	else if (r->outcome == HANDLER_CRASHED)
		flight_count(f, SERIES_CRASH);
	/* Whose a tracked one is, PostgreSQL knows better. */
	if (f->tracked == NULL && lease_is_over(f, f->ended_at_us)) {
		flight_fence(f);
		consumer_poke(c);
		return;
	}
	finish_result(f, r);
	consumer_poke(c);
}

static int64_t flight_timeout(const struct flight *f)
{
	int64_t us = f->handler->timeout_us, left;

	if (f->task->timeout_ms > 0)
		us = f->task->timeout_ms * US_PER_MS;
	if (f->task->deadline_ms > 0) {
		left = f->task->deadline_ms -
		       consumer_now_ms(f->topic->consumer);
		if (left < 1)
			left = 1;
		if (us <= 0 || left * US_PER_MS < us)
			us = left * US_PER_MS;
	}
	return us;
}

static void flight_on_progress(int percent, const char *text, void *arg)
{
	struct flight *f = arg;

	if (f->tracked != NULL)
		writer_progress(f->tracked, percent, text);
	if (f->task->reply)
		record_progress(f, percent, text);
}

static void flight_start(struct flight *f)
{
	struct consumer *c = f->topic->consumer;
	bool is_watched = f->task->reply || f->tracked != NULL;
	struct handler_run *run;

	flight_set_state(f, FLIGHT_RUNNING);
	f->started_at_us = clock_now();
	flight_count_start(f);
	if (f->tracked == NULL)
		f->task->epoch++;
	run = handler_run(c->handlers, f->handler, f->task, flight_timeout(f),
		flight_on_done, is_watched ? flight_on_progress : NULL, f);
	/* NULL: it has answered already, and f may be gone. */
	if (run != NULL)
		f->run = run;
}

static void flight_on_room(struct consumer *c, int64_t wait_us)
{
	if (wait_us >= 0 && !loop_timer_is_set(c->room))
		loop_timer_start(c->room, wait_us);
}

/* A suspect runs alone, so that nobody else is blamed for its deed, nor it for
 * another's; but nobody waits for that for ever. */
static bool flight_is_quiet(const struct flight *f, int64_t *ret_wait_us)
{
	const struct consumer *c = f->topic->consumer;
	int64_t left;

	if (c->suspect_count == 0)
		return true;
	left = c->quiet_until_us - clock_now();
	if (left <= 0 || (f->is_suspect && c->active_count == c->waiting_count))
		return true;
	*ret_wait_us = left;
	return false;
}

void flight_begun(struct flight *f)
{
	if (f->is_cancelled)
		finish_end(f, END_CANCELLED, NULL);
	else if (f->is_lost || lease_is_over(f, clock_now()))
		flight_fence(f);
	else
		flight_start(f);
}

static void flight_suspect(struct flight *f, int64_t deliveries)
{
	struct consumer *c = f->topic->consumer;
	int64_t deaths = f->task->crashes + deliveries;

	if (deliveries == 0 || deaths + 1 < c->options->crashes_max)
		return;
	f->is_suspect = true;
	c->suspect_count++;
	c->quiet_until_us = f->taken_at_us + FLIGHT_QUIET_US;
}

static void flight_try_start(struct flight *f)
{
	struct consumer *c = f->topic->consumer;
	int64_t wait_us = -1;

	/* What was taken over comes on top of what was read. */
	if (consumer_busy(c) - c->waiting_count >=
		(unsigned)c->options->concurrency)
		return;
	if (!flight_is_quiet(f, &wait_us)) {
		flight_on_room(c, wait_us);
		return;
	}
	if (!handlers_has_room(c->handlers, f->handler, &wait_us))
		flight_on_room(c, wait_us);
	else if (f->tracked != NULL)
		track_begin(f);
	else
		flight_start(f);
}

void flight_start_waiting(struct consumer *c)
{
	struct flight *f, *next;
	unsigned left = c->waiting_count;

	for (f = TAILQ_FIRST(&c->flights); f != NULL && left > 0; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->state != FLIGHT_WAITING)
			continue;
		left--;
		if (f->ask != NULL)
			continue;
		if (f->is_cancelled)
			finish_end(f, END_CANCELLED, NULL);
		else
			flight_try_start(f);
	}
}

/* Not begun, and not to be: its lease runs out, and another takes it. */
static void flight_abandon(struct flight *f)
{
	flight_leave(f, true);
}

static void flight_on_unique(const struct redis_reply *reply, void *arg)
{
	struct flight_ask *ask = arg;
	struct flight *f = ask->flight;

	consumer_poke(ask->consumer);
	free(ask);
	if (f == NULL)
		return;
	f->ask = NULL;
	if (reply == NULL || redis_type(reply) == REDIS_ERROR)
		flight_abandon(f);
	else if (redis_int(reply, 0) != 1)
		finish_end(f, END_DUPLICATE, NULL);
}

static void flight_ask_unique(struct flight *f)
{
	char *key = finish_unique_key(f);
	const char *argv[2] = { key, f->task->id };
	struct consumer *c = f->topic->consumer;

	f->ask = xcalloc(1, sizeof(*f->ask));
	f->ask->flight = f;
	f->ask->consumer = c;
	if (redis_script(c->commands, flight_on_unique, f->ask, &script_unique,
		    1, 2, argv, NULL) != 0)
		flight_on_unique(NULL, f->ask);
	free(key);
}

/* How the process ended whose task this was: the board says it for the place
 * of a worker of this node. */
static const char *flight_last_death(
	const struct consumer *c, char *ret_text, size_t size)
{
	const struct board *b = worker_child(c->worker)->board;
	const char *slash = c->victim != NULL ? strchr(c->victim, '/') : NULL;
	int i, limit = (int)atomic_load(&b->map->header.slot_limit);
	struct board_slot slot;
	struct board_pool pool;
	char place[CONSUMER_NAME_MAX];

	snprintf(ret_text, size, "for a reason unknown here");
	for (i = 0; slash != NULL && i < limit; i++) {
		if (!board_read_slot(b, i, &slot) ||
			slot.state == BOARD_EMPTY || slot.pool < 0 ||
			slot.last_exit[0] == '\0' ||
			!board_read_pool(b, slot.pool, &pool))
			continue;
		snprintf(
			place, sizeof(place), "/%s.%d/", pool.name, slot.index);
		if (strncmp(slash, place, strlen(place)) != 0)
			continue;
		snprintf(ret_text, size, "of %.90s, peak memory %.1f MiB",
			slot.last_exit, (double)slot.last_peak_kb / 1024);
		break;
	}
	return ret_text;
}

/* What forbids to run it at all; the flight is finished then. */
static bool flight_is_refused(struct flight *f, int64_t deliveries)
{
	struct consumer *c = f->topic->consumer;
	int64_t limit = c->options->crashes_max;
	struct task *t = f->task;
	int64_t deaths = t->crashes + deliveries;
	char why[320], how[160];

	if (f->handler == NULL) {
		snprintf(why, sizeof(why), "no handler is called '%.60s'",
			t->handler);
		finish_end(f, END_DEAD, why);
	} else if (mark_is_cancelled(c, t->id)) {
		finish_end(f, END_CANCELLED, NULL);
	} else if (t->deadline_ms > 0 && t->deadline_ms < consumer_now_ms(c)) {
		f->is_late = true;
		finish_end(f, END_DEAD, "its deadline has passed");
	} else if (deliveries > 0 && deaths >= limit) {
		snprintf(why, sizeof(why),
			"the worker of task %s died %lld times, the last %s: "
			"poison",
			t->id, (long long)deaths,
			flight_last_death(c, how, sizeof(how)));
		finish_end(f, END_DEAD, why);
	} else {
		return false;
	}
	return true;
}

/* An envelope with a time of its own is no matter of now. */
static bool flight_is_early(struct flight *f)
{
	int64_t left;

	if (f->task->at_ms == 0)
		return false;
	left = f->task->at_ms - consumer_now_ms(f->topic->consumer);
	if (left <= 0)
		return false;
	finish_postpone(f, left);
	return true;
}

bool flight_holds(const struct topic *t, const char *id)
{
	const struct flight *f;

	TAILQ_FOREACH(f, &t->consumer->flights, entry)
		if (f->topic == t && strcmp(f->id, id) == 0)
			return true;
	return false;
}

void flight_on_arrival(struct consumer *c)
{
	c->arrived_at_us = clock_now();
	c->wall_ahead_us = clock_wall() - c->arrived_at_us;
}

void flight_take(struct topic *t, const char *id, const char *text, size_t len,
	int64_t deliveries)
{
	struct consumer *c = t->consumer;
	struct err err = { 0 };
	struct task *task = NULL;
	struct flight *f;

	/* It was claimed from ourselves: its outcome is slow to be stored. */
	if (deliveries > 0 && flight_holds(t, id))
		return;
	if (text == NULL)
		(void)err_set(&err, 0, "the entry has no field 'task'");
	else
		task = task_parse(text, len, &err);
	f = flight_new(t, id, task);
	if (task == NULL) {
		finish_keep_payload(f, text, len);
		finish_end(f, END_DEAD, err.text);
		return;
	}
	f->handler = handlers_find(c->handlers, task->handler);
	/* The envelope knows nothing of the dispatches that came to no end. */
	task->epoch += deliveries;
	if (!track_take(f, deliveries) || flight_is_refused(f, deliveries) ||
		flight_is_early(f))
		return;
	flight_suspect(f, deliveries);
	if (task->unique != NULL)
		flight_ask_unique(f);
	else
		flight_try_start(f);
}

bool flight_cancel(struct consumer *c, const char *task_id)
{
	struct flight *f;

	TAILQ_FOREACH(f, &c->flights, entry) {
		if (f->task == NULL || strcmp(f->task->id, task_id) != 0)
			continue;
		f->is_cancelled = true;
		if (f->state == FLIGHT_RUNNING && f->run != NULL)
			handler_cancel(f->run);
		else if (f->state == FLIGHT_WAITING)
			consumer_poke(c);
		return true;
	}
	return false;
}

void flight_free_all(struct consumer *c)
{
	struct flight *f;

	while ((f = TAILQ_FIRST(&c->flights)) != NULL) {
		if (f->run != NULL) {
			handler_kill(f->run);
			flight_count_end(f);
		}
		flight_leave(f, true);
	}
}
