/* SPDX-License-Identifier: ISC */
/*
 * writer_own - what the files of the writer share.
 *
 *	writer.c	lanes: what goes when, and what becomes of it
 *	writer_rows.c	the statements
 *	writer_notes.c	progress, logs and errors
 */
#ifndef STORE_WRITER_OWN_H
#define STORE_WRITER_OWN_H

#include "loop/loop.h"
#include "store/writer.h"

/*
 * The state of a row `t` that is found by its id.  In words that keep the
 * planner from the indexes of what waits and what runs: it believes that those
 * are few, and would read all of them for each batch.
 */
#define WRITER_STATUS "t.status COLLATE \"C\""

TAILQ_HEAD(writer_runs, writer_run);

/* Runs that are in one transaction, by id. */
struct writer_batch {
	struct writer_lane *lane;
	size_t count;
	struct writer_run *runs[];
};

enum writer_lanes {
	WRITER_LANE_BEGIN = 0,
	WRITER_LANE_FINISH = 1,
	WRITER_LANE_COUNT
};

/* What goes the same way, one batch after the other. */
struct writer_lane {
	struct writer *writer;
	enum writer_lanes kind;
	struct writer_runs waiting;
	size_t count;     /* of these */
	size_t limit;     /* of a batch: less while a bad row is sought */
	bool is_sent;     /* a batch is under way */
	bool is_deferred; /* a turn's work is due */
	int64_t pause_us; /* after an error; 0: none */
	struct loop_timer *timer;
};

struct writer_notes;

struct writer {
	struct loop *loop;
	struct pg *pg;
	char *name, *node;
	int64_t last_us; /* of began_us */
	struct writer_lane lanes[WRITER_LANE_COUNT];
	struct writer_notes *notes;
};

/* writer_rows.c */
/* Put the statements into b. */
void writer_rows_begin(struct writer_batch *batch, struct pg_batch *b);
void writer_rows_finish(struct writer_batch *batch, struct pg_batch *b);
/* Ask how the rows of the batch stand: id, status, epoch, worker. */
int writer_rows_ask(struct writer_batch *batch, struct pg *pg, pg_result_fn fn);
/* The run of this id, or NULL. */
struct writer_run *writer_rows_find(
	const struct writer_batch *batch, const char *id);

/* writer_notes.c */
struct writer_notes *writer_notes_new(struct writer *w);
void writer_notes_free(struct writer_notes *n);
void writer_notes_poke(struct writer_notes *n);
void writer_notes_forget(struct writer_notes *n, struct writer_run *r);
void writer_notes_error(struct writer_notes *n, const struct writer_run *r,
	const struct writer_end *end);

#endif
