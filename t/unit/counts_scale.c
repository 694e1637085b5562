/* SPDX-License-Identifier: ISC */
/* govern/counts: the rule of autoscaling. */
#include "base/clock.h"
#include "govern/counts.h"
#include "tap.h"

#define NOW (1000 * (int64_t)US_PER_S)

static const struct counts_rule rule = { .initial = 10,
	.min = 1,
	.max = 50,
	.step = 5,
	.up_every_us = 60 * (int64_t)US_PER_S,
	.down_every_us = 180 * (int64_t)US_PER_S };

static int64_t scale(
	int64_t current, int64_t waiting, int64_t up_s, int64_t down_s)
{
	return counts_scale(&rule, NOW, current, waiting, NOW - up_s * US_PER_S,
		NOW - down_s * US_PER_S);
}

static void test_up(void)
{
	ok(scale(10, 21, 60, 0) == 15, "more than twice: a step up");
	ok(scale(10, 20, 60, 0) == 10, "twice is not more than twice");
	ok(scale(10, 1000000, 59, 999) == 10, "not before its interval");
	ok(scale(48, 1000, 60, 0) == 50, "up to the most");
	ok(scale(50, 1000, 60, 999) == 50, "and no further");
	ok(scale(0, 1, 60, 0) == 5, "from none");
}

static void test_down(void)
{
	ok(scale(20, 9, 0, 180) == 15, "less than half: a step down");
	ok(scale(20, 10, 0, 180) == 20, "half is not less than half");
	ok(scale(21, 10, 0, 180) == 16, "of an odd number too");
	ok(scale(20, 0, 999, 179) == 20, "not before its interval");
	ok(scale(12, 0, 0, 180) == 10, "down to the initial number");
	ok(scale(10, 0, 999, 999) == 10, "and no further");
	ok(scale(3, 0, 999, 999) == 3, "fewer than that are left alone");
}

int main(void)
{
	test_up();
	test_down();
	return tap_done();
}
