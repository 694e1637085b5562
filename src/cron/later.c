/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/due.h"
#include "cron/later.h"
#include "cron/load.h"
#include "store/fire.h"

/* What was fired is to run first; but who looks after it because another had
 * its lock does so after DUE_CHECK_US, and its own next time comes. */
#define LATER_WAIT_US  (700 * US_PER_MS)
#define LATER_AHEAD_US (500 * US_PER_MS)
/* Steps of one statement, of which there is one at a time. */
#define LATER_PART 250

struct later {
	struct crontab *crontab;
	struct planned **items;
	size_t count, cap;
	struct planned *sent[LATER_PART];
	size_t sent_count;
	struct fire *fire; /* under way */
	struct loop_timer *timer;
	int64_t at_us; /* when it is set: for when */
};

bool later_is_idle(const struct later *l)
{
	return l->count == 0 && l->sent_count == 0;
}

static void later_send(struct later *l);

static void later_mark(struct later *l, const struct pg_result *r)
{
	int i, n = pg_result_rows(r);
	struct planned *d;

	for (i = 0; i < n; i++) {
		d = plan_find(&l->crontab->plan, pg_result_text(r, i, 0));
		if (d != NULL && d->state == PLANNED_STEPPING)
			d->is_won = true;
	}
}

/* Those that were stepped wait for their next time, the others are read
 * again. */
static void later_on_answer(const struct pg_result *r, void *arg)
{
	struct later *l = arg;
	struct crontab *c = l->crontab;
	size_t i;

	if (r != NULL && pg_result_is_error(r))
		log_warn("definitions that were fired can't be stepped: %s",
			pg_result_error(r));
	else if (r != NULL)
		later_mark(l, r);
	fire_free(l->fire);
	l->fire = NULL;
	for (i = 0; i < l->sent_count; i++)
		due_put_back(c->due, l->sent[i]);
	l->sent_count = 0;
	if (l->count > 0)
		later_send(l);
	due_schedule(c->due);
	crontab_settle(c);
}

static void later_send(struct later *l)
{
	struct planned *d;

	if (l->sent_count > 0)
		return;
	l->fire = fire_new();
	while (l->count > 0 && l->sent_count < LATER_PART) {
		d = l->items[--l->count];
		fire_add_step(l->fire, d->id, d->from_us, d->version);
		fire_set_next(l->fire, d->next_us);
		l->sent[l->sent_count++] = d;
	}
	if (fire_send_steps(l->fire, l->crontab->pg, later_on_answer, l) != 0)
		later_on_answer(NULL, l);
}

static void later_on_timer(void *arg)
{
	struct later *l = arg;

	if (l->count > 0)
		later_send(l);
}

static int64_t later_pause(const struct later *l, const struct planned *d)
{
	int64_t left = d->next_us - crontab_now(l->crontab) - LATER_AHEAD_US;

	if (left < 0 || l->crontab->drain != CRONTAB_SERVING)
		return 0;
	return left < LATER_WAIT_US ? left : LATER_WAIT_US;
}

void later_add(struct later *l, struct planned *d)
{
	int64_t pause = later_pause(l, d), at_us = clock_now() + pause;

	plan_leave(&l->crontab->plan, d, PLANNED_STEPPING);
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : LATER_PART;
		l->items = xreallocarray(l->items, l->cap, sizeof(*l->items));
	}
	l->items[l->count++] = d;
	if (loop_timer_is_set(l->timer) && l->at_us <= at_us)
		return;
	l->at_us = at_us;
	loop_timer_start(l->timer, pause);
}

void later_hurry(struct later *l)
{
	if (l->count > 0)
		loop_timer_start(l->timer, 0);
}

struct later *later_start(struct crontab *c)
{
	struct later *l = xcalloc(1, sizeof(*l));

	l->crontab = c;
	l->timer = loop_timer_new(c->loop, later_on_timer, l);
	return l;
}

void later_stop(struct later *l)
{
	if (l == NULL)
		return;
	loop_timer_free(l->timer);
	fire_free(l->fire);
	free(l->items);
	free(l);
}
