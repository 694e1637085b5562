/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/due.h"
#include "cron/inline.h"
#include "cron/later.h"
#include "cron/load.h"
#include "cron/step.h"
#include "store/fire.h"
#include "store/outbox.h"
#include "task/keys.h"
#include "when/rule.h"

/* A worker whose clock is off does what nobody has done for so long. */
#define DUE_ASIDE_US (2 * US_PER_S)
/* After an error of PostgreSQL. */
#define DUE_REST_US US_PER_S
/* Redis has so long to say whose a lock is. */
#define DUE_LOCK_US (50 * US_PER_MS)
/* Whose lock is another's is looked at again after so long. */
#define DUE_CHECK_US (2 * US_PER_S)
/* An inline run that finds no room is looked at again after so long. */
#define DUE_FULL_US (50 * US_PER_MS)
/* A row that was locked: tried again, at first after so long. */
#define DUE_RETRY_US     (5 * US_PER_MS)
#define DUE_RETRY_MAX_US US_PER_S
/* A batch grows up to so many times batch_size while more is due. */
#define DUE_GROWTH 10
#define DUE_MAX    1000
/* In a batch of so many the runs come first, and the steps later. */
#define DUE_LAZY 100

struct due_item {
	struct due_batch *batch;
	struct planned *planned; /* NULL: not the batch' any more */
	bool is_mine;
};

/* Definitions on their way; freed when all have answered. */
struct due_batch {
	struct due *due;
	struct due_item *items;
	size_t count;
	unsigned unanswered; /* locks */
	bool is_sent;        /* no more locks are waited for */
	bool is_over;
	struct loop_timer *timer;
	struct fire *fire;
};

struct due {
	struct crontab *crontab;
	struct loop_timer *timer;
	unsigned in_flight;
	unsigned inlines; /* steps in flight that make inline runs */
	size_t size;      /* of the next batch */
	bool is_running;
	int64_t rest_us; /* clock_now until which nothing is tried; 0 */
};

static void due_on_timer(void *arg);

bool due_is_idle(const struct due *u)
{
	return u->in_flight == 0;
}

int64_t due_wake(const struct due *u, const struct planned *d)
{
	int64_t pause = DUE_RETRY_US << (d->tries < 8 ? d->tries : 8);

	if (d->tries == 0)
		return d->next_us;
	if (pause > DUE_RETRY_MAX_US)
		pause = DUE_RETRY_MAX_US;
	return crontab_now(u->crontab) + pause;
}

/* By the clock of this machine, from now on. */
static int64_t due_pause(const struct due *u)
{
	const struct crontab *c = u->crontab;
	const struct planned *d = plan_head(&c->plan);
	int64_t pause = d->wake_us - crontab_now(c), rest;

	if (c->is_clock_off && !d->is_check)
		pause += DUE_ASIDE_US;
	rest = u->rest_us - clock_now();
	return pause > rest ? pause : rest;
}

void due_schedule(struct due *u)
{
	struct crontab *c = u->crontab;

	if (!c->has_clock || !u->is_running || c->drain != CRONTAB_SERVING ||
		plan_head(&c->plan) == NULL ||
		u->in_flight >= (unsigned)c->conf->database_connections)
		loop_timer_stop(u->timer);
	else
		loop_timer_start(u->timer, due_pause(u));
}

void due_set_running(struct due *u, bool is_running)
{
	if (u->is_running != is_running)
		log_info(is_running ? "the scheduler runs"
				    : "the scheduler is stopped: nothing "
				      "fires");
	u->is_running = is_running;
	due_schedule(u);
}

static void due_release(struct due_batch *b)
{
	if (!b->is_over || b->unanswered > 0)
		return;
	fire_free(b->fire);
	free(b->items);
	free(b);
}

/* The batch has let go of its definitions. */
static void due_over(struct due_batch *b)
{
	struct due *u = b->due;

	u->in_flight--;
	b->is_over = true;
	due_release(b);
	due_schedule(u);
	crontab_settle(u->crontab);
}

/* It has a next time, or goes. */
static void due_settle(struct due *u, struct planned *d)
{
	struct crontab *c = u->crontab;

	d->is_won = d->is_later = false;
	d->has_lock = false;
	d->tries = 0;
	if (d->next_us == RULE_NEVER ||
		d->next_us > crontab_now(c) + c->options->preload_us)
		plan_remove(&c->plan, d);
	else
		plan_wait(&c->plan, d, d->next_us);
}

void due_put_back(struct due *u, struct planned *d)
{
	d->is_later = false;
	if (d->is_won) {
		due_settle(u, d);
		return;
	}
	/* Another may have stepped it. */
	if (d->tries < UINT8_MAX)
		d->tries++;
	plan_leave(&u->crontab->plan, d, PLANNED_CHECKING);
	load_again(u->crontab->load, d->id);
}

static void due_land(struct due_batch *b)
{
	size_t i;

	for (i = 0; i < b->count; i++) {
		struct planned *d = b->items[i].planned;

		if (d == NULL)
			continue;
		b->due->inlines -= d->is_inline;
		if (d->is_later)
			later_add(b->due->crontab->later, d);
		else
			due_put_back(b->due, d);
	}
}

static void due_won(struct due *u, const struct fire_row *row)
{
	struct crontab *c = u->crontab;
	struct planned *d = plan_find(&c->plan, row->definition);

	if (d == NULL || d->state != PLANNED_FIRING)
		return;
	series_observe(&c->series->lateness, crontab_now(c) - d->next_us);
	if (row->what == FIRED_LATER) {
		d->from_us = d->next_us;
		d->next_us = d->then_us;
		d->is_later = true;
	} else {
		d->next_us = row->number;
		d->is_won = true;
	}
}

static void due_count(struct series_cron *s, const struct fire_row *row)
{
	static const size_t kinds[] = {
		[FIRE_RUN] = SERIES_CRON_FIRED,
		[FIRE_HOLD] = SERIES_CRON_HELD,
		[FIRE_SKIP] = SERIES_CRON_SKIPPED,
		[FIRE_MISFIRE] = SERIES_CRON_MISFIRED,
	};

	atomic_fetch_add_explicit(&s->runs[kinds[row->kind]],
		(uint64_t)row->number, memory_order_relaxed);
}

/* The worker that has the replaced run is told, and so is who takes it. */
static void due_cancel(struct crontab *c, const char *instance)
{
	const char *prefix = c->conf->redis_prefix;
	char *text = xasprintf("cancel %s", instance);
	long long until = crontab_now(c) / US_PER_MS + KEYS_KEEP_S * 1000LL;

	(void)redis_printf(c->redis, NULL, NULL, "ZADD %scancels %lld %s",
		prefix, until, instance);
	(void)redis_printf(
		c->redis, NULL, NULL, "PUBLISH %scontrol %s", prefix, text);
	free(text);
}

static void due_take(struct due *u, const struct pg_result *r)
{
	struct crontab *c = u->crontab;
	int i, n = pg_result_rows(r);

	for (i = 0; i < n; i++) {
		struct fire_row row = fire_read(r, i);

		switch (row.what) {
		case FIRED_WON:
		case FIRED_LATER: due_won(u, &row); break;
		case FIRED_RUNS: due_count(c->series, &row); break;
		case FIRED_CANCEL: due_cancel(c, row.instance); break;
		case FIRED_INLINE:
			inlines_take(c->inlines, row.envelope);
			break;
		case FIRED_STOPPED: due_set_running(u, false); break;
		default: break;
		}
	}
}

static void due_on_fired(const struct pg_result *r, void *arg)
{
	struct due_batch *b = arg;
	struct due *u = b->due;

	if (r != NULL && !pg_result_is_error(r)) {
		due_take(u, r);
		outbox_poke(u->crontab->outbox);
	} else {
		if (r != NULL)
			log_error("%zu definitions can't be fired: %s, trying "
				  "again in 1 s",
				fire_steps(b->fire), pg_result_error(r));
		atomic_fetch_add(&u->crontab->series->failures, 1);
		u->rest_us = clock_now() + DUE_REST_US;
	}
	due_land(b);
	due_over(b);
}

/* Another has the lock and most likely does it. */
static void due_leave_to_other(struct due *u, struct due_item *item)
{
	u->inlines -= item->planned->is_inline;
	item->planned->is_check = true;
	plan_wait(&u->crontab->plan, item->planned,
		crontab_now(u->crontab) + DUE_CHECK_US);
	item->planned = NULL;
}

static void due_send(struct due_batch *b)
{
	struct due *u = b->due;
	struct crontab *c = u->crontab;
	enum fire_how how = b->count >= DUE_LAZY ? FIRE_LAZY : FIRE_WHOLE;
	int64_t now = crontab_now(c);
	size_t i;

	b->is_sent = true;
	loop_timer_free(b->timer);
	b->fire = fire_new();
	for (i = 0; i < b->count; i++) {
		struct planned *d = b->items[i].planned;

		if (!b->items[i].is_mine) {
			due_leave_to_other(u, &b->items[i]);
			continue;
		}
		d->has_lock = true;
		plan_leave(&c->plan, d, PLANNED_FIRING);
		d->then_us = step_add(b->fire, d, now, c->options->misfire_us);
	}
	if (fire_steps(b->fire) > 0 &&
		fire_send(b->fire, c->pg, c->options->clock_tolerance_us, how,
			due_on_fired, b) == 0)
		return;
	if (fire_steps(b->fire) > 0)
		u->rest_us = clock_now() + DUE_REST_US;
	due_land(b);
	due_over(b);
}

static void due_on_locked(const struct redis_reply *reply, void *arg)
{
	struct due_item *item = arg;
	struct due_batch *b = item->batch;

	b->unanswered--;
	if (b->is_sent) {
		due_release(b);
		return;
	}
	/* Redis being away is no reason not to fire. */
	item->is_mine = reply == NULL || redis_type(reply) != REDIS_NIL;
	if (b->unanswered == 0)
		due_send(b);
}

static void due_on_no_answer(void *arg)
{
	due_send(arg);
}

static void due_lock(struct due_batch *b, struct due_item *item)
{
	struct crontab *c = b->due->crontab;
	const struct planned *d = item->planned;

	item->is_mine = true;
	if (d->has_lock)
		return;
	if (redis_printf(c->redis, due_on_locked, item,
		    "SET %s%s%s:%lld %s NX PX %lld", c->conf->redis_prefix,
		    c->options->lock_prefix, d->id,
		    (long long)(d->next_us / US_PER_MS), c->name,
		    (long long)(c->options->lock_expire_us / US_PER_MS)) == 0)
		b->unanswered++;
}

/* The due ones, at most `most`; those to be read again are only told so. */
static struct due_batch *due_collect(struct due *u, int64_t now, size_t most)
{
	struct crontab *c = u->crontab;
	struct due_batch *b = xcalloc(1, sizeof(*b));
	struct planned *d;

	b->due = u;
	b->items = xcalloc(most, sizeof(*b->items));
	while (b->count < most && (d = plan_head(&c->plan)) != NULL &&
		d->wake_us <= now) {
		if (d->is_check) {
			plan_leave(&c->plan, d, PLANNED_CHECKING);
			load_again(c->load, d->id);
			continue;
		}
		if (d->is_inline && !inlines_has_room(c->inlines, u->inlines)) {
			plan_wait(&c->plan, d, now + DUE_FULL_US);
			continue;
		}
		u->inlines += d->is_inline;
		plan_leave(&c->plan, d, PLANNED_LOCKING);
		b->items[b->count++] =
			(struct due_item){ .batch = b, .planned = d };
	}
	return b;
}

/* Larger while more is due than fits. */
static void due_adapt(struct due *u, size_t count)
{
	size_t least = (size_t)u->crontab->options->batch_size;
	size_t most = least * DUE_GROWTH;

	if (most > DUE_MAX)
		most = DUE_MAX;
	u->size = count == u->size ? u->size * 2 : least;
	if (u->size > most)
		u->size = most;
}

static void due_begin(struct due *u, int64_t now)
{
	struct due_batch *b = due_collect(u, now, u->size);
	size_t i;

	due_adapt(u, b->count);
	u->in_flight++;
	for (i = 0; i < b->count; i++)
		due_lock(b, &b->items[i]);
	if (b->unanswered == 0) {
		due_send(b);
		return;
	}
	b->timer = loop_timer_new(u->crontab->loop, due_on_no_answer, b);
	loop_timer_start(b->timer, DUE_LOCK_US);
}

static void due_on_timer(void *arg)
{
	struct due *u = arg;
	struct crontab *c = u->crontab;
	int64_t now = crontab_now(c);

	if (c->is_clock_off)
		now -= DUE_ASIDE_US;
	if (plan_head(&c->plan) != NULL &&
		plan_head(&c->plan)->wake_us <= now && pg_is_up(c->pg))
		due_begin(u, now);
	else if (!pg_is_up(c->pg))
		u->rest_us = clock_now() + DUE_REST_US;
	due_schedule(u);
}

struct due *due_start(struct crontab *c)
{
	struct due *u = xcalloc(1, sizeof(*u));

	u->crontab = c;
	u->is_running = true;
	u->size = (size_t)c->options->batch_size;
	u->timer = loop_timer_new(c->loop, due_on_timer, u);
	return u;
}

void due_stop(struct due *u)
{
	if (u == NULL)
		return;
	loop_timer_free(u->timer);
	free(u);
}
