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
#include "cron/filesync.h"
#include "cron/leader.h"
#include "cron/load.h"
#include "when/rule.h"

/* Changes are looked for once more for so long: a transaction that was open
 * for a while shows its changes late. */
#define LOAD_OVERLAP_US (60 * (int64_t)US_PER_S)
/* What comes together is looked at together. */
#define LOAD_SOON_US (3 * US_PER_MS)
/* Readings of the clock at a time; two clocks drift apart by a part of so
 * many. */
#define LOAD_CLOCKS 4
#define LOAD_DRIFT  10000
/* Without one for so many looks PostgreSQL is not there. */
#define LOAD_HEALTHY_SCANS 3
/* Definitions read in one go. */
#define LOAD_PART 1000

struct load {
	struct crontab *crontab;
	struct loop_timer *scan; /* the next whole look */
	struct loop_timer *soon; /* what was told is looked at */
	bool is_told;            /* something changed, nobody knows what */
	bool is_asking;          /* for the clock */
	bool is_windowing, is_changing;
	int64_t clock_asked_us; /* clock_now */
	int64_t clock_taken_us; /* likewise, of the reading that counts */
	int64_t clock_doubt_us; /* it may be off by so much */
	int clock_left;         /* readings that follow at once */
	int64_t horizon_us;     /* what is due until then is in the plan */
	int64_t since_us;       /* changes are known until then; 0: none */
	struct pg_array ids;    /* to be read as a whole */
	size_t id_count;
};

static const struct pg_statement load_clock = {
	.name = "load_clock",
	.text = "SELECT reeve.time_us(clock_timestamp()), is_running "
		"FROM reeve.scheduler",
};
static const struct pg_statement load_window = {
	.name = "load_window",
	.text = "SELECT id, reeve.time_us(next_fire), version "
		"FROM reeve.task_definitions "
		"WHERE status = 'ENABLED' AND next_fire <= reeve.us_time($1)",
	.params = 1,
};
static const struct pg_statement load_changes = {
	.name = "load_changes",
	.text = "SELECT id, CASE WHEN status = 'ENABLED' THEN"
		" reeve.time_us(next_fire) END, version "
		"FROM reeve.task_definitions "
		"WHERE modified > reeve.us_time($1) "
		"UNION ALL SELECT id, NULL, 0 FROM reeve.deleted_definitions "
		"WHERE deleted_at > reeve.us_time($1)",
	.params = 1,
};
static const struct pg_statement load_whole = {
	.name = "load_whole",
	.text = "SELECT w.id, CASE WHEN d.status = 'ENABLED' THEN"
		" reeve.time_us(d.next_fire) END, d.version, d.overlap,"
		" d.misfire, d.misfire_max, d.inline,"
		" d.rule::text, d.task_name "
		"FROM unnest($1::uuid[]) w (id) "
		"LEFT JOIN reeve.task_definitions d USING (id)",
	.params = 1,
};

static void load_read(struct load *l);
static void load_look_at_clock(struct load *l);

/* Where it is kept from now on: in the heap while it is due soon. */
static void load_keep(struct load *l, struct planned *d)
{
	struct crontab *c = l->crontab;

	if (d->next_us == RULE_NEVER || d->next_us > l->horizon_us) {
		plan_remove(&c->plan, d);
		return;
	}
	d->is_check = false;
	plan_wait(&c->plan, d, due_wake(c->due, d));
	due_schedule(c->due);
}

static void load_want(struct load *l, const char *id)
{
	pg_array_add(&l->ids, id);
	if (++l->id_count >= LOAD_PART)
		load_read(l);
}

/* One line of a look: is it known like that? */
static void load_compare(
	struct load *l, const char *id, int64_t next_us, int64_t version)
{
	struct crontab *c = l->crontab;
	struct planned *d = plan_find(&c->plan, id);

	if (d == NULL) {
		if (next_us <= l->horizon_us)
			load_want(l, id);
		return;
	}
	/* On its way to something: that shows what is true. */
	if (plan_is_away(d))
		return;
	if (d->state == PLANNED_WAITING && d->version == version &&
		d->next_us == next_us)
		return;
	if (d->state == PLANNED_CHECKING ||
		(d->version != version && next_us <= l->horizon_us)) {
		plan_leave(&c->plan, d, PLANNED_CHECKING);
		load_want(l, id);
		return;
	}
	d->next_us = next_us;
	d->has_lock = false;
	d->tries = 0;
	load_keep(l, d);
}

static void load_compare_all(struct load *l, const struct pg_result *r)
{
	int i, n = pg_result_rows(r);

	for (i = 0; i < n; i++)
		load_compare(l, pg_result_text(r, i, 0),
			pg_result_int(r, i, 1, RULE_NEVER),
			pg_result_int(r, i, 2, 0));
	if (l->id_count > 0)
		load_read(l);
}

/* A failed look is made again with the next. */
static bool load_failed(const struct pg_result *r, const char *what)
{
	if (r == NULL)
		return true;
	if (!pg_result_is_error(r))
		return false;
	log_warn(
		"%s can't be read: %s, trying again", what, pg_result_error(r));
	return true;
}

static void load_on_window(const struct pg_result *r, void *arg)
{
	struct load *l = arg;

	l->is_windowing = false;
	if (!load_failed(r, "definitions"))
		load_compare_all(l, r);
}

static void load_on_changes(const struct pg_result *r, void *arg)
{
	struct load *l = arg;

	l->is_changing = false;
	if (load_failed(r, "changes of definitions"))
		l->since_us = 0;
	else
		load_compare_all(l, r);
	if (l->is_told)
		loop_timer_start(l->soon, LOAD_SOON_US);
}

static int load_ask(struct load *l, const struct pg_statement *s, int64_t us,
	pg_result_fn fn)
{
	char number[24];
	const char *value = number;

	snprintf(number, sizeof(number), "%" PRId64, us);
	return pg_query(l->crontab->pg, s, &value, fn, l);
}

static void load_look_for_changes(struct load *l)
{
	int64_t now = crontab_now(l->crontab);
	int64_t since = l->since_us != 0 ? l->since_us : now;

	l->is_told = false;
	if (l->is_changing) {
		l->is_told = true;
		return;
	}
	if (load_ask(l, &load_changes, since - LOAD_OVERLAP_US,
		    load_on_changes) != 0)
		return;
	l->is_changing = true;
	l->since_us = now;
}

static void load_look_at_window(struct load *l)
{
	int64_t horizon =
		crontab_now(l->crontab) + l->crontab->options->preload_us;

	if (l->is_windowing ||
		load_ask(l, &load_window, horizon, load_on_window) != 0)
		return;
	l->is_windowing = true;
	l->horizon_us = horizon;
}

static bool load_is(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

static void load_fill(struct planned *d, const struct pg_result *r, int i)
{
	const char *overlap = pg_result_text(r, i, 3);
	const char *misfire = pg_result_text(r, i, 4);

	d->next_us = pg_result_int(r, i, 1, RULE_NEVER);
	d->version = pg_result_int(r, i, 2, 0);
	d->overlap = load_is(overlap, "allow")     ? OVERLAP_ALLOW
		     : load_is(overlap, "queue")   ? OVERLAP_QUEUE
		     : load_is(overlap, "replace") ? OVERLAP_REPLACE
						   : OVERLAP_FORBID;
	d->misfire = load_is(misfire, "skip")  ? MISFIRE_SKIP
		     : load_is(misfire, "all") ? MISFIRE_ALL
					       : MISFIRE_ONCE;
	d->misfire_max = (int)pg_result_int(r, i, 5, 1);
	d->is_inline = load_is(pg_result_text(r, i, 6), "t");
}

/* NULL: it is deleted, or can't be read. */
static struct rule *load_rule(const struct pg_result *r, int i)
{
	const char *text = pg_result_text(r, i, 7);
	struct rule *rule;
	struct err err;

	if (pg_result_text(r, i, 8) == NULL)
		return NULL;
	rule = rule_parse(text, strlen(text), &err);
	if (rule == NULL)
		log_error("definition %s (%s) does not fire: %s",
			pg_result_text(r, i, 8), pg_result_text(r, i, 0),
			err.text);
	return rule;
}

/* A definition as it is now. */
static void load_take(struct load *l, const struct pg_result *r, int i)
{
	struct crontab *c = l->crontab;
	const char *id = pg_result_text(r, i, 0);
	struct planned *d = plan_find(&c->plan, id);
	int64_t was_us = d != NULL ? d->next_us : RULE_NEVER;
	struct rule *rule;

	if (d != NULL && plan_is_away(d))
		return;
	rule = load_rule(r, i);
	if (rule == NULL) {
		if (d != NULL)
			plan_remove(&c->plan, d);
		return;
	}
	if (d == NULL)
		d = plan_add(&c->plan, id);
	rule_free(d->rule);
	d->rule = rule;
	load_fill(d, r, i);
	if (d->next_us != was_us) {
		d->has_lock = false;
		d->tries = 0;
	} else if (d->is_check) {
		/* Who has its lock has not done it: that is no hindrance. */
		d->has_lock = true;
	}
	load_keep(l, d);
}

static void load_on_whole(const struct pg_result *r, void *arg)
{
	struct load *l = arg;
	int i, n;

	if (load_failed(r, "definitions"))
		return;
	n = pg_result_rows(r);
	for (i = 0; i < n; i++)
		load_take(l, r, i);
}

/* What is asked for and does not come back is forgotten, and seen again by the
 * next look. */
static void load_read(struct load *l)
{
	const char *ids = pg_array_text(&l->ids);

	(void)pg_query(l->crontab->pg, &load_whole, &ids, load_on_whole, l);
	pg_array_reset(&l->ids);
	l->id_count = 0;
}

static void load_judge_wall(struct crontab *c)
{
	int64_t off = clock_wall() - crontab_now(c);
	int64_t limit = c->options->clock_tolerance_us;
	bool was_off = c->is_clock_off;
	char span[32];

	c->is_clock_off = off > limit || off < -limit;
	if (c->is_clock_off && !was_off)
		log_error("the clock here is %s %s PostgreSQL's: what is due "
			  "is left to others, and done here only when nobody "
			  "does it",
			clock_span(off < 0 ? -off : off, span, sizeof(span)),
			off < 0 ? "behind" : "ahead of");
	else if (was_off && !c->is_clock_off)
		log_info("the clock here agrees with PostgreSQL's again");
}

/*
 * A reading is as good as its answer was quick.  It counts when it is no worse
 * than what is known, which ages, or when both can't be true.
 */
static void load_take_clock(struct load *l, int64_t pg_us, int64_t now_us)
{
	struct crontab *c = l->crontab;
	int64_t doubt = (now_us - l->clock_asked_us) / 2;
	int64_t ahead = pg_us - (l->clock_asked_us + doubt);
	int64_t known =
		l->clock_doubt_us + (now_us - l->clock_taken_us) / LOAD_DRIFT;
	int64_t off = ahead - c->clock_ahead_us;

	if (c->has_clock && doubt > known &&
		(off < 0 ? -off : off) <= doubt + known)
		return;
	c->clock_ahead_us = ahead;
	c->has_clock = true;
	l->clock_doubt_us = doubt;
	l->clock_taken_us = now_us;
}

static void load_on_clock(const struct pg_result *r, void *arg)
{
	struct load *l = arg;
	struct crontab *c = l->crontab;
	bool is_first = !c->has_clock;

	l->is_asking = false;
	if (load_failed(r, "the clock") || pg_result_rows(r) != 1)
		return;
	load_take_clock(l, pg_result_int(r, 0, 0, 0), clock_now());
	load_judge_wall(c);
	atomic_store(&c->series->healthy_until_us,
		clock_now() + LOAD_HEALTHY_SCANS * c->options->scan_us);
	filesync_run(c);
	due_set_running(c->due, load_is(pg_result_text(r, 0, 1), "t"));
	if (is_first) {
		load_look_at_window(l);
		load_look_for_changes(l);
	}
	due_schedule(c->due);
	if (l->clock_left > 0) {
		l->clock_left--;
		load_look_at_clock(l);
	}
}

static void load_look_at_clock(struct load *l)
{
	if (l->is_asking)
		return;
	l->clock_asked_us = clock_now();
	l->is_asking = pg_query(l->crontab->pg, &load_clock, NULL,
			       load_on_clock, l) == 0;
}

static void load_on_scan(void *arg)
{
	struct load *l = arg;

	loop_timer_start(l->scan, l->crontab->options->scan_us);
	crontab_count(l->crontab);
	if (l->crontab->drain != CRONTAB_SERVING || !pg_is_up(l->crontab->pg))
		return;
	l->clock_left = LOAD_CLOCKS - 1;
	load_look_at_clock(l);
	if (l->crontab->has_clock) {
		load_look_at_window(l);
		load_look_for_changes(l);
	}
}

static void load_on_soon(void *arg)
{
	struct load *l = arg;

	if (!l->crontab->has_clock || l->crontab->drain != CRONTAB_SERVING)
		return;
	if (l->is_told)
		load_look_for_changes(l);
	if (l->id_count > 0)
		load_read(l);
}

void load_again(struct load *l, const char *id)
{
	pg_array_add(&l->ids, id);
	l->id_count++;
	if (!loop_timer_is_set(l->soon))
		loop_timer_start(l->soon, LOAD_SOON_US);
}

/* An id, when only its schedule went on; nothing, when settings changed. */
static void load_on_notice(const char *payload, void *arg)
{
	struct load *l = arg;
	struct planned *d;

	if (payload == NULL || strlen(payload) != UUID_TEXT_LEN) {
		l->is_told = true;
	} else {
		d = plan_find(&l->crontab->plan, payload);
		if (d != NULL && d->state != PLANNED_WAITING)
			return;
		pg_array_add(&l->ids, payload);
		l->id_count++;
	}
	if (!loop_timer_is_set(l->soon))
		loop_timer_start(l->soon, LOAD_SOON_US);
}

/* What is known may be wrong: what is due is looked at anew. */
static void load_on_restart(struct load *l)
{
	log_info("the scheduler is restarted");
	l->since_us = 0;
	loop_timer_start(l->scan, 0);
}

static void load_on_scheduler(const char *payload, void *arg)
{
	struct load *l = arg;

	if (load_is(payload, "leader"))
		leader_try(l->crontab->leader);
	else if (load_is(payload, "orphans"))
		leader_orphans(l->crontab->leader);
	else if (load_is(payload, "false"))
		due_set_running(l->crontab->due, false);
	else if (load_is(payload, "restart"))
		load_on_restart(l);
	else
		load_look_at_clock(l);
}

void load_on_up(struct load *l)
{
	loop_timer_start(l->scan, 0);
}

struct load *load_start(struct crontab *c)
{
	struct load *l = xcalloc(1, sizeof(*l));

	l->crontab = c;
	l->scan = loop_timer_new(c->loop, load_on_scan, l);
	l->soon = loop_timer_new(c->loop, load_on_soon, l);
	loop_timer_start(l->scan, c->options->scan_us);
	pg_listen(c->pg, "reeve_definitions", load_on_notice, l);
	pg_listen(c->pg, "reeve_scheduler", load_on_scheduler, l);
	return l;
}

void load_stop(struct load *l)
{
	if (l == NULL)
		return;
	loop_timer_free(l->scan);
	loop_timer_free(l->soon);
	pg_array_free(&l->ids);
	free(l);
}
