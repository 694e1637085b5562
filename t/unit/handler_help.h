/* SPDX-License-Identifier: ISC */
/*
 * handler_help - what the tests of handlers share: a loop, a configuration
 * of a few handlers, and what became of the runs.
 */
#ifndef T_UNIT_HANDLER_HELP_H
#define T_UNIT_HANDLER_HELP_H

#include "base/buf.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "task/handler.h"

#define HELP_HANDLERS_MAX 16

struct help;

/* One run and what was told of it. */
struct help_run {
	struct help *owner;
	struct task *task;
	struct handler_run *run; /* NULL: it is over */
	int answers;             /* must come to 1 */
	struct handler_result r; /* text: see below */
	struct buf text;
	struct buf progress; /* "50 half;" of each */
	int64_t took_us, began_us;
};

struct help {
	struct loop *loop;
	struct conf conf;
	struct conf_handler rows[HELP_HANDLERS_MAX];
	struct handlers *handlers;
	int open; /* runs without an answer */
	int fds;  /* descriptors at the start */
	char log_path[64];
	int log_fd;
};

/* A loop, and the log into a file; bails out when that can't be. */
void help_init(struct help *h);
/* The next handler, with the settings of `handlers:` as their defaults are.
 */
struct conf_handler *help_add(
	struct help *h, const char *name, enum conf_handler_kind kind);
/* A command of up to 7 words, NULL at the end; kept for the process's life.
 */
void help_command(struct conf_handler *c, ...);
void help_open(struct help *h);
/* Checks that no child, descriptor or memory is left behind. */
void help_done(struct help *h);

/* Begin a run of handler `name`. */
void help_start(struct help *h, struct help_run *run, const char *name,
	const char *params, int64_t timeout_us);
/* Let the loop turn until no run is open, or 20 s are over (then it bails
 * out). */
void help_wait(struct help *h);
/* Let the loop turn for a while. */
void help_turn(struct help *h, int64_t us);
/* Start and wait. */
void help_do(struct help *h, struct help_run *run, const char *name,
	const char *params);
void help_run_done(struct help_run *run);
/* All of the log so far; freed by the caller. */
char *help_log(struct help *h);

#endif
