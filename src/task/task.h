/* SPDX-License-Identifier: ISC */
/*
 * task - the envelope: what a stream entry says is to be done.
 *
 * One JSON object in the field `task`:
 *
 *	{"id","handler","params","tenant","attempt","timeout_ms","unique",
 *	 "tracked","stored","reply","created","epoch","delay_ms","at","deadline",
 *	 "priority","retry_max","crashes","errors"}
 *
 * Only `handler` is needed from a producer; task_parse fills in the rest.
 *
 *	PENDING -> RUNNING -> SUCCESS
 *	   |          |-----> FAILED | TIMEOUT -> PENDING while attempts remain,
 *	   |          |                           else the dead letters
 *	   |          |-----> PENDING: snoozed, or its worker is lost
 *	   |          `-----> CANCELLED
 *	   `----------------> CANCELLED | MISFIRED | SKIPPED, or TIMEOUT when
 *			      its deadline is over
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TASK_ENVELOPE_MAX (1 << 20) /* bytes of one envelope */
#define TASK_DEPTH_MAX    64        /* nested values in params */
#define TASK_ID_MAX       64        /* bytes of an id; uuid v7 when made here */
#define TASK_NAME_MAX     128       /* bytes of handler, tenant, unique */
#define TASK_ERRORS_MAX   5         /* last attempts whose error is kept */
#define TASK_ERROR_MAX    1024      /* bytes of each */

enum task_state {
	TASK_PENDING = 0,
	TASK_RUNNING = 1,
	TASK_SUCCESS = 2,
	TASK_FAILED = 3,
	TASK_TIMEOUT = 4,
	TASK_CANCELLED = 5,
	TASK_MISFIRED = 6,
	TASK_SKIPPED = 7,
	TASK_STATE_COUNT
};

/* "PENDING", …; task_state_find also takes processing and completed (S2). */
extern const char *const task_state_names[TASK_STATE_COUNT];
int task_state_find(const char *name); /* -1: no state */
/* Is the move allowed by the drawing above? */
bool task_state_may(enum task_state from, enum task_state to);

/* Heap; every string is owned by it. */
struct task {
	char id[TASK_ID_MAX + 1];
	char *handler;
	char *params; /* JSON text of the value, "{}" when absent */
	size_t params_len;
	/* What the handler is given: params with the secret ones, which no
	 * envelope has; NULL: just params.  Overwritten with the task. */
	char *given;
	size_t given_len;
	char *tenant;        /* "default" */
	char *unique;        /* NULL: none */
	int64_t attempt;     /* 0: never tried */
	int64_t crashes;     /* workers it has taken with it */
	int64_t timeout_ms;  /* 0: the handler's */
	int64_t created_ms;  /* wall clock; 0 in the input: now */
	int64_t at_ms;       /* not before; 0: at once (`delay_ms` counts from
			       `created`, else from now) */
	int64_t deadline_ms; /* not after; 0: never too late */
	int64_t priority;
	int64_t epoch;     /* fencing token; raised with each dispatch */
	bool is_named;     /* its producer gave it its id */
	int64_t retry_max; /* tries after the first; -1: the handler's */
	bool tracked;
	bool stored;       /* its row is in PostgreSQL already */
	bool reply;        /* somebody waits: its outcome is kept for a day */
	const char *topic; /* where it was taken from: borrowed, no part of the
			      envelope; NULL: nobody said */
	struct task_error {
		int64_t at_ms;
		char *text;
	} errors[TASK_ERRORS_MAX]; /* the oldest first */
	size_t error_count;
};

/*
 * Read an envelope of `len` bytes (no NUL needed).
 * Returns a task (task_free), or NULL with err: what is wrong, for the dead
 * letter's reason; never crashes, never takes more than a few times len of
 * memory.  Unknown members are kept out of it silently (newer producers).
 */
struct task *task_parse(const char *text, size_t len, struct err *err);
void task_free(struct task *t);
/* A new one with an id of its own, created now.  params: JSON text, checked
 * by the caller; NULL: {}. */
struct task *task_new(const char *handler, const char *params);
/* Give its handler other params than the envelope has (copied). */
void task_give(struct task *t, const char *params, size_t len);
/* The params that its handler is given. */
const char *task_given(const struct task *t, size_t *ret_len);
/* The envelope's JSON text, freed by the caller. */
char *task_print(const struct task *t, size_t *ret_len);
/* Remember why an attempt failed: the oldest of more than TASK_ERRORS_MAX is
 * dropped, a long text is cut. */
void task_add_error(struct task *t, int64_t at_ms, const char *text);

/* How often, and when again. */
struct task_retry {
	int64_t max_attempts; /* 1: never again */
	int64_t base_us, cap_us;
};
/* The pause before attempt number `attempt` + 1: full jitter over
 * min(cap, base * 2^attempt) (Brooker, "Exponential Backoff And Jitter"),
 * with a floor of a tenth of it so that no retry is at once. */
int64_t task_retry_pause(const struct task_retry *r, int64_t attempt);

#endif
