/* SPDX-License-Identifier: ISC */
/*
 * reload - a change of configuration as a transaction.
 *
 *	PROVE	new generations are started beside the old, which drain
 *		nothing yet; every changed pool must show that it works
 *	ROLL	pools with a small max_surge go on, a few at a time
 *	(commit) the old ones drain, the configuration is the new one
 *
 * Any failure before the commit gives every pool its old settings back; as
 * pools are reconciled by level, that alone kills the new and keeps (or, where
 * they were replaced already, restarts) the old.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdbool.h>

#include "base/buf.h"
#include "master/node.h"

enum reload_scope {
	RELOAD_CHANGED, /* pools whose settings differ */
	RELOAD_ROLES    /* and every role's pool: a new binary */
};

/*
 * Read process.yaml and begin.  The verdict comes later (order_on_reload,
 * log, board).  Returns -1 when nothing was begun: `report` says why.
 */
int reload_request(enum reload_scope scope, struct buf *report);
/* What a reload would do: "ACTION<TAB>POOL<TAB>COUNT<TAB>CHANGED" lines; on
 * -1 the errors of the file. */
int reload_plan(struct buf *out);
/* May the pool's old processes be drained now? */
bool reload_may_drain(const struct pool *p);
/* A process of the generation under proof has failed. */
void reload_on_failure(const struct proc *pr, const char *why);
void reload_on_pool_failure(const struct pool *p, const char *why);
/* It failed and is about to be taken back: nothing new is to be started. */
bool reload_is_failing(const struct pool *p);
/* Look whether the next phase is reached. */
void reload_step(void);
/* A shutdown: give it up. */
void reload_abandon(const char *why);
/* Does the reload under way still need this configuration? */
bool reload_holds(const struct conf *c);

#endif
