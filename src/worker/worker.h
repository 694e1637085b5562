/* SPDX-License-Identifier: ISC */
/*
 * worker - what every role's child does: its loop, its pulse on the board,
 * the talk with the master, draining, its memory.
 *
 *	SIGTERM	drain: finish what is in hand, then exit 0
 *	SIGQUIT	stop now
 *	SIGABRT	log a backtrace, then die of it
 *	HUP, INT, USR1, USR2, PIPE are ignored.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "board/msg.h"
#include "board/role.h"
#include "loop/loop.h"

struct worker;

/* Once, in the master before it forks: load what every worker would load for
 * itself, so that they share it. */
void worker_prepare(void);
/* The role_main_fn of reeved. */
int worker_main(const struct child *child);

/* All borrowed, for the life of the process. */
struct loop *worker_loop(struct worker *w);
const struct child *worker_child(struct worker *w);
struct board_live *worker_live(struct worker *w);

/* Tell the master.  A full channel is a broken master: the worker exits. */
void worker_send(struct worker *w, const struct msg *m);
/* Who gets the messages that worker/ does not know; fd as in msg_recv. */
typedef void (*worker_msg_fn)(const struct msg *m, int fd, void *arg);
void worker_on_msg(struct worker *w, worker_msg_fn fn, void *arg);

/* A request or task begins or ends; the end counts it, and looks whether
 * the worker has had max_tasks, max_age or memory.soft. */
void worker_task_begin(struct worker *w);
void worker_task_end(struct worker *w, bool failed, int64_t duration_us);
/* Ask to be replaced; once is enough, later calls are ignored. */
void worker_retire(struct worker *w, const char *why);
bool worker_is_draining(const struct worker *w);
/* After drain: the last work is finished, leave the loop with exit code 0. */
void worker_done(struct worker *w);

/* A hook that frees what can be freed, called at memory.soft before the
 * worker asks to be replaced (S1-34). */
typedef void (*worker_trim_fn)(void *arg);
void worker_on_trim(struct worker *w, worker_trim_fn fn, void *arg);

#endif
