/* SPDX-License-Identifier: ISC */
/*
 * outbox - what committed transactions want in Redis, taken there.
 *
 *	IDLE -> LOOKING -> SENDING -> ENDING -> IDLE
 *
 * LOOKING begins a transaction and locks rows that nobody else has locked, in
 * the order of their ids; SENDING hands them to Redis in one write; ENDING
 * deletes those that Redis has acknowledged, and commits.  So a row is taken by
 * one dispatcher at a time, and comes again only when one dies in between.  No
 * transaction is begun while Redis is away, and none waits for it for long.
 *
 * Who inserts says NOTIFY reeve_outbox; while much comes in, a dispatcher looks
 * by itself and says so in reeve.outbox_watch, which spares the notices.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct conf;
struct loop;
struct outbox;

#define OUTBOX_BATCH_MAX 10000 /* rows of one transaction */

struct outbox_options {
	const struct conf *conf; /* where Redis and PostgreSQL are; borrowed */
	const char *name;        /* of its connections; borrowed */
	int64_t batch;           /* rows of one transaction at most; 0: 1000 */
	/* Look when told by NOTIFY, and once a second at least; else only at
	 * what outbox_poke says. */
	bool listens;
	/* For the log: why rows wait; told when it changes. */
	void (*trouble)(const char *text, void *arg);
	void *arg;
};

/* Connects to both.  NULL with err: a bad URL, or libpq is not there. */
struct outbox *outbox_open(
	struct loop *l, const struct outbox_options *o, struct err *err);
/* Rows were committed: look at the next turn. */
void outbox_poke(struct outbox *o);
/* Take no more; fn(arg) when nothing is in hand, once, from the loop. */
typedef void (*outbox_idle_fn)(void *arg);
void outbox_drain(struct outbox *o, outbox_idle_fn fn, void *arg);
/* At once: what Redis has not acknowledged comes again from another.  NULL is
 * a no-op. */
void outbox_close(struct outbox *o);

struct outbox_figures {
	uint64_t sent;      /* rows taken to Redis */
	uint64_t failed;    /* answers that were errors, or never came */
	uint64_t duplicate; /* dropped: another task holds the unique key */
};
void outbox_figures(const struct outbox *o, struct outbox_figures *ret);
/* Are both sides up? */
bool outbox_is_up(const struct outbox *o);

#endif
