/* SPDX-License-Identifier: ISC */
/*
 * handler_child - processes of handlers: started, watched, ended.
 *
 * Each leads a process group of its own and dies with the worker.  Its end is
 * learnt from a pidfd in the loop; what is left of its group is killed before
 * it is reaped, while its number is still its own.
 */
#ifndef TASK_HANDLER_CHILD_H
#define TASK_HANDLER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct conf_handler;
struct handler_child;
struct handler_children;
struct handler_context;
struct loop;

/* What a handler's processes have in common, made ready once. */
struct handler_command;

/* NULL with err: its user is not allowed or not known.  May block for the
 * name service. */
struct handler_command *handler_command_new(const struct conf_handler *c,
	const struct handler_context *ctx, struct err *err);
void handler_command_free(struct handler_command *c);

/* All children of one struct handlers. */
struct handler_children *handler_children_new(struct loop *l);
/* Lets those that were released end, for a quarter of a second; kills what
 * still runs then and waits for it, for a second at most. */
void handler_children_free(struct handler_children *all);

/* How a child has ended. */
struct handler_exit {
	int code;        /* exit status; -1: by a signal */
	int signo;       /* 0: none */
	int64_t peak_kb; /* the most memory it had */
};
/* The child is gone after it. */
typedef void (*handler_exit_fn)(const struct handler_exit *e, void *arg);

#define HANDLER_CHILD_FDS 4

/*
 * Start one.
 *
 * fds  what become its descriptors 0 to count - 1 (at most
 *      HANDLER_CHILD_FDS); borrowed.  It has no others.
 * env  "NAME=VALUE" beside those of the command, NULL at the end; may be NULL
 * NULL with err, err->code being the errno: of the exec, when ret_is_exec.
 */
struct handler_child *handler_child_start(struct handler_children *all,
	const struct handler_command *c, char *const *env, const int *fds,
	int count, handler_exit_fn fn, void *arg, bool *ret_is_exec,
	struct err *err);
pid_t handler_child_pid(const struct handler_child *c);
/* To all of its group. */
void handler_child_signal(struct handler_child *c, int signo);
/* Kill it and tell nobody of its end. */
void handler_child_abandon(struct handler_child *c);
/* Tell nobody of its end, which it comes to by itself. */
void handler_child_release(struct handler_child *c);

/* A pipe, closed on exec, for a child to read from (or write to); our end
 * does not block.  -1 with errno. */
int handler_pipe_to(int *ret_ours, int *ret_childs);
int handler_pipe_from(int *ret_ours, int *ret_childs);

#endif
