/* SPDX-License-Identifier: ISC */
/*
 * quota - limits of handlers and tenants that hold for all workers of the node
 * together.
 *
 * A record per handler that has a limit, found by its name, and per process
 * how many places of each it has.  No lock: a place is taken first and counted
 * then, and given back when that was one too many.  The places of a process
 * count while the master knows it to live, so none is lost with it.
 */
#ifndef BOARD_QUOTA_H
#define BOARD_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define QUOTA_MAX      128
#define QUOTA_NAME_MAX 64
#define RATE_MAX       1024 /* tenants with a rate */

struct board;

struct quota {
	_Atomic uint32_t state; /* 0 free, 1 being named, 2 in use */
	char name[QUOTA_NAME_MAX];
	/* Of a rate: when its bucket would be full again, clock_now in
	 * nanoseconds. */
	_Atomic int64_t full_at_ns;
	/* Who has waited longest for a place: since when, and its slot; 0:
	 * nobody. */
	_Atomic uint64_t wanted;
} __attribute__((aligned(64)));

struct quota_held {
	_Atomic uint32_t count[QUOTA_MAX];
} __attribute__((aligned(64)));

/* The number of a handler's record, made if need be; -1: the table is full. */
int quota_find(struct board *b, const char *name);
/* The same for the rate of a tenant: of these full_at_ns alone is used. */
int quota_find_rate(struct board *b, const char *name);
/*
 * Take a token of a rate, one of which comes in step_ns, and as many of which
 * are saved up as come in span_ns.  Returns 0, or in how many microseconds to
 * ask again.
 */
int64_t quota_spend(
	_Atomic int64_t *full_at_ns, int64_t step_ns, int64_t span_ns);
/* A place for this process; false: all `limit` are taken, or somebody who has
 * waited for long comes first. */
bool quota_take(struct board *b, int slot, int quota, int64_t limit);
/* Take it, even if it is one too many. */
void quota_force(struct board *b, int slot, int quota);
void quota_give(struct board *b, int slot, int quota);
/* A new process has none, whatever its predecessor had. */
void quota_clear(struct board *b, int slot);

#endif
