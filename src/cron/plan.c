/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cron/plan.h"
#include "when/rule.h"

#define PLAN_BUCKETS_MIN 64

void plan_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	p->bucket_count = PLAN_BUCKETS_MIN;
	p->buckets = xcalloc(p->bucket_count, sizeof(*p->buckets));
}

static void planned_free(struct planned *d)
{
	rule_free(d->rule);
	free(d);
}

void plan_done(struct plan *p)
{
	struct planned *d, *next;
	size_t i;

	for (i = 0; i < p->bucket_count; i++)
		for (d = p->buckets[i]; d != NULL; d = next) {
			next = d->chain;
			planned_free(d);
		}
	free(p->buckets);
	free(p->heap);
	memset(p, 0, sizeof(*p));
}

/* FNV-1a. */
static size_t plan_bucket(const struct plan *p, const char *id)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32) & (p->bucket_count - 1);
}

struct planned *plan_find(const struct plan *p, const char *id)
{
	struct planned *d = p->buckets[plan_bucket(p, id)];

	while (d != NULL && strcmp(d->id, id) != 0)
		d = d->chain;
	return d;
}

/* As many buckets as definitions, half of it at least. */
static void plan_resize(struct plan *p, size_t wanted)
{
	struct planned **old = p->buckets, *d, *next;
	size_t i, n, old_count = p->bucket_count;

	p->bucket_count = wanted;
	p->buckets = xcalloc(wanted, sizeof(*p->buckets));
	for (i = 0; i < old_count; i++)
		for (d = old[i]; d != NULL; d = next) {
			next = d->chain;
			n = plan_bucket(p, d->id);
			d->chain = p->buckets[n];
			p->buckets[n] = d;
		}
	free(old);
}

struct planned *plan_add(struct plan *p, const char *id)
{
	struct planned *d = xcalloc(1, sizeof(*d));
	size_t n;

	if (p->total >= p->bucket_count)
		plan_resize(p, p->bucket_count * 2);
	assert(strlen(id) < sizeof(d->id));
	memcpy(d->id, id, strlen(id));
	d->place = PLAN_NOWHERE;
	d->state = PLANNED_CHECKING;
	n = plan_bucket(p, id);
	d->chain = p->buckets[n];
	p->buckets[n] = d;
	p->total++;
	return d;
}

static void plan_put(struct plan *p, size_t i, struct planned *d)
{
	p->heap[i] = d;
	d->place = i;
}

static void plan_up(struct plan *p, size_t i)
{
	struct planned *d = p->heap[i];

	while (i > 0 && p->heap[(i - 1) / 2]->wake_us > d->wake_us) {
		plan_put(p, i, p->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	plan_put(p, i, d);
}

static void plan_down(struct plan *p, size_t i)
{
	struct planned *d = p->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < p->count) {
		if (child + 1 < p->count &&
			p->heap[child + 1]->wake_us < p->heap[child]->wake_us)
			child++;
		if (p->heap[child]->wake_us >= d->wake_us)
			break;
		plan_put(p, i, p->heap[child]);
		i = child;
	}
	plan_put(p, i, d);
}

static void plan_out(struct plan *p, struct planned *d)
{
	size_t i = d->place;
	struct planned *last;

	if (i == PLAN_NOWHERE)
		return;
	d->place = PLAN_NOWHERE;
	last = p->heap[--p->count];
	if (last == d)
		return;
	plan_put(p, i, last);
	plan_up(p, i);
	plan_down(p, last->place);
}

void plan_wait(struct plan *p, struct planned *d, int64_t wake_us)
{
	plan_out(p, d);
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->heap = xreallocarray(p->heap, p->cap, sizeof(*p->heap));
	}
	d->wake_us = wake_us;
	d->state = PLANNED_WAITING;
	plan_put(p, p->count, d);
	plan_up(p, p->count++);
}

void plan_leave(struct plan *p, struct planned *d, enum planned_state state)
{
	plan_out(p, d);
	d->state = (uint8_t)state;
}

/* What was much once is given back. */
static void plan_shrink(struct plan *p)
{
	if (p->total == 0 && p->bucket_count > PLAN_BUCKETS_MIN) {
		plan_resize(p, PLAN_BUCKETS_MIN);
		free(p->heap);
		p->heap = NULL;
		p->cap = 0;
	}
}

void plan_remove(struct plan *p, struct planned *d)
{
	struct planned **at = &p->buckets[plan_bucket(p, d->id)];

	plan_out(p, d);
	while (*at != d)
		at = &(*at)->chain;
	*at = d->chain;
	p->total--;
	planned_free(d);
	plan_shrink(p);
}

bool plan_is_away(const struct planned *d)
{
	return d->state != PLANNED_WAITING && d->state != PLANNED_CHECKING;
}

struct planned *plan_head(const struct plan *p)
{
	return p->count > 0 ? p->heap[0] : NULL;
}
