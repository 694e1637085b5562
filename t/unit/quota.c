/* SPDX-License-Identifier: ISC */
/* board/quota: places of a handler and rates of tenants, shared by the processes of a node. */
#include <stdio.h>

#include "base/clock.h"
#include "board/board.h"
#include "tap.h"

static struct board board;

static int add_slot(int pid)
{
	int slot = board_slot_take(&board);

	board.map->slots[slot].state = BOARD_READY;
	board.map->slots[slot].pid = pid;
	return slot;
}

static void test_names(void)
{
	char name[16];
	int i, first = quota_find(&board, "a");

	is_int(first, quota_find(&board, "a"), "a name has one record");
	ok(quota_find(&board, "b") != first, "another name another");
	for (i = 0; i < QUOTA_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		(void)quota_find(&board, name);
	}
	is_int(-1, quota_find(&board, "late"), "the table is full in the end");
	is_int(first, quota_find(&board, "a"), "and the first still found");
}

static void test_places(void)
{
	int one = add_slot(11), two = add_slot(12);
	int q = quota_find(&board, "a");

	ok(quota_take(&board, one, q, 2), "a place");
	ok(quota_take(&board, two, q, 2), "and another, of another process");
	ok(!quota_take(&board, one, q, 2), "and no third");
	quota_give(&board, two, q);
	ok(quota_take(&board, one, q, 2), "what is given back is free");
	ok(!quota_take(&board, two, q, 2), "and then taken");
	board_slot_give(&board, one);
	ok(quota_take(&board, two, q, 2), "the dead have none");
	one = add_slot(13);
	quota_clear(&board, one);
	ok(quota_take(&board, one, q, 2), "nor their successor");
	quota_force(&board, one, q);
	ok(!quota_take(&board, two, q, 2), "one too many counts");
	board_slot_give(&board, one);
	board_slot_give(&board, two);
}

/* Since when somebody waits lies in the record. */
static void age(int q, int64_t us)
{
	board.map->quotas[q].wanted -= (uint64_t)us * BOARD_SLOTS_MAX;
}

static void test_turns(void)
{
	int one = add_slot(21), two = add_slot(22);
	int q = quota_find(&board, "b");

	quota_clear(&board, one);
	quota_clear(&board, two);
	ok(quota_take(&board, one, q, 1) && !quota_take(&board, two, q, 1),
		"one has the place, the other waits");
	quota_give(&board, one, q);
	ok(quota_take(&board, one, q, 1), "who is fast has it again");
	quota_give(&board, one, q);
	age(q, 300 * US_PER_MS);
	ok(!quota_take(&board, one, q, 1), "but not for ever");
	ok(quota_take(&board, two, q, 1), "then the other has its turn");
	quota_give(&board, two, q);
	ok(quota_take(&board, one, q, 1) && !quota_take(&board, two, q, 1),
		"and the first again");
	quota_give(&board, one, q);
	age(q, 800 * US_PER_MS);
	ok(quota_take(&board, one, q, 1), "who does not come is forgotten");
}

static void test_rates(void)
{
	const int64_t step = INT64_C(200000000),
		      span = 5 * step; /* of 200 ms */
	int rate = quota_find_rate(&board, "acme"), i;
	_Atomic int64_t *full = &board.map->rates[rate].full_at_ns;
	int64_t wait;

	is_int(rate, quota_find_rate(&board, "acme"), "a tenant has one rate");
	ok(quota_find_rate(&board, "other") != rate, "another has its own");
	for (i = 0; i < 5; i++)
		is_int(0, quota_spend(full, step, span), "what is saved up");
	wait = quota_spend(full, step, span);
	ok(wait > 0 && wait <= 200 * US_PER_MS, "goes at once, then not");
	*full -= step;
	is_int(0, quota_spend(full, step, span), "a step later one more");
	ok(quota_spend(full, step, span) > 0, "and no other");
	*full -= 100 * span;
	for (i = 0; i < 5; i++)
		(void)quota_spend(full, step, span);
	ok(quota_spend(full, step, span) > 0, "no more is ever saved up");
}

int main(void)
{
	struct err err;

	if (board_open(&board, &err) != 0)
		bail("%s", err.text);
	test_names();
	test_places();
	test_turns();
	test_rates();
	board_close(&board);
	return tap_done();
}
