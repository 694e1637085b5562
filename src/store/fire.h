/* SPDX-License-Identifier: ISC */
/*
 * fire - definitions stepped on, and their runs made, in one statement.
 *
 * The SQL is reeve.fire: whoever steps a definition from `old` to `new` first
 * has fired it; all others find it gone on.
 */
#ifndef STORE_FIRE_H
#define STORE_FIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/pg.h"

#define FIRE_NEVER INT64_MAX /* no next time */

enum fire_kind {
	FIRE_RUN = 0,    /* is to run, if overlap and dependency let it */
	FIRE_HOLD = 1,   /* behind the one before it */
	FIRE_SKIP = 2,   /* a row that says why not */
	FIRE_MISFIRE = 3 /* likewise: its time was missed */
};

struct fire;

struct fire *fire_new(void);
void fire_free(struct fire *f);
/* A definition as it was read; times are microseconds since 1970. */
void fire_add_step(
	struct fire *f, const char *id, int64_t old_us, int64_t version);
/* A run of the definition just added: at least one each.  note may be NULL. */
void fire_add_run(
	struct fire *f, int64_t at_us, enum fire_kind kind, const char *note);
/* Its new next time, or FIRE_NEVER: once each. */
void fire_set_next(struct fire *f, int64_t next_us);
size_t fire_steps(const struct fire *f);

enum fire_how {
	FIRE_WHOLE = 0,
	FIRE_LAZY = 1 /* what can be stepped later is: FIRED_LATER */
};

/*
 * fn gets the answer, an error, or NULL when the connection was lost: then it
 * may or may not have happened.  Returns -1 when it can't be sent; fn is not
 * called then.
 */
int fire_send(struct fire *f, struct pg *pg, int64_t tolerance_us,
	enum fire_how how, pg_result_fn fn, void *arg);
/* The steps without any runs, of what was fired lazily.  The rows are the ids
 * of those that were made. */
int fire_send_steps(struct fire *f, struct pg *pg, pg_result_fn fn, void *arg);

/* The rows of the answer. */
enum fire_what {
	FIRED_WON = 0,     /* number: its next time, or FIRE_NEVER */
	FIRED_INLINE = 1,  /* to be run here: instance, envelope */
	FIRED_CANCEL = 2,  /* this instance is replaced: tell its worker */
	FIRED_STOPPED = 3, /* nothing fires anywhere */
	FIRED_RUNS = 4,    /* number of runs of `kind` */
	FIRED_LATER = 5,   /* to be stepped with fire_send_steps */
	FIRED_UNKNOWN = 6
};

struct fire_row {
	enum fire_what what;
	enum fire_kind kind;
	const char *definition, *instance, *envelope; /* borrowed */
	int64_t number;
};
struct fire_row fire_read(const struct pg_result *r, int row);

#endif
