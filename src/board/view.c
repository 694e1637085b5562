/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "board/view.h"

static int view_compare(const void *a, const void *b)
{
	const struct view_entry *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int view_limit(const _Atomic int32_t *limit, int maximum)
{
	int n = atomic_load_explicit(limit, memory_order_acquire);

	return n < 0 ? 0 : n > maximum ? maximum : n;
}

void view_init(struct view *v, const struct board *b)
{
	int i, limit = view_limit(&b->map->header.slot_limit, BOARD_SLOTS_MAX);

	v->board = b;
	v->count = 0;
	v->entries = xcalloc((size_t)limit + 1, sizeof(*v->entries));
	v->pool_limit = view_limit(&b->map->header.pool_limit, BOARD_POOLS_MAX);
	for (i = 0; i < limit; i++) {
		struct board_slot s;

		(void)board_read_slot(b, i, &s);
		if (s.state == BOARD_EMPTY || s.state >= BOARD_STATE_COUNT)
			continue;
		v->entries[v->count++] =
			(struct view_entry){ i, s.pool, s.index, s.generation };
	}
	qsort(v->entries, v->count, sizeof(*v->entries), view_compare);
}

void view_done(struct view *v)
{
	free(v->entries);
	v->entries = NULL;
	v->count = 0;
}

bool view_pool(const struct view *v, int pool, struct board_pool *ret_pool)
{
	if (pool < 0 || pool >= v->pool_limit)
		return false;
	(void)board_read_pool(v->board, pool, ret_pool);
	return ret_pool->state != BOARD_POOL_UNUSED &&
	       ret_pool->state < BOARD_POOL_STATE_COUNT &&
	       ret_pool->name[0] != '\0';
}

const struct view_entry *view_entries(
	const struct view *v, int pool, size_t *ret_count)
{
	const struct view_entry *first, *end = v->entries + v->count;
	const struct view_entry *e;

	for (first = v->entries; first < end && first->pool != pool; first++)
		;
	for (e = first; e < end && e->pool == pool; e++)
		;
	*ret_count = (size_t)(e - first);
	return first;
}

#define VIEW_ADD(sum, live, field) \
	((sum)->field +=           \
		atomic_load_explicit(&(live)->field, memory_order_relaxed))

static void view_add(struct view_sum *sum, const struct board_live *live)
{
	int i;

	VIEW_ADD(sum, live, tasks);
	VIEW_ADD(sum, live, failed);
	VIEW_ADD(sum, live, bytes_in);
	VIEW_ADD(sum, live, bytes_out);
	VIEW_ADD(sum, live, accepted);
	VIEW_ADD(sum, live, rejected);
	VIEW_ADD(sum, live, timeouts);
	VIEW_ADD(sum, live, duration_us_sum);
	for (i = 0; i < 6; i++)
		VIEW_ADD(sum, live, by_class[i]);
	for (i = 0; i < BOARD_BUCKETS; i++)
		VIEW_ADD(sum, live, duration_count[i]);
}

void view_sum(const struct view *v, int pool, struct view_sum *ret_sum)
{
	const struct board_map *map = v->board->map;
	const struct view_entry *e;
	int last_index = -1;
	uint64_t most = 0;
	size_t count;

	memset(ret_sum, 0, sizeof(*ret_sum));
	view_add(ret_sum, &map->past[pool]);
	for (e = view_entries(v, pool, &count); count > 0; count--, e++) {
		const struct board_live *live = &map->live[e->slot];
		struct board_slot s;

		(void)board_read_slot(v->board, e->slot, &s);
		if (s.pool != pool || s.state >= BOARD_STATE_COUNT)
			continue;
		view_add(ret_sum, live);
		VIEW_ADD(ret_sum, live, connections);
		VIEW_ADD(ret_sum, live, in_flight);
		ret_sum->by_state[s.state]++;
		/* Two generations of one place share its count of deaths. */
		if (e->index != last_index)
			most = 0;
		if (s.restarts > most) {
			ret_sum->restarts += s.restarts - most;
			most = s.restarts;
		}
		last_index = e->index;
	}
}

void view_held(const struct view *v, int pool, uint64_t sums[SERIES_MAX])
{
	const struct board_map *map = v->board->map;
	const struct view_entry *e;
	size_t count;
	int i;

	for (e = view_entries(v, pool, &count); count > 0; count--, e++) {
		const struct series_held *h = &map->held[e->slot];
		struct board_slot s;

		/* One that starts may not have cleared its record yet. */
		(void)board_read_slot(v->board, e->slot, &s);
		if (s.pool != pool || s.pid == 0 || s.state == BOARD_STARTING)
			continue;
		for (i = 0; i < SERIES_MAX; i++)
			sums[i] += atomic_load_explicit(
				&h->count[i], memory_order_relaxed);
	}
}
