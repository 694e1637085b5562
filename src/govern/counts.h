/* SPDX-License-Identifier: ISC */
/*
 * counts - how many consumers there should be, while the daemon runs.
 *
 * From the key <prefix>consumers:NODE or <prefix>consumers (YAML, "high: 4"),
 * read at start, every second and at once when told on <prefix>control; where
 * the key is silent, by the length of the queue (autoscaling); else the file.
 * Only what is sound reaches the master; Redis away changes nothing.
 */
#ifndef GOVERN_COUNTS_H
#define GOVERN_COUNTS_H

#include "worker/worker.h"

struct counts;

/* NULL, with nothing to do, where there is no Redis; err is filled for a fault.
 * Where there is no queue, Redis is only asked how it is. */
struct counts *counts_new(struct worker *w, struct err *err);
void counts_free(struct counts *c);

/*
 * The next count by the queue's length (the seeds' rule): up by `step` when
 * more than twice as many tasks wait as there are workers, down when fewer
 * than half, each at most once in its interval, within bounds.
 */
struct counts_rule {
	int64_t initial, min, max, step;
	int64_t up_every_us, down_every_us;
};
int64_t counts_scale(const struct counts_rule *r, int64_t now_us,
	int64_t current, int64_t waiting, int64_t last_up_us,
	int64_t last_down_us);

#endif
