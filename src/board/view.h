/* SPDX-License-Identifier: ISC */
/*
 * view - the processes of the board by pool and place, as a report needs
 * them.
 */
#ifndef BOARD_VIEW_H
#define BOARD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/board.h"

struct view_entry {
	int32_t slot; /* its record */
	int32_t pool, index;
	uint32_t generation;
};

struct view {
	const struct board *board;  /* borrowed */
	struct view_entry *entries; /* by pool, index, generation; owned */
	size_t count;
	int pool_limit; /* pool records are below this */
};

void view_init(struct view *v, const struct board *b);
void view_done(struct view *v);

/* The pool's record; false when there is none at that number. */
bool view_pool(const struct view *v, int pool, struct board_pool *ret_pool);
/* Its entries: ret_count of them from the one returned. */
const struct view_entry *view_entries(
	const struct view *v, int pool, size_t *ret_count);

/* What a pool has counted, its gone processes included. */
struct view_sum {
	uint64_t tasks, failed, bytes_in, bytes_out;
	uint64_t accepted, rejected, timeouts;
	uint64_t by_class[6];
	uint64_t duration_us_sum;
	uint64_t duration_count[BOARD_BUCKETS];
	uint64_t connections, in_flight;      /* now */
	uint64_t restarts;                    /* of the places there are */
	uint64_t by_state[BOARD_STATE_COUNT]; /* processes and empty places */
};

void view_sum(const struct view *v, int pool, struct view_sum *ret_sum);
/* Add what the pool's processes have in their handlers to the sums, which go
 * by number of series. */
void view_held(const struct view *v, int pool, uint64_t sums[SERIES_MAX]);

#endif
