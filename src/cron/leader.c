/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/duties.h"
#include "cron/leader.h"

/* How long a leader leads without saying so again: as the statements have it. */
#define LEADER_TTL_US   (3 * US_PER_S)
#define LEADER_RENEW_US US_PER_S
/* How exactly the end of another's time is met. */
#define LEADER_EARLY_US  (20 * US_PER_MS)
#define LEADER_SPREAD_US (150 * US_PER_MS)
/* Faults in a row after which it resigns, and for how long. */
#define LEADER_FAULTS  3
#define LEADER_REST_US (10 * US_PER_S)

struct leader {
	struct crontab *crontab;
	struct duties *duties;
	struct loop_timer *timer;
	bool is_leading, is_asking, is_resigning, has_complained;
	int64_t asked_us; /* clock_now */
	int64_t until_us; /* clock_now, until when it surely leads */
	int64_t rest_us;  /* likewise: does not stand before */
	int64_t term;
	int faults;
};

static const struct pg_statement leader_take = {
	.name = "leader_take",
	.text = "WITH t AS (UPDATE reeve.scheduler SET"
		" term = term + (leader IS DISTINCT FROM $1)::int,"
		" leader_since = CASE WHEN leader IS DISTINCT FROM $1"
		" THEN clock_timestamp() ELSE leader_since END,"
		" leader = $1,"
		" leader_until = clock_timestamp() + interval '3 s' "
		"WHERE leader = $1 OR leader_until < clock_timestamp() "
		"RETURNING term) "
		"SELECT (SELECT term FROM t), (extract(epoch FROM"
		" leader_until - clock_timestamp()) * 1000000)::bigint "
		"FROM reeve.scheduler WHERE leader_until > '-infinity' "
		"UNION ALL SELECT term, NULL FROM t LIMIT 1",
	.params = 1,
};
static const struct pg_statement leader_leave = {
	.name = "leader_leave",
	.text = "WITH t AS (UPDATE reeve.scheduler SET leader = NULL,"
		" leader_until = '-infinity' WHERE leader = $1"
		" RETURNING pg_notify('reeve_scheduler', 'leader')) "
		"SELECT count(*) FROM t",
	.params = 1,
};

bool leader_is_leading(const struct leader *l)
{
	return l->is_leading && clock_now() < l->until_us;
}

bool leader_is_idle(const struct leader *l)
{
	return !l->is_resigning;
}

static void leader_down(struct leader *l, const char *why)
{
	if (!l->is_leading)
		return;
	l->is_leading = false;
	atomic_store(&l->crontab->series->leader_until_us, 0);
	log_info("leads no more: %s", why);
}

/* For those who look into Redis only; it says nothing when we are gone. */
static void leader_mirror(struct leader *l)
{
	char text[CRONTAB_NAME_MAX + 24];

	snprintf(text, sizeof(text), "%s %lld", l->crontab->name,
		(long long)l->term);
	(void)redis_printf(l->crontab->redis, NULL, NULL,
		"SET %sscheduler:leader %s PX %d",
		l->crontab->conf->redis_prefix, text,
		(int)(LEADER_TTL_US / US_PER_MS));
}

static void leader_up(struct leader *l, int64_t term)
{
	struct series_cron *s = l->crontab->series;

	l->until_us = l->asked_us + LEADER_TTL_US;
	if (!l->is_leading) {
		log_info("leads now, in term %lld", (long long)term);
		l->faults = 0;
	}
	l->term = term;
	atomic_store(&s->leader_until_us, l->until_us);
	atomic_store(&s->term, term);
	leader_mirror(l);
	duties_on_lead(l->duties, !l->is_leading);
	l->is_leading = true;
	loop_timer_start(l->timer, LEADER_RENEW_US);
}

/* Another leads: when could that be over? */
static void leader_follow(struct leader *l, int64_t left_us)
{
	leader_down(l, "another does");
	if (left_us < LEADER_EARLY_US)
		left_us = LEADER_EARLY_US;
	if (left_us > LEADER_TTL_US)
		left_us = LEADER_TTL_US;
	loop_timer_start(l->timer, left_us + clock_jitter(LEADER_SPREAD_US));
}

/* Once, until it can be. */
static void leader_complain(struct leader *l, const struct pg_result *r)
{
	if (!l->has_complained)
		log_warn("no leader can be chosen: %s%s", pg_result_error(r),
			pg_result_is_schema(r)
				? "; `reevectl migrate` makes what reeve needs"
				: "");
	l->has_complained = true;
}

static void leader_on_taken(const struct pg_result *r, void *arg)
{
	struct leader *l = arg;
	int64_t term;

	l->is_asking = false;
	if (l->is_resigning || l->crontab->drain != CRONTAB_SERVING)
		return;
	if (r == NULL || pg_result_is_error(r) || pg_result_rows(r) != 1) {
		if (r != NULL && pg_result_is_error(r))
			leader_complain(l, r);
		loop_timer_start(l->timer, LEADER_RENEW_US);
		return;
	}
	l->has_complained = false;
	term = pg_result_int(r, 0, 0, 0);
	if (term > 0)
		leader_up(l, term);
	else
		leader_follow(l, pg_result_int(r, 0, 1, 0));
}

static void leader_ask(struct leader *l)
{
	const char *name = l->crontab->name;

	if (l->is_asking || l->is_resigning ||
		l->crontab->drain != CRONTAB_SERVING)
		return;
	l->asked_us = clock_now();
	l->is_asking = pg_query(l->crontab->pg, &leader_take, &name,
			       leader_on_taken, l) == 0;
}

static void leader_on_timer(void *arg)
{
	struct leader *l = arg;
	int64_t now = clock_now();

	loop_timer_start(l->timer, LEADER_RENEW_US);
	if (l->is_leading && now >= l->until_us)
		leader_down(l, "PostgreSQL does not answer");
	if (now < l->rest_us) {
		loop_timer_start(l->timer, l->rest_us - now);
		return;
	}
	if (!redis_is_up(l->crontab->redis) && l->is_leading)
		leader_fault(l, "the mirror in Redis", "Redis is away");
	leader_ask(l);
}

void leader_try(struct leader *l)
{
	if (!l->is_leading && clock_now() >= l->rest_us)
		leader_ask(l);
}

void leader_orphans(struct leader *l)
{
	if (l->is_leading)
		duties_orphans(l->duties);
}

void leader_well(struct leader *l)
{
	l->faults = 0;
}

void leader_fault(struct leader *l, const char *what, const char *why)
{
	log_warn("a duty can't be done: %s: %s", what, why);
	if (!l->is_leading || ++l->faults < LEADER_FAULTS)
		return;
	log_error("resigns after %d faults, and does not stand for 10 s",
		l->faults);
	leader_resign(l);
}

static void leader_on_left(const struct pg_result *r, void *arg)
{
	struct leader *l = arg;

	(void)r;
	l->is_resigning = false;
	if (l->crontab->drain == CRONTAB_SERVING)
		loop_timer_start(l->timer, LEADER_REST_US);
	crontab_settle(l->crontab);
}

void leader_resign(struct leader *l)
{
	struct crontab *c = l->crontab;
	const char *name = c->name;

	if (!l->is_leading && !l->is_asking)
		return;
	leader_down(l, "it resigns");
	l->rest_us = clock_now() + LEADER_REST_US;
	(void)redis_printf(c->redis, NULL, NULL, "DEL %sscheduler:leader",
		c->conf->redis_prefix);
	l->is_resigning =
		pg_query(c->pg, &leader_leave, &name, leader_on_left, l) == 0;
}

struct leader *leader_start(struct crontab *c)
{
	struct leader *l = xcalloc(1, sizeof(*l));

	l->crontab = c;
	l->timer = loop_timer_new(c->loop, leader_on_timer, l);
	l->duties = duties_new(c, l);
	loop_timer_start(l->timer, LEADER_RENEW_US);
	return l;
}

void leader_stop(struct leader *l)
{
	if (l == NULL)
		return;
	duties_free(l->duties);
	loop_timer_free(l->timer);
	free(l);
}
