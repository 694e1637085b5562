/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/figures.h"
#include "base/clock.h"
#include "board/view.h"
#include "conf/conf.h"
#include "conf/handler.h"

static void figures_blame(
	struct figures *f, const char *what, const char *state)
{
	buf_printf(&f->reasons, "%s%s is %s", f->reasons.len > 0 ? "\n" : "",
		what, state);
}

/* While reloading or upgrading, the old workers serve. */
static void figures_judge_node(struct figures *f)
{
	uint32_t state = f->header.state;

	if (state != BOARD_NODE_RUNNING && state != BOARD_NODE_RELOADING &&
		state != BOARD_NODE_UPGRADING && state < BOARD_NODE_STATE_COUNT)
		figures_blame(f, "the node", board_node_state_names[state]);
	if (f->header.counts_error[0] != '\0')
		buf_printf(&f->reasons, "%sthe key of the consumers: %s",
			f->reasons.len > 0 ? "\n" : "", f->header.counts_error);
}

static void figures_judge_pool(struct figures *f, const struct board_pool *p)
{
	if (p->state != BOARD_POOL_RUNNING && p->state != BOARD_POOL_ROLLING &&
		p->state != BOARD_POOL_DONE &&
		p->state < BOARD_POOL_STATE_COUNT)
		figures_blame(f, p->name, board_pool_state_names[p->state]);
}

/* A pool of the configuration, whose settings it has. */
static const struct conf_pool *figures_pool(
	const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->pool_count; i++)
		if (strcmp(conf->pools[i].name, name) == 0)
			return &conf->pools[i];
	return NULL;
}

int64_t figures_places(const struct conf *conf, const struct board_pool *p)
{
	const struct conf_pool *pool =
		conf != NULL ? figures_pool(conf, p->name) : NULL;
	const struct opt *o = pool != NULL ? pool->kind->options : NULL;
	int64_t each = 1;

	for (; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, "concurrency") == 0)
			memcpy(&each, (const char *)pool->own + o->offset,
				sizeof(each));
	return p->ready * each;
}

static bool figures_is_slow(const struct conf *conf, const char *handler)
{
	const struct conf_handler *h =
		conf != NULL ? conf_handler_find(conf, handler) : NULL;

	return h != NULL && h->kind == CONF_HANDLER_POLL;
}

static void figures_add_series(struct figures *f, const struct series *s)
{
	int i;

	f->completed += atomic_load(&s->outcomes[SERIES_SUCCESS]);
	f->failed += atomic_load(&s->outcomes[SERIES_DEAD]);
	f->retried += atomic_load(&s->outcomes[SERIES_RETRY]);
	f->cancelled += atomic_load(&s->outcomes[SERIES_CANCELLED]);
	f->timed_out += atomic_load(&s->outcomes[SERIES_TIMEOUT]);
	f->run_us += atomic_load(&s->run.sum_us);
	for (i = 0; i < SERIES_BUCKETS; i++)
		f->run_count[i] += atomic_load(&s->run.count[i]);
}

static void figures_add_queue(struct figures *f, const struct board *b,
	const struct conf *conf, const uint64_t held[SERIES_MAX])
{
	const struct series_table *t = &b->map->series;
	int i;

	for (i = 0; i < SERIES_MAX; i++) {
		const struct series *s = &t->rows[i];

		if (atomic_load_explicit(&s->state, memory_order_acquire) != 2)
			continue;
		figures_add_series(f, s);
		f->running[figures_is_slow(conf, s->handler)] +=
			(int64_t)held[i];
	}
	for (i = 0; i < SERIES_TOPICS; i++) {
		if (atomic_load(&t->topics[i].used) == 0)
			continue;
		f->waiting += atomic_load(&t->topics[i].waiting);
		f->delayed += atomic_load(&t->topics[i].delayed);
		f->dead += atomic_load(&t->topics[i].dead);
	}
}

void figures_take(
	struct figures *f, const struct board *b, const struct conf *conf)
{
	uint64_t held[SERIES_MAX] = { 0 };
	struct board_pool p;
	struct view v;
	int i;

	memset(f, 0, sizeof(*f));
	(void)board_read_header(b, &f->header);
	f->uptime_us = clock_now() - f->header.started_us;
	figures_judge_node(f);
	view_init(&v, b);
	for (i = 0; i < v.pool_limit; i++) {
		if (!view_pool(&v, i, &p) || p.is_internal)
			continue;
		figures_judge_pool(f, &p);
		if (strcmp(p.kind, "queue") != 0)
			continue;
		f->places += figures_places(conf, &p);
		view_held(&v, i, held);
	}
	view_done(&v);
	figures_add_queue(f, b, conf, held);
}

void figures_done(struct figures *f)
{
	buf_done(&f->reasons);
}

double figures_quantile(const uint64_t count[SERIES_BUCKETS], double share)
{
	double low = 0, high, wanted, seen = 0;
	uint64_t total = 0;
	unsigned i;

	for (i = 0; i < SERIES_BUCKETS; i++)
		total += count[i];
	if (total == 0)
		return -1;
	wanted = share * (double)total;
	for (i = 0; i < SERIES_BUCKETS; i++) {
		high = (double)board_bucket_limit(i) / US_PER_MS;
		if (high < 0) /* of the last nothing more is known */
			return low;
		if (seen + (double)count[i] >= wanted && count[i] > 0)
			return low + (high - low) * (wanted - seen) /
					     (double)count[i];
		seen += (double)count[i];
		low = high;
	}
	return low;
}
