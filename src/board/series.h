/* SPDX-License-Identifier: ISC */
/*
 * series - counters of the queue: one record per topic and handler, shared by
 * all workers of the node, and one per topic with the lengths in Redis.
 *
 * Records are found or made without a lock and never given back: a node has a
 * few dozen, and a table that is full counts under the name "other".
 */
#ifndef BOARD_SERIES_H
#define BOARD_SERIES_H

#include <stdatomic.h>
#include <stdint.h>

#define SERIES_MAX      256
#define SERIES_TOPICS   64
#define SERIES_OUTCOMES 8
#define SERIES_BUCKETS  24
#define SERIES_NAME_MAX 64

struct board;

enum series_outcome {
	SERIES_SUCCESS = 0,
	SERIES_RETRY = 1,
	SERIES_DEAD = 2,
	SERIES_CANCELLED = 3,
	SERIES_DUPLICATE = 4,
	SERIES_FENCED = 5,
	SERIES_TIMEOUT = 6, /* counted beside RETRY or DEAD */
	SERIES_CRASH = 7,   /* likewise */
};
extern const char *const series_outcome_names[SERIES_OUTCOMES];

struct series_histogram {
	_Atomic uint64_t sum_us;
	_Atomic uint64_t count[SERIES_BUCKETS]; /* as board_bucket */
};

struct series {
	_Atomic uint32_t state; /* 0 free, 1 being named, 2 in use */
	char topic[SERIES_NAME_MAX];
	char handler[SERIES_NAME_MAX];
	_Atomic uint64_t outcomes[SERIES_OUTCOMES];
	struct series_histogram wait; /* from entering the queue to a start */
	struct series_histogram run;  /* in the handler */
} __attribute__((aligned(64)));

/* Tasks that one process has in its handlers, by the number of their record:
 * written by it alone, and over when it is. */
struct series_held {
	_Atomic uint32_t count[SERIES_MAX];
} __attribute__((aligned(64)));

/* What the governor reads in Redis; written by it alone. */
struct series_topic {
	_Atomic uint32_t used;
	char name[SERIES_NAME_MAX];
	_Atomic int64_t waiting; /* not yet delivered */
	_Atomic int64_t pending; /* delivered, not finished */
	_Atomic int64_t delayed, dead;
	_Atomic int64_t oldest_ms; /* age of the oldest that waits */
	_Atomic int64_t added;     /* entries ever; -1: Redis is too old */
	_Atomic int64_t at_us;     /* clock_now of the reading */
} __attribute__((aligned(64)));

/* Runs that came of definitions. */
enum series_cron_kind {
	SERIES_CRON_FIRED = 0,
	SERIES_CRON_HELD = 1, /* behind another run */
	SERIES_CRON_SKIPPED = 2,
	SERIES_CRON_MISFIRED = 3,
	SERIES_CRON_KINDS = 4
};
extern const char *const series_cron_names[SERIES_CRON_KINDS];

/* What the crontab workers of the node do, together. */
struct series_cron {
	_Atomic uint64_t runs[SERIES_CRON_KINDS];
	struct series_histogram lateness; /* from the planned time to commit */
	_Atomic uint64_t failures;        /* steps that PostgreSQL refused */
	_Atomic uint64_t outbox_sent;     /* rows taken to Redis */
	_Atomic uint64_t outbox_failed;
	_Atomic int64_t healthy_until_us; /* clock_now */
	/* Of the leader alone; valid while leader_until_us is to come. */
	_Atomic int64_t leader_until_us; /* clock_now */
	_Atomic int64_t term;
	_Atomic int64_t outbox_length, outbox_oldest_ms;
	_Atomic int64_t definitions; /* enabled ones */
	_Atomic int64_t nodes_online;
	_Atomic int64_t connections, connections_max; /* of PostgreSQL */
	_Atomic int64_t slow_queries;
} __attribute__((aligned(64)));

/* What Redis says of itself; written by the governor alone, -1: unknown. */
struct series_redis {
	_Atomic int64_t at_us; /* clock_now of the reading; 0: none */
	_Atomic int64_t connections, connections_max;
	_Atomic int64_t memory, memory_max; /* bytes; of the latter 0: none */
} __attribute__((aligned(64)));

struct series_table {
	struct series rows[SERIES_MAX];
	struct series_topic topics[SERIES_TOPICS];
	struct series_cron cron;
	struct series_redis redis;
};

/* The number of a record of the table. */
int series_number(const struct board *b, const struct series *s);

/* The record of a topic and a handler, made if need be; never NULL. */
struct series *series_find(
	struct board *b, const char *topic, const char *handler);
/* NULL when the table is full. */
struct series_topic *series_topic(struct board *b, const char *name);
void series_observe(struct series_histogram *h, int64_t us);

#endif
