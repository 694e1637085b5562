/* SPDX-License-Identifier: ISC */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "board/board.h"
#include "board/quota.h"

/* How long one waits before it comes first, and how long for it then. */
#define QUOTA_PATIENCE_US (250 * US_PER_MS)
#define QUOTA_PROMISE_US  (500 * US_PER_MS)
#define QUOTA_NS_PER_US   1000

enum { QUOTA_FREE = 0, QUOTA_NAMING = 1, QUOTA_USED = 2 };

/* All look at the records in the same order, and wait for one that is just
 * being named: so no name gets two.  One whose writer died in it is passed. */
static bool quota_is_named(const struct quota *q)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (atomic_load(&q->state) != QUOTA_NAMING)
			return true;
		sched_yield();
	}
	return false;
}

static int quota_find_in(struct quota *q, int most, const char *name)
{
	uint32_t expected;
	int i;

	for (i = 0; i < most; i++) {
		expected = QUOTA_FREE;
		if (atomic_compare_exchange_strong(
			    &q[i].state, &expected, QUOTA_NAMING)) {
			snprintf(q[i].name, sizeof(q[i].name), "%s", name);
			atomic_store(&q[i].state, QUOTA_USED);
			return i;
		}
		if (quota_is_named(&q[i]) &&
			strncmp(q[i].name, name, QUOTA_NAME_MAX - 1) == 0)
			return i;
	}
	return -1;
}

int quota_find(struct board *b, const char *name)
{
	return quota_find_in(b->map->quotas, QUOTA_MAX, name);
}

int quota_find_rate(struct board *b, const char *name)
{
	return quota_find_in(b->map->rates, RATE_MAX, name);
}

/* The token bucket as one time: each token moves the moment at which the
 * bucket would be full again by a step, and it is empty when that moment is
 * more than the whole span less a step away. */
int64_t quota_spend(
	_Atomic int64_t *full_at_ns, int64_t step_ns, int64_t span_ns)
{
	int64_t now = clock_now() * QUOTA_NS_PER_US;
	int64_t full = atomic_load(full_at_ns), begin, ahead;

	do {
		begin = full > now ? full : now;
		ahead = begin - now + step_ns - span_ns;
		if (ahead > 0)
			return (ahead + QUOTA_NS_PER_US - 1) / QUOTA_NS_PER_US;
	} while (!atomic_compare_exchange_weak(
		full_at_ns, &full, begin + step_ns));
	return 0;
}

/* Our own process may not stand on the board yet. */
static int64_t quota_sum(const struct board *b, int slot, int quota)
{
	int i, limit = atomic_load(&b->map->header.slot_limit);
	const struct board_slot *s = b->map->slots;
	int64_t sum = 0;

	for (i = 0; i < limit && i < BOARD_SLOTS_MAX; i++)
		if (i == slot || (s[i].state != BOARD_EMPTY && s[i].pid > 0))
			sum += atomic_load(&b->map->places[i].count[quota]);
	return sum;
}

/* Whoever gives a place back could have it again before the others look: so
 * one who waits comes first after a while, unless it does not come. */
static bool quota_is_promised(struct quota *q, int slot, int64_t now_us)
{
	uint64_t wanted = atomic_load(&q->wanted);
	int64_t since_us = (int64_t)(wanted / BOARD_SLOTS_MAX);

	if (wanted == 0 || (int)(wanted % BOARD_SLOTS_MAX) == slot)
		return false;
	if (now_us - since_us > QUOTA_PATIENCE_US + QUOTA_PROMISE_US)
		(void)atomic_compare_exchange_strong(&q->wanted, &wanted, 0);
	else if (now_us - since_us > QUOTA_PATIENCE_US)
		return true;
	return false;
}

static void quota_want(struct quota *q, int slot, int64_t now_us)
{
	uint64_t nobody = 0;

	(void)atomic_compare_exchange_strong(&q->wanted, &nobody,
		(uint64_t)now_us * BOARD_SLOTS_MAX + (uint64_t)slot);
}

static void quota_want_no_more(struct quota *q, int slot)
{
	uint64_t wanted = atomic_load(&q->wanted);

	if (wanted != 0 && (int)(wanted % BOARD_SLOTS_MAX) == slot)
		(void)atomic_compare_exchange_strong(&q->wanted, &wanted, 0);
}

bool quota_take(struct board *b, int slot, int quota, int64_t limit)
{
	struct quota *q = &b->map->quotas[quota];
	int64_t now_us = clock_now();

	if (quota_is_promised(q, slot, now_us))
		return false;
	quota_force(b, slot, quota);
	if (quota_sum(b, slot, quota) <= limit) {
		quota_want_no_more(q, slot);
		return true;
	}
	quota_give(b, slot, quota);
	quota_want(q, slot, now_us);
	return false;
}

void quota_force(struct board *b, int slot, int quota)
{
	atomic_fetch_add(&b->map->places[slot].count[quota], 1);
}

void quota_give(struct board *b, int slot, int quota)
{
	atomic_fetch_sub(&b->map->places[slot].count[quota], 1);
}

void quota_clear(struct board *b, int slot)
{
	memset(&b->map->places[slot], 0, sizeof(b->map->places[slot]));
}
