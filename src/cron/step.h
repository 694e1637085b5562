/* SPDX-License-Identifier: ISC */
/*
 * step - what a definition that is due comes to: the runs of its times up to
 * now, and its next time.
 *
 * A time that is past by more than `misfire` was missed; what becomes of it
 * says the definition's policy, and each is a row, the latest hundred at
 * least.  What is due and not missed is a run each, which `overlap` may leave
 * out or put behind the one before.
 */
#ifndef CRON_STEP_H
#define CRON_STEP_H

#include <stdint.h>

struct fire;
struct planned;

#define STEP_RUNS_MAX 1000 /* of one step; the rest comes with the next */

/* Adds the definition and its runs to f.  Returns its new next time, or
 * FIRE_NEVER. */
int64_t step_add(struct fire *f, const struct planned *d, int64_t now_us,
	int64_t misfire_us);

#endif
