/* SPDX-License-Identifier: ISC */
/*
 * command - a program run to its end, with what it prints.
 */
#ifndef DEPLOY_COMMAND_H
#define DEPLOY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct conf_strings;
struct handler_children;
struct loop;
struct command;

#define COMMAND_OUTPUT_MAX 65536 /* bytes kept: the last ones */

struct command_options {
	const struct conf_strings *argv; /* argv[0] is looked up in PATH */
	char *const *env;      /* beside PATH, HOME, …; may be NULL */
	const char *directory; /* NULL: "/" */
	int64_t timeout_us;    /* then TERM, and KILL 5 s later */
	bool has_user;         /* else as the caller */
	uid_t uid;             /* (uid_t)-1: the caller's */
	gid_t gid;
};

struct command_end {
	int code;  /* exit status; -1: by a signal, or it could not be run */
	int signo; /* 0: none */
	bool is_timeout;
	const char *output; /* both streams, in the order they came; borrowed */
	size_t len;
	const char *why; /* "exit status 3", "killed by SIGSEGV", … */
};

/* Called once from the loop; the command is gone after it. */
typedef void (*command_end_fn)(const struct command_end *end, void *arg);
/* Each time something was printed. */
typedef void (*command_output_fn)(void *arg);

/* Begin.  NULL with err when it can't be run at all. */
struct command *command_start(struct loop *l, struct handler_children *all,
	const struct command_options *o, command_output_fn output,
	command_end_fn end, void *arg, struct err *err);
/* What it has printed, as far as it is kept; borrowed until it prints more. */
const char *command_output(const struct command *c, size_t *ret_len);
/* TERM to its group, and KILL 5 s later; ends as ever. */
void command_stop(struct command *c);
/* Kill it and tell nobody. */
void command_kill(struct command *c);

#endif
