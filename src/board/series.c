/* SPDX-License-Identifier: ISC */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "board/board.h"
#include "board/series.h"

enum { SERIES_FREE = 0, SERIES_NAMING = 1, SERIES_USED = 2 };

const char *const series_outcome_names[SERIES_OUTCOMES] = {
	[SERIES_SUCCESS] = "success",
	[SERIES_RETRY] = "retry",
	[SERIES_DEAD] = "dead",
	[SERIES_CANCELLED] = "cancelled",
	[SERIES_DUPLICATE] = "duplicate",
	[SERIES_FENCED] = "fenced",
	[SERIES_TIMEOUT] = "timeout",
	[SERIES_CRASH] = "crash",
};

const char *const series_cron_names[SERIES_CRON_KINDS] = {
	[SERIES_CRON_FIRED] = "fired",
	[SERIES_CRON_HELD] = "held",
	[SERIES_CRON_SKIPPED] = "skipped",
	[SERIES_CRON_MISFIRED] = "misfired",
};

static bool series_is(
	const struct series *s, const char *topic, const char *handler)
{
	return strncmp(s->topic, topic, SERIES_NAME_MAX - 1) == 0 &&
	       strncmp(s->handler, handler, SERIES_NAME_MAX - 1) == 0;
}

/* Whoever turns FREE into NAMING writes the name; the others wait for the few
 * instructions that takes, and give up on one whose writer died in them. */
static bool series_is_named(const struct series *s)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (atomic_load_explicit(&s->state, memory_order_acquire) !=
			SERIES_NAMING)
			return true;
		sched_yield();
	}
	return false;
}

static struct series *series_try(
	struct series *s, const char *topic, const char *handler)
{
	uint32_t expected = SERIES_FREE;

	if (atomic_compare_exchange_strong(
		    &s->state, &expected, SERIES_NAMING)) {
		snprintf(s->topic, sizeof(s->topic), "%s", topic);
		snprintf(s->handler, sizeof(s->handler), "%s", handler);
		atomic_store_explicit(
			&s->state, SERIES_USED, memory_order_release);
		return s;
	}
	return series_is_named(s) && series_is(s, topic, handler) ? s : NULL;
}

struct series *series_find(
	struct board *b, const char *topic, const char *handler)
{
	struct series *rows = b->map->series.rows, *s;
	int i;

	for (i = 0; i < SERIES_MAX - 1; i++)
		if ((s = series_try(&rows[i], topic, handler)) != NULL)
			return s;
	s = &rows[SERIES_MAX - 1];
	(void)series_try(s, "other", "other");
	return s;
}

int series_number(const struct board *b, const struct series *s)
{
	return (int)(s - b->map->series.rows);
}

struct series_topic *series_topic(struct board *b, const char *name)
{
	struct series_topic *t = b->map->series.topics;
	int i;

	for (i = 0; i < SERIES_TOPICS; i++) {
		if (atomic_load(&t[i].used) == 0) {
			snprintf(t[i].name, sizeof(t[i].name), "%s", name);
			atomic_store(&t[i].used, 1);
			return &t[i];
		}
		if (strncmp(t[i].name, name, SERIES_NAME_MAX - 1) == 0)
			return &t[i];
	}
	return NULL;
}

void series_observe(struct series_histogram *h, int64_t us)
{
	if (us < 0)
		us = 0;
	atomic_fetch_add_explicit(
		&h->sum_us, (uint64_t)us, memory_order_relaxed);
	atomic_fetch_add_explicit(
		&h->count[board_bucket(us)], 1, memory_order_relaxed);
}
