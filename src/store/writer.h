/* SPDX-License-Identifier: ISC */
/*
 * writer - the runs of tracked tasks of one worker, on their way into
 * PostgreSQL.
 *
 *	begin --> BEGUN --> finish --> ENDED
 *	   `----> LEFT         `-----> FENCED
 *
 * All that begins in one turn of the loop is one transaction, all that ends
 * another; while one of a kind is under way the next gathers, so that alone a
 * task waits for nobody, and under load they are many.  A batch whose
 * connection is lost is sent again: each statement takes only what is still
 * to be done, and what it left is looked at by itself.
 *
 * A run is its worker's as long as nobody has raised its row's epoch.  What
 * the server is not able to take is asked again, later; a row that it will
 * never take is found by halving its batch, and refused alone.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/uuid.h"
#include "link/pg.h"
#include "task/task.h"

struct writer;
struct writer_batch;
struct writer_run;

enum writer_event {
	WRITER_BEGUN = 0,  /* it is this worker's: epoch, attempt */
	WRITER_LEFT = 1,   /* it is over, or another's: seen, seen_worker */
	WRITER_ENDED = 2,  /* the outcome is committed */
	WRITER_FENCED = 3, /* it is not this worker's any more */
	WRITER_REFUSED = 4 /* the server will never take it: why */
};

/* From the loop; may free this run and others, and begin or finish any. */
typedef void (*writer_fn)(
	struct writer_run *r, enum writer_event event, void *arg);

enum writer_step {
	WRITER_IDLE = 0,
	WRITER_BEGINNING = 1,
	WRITER_RUNNING = 2,
	WRITER_ENDING = 3
};

/* How a run has ended; texts are borrowed for the call. */
struct writer_end {
	enum task_state state; /* PENDING: it comes again */
	int64_t duration_ms;   /* -1: it did not run */
	int64_t attempt;       /* failures counted up to now */
	int64_t pause_ms;      /* PENDING: until it comes again */
	const char *result;    /* NULL: none */
	size_t result_len;
	const char *error; /* NULL: none */
	size_t error_len;
	bool is_failure;  /* the error is one of an attempt */
	const char *type; /* of the error, for error_logs */
};

/* To be read only; one for each run. */
struct writer_run {
	TAILQ_ENTRY(writer_run) entry; /* in its lane */
	TAILQ_ENTRY(writer_run) noted; /* among those with progress to tell */
	struct writer *writer;
	const struct task *task; /* borrowed */
	const char *topic;       /* borrowed */
	writer_fn fn;
	void *arg;
	char id[UUID_TEXT_LEN + 1]; /* lower case */
	enum writer_step step;
	bool is_takeover;
	bool is_missing;  /* it was said to be stored, and is not */
	bool is_answered; /* by the batch under way */
	bool is_bare;     /* its texts were refused */
	bool is_gone;     /* freed while its batch was under way */
	int64_t began_us; /* wall clock: with the worker's name, what tells a
			     begin from all others */
	struct writer_batch *batch; /* the one that it is in; NULL: none */
	size_t place;               /* there */

	/* BEGUN */
	int64_t epoch, attempt;
	bool has_followers; /* others wait for its end */
	char *secret;       /* for secret_give; NULL: none */
	/* LEFT */
	enum task_state seen;
	char *seen_worker;
	/* REFUSED */
	char *why;

	/* ENDING; owned. */
	struct writer_end end;
	char *result, *error;
	int64_t ended_us;

	int percent; /* -1: never told */
	char *progress;
	bool is_noted;
	int64_t lines; /* told to the log */
};

/* name: of the worker, its node before the first slash. */
struct writer *writer_new(struct loop *l, struct pg *pg, const char *name);
/* Runs must be gone.  What is under way may be committed or not. */
void writer_free(struct writer *w);
/* The state of pg has changed. */
void writer_on_pg(struct writer *w);
/* Is the database there, and does not too much wait for it? */
bool writer_has_room(const struct writer *w);

/* task->id must be of version 7. */
struct writer_run *writer_run_new(struct writer *w, const struct task *task,
	const char *topic, writer_fn fn, void *arg);
/* At any time; nothing is told any more. */
void writer_run_free(struct writer_run *r);

/* is_takeover: it may have been begun by a worker that is gone. */
void writer_begin(struct writer_run *r, bool is_takeover);
/* Is its begin on the way to the server, so that it may have happened? */
bool writer_is_sent(const struct writer_run *r);
void writer_finish(struct writer_run *r, const struct writer_end *end);

/* So far; percent -1: not told, text may be NULL.  May be lost. */
void writer_progress(struct writer_run *r, int percent, const char *text);
/* A line of its own; at most max of a run are kept. */
void writer_log(struct writer_run *r, const char *line, int64_t max);

#endif
