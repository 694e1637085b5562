/* SPDX-License-Identifier: ISC */
/*
 * handler_worker - a few long-lived children do the tasks of a handler.
 *
 * They are started when there is a task for them, at most `processes`.  Runs
 * for whom none is free wait in order; handlers_has_room lets no more come
 * than there are children for, so that hardly happens.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/procfs.h"
#include "task/handler_crew.h"
#include "task/handler_vars.h"

/* The first child that dies is replaced at once, then the pause doubles. */
#define WORKER_BACKOFF_MIN_US (100 * (int64_t)US_PER_MS)
#define WORKER_BACKOFF_MAX_US (30 * (int64_t)US_PER_S)
#define WORKER_CHECK_US       (100 * (int64_t)US_PER_MS) /* of memory */

static void worker_on_backoff(void *arg);
static void worker_on_watch(void *arg);
static void worker_give_out(struct crew *crew);

static int worker_open(struct handler *h, struct err *err)
{
	struct handler_command *command =
		handler_command_new(h->conf, &h->all->context, err);
	struct crew *crew;
	int i;

	if (command == NULL)
		return -1;
	crew = xcalloc(1, sizeof(*crew));
	crew->handler = h;
	crew->command = command;
	for (i = 0; i < CREW_STATE_COUNT; i++)
		TAILQ_INIT(&crew->members[i]);
	TAILQ_INIT(&crew->waiting);
	crew->timer = loop_timer_new(h->all->loop, worker_on_backoff, crew);
	if (h->conf->memory_hard > 0)
		crew->watch =
			loop_timer_new(h->all->loop, worker_on_watch, crew);
	h->own = crew;
	return 0;
}

static void worker_close(struct handler *h)
{
	struct crew *crew = h->own;
	struct crew_member *m;
	int i;

	for (i = 0; i < CREW_DEAD; i++)
		while ((m = TAILQ_FIRST(&crew->members[i])) != NULL)
			crew_member_kill(m);
	crew_bury(crew);
	loop_timer_free(crew->timer);
	loop_timer_free(crew->watch);
	handler_command_free(crew->command);
	free(crew);
	h->own = NULL;
}

static void worker_trim(struct handler *h)
{
	struct crew *crew = h->own;
	struct crew_member *m;

	while ((m = TAILQ_FIRST(&crew->members[CREW_IDLE])) != NULL)
		crew_member_retire(m);
}

/* Children that could be started now. */
static int64_t worker_startable(const struct crew *crew)
{
	int64_t n = crew->handler->conf->processes - crew->counts[CREW_IDLE] -
		    crew->counts[CREW_BUSY];

	if (n <= 0 || (crew->failures > 0 && clock_now() < crew->start_us))
		return 0;
	return n;
}

static bool worker_has_room(struct handler *h, int64_t *ret_wait_us)
{
	struct crew *crew = h->own;

	if (crew->counts[CREW_IDLE] + worker_startable(crew) >
		crew->wait_count + h->reserved)
		return true;
	*ret_wait_us = -1;
	if (crew->counts[CREW_BUSY] == 0 && crew->start_us > clock_now())
		*ret_wait_us = crew->start_us - clock_now();
	return false;
}

/* Nobody waits for a child that can't be started: the run fails. */
static void worker_refuse(
	struct handler_run *run, bool is_exec, const struct err *err)
{
	bool is_final = is_exec && err->code != EAGAIN && err->code != ENOMEM &&
			err->code != ETXTBSY;

	handler_finish_text(
		run, is_final ? HANDLER_FATAL : HANDLER_RETRY, "%s", err->text);
}

static struct handler_run *worker_next(struct crew *crew)
{
	struct crew_wait *w = TAILQ_FIRST(&crew->waiting);
	struct handler_run *run = w->run;

	TAILQ_REMOVE(&crew->waiting, w, entry);
	crew->wait_count--;
	free(w);
	return run;
}

static void worker_give(struct crew *crew)
{
	struct crew_member *m = TAILQ_FIRST(&crew->members[CREW_IDLE]);
	struct handler_run *run;
	bool is_exec = false;
	struct err err;

	if (m == NULL)
		m = crew_member_start(crew, &is_exec, &err);
	run = worker_next(crew);
	if (m == NULL) {
		worker_refuse(run, is_exec, &err);
		return;
	}
	crew_member_give(m, run);
	if (crew->watch != NULL && !loop_timer_is_set(crew->watch))
		loop_timer_start(crew->watch, US_PER_S);
}

/* To those who wait, as long as there are children. */
static void worker_give_out(struct crew *crew)
{
	int64_t pause;

	if (crew->is_giving)
		return;
	crew->is_giving = true;
	while (crew->wait_count > 0 &&
		(crew->counts[CREW_IDLE] > 0 || worker_startable(crew) > 0))
		worker_give(crew);
	crew->is_giving = false;
	pause = crew->start_us - clock_now();
	if (crew->wait_count > 0 && pause > 0 &&
		!loop_timer_is_set(crew->timer))
		loop_timer_start(crew->timer, pause);
}

static void worker_on_backoff(void *arg)
{
	struct crew *crew = arg;

	crew_bury(crew);
	worker_give_out(crew);
}

static void worker_start(struct handler_run *run)
{
	struct crew *crew = run->handler->own;
	struct crew_wait *w = xmalloc(sizeof(*w));

	w->run = run;
	run->own = NULL;
	TAILQ_INSERT_TAIL(&crew->waiting, w, entry);
	crew->wait_count++;
	worker_give_out(crew);
}

/* It waits no more. */
static void worker_withdraw(struct handler_run *run)
{
	struct crew *crew = run->handler->own;
	struct crew_wait *w;

	TAILQ_FOREACH(w, &crew->waiting, entry)
		if (w->run == run)
			break;
	if (w == NULL)
		return;
	TAILQ_REMOVE(&crew->waiting, w, entry);
	crew->wait_count--;
	free(w);
}

static void worker_stop(struct handler_run *run, enum handler_force force)
{
	struct crew_member *m = run->own;

	if (m != NULL) {
		crew_member_stop(m, force);
		return;
	}
	worker_withdraw(run);
	handler_finish_text(run, HANDLER_CANCELLED, "no child was free");
}

static void worker_kill(struct handler_run *run)
{
	struct crew *crew = run->handler->own;

	if (run->own != NULL)
		crew_member_kill(run->own);
	else
		worker_withdraw(run);
	if (crew->wait_count > 0)
		loop_timer_start(crew->timer, 0);
}

/* Why it should be replaced; NULL: it should not. */
static const char *worker_is_spent(struct crew_member *m)
{
	const struct conf_handler *c = m->crew->handler->conf;
	int64_t now;

	if (c->max_tasks > 0 && m->tasks >= c->max_tasks)
		return "max_tasks";
	if (c->memory_soft == 0)
		return NULL;
	now = clock_now();
	if (m->checked_us != 0 && now - m->checked_us < WORKER_CHECK_US)
		return NULL;
	m->checked_us = now;
	return procfs_anon_kb(m->pid) * 1024 > c->memory_soft ? "memory.soft"
							      : NULL;
}

void crew_on_end(struct crew_member *m, struct handler_run *run,
	const struct handler_result *r)
{
	struct crew *crew = m->crew;
	const char *why = m->state == CREW_IDLE ? worker_is_spent(m) : NULL;

	crew->failures = 0;
	if (why != NULL) {
		log_debug("handler %s[%d]: replaced: %s",
			crew->handler->conf->name, (int)m->pid, why);
		crew_member_retire(m);
	}
	handler_finish(run, r);
	worker_give_out(crew);
}

/* memory.hard does not wait for the end of a task. */
static void worker_on_watch(void *arg)
{
	struct crew *crew = arg;
	int64_t max = crew->handler->conf->memory_hard;
	struct crew_member *m;

	crew_bury(crew);
	TAILQ_FOREACH(m, &crew->members[CREW_BUSY], entry) {
		if (procfs_anon_kb(m->pid) * 1024 <= max)
			continue;
		snprintf(m->last, sizeof(m->last), "more than memory.hard");
		crew_member_stop(m, HANDLER_FORCE_HARD);
	}
	if (crew->counts[CREW_BUSY] > 0)
		loop_timer_start(crew->watch, US_PER_S);
}

static void worker_back_off(struct crew *crew)
{
	int64_t pause = 0;
	int i;

	crew->failures++;
	if (crew->failures > 1) {
		pause = WORKER_BACKOFF_MIN_US;
		for (i = 2; i < crew->failures && pause < WORKER_BACKOFF_MAX_US;
			i++)
			pause *= 2;
		if (pause > WORKER_BACKOFF_MAX_US)
			pause = WORKER_BACKOFF_MAX_US;
	}
	crew->start_us = clock_now() + pause;
}

static void worker_tell_exit(struct crew_member *m, struct handler_run *run,
	const struct handler_exit *e)
{
	struct handler_result r = { .outcome = HANDLER_RETRY,
		.pause_us = -1,
		.peak_kb = e->peak_kb,
		.signo = e->signo };
	char text[sizeof(m->last) + 64];
	const char *glue = m->last[0] != '\0' ? ": " : "";

	if (e->signo != 0) {
		r.outcome = HANDLER_CRASHED;
		snprintf(text, sizeof(text),
			"its process was ended by SIG%s%s%s",
			handler_vars_signal(e->signo), glue, m->last);
	} else {
		snprintf(text, sizeof(text),
			"its process ended with exit status %d%s%s", e->code,
			glue, m->last);
	}
	r.text = text;
	r.text_len = strlen(text);
	handler_finish(run, &r);
}

void crew_on_exit(struct crew_member *m, struct handler_run *run,
	const struct handler_exit *e)
{
	struct crew *crew = m->crew;

	if (!m->is_dismissed) {
		if (run == NULL)
			log_warn("handler %s[%d]: ended by itself (%s %d)",
				crew->handler->conf->name, (int)m->pid,
				e->signo != 0 ? "signal" : "exit status",
				e->signo != 0 ? e->signo : e->code);
		worker_back_off(crew);
	}
	if (run != NULL)
		worker_tell_exit(m, run, e);
	worker_give_out(crew);
}

const struct handler_kind handler_kind_worker = {
	.open = worker_open,
	.close = worker_close,
	.trim = worker_trim,
	.has_room = worker_has_room,
	.start = worker_start,
	.stop = worker_stop,
	.kill = worker_kill,
};
