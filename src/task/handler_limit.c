/* SPDX-License-Identifier: ISC */
#include "base/clock.h"
#include "board/board.h"
#include "conf/conf.h"
#include "task/handler_kind.h"
#include "task/handler_limit.h"

#define LIMIT_NS_PER_US 1000
/* How soon to ask again for a place that another worker has: from so long to
 * twice that. */
#define LIMIT_POLL_US (20 * US_PER_MS)

static int64_t limit_needed(const struct handler *h)
{
	return h->running + h->reserved;
}

/* Nanoseconds between two runs at the full rate. */
static int64_t limit_step(const struct handler *h)
{
	return h->conf->rate_per_us * LIMIT_NS_PER_US / h->conf->rate_count;
}

void handler_limit_open(struct handler *h)
{
	struct handler_limit *l = &h->limit;
	struct board *b = h->all->context.board;

	l->quota = -1;
	l->full_at_ns = &l->own_full_at_ns;
	if (b == NULL ||
		(h->conf->concurrency == 0 && h->conf->rate_count == 0))
		return;
	l->quota = quota_find(b, h->conf->name);
	if (l->quota >= 0)
		l->full_at_ns = &b->map->quotas[l->quota].full_at_ns;
}

static void limit_give_places(struct handler *h)
{
	struct handler_limit *l = &h->limit;
	const struct handler_context *ctx = &h->all->context;

	for (; l->places > limit_needed(h); l->places--)
		if (l->quota >= 0)
			quota_give(ctx->board, ctx->slot, l->quota);
}

static void limit_on_turn(void *arg)
{
	struct handlers *all = arg;
	size_t i;

	all->is_settling = false;
	for (i = 0; i < all->count; i++) {
		struct handler *h = &all->items[i];

		limit_give_places(h);
		for (; h->limit.tokens > 0; h->limit.tokens--)
			atomic_fetch_sub(h->limit.full_at_ns, limit_step(h));
	}
}

static void limit_settle_later(struct handlers *all)
{
	if (all->is_settling)
		return;
	all->is_settling = true;
	loop_defer(all->loop, limit_on_turn, all);
}

bool handler_limit_place(struct handler *h, int64_t *ret_wait_us)
{
	struct handler_limit *l = &h->limit;
	const struct handler_context *ctx = &h->all->context;
	int64_t limit = h->conf->concurrency;

	if (limit == 0 || l->places > limit_needed(h))
		return true;
	*ret_wait_us = -1;
	if (limit_needed(h) >= limit)
		return false;
	if (l->quota >= 0 &&
		!quota_take(ctx->board, ctx->slot, l->quota, limit)) {
		*ret_wait_us = LIMIT_POLL_US + clock_jitter(LIMIT_POLL_US);
		return false;
	}
	l->places++;
	limit_settle_later(h->all);
	return true;
}

bool handler_limit_token(struct handler *h, int64_t *ret_wait_us)
{
	struct handler_limit *l = &h->limit;
	int64_t wait_us;

	if (h->conf->rate_count == 0 || l->tokens > 0)
		return true;
	wait_us = quota_spend(l->full_at_ns, limit_step(h),
		h->conf->rate_per_us * LIMIT_NS_PER_US);
	if (wait_us > 0) {
		*ret_wait_us = wait_us;
		return false;
	}
	l->tokens++;
	limit_settle_later(h->all);
	return true;
}

/* Nobody asked before: it goes on account of those who come next. */
static void limit_owe(struct handler *h)
{
	int64_t now = clock_now() * LIMIT_NS_PER_US;
	int64_t full = atomic_load(h->limit.full_at_ns), begin;

	do {
		begin = full > now ? full : now;
	} while (!atomic_compare_exchange_weak(
		h->limit.full_at_ns, &full, begin + limit_step(h)));
}

void handler_limit_begin(struct handler *h)
{
	struct handler_limit *l = &h->limit;
	const struct handler_context *ctx = &h->all->context;

	if (h->conf->concurrency > 0 && l->places < limit_needed(h)) {
		l->places++;
		if (l->quota >= 0)
			quota_force(ctx->board, ctx->slot, l->quota);
	}
	if (h->conf->rate_count == 0)
		return;
	if (l->tokens > 0)
		l->tokens--;
	else
		limit_owe(h);
}

void handler_limit_release(struct handler *h)
{
	if (h->conf->rate_count > 0)
		h->limit.tokens++;
	limit_settle_later(h->all);
}

void handler_limit_end(struct handler *h)
{
	limit_give_places(h);
}

void handler_limit_close(struct handlers *all)
{
	loop_defer_cancel(all->loop, limit_on_turn, all);
	limit_on_turn(all);
}
