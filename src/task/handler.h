/* SPDX-License-Identifier: ISC */
/*
 * handler - how a task is carried out: one row per kind of handler.
 *
 * A worker makes one `struct handlers` from the configuration and runs tasks
 * through it; each run answers exactly once, from the loop or from within
 * handler_run (a plugin that is done at once).
 */
#ifndef TASK_HANDLER_H
#define TASK_HANDLER_H

#include "task/task.h"

struct conf;
struct conf_handler;
struct loop;
struct handlers;
struct handler_run;

/* What became of a run. */
enum handler_outcome {
	HANDLER_SUCCESS = 0,
	HANDLER_RETRY = 1,  /* failed, may work later */
	HANDLER_FATAL = 2,  /* failed for good */
	HANDLER_SNOOZE = 3, /* not now: no attempt is counted */
	HANDLER_TIMEOUT = 4,
	HANDLER_CANCELLED = 5,
	HANDLER_CRASHED = 6, /* a signal ended it */
	HANDLER_OUTCOME_COUNT
};
extern const char *const handler_outcome_names[HANDLER_OUTCOME_COUNT];

struct handler_result {
	enum handler_outcome outcome;
	const char *text; /* result (JSON or text) or error; borrowed */
	size_t text_len;
	bool is_cut;      /* by the output cap */
	int64_t pause_us; /* RETRY, SNOOZE: as asked by the handler; -1: the
			      policy's */
	int64_t peak_kb;  /* memory of the process; 0: unknown */
	int signo;        /* CRASHED */
};

/* run is gone after it. */
typedef void (*handler_done_fn)(const struct handler_result *r, void *arg);
/* Percent (0 to 100) or -1, and a text or NULL. */
typedef void (*handler_progress_fn)(int percent, const char *text, void *arg);
/* A line that the run has said for the log; arg: of handler_run. */
typedef void (*handler_log_fn)(const char *line, void *arg);

/* What a run is told beside the task. */
struct handler_context {
	const char *node, *pool, *topic;
	int index;
	struct board *board; /* for the limits of all workers; NULL: of each */
	int slot;            /* our record there */
};

/*
 * Make ready every handler of the configuration: plugins are loaded, pools of
 * long-lived children are started with their first task.
 * NULL with err naming the handler that can't be used.
 */
struct handlers *handlers_new(struct loop *l, const struct conf *conf,
	const struct handler_context *ctx, struct err *err);
/* Kills what runs; no answer comes any more. */
void handlers_free(struct handlers *h);
/* Who hears what the runs say for the log, beside the log itself. */
void handlers_on_log(struct handlers *h, handler_log_fn fn);
/* Between tasks: drop caches (S1-34). */
void handlers_trim(struct handlers *h);

/* The settings of a handler, or NULL: unknown. */
const struct conf_handler *handlers_find(
	const struct handlers *h, const char *name);
/* Is there room by the handler's own `concurrency` and rate limit?  Then it is
 * kept until the next turn.  When not, ret_wait_us says when to ask again (-1:
 * when a run ends). */
bool handlers_has_room(
	struct handlers *h, const struct conf_handler *c, int64_t *ret_wait_us);
/* Keep the room for one run, to be begun later: release it just before. */
void handlers_reserve(struct handlers *h, const struct conf_handler *c);
void handlers_release(struct handlers *h, const struct conf_handler *c);

/*
 * Begin.  Borrows task until done.  NULL only when it answered already.
 * timeout_us: of this run (soft: TERM, then KILL of the group after
 * kill_after).
 */
struct handler_run *handler_run(struct handlers *h,
	const struct conf_handler *c, const struct task *task,
	int64_t timeout_us, handler_done_fn done, handler_progress_fn progress,
	void *arg);
/* Ask it to stop; answers CANCELLED in the end. */
void handler_cancel(struct handler_run *run);
/* At once, and no answer: the lease is lost (self-fencing). */
void handler_kill(struct handler_run *run);

#endif
