/* SPDX-License-Identifier: ISC */
/*
 * role - what a forked child does: one row per kind of worker.
 *
 * The master hands a child its `struct child` and calls the function that
 * reeved.c gave it; it knows nothing else of the roles.
 */
#ifndef BOARD_ROLE_H
#define BOARD_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "board/board.h"
#include "conf/conf.h"

struct worker;

/* Everything a child is given.  Lives until the child's exit. */
struct child {
	const struct role *role;
	const struct conf *conf;
	const struct conf_pool *pool;
	struct board *board;
	int slot;  /* its record on the board */
	int index; /* its place in the pool */
	unsigned generation;
	int channel;    /* SEQPACKET to the master; EOF: it is gone */
	int *listeners; /* listening sockets, in the order of pool->listen */
	size_t listener_count;
	int argc; /* how reeved was called, for the process title */
	char **argv;
};

struct role {
	const char *name;
	const struct conf_kind *kind; /* its options */
	/*
	 * Set up and begin to serve.  Returns the role's own state, or NULL
	 * with err: the child then exits.  READY is sent by the worker room
	 * when this has returned.
	 */
	void *(*start)(struct worker *w, struct err *err);
	/* Take no new work; call worker_done(w) when the last is finished.
	 * NULL: there is never work in hand. */
	void (*drain)(void *self);
	/* Free all of it: the process ends next. */
	void (*stop)(void *self);
};

/* Runs a child to its end; returns its exit code. */
typedef int (*role_main_fn)(const struct child *child);

#endif
