/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/procfs.h"
#include "board/view.h"
#include "govern/lookout.h"
#include "worker/worker.h"

#define LOOKOUT_INTERVAL_US US_PER_S
/* With nothing to watch: how soon a reload that changes this is noticed. */
#define LOOKOUT_REST_US (5 * US_PER_S)
/* Seconds without a round until the kernel ends the governor. */
#define LOOKOUT_ALARM_S 10
/* A round this late means that the governor, and perhaps all of the machine,
 * stood still: nobody is blamed for that time. */
#define LOOKOUT_LATE_US (2 * US_PER_S)

struct lookout_limits {
	int64_t hang_timeout_us, memory_soft, memory_hard;
};

struct lookout {
	struct worker *worker; /* borrowed */
	struct loop_timer *timer;
	int64_t due_us;     /* when the next round should be */
	int64_t resumed_us; /* end of the last standstill */
	struct lookout_limits limits[BOARD_POOLS_MAX];
};

/* The limits of all pools; false when there are none. */
static bool lookout_read_limits(struct lookout *t, const struct board *b)
{
	int i, n = atomic_load(&b->map->header.pool_limit);
	bool some = false;

	for (i = 0; i < n && i < BOARD_POOLS_MAX; i++) {
		struct lookout_limits *l = &t->limits[i];
		struct board_pool p;

		*l = (struct lookout_limits){ 0, 0, 0 };
		(void)board_read_pool(b, i, &p);
		if (p.state == BOARD_POOL_UNUSED)
			continue;
		*l = (struct lookout_limits){ p.hang_timeout_us, p.memory_soft,
			p.memory_hard };
		some = some || l->hang_timeout_us > 0 || l->memory_soft > 0 ||
		       l->memory_hard > 0;
	}
	return some;
}

/* A master too busy to read is told again on the next round. */
static void lookout_suspect(struct lookout *t, int slot,
	enum msg_suspicion what, const struct board_slot *s)
{
	struct msg m = {
		.type = MSG_GOVERN_SUSPECT, .token = what, .value = slot
	};

	snprintf(m.text, sizeof(m.text), "%d", s->pid);
	if (msg_send(worker_child(t->worker)->channel, &m, -1) != 0)
		log_debug("the master does not read, suspicion 0x%x of pid %d "
			  "is told again",
			what, s->pid);
}

static bool lookout_is_hung(const struct lookout *t,
	const struct board_live *live, int64_t hang_timeout_us, int64_t now)
{
	int64_t since;

	if (atomic_load_explicit(&live->pulse, memory_order_acquire) !=
		BOARD_PULSE_BUSY)
		return false;
	since = atomic_load_explicit(&live->pulse_at_us, memory_order_relaxed);
	if (since < t->resumed_us)
		since = t->resumed_us;
	return now - since > hang_timeout_us;
}

static void lookout_memory(struct lookout *t, int slot,
	const struct board_slot *s, const struct lookout_limits *l)
{
	int64_t used = procfs_anon_kb(s->pid) * 1024;

	if (l->memory_hard > 0 && used > l->memory_hard)
		lookout_suspect(t, slot, MSG_SUSPECT_MEMORY_HARD, s);
	else if (l->memory_soft > 0 && used > l->memory_soft &&
		 s->state == BOARD_READY)
		lookout_suspect(t, slot, MSG_SUSPECT_MEMORY_SOFT, s);
}

static void lookout_slot(
	struct lookout *t, const struct board *b, int slot, int64_t now)
{
	const struct lookout_limits *l;
	struct board_slot s;

	if (!board_read_slot(b, slot, &s) || s.pid <= 0 || s.pool < 0 ||
		s.pool >= BOARD_POOLS_MAX)
		return;
	l = &t->limits[s.pool];
	if (s.state == BOARD_READY && l->hang_timeout_us > 0 &&
		lookout_is_hung(
			t, &b->map->live[slot], l->hang_timeout_us, now))
		lookout_suspect(t, slot, MSG_SUSPECT_HUNG, &s);
	if (l->memory_soft > 0 || l->memory_hard > 0)
		lookout_memory(t, slot, &s, l);
}

static void lookout_round(void *arg)
{
	struct lookout *t = arg;
	const struct board *b = worker_child(t->worker)->board;
	int64_t now = clock_now();
	bool some;
	int i, n;

	alarm(LOOKOUT_ALARM_S);
	if (now - t->due_us > LOOKOUT_LATE_US)
		t->resumed_us = now;
	some = lookout_read_limits(t, b);
	n = atomic_load(&b->map->header.slot_limit);
	for (i = 0; some && i < n && i < BOARD_SLOTS_MAX; i++)
		lookout_slot(t, b, i, now);
	t->due_us = now + (some ? LOOKOUT_INTERVAL_US : LOOKOUT_REST_US);
	loop_timer_start(t->timer, t->due_us - now);
}

struct lookout *lookout_new(struct worker *w)
{
	struct lookout *t = xcalloc(1, sizeof(*t));

	t->worker = w;
	t->timer = loop_timer_new(worker_loop(w), lookout_round, t);
	t->due_us = clock_now() + LOOKOUT_INTERVAL_US;
	signal(SIGALRM, SIG_DFL);
	alarm(LOOKOUT_ALARM_S);
	loop_timer_start(t->timer, LOOKOUT_INTERVAL_US);
	return t;
}

void lookout_free(struct lookout *t)
{
	if (t == NULL)
		return;
	alarm(0);
	loop_timer_free(t->timer);
	free(t);
}
