/* SPDX-License-Identifier: ISC */
/*
 * board - the scoreboard: memory that master and children share.
 *
 * Three kinds of records: the header and a record per pool and per process
 * are written by the master alone; each process has a `live` record that it
 * alone writes, the queue's have `series` together.  They lie in two memfds
 * that are mapped as one: a child can write these two, all else it has for
 * reading only, so that one gone mad or bad can't mislead the master or its
 * readers.  Readers (governor, http, reevectl behind them) take what they see
 * as hints; the master never decides on what a child may have written but for
 * its heartbeat.  Untouched pages cost nothing, so the tables have their full
 * size from the start.
 *
 * The layout is part of the upgrade: BOARD_VERSION rises with every change.
 */
#ifndef BOARD_BOARD_H
#define BOARD_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "board/quota.h"
#include "board/series.h"

#define BOARD_VERSION   10
#define BOARD_POOLS_MAX 256
#define BOARD_SLOTS_MAX 4096 /* processes, both generations together */
#define BOARD_CPU_WORDS 16   /* 1024 CPUs */
#define BOARD_BUCKETS   24

/* A worker's life, as the master sees it.
 *
 *	EMPTY -> STARTING -> READY -> DRAINING -> (gone: EMPTY)
 *	                \-------------/
 *	BACKOFF, FAILED, STOPPED, WAITING, DONE: a slot without a process;
 *	`why` says until when or for what.
 */
enum board_state {
	BOARD_EMPTY = 0,
	BOARD_STARTING = 1,
	BOARD_READY = 2,
	BOARD_DRAINING = 3,
	BOARD_BACKOFF = 4, /* died; started again at a time given in why */
	BOARD_FAILED = 5,  /* a verdict: until a reload or `start` */
	BOARD_STOPPED = 6, /* on an operator's word */
	BOARD_WAITING = 7, /* for the pools of `after` */
	BOARD_DONE = 8,    /* a one-shot that succeeded, or restart: never */
	BOARD_STATE_COUNT
};

extern const char *const board_state_names[BOARD_STATE_COUNT];

/* What a worker says of itself; decides what its silence means. */
enum board_pulse {
	BOARD_PULSE_NONE = 0, /* a program: says nothing */
	BOARD_PULSE_IDLE = 1, /* waits for events: silence is well */
	BOARD_PULSE_BUSY = 2  /* works since pulse_at_us */
};

/* Written by the process itself, on cache lines of its own. */
struct board_live {
	_Atomic int64_t pulse_at_us; /* clock_now of the last change */
	_Atomic uint32_t pulse;      /* enum board_pulse */
	_Atomic uint32_t in_flight;  /* requests or tasks in hand */
	_Atomic uint64_t tasks;      /* finished: requests, tasks */
	_Atomic uint64_t failed;     /* of these, badly */
	_Atomic uint64_t bytes_in, bytes_out;
	_Atomic uint32_t connections; /* open now */
	_Atomic uint64_t accepted;    /* connections taken so far */
	_Atomic uint64_t rejected;    /* refused by a limit */
	_Atomic uint64_t timeouts;    /* slow clients cut */
	/* Answers by class: 0 unused, 1xx to 5xx. */
	_Atomic uint64_t by_class[6];
	/* Durations: bucket i counts those under 2^i * 64 us; the last the
	 * rest. */
	_Atomic uint64_t duration_us_sum;
	_Atomic uint64_t duration_count[BOARD_BUCKETS];
} __attribute__((aligned(64)));

/* Written by the master: one process, or a slot that has none. */
struct board_slot {
	_Atomic uint32_t version; /* odd while being written */
	uint32_t state;           /* enum board_state; EMPTY: unused */
	int32_t pool;             /* index of its pool's record */
	int32_t index;            /* 0-based place in the pool */
	int32_t pid;              /* 0: none */
	uint32_t generation;      /* configuration it runs with */
	int64_t since_us;         /* clock_now of the last change of state */
	uint64_t restarts;        /* deaths of this place that were no wish */
	uint64_t cpus[BOARD_CPU_WORDS]; /* bit n: CPU n; all 0: not bound */
	char why[128];        /* why it is not running, or is draining */
	char last_exit[128];  /* "exit 1", "SIGSEGV (core dumped)", … */
	int64_t last_peak_kb; /* memory of that process; 0: not known */
} __attribute__((aligned(64)));

enum board_pool_state {
	BOARD_POOL_UNUSED = 0,
	BOARD_POOL_RUNNING = 1,  /* as many ready as desired */
	BOARD_POOL_STARTING = 2, /* on its way there */
	BOARD_POOL_DEGRADED = 3, /* some are in back-off or failed */
	BOARD_POOL_STOPPED = 4,
	BOARD_POOL_FAILED = 5, /* none is ready, and none is coming */
	BOARD_POOL_ROLLING = 6,
	BOARD_POOL_DONE = 7, /* one-shots that succeeded */
	BOARD_POOL_STATE_COUNT
};

extern const char *const board_pool_state_names[BOARD_POOL_STATE_COUNT];

struct board_pool {
	_Atomic uint32_t version;
	uint32_t state; /* enum board_pool_state */
	char name[64];
	char kind[16];
	int32_t desired, ready;
	int32_t is_internal;              /* governor, logger */
	uint32_t generation;              /* that its settings are of */
	char source[96];                  /* where desired comes from */
	char log_path[256];               /* "" : standard error */
	char listen[256];                 /* addresses, joined by ", " */
	int64_t hang_timeout_us;          /* 0: not watched */
	int64_t memory_soft, memory_hard; /* bytes, 0: none */
} __attribute__((aligned(64)));

enum board_node_state {
	BOARD_NODE_STARTING = 0,
	BOARD_NODE_RUNNING = 1,
	BOARD_NODE_RELOADING = 2,
	BOARD_NODE_UPGRADING = 3,
	BOARD_NODE_DRAINED = 4, /* SIGWINCH */
	BOARD_NODE_STOPPING = 5,
	BOARD_NODE_STATE_COUNT
};

extern const char *const board_node_state_names[BOARD_NODE_STATE_COUNT];

struct board_header {
	uint64_t magic;
	uint32_t layout; /* BOARD_VERSION */
	uint32_t size;   /* sizeof(struct board_map) */
	_Atomic uint32_t version;
	uint32_t state; /* enum board_node_state */
	char node[64];
	char software[32];
	char config[256]; /* path of process.yaml */
	int32_t pid;
	uint32_t generation; /* of the newest configuration taken */
	int64_t started_us;  /* clock_now; kept across an upgrade */
	int64_t started_wall;
	uint64_t reloads, reloads_failed, upgrades;
	int64_t reload_at_wall; /* 0: never */
	int32_t reload_ok;
	char reload_error[1024];
	char counts_error[256]; /* of the counts' source; "": well */
	/* Above every record ever taken: readers look no further, so that the
	 * pages beyond stay untouched. */
	_Atomic int32_t slot_limit, pool_limit;
} __attribute__((aligned(64)));

/* Where the second memfd begins: a multiple of every page size. */
#define BOARD_LIVE_AT (40 << 16)

struct board_map {
	union {
		struct {
			struct board_header header;
			struct board_pool pools[BOARD_POOLS_MAX];
			struct board_slot slots[BOARD_SLOTS_MAX];
			/* Per pool: what its gone processes had counted, so
			 * that sums over a pool never fall.  Written by the
			 * master. */
			struct board_live past[BOARD_POOLS_MAX];
		};
		char masters[BOARD_LIVE_AT];
	};
	/* Written by the children. */
	struct board_live live[BOARD_SLOTS_MAX];
	struct series_table series; /* see board/series.h */
	struct series_held held[BOARD_SLOTS_MAX];
	struct quota quotas[QUOTA_MAX]; /* see board/quota.h */
	struct quota rates[RATE_MAX];
	struct quota_held places[BOARD_SLOTS_MAX];
};

struct board {
	/* The memfds, close-on-exec; owned.  -1 in a child. */
	int fd, live_fd;
	int read_fd; /* fd, for reading only; -1 without /proc */
	struct board_map *map;
};

/* A new, empty board.  0, or -1 with err. */
int board_open(struct board *ret_board, struct err *err)
	__attribute__((warn_unused_result));
/* Map one that an older master handed on; takes the descriptors on success.
 * -1 when its layout is not ours. */
int board_adopt(struct board *ret_board, int fd, int live_fd, struct err *err)
	__attribute__((warn_unused_result));
/* In a child, whose descriptors are closed next: from here on it can write
 * the live records only.  0, or -1 with errno. */
int board_confine(struct board *b) __attribute__((warn_unused_result));
void board_close(struct board *b);

/* A free record of each kind, cleared, or -1 when the table is full. */
int board_slot_take(struct board *b);
void board_slot_give(struct board *b, int slot);
int board_pool_take(struct board *b);
void board_pool_give(struct board *b, int pool);

/* Writer's side of a record: everything between the two is seen whole. */
void board_write_begin(_Atomic uint32_t *version);
void board_write_end(_Atomic uint32_t *version);

/* Copies that are whole: true, or false when the record kept changing (the
 * copy is then the last state seen). */
bool board_read_slot(
	const struct board *b, int slot, struct board_slot *ret_copy);
bool board_read_pool(
	const struct board *b, int pool, struct board_pool *ret_copy);
bool board_read_header(const struct board *b, struct board_header *ret_copy);

/* Add the counters of a process that is gone to its pool's past. */
void board_retire_counters(struct board *b, int slot, int pool);

/* The bucket of board_live.duration_count for a duration. */
unsigned board_bucket(int64_t duration_us);
/* The upper bound of bucket i in microseconds; -1 for the last. */
int64_t board_bucket_limit(unsigned bucket);

#endif
