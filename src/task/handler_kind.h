/* SPDX-License-Identifier: ISC */
/*
 * handler_kind - what handler.c and the kinds of handlers share.
 *
 * A kind is one file that fills a struct handler_kind, and one line in the
 * table of handler.c.  It begins a run, tells its progress and ends it with
 * handler_finish, exactly once; timeouts, cancelling, room and rates are
 * handler.c's.
 */
#ifndef TASK_HANDLER_KIND_H
#define TASK_HANDLER_KIND_H

#include <sys/queue.h>

#include "base/err.h"
#include "conf/handler.h"
#include "loop/loop.h"
#include "task/handler.h"
#include "task/handler_limit.h"

struct handler;
struct handler_children;
struct http_client;

enum handler_stop {
	HANDLER_STOP_NOT = 0,
	HANDLER_STOP_TIMEOUT = 1,
	HANDLER_STOP_CANCEL = 2
};

/* How hard a run is asked to end. */
enum handler_force {
	HANDLER_FORCE_SOFT = 0, /* TERM, and it may tidy up */
	HANDLER_FORCE_HARD = 1  /* KILL: kill_after is over */
};

struct handler_kind {
	/* Make ready what the handler needs, in h->own.  NULL: nothing. */
	int (*open)(struct handler *h, struct err *err);
	/* No run is left.  NULL: nothing. */
	void (*close)(struct handler *h);
	/* Give back what can be given back.  NULL: nothing. */
	void (*trim)(struct handler *h);
	/* Can it begin one more?  As handlers_has_room; NULL: always. */
	bool (*has_room)(struct handler *h, int64_t *ret_wait_us);
	/* Begin; may finish it from within. */
	void (*start)(struct handler_run *run);
	/* Ask it to end; it finishes now or later, however it likes. */
	void (*stop)(struct handler_run *run, enum handler_force force);
	/* End at once and let go: the run is gone after it. */
	void (*kill)(struct handler_run *run);
};

extern const struct handler_kind handler_kind_exec;
extern const struct handler_kind handler_kind_worker;
extern const struct handler_kind handler_kind_http;
extern const struct handler_kind handler_kind_poll;
extern const struct handler_kind handler_kind_plugin;

/* One handler of the configuration. */
struct handler {
	struct handlers *all;
	const struct conf_handler *conf; /* borrowed */
	const struct handler_kind *kind;
	void *own; /* the kind's */
	int64_t running;
	int64_t reserved; /* runs that room is kept for */
	struct handler_limit limit;
};

struct handlers {
	struct loop *loop;
	const struct conf *conf;
	struct handler_context context;
	struct handler *items; /* in the order of conf->handlers */
	size_t count;
	struct handler **by_name; /* sorted */
	LIST_HEAD(handler_runs, handler_run) runs;
	struct handler_runs spare;
	size_t spare_count;
	struct handler_children *children;
	struct http_client *http; /* NULL: no request yet */
	handler_log_fn on_log;    /* NULL: nobody asks */
	bool is_settling;         /* see handler_limit.h */
};

struct handler_run {
	LIST_ENTRY(handler_run) entry;
	struct handler *handler;
	const struct task *task; /* borrowed */
	int64_t timeout_us;
	enum handler_stop stop;
	bool is_hard;             /* the hard stop was asked for */
	struct loop_timer *timer; /* of the timeout, then of kill_after */
	void *own;                /* the kind's */
	bool *is_over;            /* set when it ends; NULL: nobody asks */
	handler_done_fn done;
	handler_progress_fn progress; /* NULL: nobody asks */
	void *arg;
};

/*
 * The run is over: tell its owner.  What has been asked to stop is told as
 * TIMEOUT or CANCELLED, whatever it says.  r and its text are borrowed; the
 * run is gone after it.
 */
void handler_finish(struct handler_run *run, const struct handler_result *r);
/* The same with a text of printf's kind and nothing else to tell. */
void handler_finish_text(struct handler_run *run, enum handler_outcome outcome,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* percent as handler_progress_fn; text may be NULL. */
void handler_tell_progress(
	struct handler_run *run, int percent, const char *text);
/* A line of the run's own, for the log. */
void handler_tell_log(struct handler_run *run, const char *line);
/* Where the task was taken from; "" when nobody said. */
const char *handler_topic(const struct handler_run *run);

#endif
