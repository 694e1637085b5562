/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cron/plan.h"
#include "cron/step.h"
#include "store/fire.h"
#include "when/rule.h"

/* Times looked at, beyond which the rest is looked at from its end. */
#define STEP_FORWARD_MAX (4 * STEP_RUNS_MAX)
#define STEP_WINDOW_US   US_PER_S

#define STEP_NOTE_MAX 128
#define STEP_ROWS_MIN 100

/* The latest times of a span: a ring. */
struct step_times {
	int64_t at[STEP_RUNS_MAX];
	size_t first, count, size;
};

static void step_push(struct step_times *t, int64_t at_us)
{
	t->at[(t->first + t->count) % t->size] = at_us;
	if (t->count < t->size)
		t->count++;
	else
		t->first = (t->first + 1) % t->size;
}

static int64_t step_at(const struct step_times *t, size_t i)
{
	return t->at[(t->first + i) % t->size];
}

/* A rule's time after another; some have no more than the one they are at. */
static int64_t step_next(const struct planned *d, int64_t after_us)
{
	enum rule_type type = rule_type(d->rule);

	if (type == RULE_FIXED_DELAY || type == RULE_ONCE)
		return RULE_NEVER;
	return rule_next(d->rule, after_us, RULE_NO_END);
}

/* All times from next_us to before end_us; false: too many to look at. */
static bool step_forward(const struct planned *d, int64_t next_us,
	int64_t end_us, struct step_times *t)
{
	int i;

	t->first = t->count = 0;
	for (i = 0; next_us < end_us; i++) {
		if (i == STEP_FORWARD_MAX)
			return false;
		step_push(t, next_us);
		next_us = step_next(d, next_us);
	}
	return true;
}

/*
 * The latest missed times, from next_us to before end_us.  Returns whether
 * they are all of them.  A rule only knows what comes next, so a long span is
 * looked at through windows at its end, each four times as long.
 */
static bool step_missed(const struct planned *d, int64_t end_us, size_t wanted,
	struct step_times *t)
{
	int64_t span = STEP_WINDOW_US, from;

	t->size = wanted;
	if (step_forward(d, d->next_us, end_us, t))
		return t->count < wanted || step_at(t, 0) == d->next_us;
	for (;; span *= 4) {
		from = step_next(d, end_us - span - 1);
		/* Dense enough to overflow is more than is wanted. */
		if (!step_forward(d, from, end_us, t) || t->count == wanted)
			return false;
	}
}

/* Missed times that are a row each. */
static size_t step_rows(const struct planned *d)
{
	if (d->misfire_max > STEP_RUNS_MAX)
		return STEP_RUNS_MAX;
	return d->misfire_max > STEP_ROWS_MIN ? (size_t)d->misfire_max
					      : STEP_ROWS_MIN;
}

/* How many of them, the latest, are run yet. */
static size_t step_runs(const struct planned *d, size_t count)
{
	size_t most = d->misfire == MISFIRE_ALL    ? (size_t)d->misfire_max
		      : d->misfire == MISFIRE_ONCE ? 1
						   : 0;

	return most < count ? most : count;
}

static void step_add_missed(struct fire *f, const struct planned *d,
	const struct step_times *t, bool is_all)
{
	char note[STEP_NOTE_MAX], from[CLOCK_ISO_MAX];
	size_t i, runs = step_runs(d, t->count);

	snprintf(note, sizeof(note),
		"missed, and so were all times since %s, which have no row",
		clock_iso(d->next_us, from));
	for (i = 0; i < t->count; i++) {
		if (i + runs >= t->count)
			fire_add_run(f, step_at(t, i),
				i + runs == t->count ||
						d->overlap == OVERLAP_ALLOW
					? FIRE_RUN
					: FIRE_HOLD,
				NULL);
		else
			fire_add_run(f, step_at(t, i), FIRE_MISFIRE,
				i == 0 && !is_all ? note : "missed");
	}
}

/* Of the times of one step. */
static enum fire_kind step_kind(
	const struct planned *d, bool is_first, bool is_last)
{
	switch (d->overlap) {
	case OVERLAP_FORBID: return is_first ? FIRE_RUN : FIRE_SKIP;
	case OVERLAP_QUEUE: return is_first ? FIRE_RUN : FIRE_HOLD;
	case OVERLAP_REPLACE: return is_last ? FIRE_RUN : FIRE_SKIP;
	default: return FIRE_RUN;
	}
}

static const char *step_note(const struct planned *d, enum fire_kind kind)
{
	if (kind != FIRE_SKIP)
		return NULL;
	return d->overlap == OVERLAP_REPLACE ? "replaced by a later run"
					     : "the run before it was not over";
}

/* Returns the first time that is left. */
static int64_t step_add_due(struct fire *f, const struct planned *d,
	int64_t at_us, int64_t now_us, bool is_first)
{
	enum fire_kind kind;
	int64_t next_us;
	int i;

	for (i = 0; at_us <= now_us && i < STEP_RUNS_MAX; i++) {
		next_us = step_next(d, at_us);
		kind = step_kind(d, is_first,
			next_us > now_us || i == STEP_RUNS_MAX - 1);
		fire_add_run(f, at_us, kind, step_note(d, kind));
		is_first = false;
		at_us = next_us;
	}
	return at_us;
}

/* Of a rule that has no next time before this run is over: should it be left
 * out, the pause begins now. */
static int64_t step_after(const struct planned *d, int64_t now_us)
{
	return rule_type(d->rule) == RULE_FIXED_DELAY
		       ? rule_next(d->rule, now_us, now_us)
		       : FIRE_NEVER;
}

int64_t step_add(struct fire *f, const struct planned *d, int64_t now_us,
	int64_t misfire_us)
{
	static struct step_times missed;
	int64_t edge_us = now_us - misfire_us, at_us = d->next_us, next_us;
	bool is_late = at_us < edge_us, is_all = true;

	if (is_late) {
		is_all = step_missed(d, edge_us, step_rows(d), &missed);
		at_us = step_next(d, edge_us - 1);
	}
	/* The step first: its runs belong to it. */
	next_us = at_us;
	fire_add_step(f, d->id, d->next_us, d->version);
	if (is_late)
		step_add_missed(f, d, &missed, is_all);
	next_us = step_add_due(
		f, d, at_us, now_us, !is_late || d->misfire == MISFIRE_SKIP);
	if (next_us == RULE_NEVER)
		next_us = step_after(d, now_us);
	fire_set_next(f, next_us);
	return next_us;
}
