/* SPDX-License-Identifier: ISC */
/*
 * plan - the definitions that are due soon, by id and by time.
 *
 * Only these are in memory: a definition comes when its next time is within
 * `preload`, and goes when it is beyond.
 */
#ifndef CRON_PLAN_H
#define CRON_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

struct rule;

enum planned_state {
	PLANNED_WAITING = 0,  /* for its time: in the heap */
	PLANNED_LOCKING = 1,  /* its lock in Redis is asked for */
	PLANNED_FIRING = 2,   /* its step is on the way to PostgreSQL */
	PLANNED_CHECKING = 3, /* it is read again */
	PLANNED_STEPPING = 4, /* fired, its step is to follow */
	PLANNED_STATE_COUNT
};

enum planned_overlap {
	OVERLAP_ALLOW = 0,
	OVERLAP_FORBID = 1,
	OVERLAP_QUEUE = 2,
	OVERLAP_REPLACE = 3
};

enum planned_misfire { MISFIRE_SKIP = 0, MISFIRE_ONCE = 1, MISFIRE_ALL = 2 };

struct planned {
	char id[UUID_TEXT_LEN + 1];
	int64_t version;
	int64_t next_us; /* as PostgreSQL has it, or will have soon */
	int64_t from_us; /* STEPPING: as it has it */
	int64_t then_us; /* FIRING: what next_us is to be */
	int64_t wake_us; /* when something is to be done with it */
	size_t place;    /* in the heap; PLAN_NOWHERE */
	struct planned *chain;
	struct rule *rule;
	int misfire_max;
	uint8_t tries;   /* in vain, for this time */
	uint8_t state;   /* enum planned_state */
	uint8_t overlap; /* enum planned_overlap */
	uint8_t misfire; /* enum planned_misfire */
	bool is_inline;
	bool has_lock; /* of its next time */
	bool is_won;   /* its step is made: next_us is the new one */
	bool is_later; /* or is to be made */
	bool is_check; /* at wake_us it is read again, not fired */
};

#define PLAN_NOWHERE SIZE_MAX

struct plan {
	struct planned **heap;
	size_t count, cap; /* of the heap */
	struct planned **buckets;
	size_t bucket_count, total;
};

void plan_init(struct plan *p);
void plan_done(struct plan *p);
struct planned *plan_find(const struct plan *p, const char *id);
/* A new one, not in the heap yet. */
struct planned *plan_add(struct plan *p, const char *id);
void plan_remove(struct plan *p, struct planned *d);
/* Into the heap, or elsewhere in it. */
void plan_wait(struct plan *p, struct planned *d, int64_t wake_us);
/* Out of the heap, on the way to something. */
void plan_leave(struct plan *p, struct planned *d, enum planned_state state);
/* Is it on its way to something, which shows what is true? */
bool plan_is_away(const struct planned *d);
/* The first to wake; NULL: none. */
struct planned *plan_head(const struct plan *p);

#endif
