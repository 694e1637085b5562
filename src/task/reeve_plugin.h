/* SPDX-License-Identifier: ISC */
/*
 * reeve_plugin - handlers in C, as shared objects.
 *
 *	handlers:
 *	  resize: { kind: plugin, path: /usr/lib/reeve/resize.so, config: "4" }
 *
 * A plugin is loaded once into each worker of a queue pool, and its tasks are
 * run there, in the worker's one thread: what blocks, blocks the worker, and
 * what crashes takes it along.  The file must belong to root or to the
 * daemon's user and must not be writable by all.
 *
 * A plugin exports two functions:
 *
 *	int reeve_plugin_abi(void)
 *	{
 *		return REEVE_PLUGIN_ABI;
 *	}
 *
 *	const struct reeve_plugin *reeve_plugin(void)
 *	{
 *		return &resize;
 *	}
 *
 * A run may be answered from within run(), or later from a callback of the
 * host's watch or after.  None of the host's functions may be called from
 * another thread; a plugin with threads wakes the loop through a descriptor
 * (eventfd, pipe) that it watches.
 */
#ifndef REEVE_PLUGIN_H
#define REEVE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something below changes its meaning or place.  What is added
 * stands behind what there is. */
#define REEVE_PLUGIN_ABI 1

enum reeve_outcome {
	REEVE_SUCCESS = 0,
	REEVE_RETRY = 1, /* failed, may work later */
	REEVE_FATAL = 2, /* failed for good */
	REEVE_SNOOZE = 3 /* not now: no attempt is counted */
};

enum reeve_events { REEVE_READ = 1, REEVE_WRITE = 2 };

struct reeve_host;
struct reeve_timer;
struct reeve_watch;

/*
 * A task in hand.  All texts are NUL-terminated UTF-8 and belong to the host;
 * they are valid until the task is done or cancelled.
 */
struct reeve_task {
	const struct reeve_host *host;
	const char *id, *handler, *topic, *tenant;
	const char *params; /* JSON text */
	size_t params_len;
	int64_t attempt;    /* tries before this one */
	int64_t epoch;      /* fencing token: grows with each dispatch */
	int64_t timeout_ms; /* from now on; 0: as long as it takes */
	void *user;         /* the plugin's own; NULL at first */
};

/* What the daemon offers.  Outlives the plugin. */
struct reeve_host {
	int abi;
	/*
	 * The task is done; it is gone after this call.
	 *
	 * text      the result (JSON or text) or the error; copied
	 * pause_ms  RETRY, SNOOZE: before it comes again; -1: as configured
	 */
	void (*done)(struct reeve_task *task, enum reeve_outcome outcome,
		const char *text, size_t text_len, int64_t pause_ms);
	/* percent: 0 to 100, or -1; text may be NULL. */
	void (*progress)(
		struct reeve_task *task, int percent, const char *text);
	/* One line into the log of the pool; task may be NULL. */
	void (*log)(const struct reeve_host *host,
		const struct reeve_task *task, const char *text);
	/* Call fn whenever fd is ready (enum reeve_events), until unwatch,
	 * which comes before the close of fd. */
	struct reeve_watch *(*watch)(const struct reeve_host *host, int fd,
		unsigned events, void (*fn)(void *arg), void *arg);
	void (*unwatch)(struct reeve_watch *watch);
	/* Call fn once, after so long.  The timer is gone after the call, or
	 * after forget. */
	struct reeve_timer *(*after)(const struct reeve_host *host, int64_t ms,
		void (*fn)(void *arg), void *arg);
	void (*forget)(struct reeve_timer *timer);
};

struct reeve_plugin {
	int abi; /* REEVE_PLUGIN_ABI */
	const char *name;
	/*
	 * Once, before any task.
	 *
	 * config     of the handler; "" when there is none
	 * ret_state  handed to the others; one for each handler of this path
	 * err        filled on failure, at most err_size bytes with the NUL
	 * Returns 0, or -1: the worker does not start.  NULL: nothing to do.
	 */
	int (*init)(const struct reeve_host *host, const char *config,
		void **ret_state, char *err, size_t err_size);
	/* A task: host->done must follow, once, now or later. */
	void (*run)(void *state, struct reeve_task *task);
	/*
	 * Its time is over, or nobody wants it any more.  host->done must
	 * still follow, now or later, to give the task back; what it says is
	 * dropped.  After this call the texts of the task are empty.  NULL:
	 * the plugin does not care, and does the same in the end.
	 */
	void (*cancel)(void *state, struct reeve_task *task);
	/* At the end: watches, timers and threads must be gone after it.
	 * Tasks without an answer are dropped.  NULL: nothing to do. */
	void (*free)(void *state);
};

int reeve_plugin_abi(void);
const struct reeve_plugin *reeve_plugin(void);

static inline void reeve_task_done(struct reeve_task *task,
	enum reeve_outcome outcome, const char *text, size_t text_len)
{
	task->host->done(task, outcome, text, text_len, -1);
}

static inline void reeve_task_snooze(struct reeve_task *task, int64_t pause_ms)
{
	task->host->done(task, REEVE_SNOOZE, "snoozed", 7, pause_ms);
}

static inline void reeve_task_progress(
	struct reeve_task *task, int percent, const char *text)
{
	task->host->progress(task, percent, text);
}

#ifdef __cplusplus
}
#endif

#endif
