/* SPDX-License-Identifier: ISC */
/*
 * crontab - what the parts of a crontab worker share.
 *
 * Every worker, on every node, reads the definitions that are due soon (load),
 * sleeps until the first is due, takes its lock in Redis, and steps it in
 * PostgreSQL (due): the step decides who has fired it, the lock only spares
 * the others the attempt.  Who was not first looks again a second later, in
 * case the first has died.  Runs are taken to the queue by the outbox.
 *
 * Time is PostgreSQL's: its clock is asked for again and again, and this
 * machine's monotonic clock counts on from there.
 */
#ifndef CRON_CRONTAB_H
#define CRON_CRONTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "board/role.h"
#include "board/series.h"
#include "cron/options.h"
#include "cron/plan.h"
#include "link/pg.h"
#include "link/redis.h"
#include "loop/loop.h"
#include "store/outbox.h"

#define CRONTAB_NAME_MAX 160

struct due;
struct inlines;
struct later;
struct leader;
struct load;
struct registry;

enum crontab_drain {
	CRONTAB_SERVING = 0,
	CRONTAB_DRAINING = 1, /* what is in hand comes to its end */
	CRONTAB_EMPTYING = 2, /* and so does the outbox */
	CRONTAB_DRAINED = 3
};

struct crontab {
	struct worker *worker;
	struct loop *loop;
	const struct conf *conf;
	const struct conf_pool *pool;
	const struct crontab_options *options;
	char name[CRONTAB_NAME_MAX]; /* NODE/POOL.INDEX/PID */
	struct pg *pg;
	struct redis *redis;
	struct outbox *outbox;
	struct outbox_figures counted; /* what the board knows of it */
	struct series_cron *series;
	struct plan plan;
	struct load *load;
	struct due *due;
	struct later *later;
	struct leader *leader;
	struct inlines *inlines;
	struct registry *registry;
	enum crontab_drain drain;
	/* PostgreSQL's clock less clock_now; valid once has_clock. */
	int64_t clock_ahead_us;
	bool has_clock;
	bool is_synced;    /* the definitions of the file are stored */
	bool is_clock_off; /* this machine's is, by more than allowed */
};

extern const struct role role_crontab;

/* Microseconds since 1970 by PostgreSQL's clock. */
int64_t crontab_now(const struct crontab *c);
/* What the outbox has done goes to the board. */
void crontab_count(struct crontab *c);
/* Something came to its end: is this the end of the drain? */
void crontab_settle(struct crontab *c);

#endif
