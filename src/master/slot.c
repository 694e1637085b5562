/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/pool.h"
#include "master/slot.h"

#define SLOT_PAUSE_FIRST_US (100 * US_PER_MS)
#define SLOT_PAUSE_JITTER   10 /* percent, either way */

/* Show the slot itself while no process of it stands on the board. */
static void slot_publish(struct slot *s)
{
	struct board_slot *b;

	if (s->rest == BOARD_EMPTY) {
		board_slot_give(&node.board, s->board_slot);
		s->board_slot = -1;
		return;
	}
	if (s->board_slot == -1)
		s->board_slot = board_slot_take(&node.board);
	if (s->board_slot == -1)
		return;
	b = &node.board.map->slots[s->board_slot];
	board_write_begin(&b->version);
	b->state = s->rest;
	b->pool = s->pool->board_pool;
	b->index = s->index;
	b->pid = 0;
	b->generation = s->pool->generation;
	b->since_us = clock_now();
	b->restarts = s->restarts;
	snprintf(b->why, sizeof(b->why), "%s", s->why);
	snprintf(b->last_exit, sizeof(b->last_exit), "%s", s->last_exit);
	b->last_peak_kb = s->last_peak_kb;
	board_write_end(&b->version);
}

static void slot_rest(struct slot *s, enum board_state rest, const char *why)
{
	if (s->rest == rest && strcmp(s->why, why) == 0)
		return;
	loop_timer_stop(s->timer);
	s->rest = rest;
	snprintf(s->why, sizeof(s->why), "%s", why);
	slot_publish(s);
}

static void slot_on_timer(void *arg)
{
	struct slot *s = arg;

	slot_clear_rest(s);
	pool_reconcile(s->pool);
}

struct slot *slot_new(struct pool *p, int index)
{
	struct slot *s = xcalloc(1, sizeof(*s));

	s->pool = p;
	s->index = index;
	s->board_slot = -1;
	TAILQ_INIT(&s->procs);
	s->timer = loop_timer_new(node.loop, slot_on_timer, s);
	slot_set_limits(s);
	return s;
}

void slot_free(struct slot *s)
{
	loop_timer_free(s->timer);
	board_slot_give(&node.board, s->board_slot);
	free(s->death_times);
	free(s);
}

void slot_set_limits(struct slot *s)
{
	unsigned want = (unsigned)s->pool->conf->give_up_deaths;

	if (want == s->death_size)
		return;
	free(s->death_times);
	s->death_times =
		want > 0 ? xcalloc(want, sizeof(*s->death_times)) : NULL;
	s->death_size = want;
	s->death_at = 0;
}

bool slot_is_resting(const struct slot *s)
{
	return s->rest == BOARD_BACKOFF || s->rest == BOARD_FAILED ||
	       s->rest == BOARD_DONE;
}

void slot_clear_rest(struct slot *s)
{
	slot_rest(s, BOARD_EMPTY, "");
}

void slot_wait(struct slot *s, const char *pool)
{
	char why[NODE_WHY_MAX];

	snprintf(why, sizeof(why), "waits for %s", pool);
	slot_rest(s, BOARD_WAITING, why);
}

void slot_stop(struct slot *s, const char *reason)
{
	if (reason == NULL || !TAILQ_EMPTY(&s->procs))
		slot_rest(s, BOARD_EMPTY, "");
	else
		slot_rest(s, BOARD_STOPPED, reason);
	s->deaths = 0;
}

void slot_done(struct slot *s, const char *how)
{
	s->done_generation = s->pool->generation;
	slot_rest(s, BOARD_DONE, how);
}

void slot_undo(struct slot *s)
{
	s->done_generation = 0;
	if (s->rest == BOARD_DONE)
		slot_clear_rest(s);
}

void slot_on_generation(struct slot *s)
{
	if (s->done_generation == 0)
		return;
	if (s->done_generation == s->pool->generation)
		slot_rest(s, BOARD_DONE, "done before");
	else if (s->rest == BOARD_DONE)
		slot_clear_rest(s);
}

void slot_fail(struct slot *s, const char *why)
{
	log_error("%s.%d has failed: %s; it stays down until a reload or "
		  "`reevectl start %s`",
		s->pool->name, s->index, why, s->pool->name);
	slot_rest(s, BOARD_FAILED, why);
}

int64_t slot_pause(unsigned deaths, int64_t max_us)
{
	int64_t us = SLOT_PAUSE_FIRST_US, spread;

	if (deaths <= 1)
		return 0;
	while (--deaths > 1 && us < max_us)
		us *= 2;
	if (us > max_us)
		us = max_us;
	spread = us * SLOT_PAUSE_JITTER / 100;
	return us - spread + clock_jitter(2 * spread);
}

/* The last give_up_deaths were all within give_up_within. */
static bool slot_is_hopeless(struct slot *s)
{
	int64_t now = clock_now(), oldest;

	if (s->death_size == 0)
		return false;
	s->death_times[s->death_at] = now;
	s->death_at = (s->death_at + 1) % s->death_size;
	oldest = s->death_times[s->death_at];
	return oldest != 0 && now - oldest <= s->pool->conf->give_up_within_us;
}

static void slot_pause_start(struct slot *s, const char *how)
{
	int64_t us = slot_pause(s->deaths, s->pool->conf->backoff_max_us);
	char why[NODE_WHY_MAX * 2], span[32];

	if (us == 0)
		return;
	clock_span(us, span, sizeof(span));
	snprintf(why, sizeof(why), "starts again in %s, death %u: %s", span,
		s->deaths, how);
	why[NODE_WHY_MAX - 1] = '\0';
	slot_rest(s, BOARD_BACKOFF, why);
	loop_timer_start(s->timer, us);
}

void slot_on_death(
	struct slot *s, const struct proc *pr, int status, const char *how)
{
	int64_t healthy = s->pool->conf->healthy_after_us;

	s->restarts++;
	if (pr->ready_at_us != 0 && clock_now() - pr->ready_at_us >= healthy)
		s->deaths = 0;
	s->deaths++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_VERDICT)
		slot_fail(s, "exit 78: it asked not to be started again");
	else if (slot_is_hopeless(s))
		slot_fail(s, "too many deaths in give_up.within");
	else
		slot_pause_start(s, how);
}

void slot_on_failure(struct slot *s, const char *why)
{
	/* Not even a process: never at once, the cause is this machine's. */
	if (s->deaths == 0)
		s->deaths = 1;
	s->deaths++;
	slot_pause_start(s, why);
}

void slot_forgive(struct slot *s)
{
	s->deaths = 0;
	s->death_at = 0;
	if (s->death_times != NULL)
		memset(s->death_times, 0,
			s->death_size * sizeof(*s->death_times));
	/* What ended well stays as it is. */
	if (s->rest == BOARD_BACKOFF || s->rest == BOARD_FAILED)
		slot_clear_rest(s);
}
