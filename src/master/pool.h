/* SPDX-License-Identifier: ISC */
/*
 * pool - desired against actual: the one function that takes the next step.
 */
#ifndef MASTER_POOL_H
#define MASTER_POOL_H

#include "master/node.h"

/* A pool of the configuration `owner`; joins the node's list.  Borrows conf.
 * NULL with err when the board is full. */
struct pool *pool_new(const struct conf_pool *conf, const struct conf *owner,
	unsigned generation, struct err *err);
/* Only when no process is left in it. */
void pool_free(struct pool *p);
bool pool_is_empty(const struct pool *p);

/* New settings of the same or another generation; desired follows unless an
 * operator's count stands. */
void pool_set_conf(struct pool *p, const struct conf_pool *conf,
	const struct conf *owner, unsigned generation);
/* Take the count from override or file; at least so many slots. */
void pool_resize(struct pool *p);
void pool_reserve(struct pool *p, int slots);
/* Compare and take the next safe step; may be called at any time. */
void pool_reconcile(struct pool *p);

/* Counts of processes: serving (STARTING or READY), ready, of a generation.
 */
int pool_serving(const struct pool *p);
int pool_ready(const struct pool *p);
int pool_ready_of(const struct pool *p, unsigned generation);
/* Every wanted slot has a ready process of the pool's generation (or its
 * one-shots are done). */
bool pool_is_complete(const struct pool *p);
/* The same, or there is no hope: back-off, failed. */
bool pool_is_settled(const struct pool *p);
/* At least one process serves as `after:` means it. */
bool pool_is_up(const struct pool *p);
/* How many may run beyond desired during a roll. */
int pool_surge(const struct pool *p);
/* Forget back-offs and verdicts: the next reconcile starts again. */
void pool_forgive(struct pool *p);
/* The same, and one-shots that are done run again. */
void pool_forgive_all(struct pool *p);
/* Set the operator's count; -1 gives it back to the file. */
void pool_scale(struct pool *p, int count, const char *source);
/* Mark every process for replacement. */
void pool_retire_all(struct pool *p, const char *why);
/* The reason nothing is running, of the first slot that has one; "". */
const char *pool_why(const struct pool *p);

/* A process is gone: count, back off or rest.  `text` is how it ended. */
void pool_on_exit(struct proc *pr, int status, const char *text);

#endif
