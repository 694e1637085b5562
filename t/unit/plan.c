/* SPDX-License-Identifier: ISC */
/* plan: definitions by id and by time. */
#include <stdio.h>
#include <stdlib.h>

#include "cron/plan.h"
#include "tap.h"

#define COUNT 5000

static void make_id(int i, char ret_id[UUID_TEXT_LEN + 1])
{
	snprintf(ret_id, UUID_TEXT_LEN + 1, "01a20000-0000-7000-8000-%012d", i);
}

/* Takes the heap apart; returns how many came in their order. */
static int drain(struct plan *p)
{
	int64_t last = INT64_MIN;
	struct planned *d;
	int n = 0;

	while ((d = plan_head(p)) != NULL) {
		if (d->wake_us < last)
			return -1;
		last = d->wake_us;
		plan_leave(p, d, PLANNED_FIRING);
		n++;
	}
	return n;
}

static void test_order(struct plan *p)
{
	char id[UUID_TEXT_LEN + 1];
	int i, wrong = 0;

	for (i = 0; i < COUNT; i++) {
		make_id(i, id);
		plan_wait(p, plan_add(p, id), rand() % 1000);
	}
	/* Moved in both directions, and some taken out of the middle. */
	for (i = 0; i < COUNT; i += 2) {
		make_id(i, id);
		plan_wait(p, plan_find(p, id), rand() % 1000);
	}
	for (i = 0; i < COUNT; i += 5) {
		make_id(i, id);
		plan_remove(p, plan_find(p, id));
	}
	for (i = 0; i < COUNT; i++) {
		make_id(i, id);
		wrong += (plan_find(p, id) == NULL) != (i % 5 == 0);
	}
	is_int(0, wrong, "each is found by its id, the removed are not");
	is_int(COUNT - COUNT / 5, drain(p), "they wake in their order");
	ok(plan_head(p) == NULL, "and then none is left to wake");
}

static void test_states(struct plan *p)
{
	struct planned *d;
	char id[UUID_TEXT_LEN + 1];

	make_id(1, id);
	d = plan_find(p, id);
	ok(plan_is_away(d), "one that is fired is away");
	plan_wait(p, d, 7);
	ok(!plan_is_away(d), "one that waits is not");
	plan_leave(p, d, PLANNED_CHECKING);
	ok(!plan_is_away(d), "nor one that is read again");
	ok(plan_head(p) == NULL, "which is out of the heap");
	plan_remove(p, d);
	ok(plan_find(p, id) == NULL, "and can be removed from there");
}

int main(void)
{
	struct plan p;

	srand(7);
	plan_init(&p);
	test_order(&p);
	test_states(&p);
	plan_done(&p);
	return tap_done();
}
