/* SPDX-License-Identifier: ISC */
/*
 * pg_conn - what the files of pg share: a pool and its connections.
 *
 *              +-------- no host would do: back-off --------+
 *              v                                            |
 *   open -> [WAITING] -> [RESOLVING] -> [CONNECTING] -> [SETTING UP]
 *              ^                  the next address or host    |
 *              +------------ lost ------------- [SERVING] <---+
 *
 * The first connection is made at once, the next when those that serve have
 * much in hand.
 */
#ifndef LINK_PG_CONN_H
#define LINK_PG_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "link/pg.h"
#include "link/pg_lib.h"
#include "link/pg_url.h"
#include "loop/resolve.h"

#define PG_LABEL_MAX   128
#define PG_VALUES_MAX  100 /* of one statement */
#define PG_WAITING_MAX (64 << 20)
#define PG_CONNS_MAX   50

enum pg_phase {
	PG_IDLE = 0,    /* not needed so far */
	PG_WAITING = 1, /* for the back-off, or for its turn */
	PG_RESOLVING = 2,
	PG_CONNECTING = 3,
	PG_SETTING_UP = 4,
	PG_SERVING = 5
};

/* A statement on one connection. */
enum pg_known {
	PG_UNKNOWN = 0,
	PG_PARSING = 1, /* asked for; until then its text is sent */
	PG_PREPARED = 2,
	PG_STALE = 3 /* prepared, but no good any more */
};

enum pg_batch_kind {
	PG_BATCH_OF_USER = 0,
	PG_BATCH_PARSE = 1,  /* prepare a statement */
	PG_BATCH_FORGET = 2, /* and the opposite */
	PG_BATCH_LISTEN = 3
};

/* One statement of a batch. */
struct pg_call {
	const struct pg_statement *statement;
	pg_result_fn fn;
	void *arg;
	size_t values;     /* where they begin in the batch's bytes */
	unsigned known_as; /* its number in the pool */
	bool is_prepared;  /* it was sent by its name */
};

struct pg_batch {
	TAILQ_ENTRY(pg_batch) entry;
	struct pg *pool;
	enum pg_batch_kind kind;
	struct pg_listen *listen;
	struct pg_call *calls;
	size_t call_count, call_size;
	struct buf bytes; /* the values: until it is issued */
	size_t cost;      /* of it in the pool's waiting */
	pg_end_fn end;
	pg_result_fn query; /* pg_query: after the end */
	void *arg;

	/* As the answers come in. */
	size_t answered; /* calls */
	bool has_result; /* of the call at hand */
	PGresult *error; /* the first; NULL: none */
	bool is_stale;   /* it is about a prepared statement */
	PGresult *rows;  /* for query */
};
TAILQ_HEAD(pg_batches, pg_batch);

struct pg_listen {
	SLIST_ENTRY(pg_listen) entry;
	char *channel;
	char *text; /* of the statement */
	struct pg_statement statement;
	pg_notice_fn fn;
	void *arg;
};

struct pg_conn {
	struct pg *pool;
	enum pg_phase phase;
	PGconn *pq; /* NULL: none */
	struct loop_fd *watch;
	struct loop_timer *timer; /* what it is for: see the phase */
	int64_t up_at;            /* SERVING since */
	int64_t heard_at;         /* last answer, or first of those owed */
	unsigned failures;        /* in a row */

	/* Where to. */
	size_t host;
	bool wants_standby; /* in the first of two passes */
	struct resolve *resolve;
	struct resolve_answer found;
	size_t next; /* of found */
	char label[PG_LABEL_MAX];
	char why[ERR_TEXT_MAX]; /* what was wrong with each of them */

	/* What it has in hand, in the order sent. */
	struct pg_batches batches;
	struct pg_batch *unissued; /* the first; NULL: none */
	unsigned count;
	size_t backlog; /* bytes given to libpq since its last flush */
	uint8_t *known; /* enum pg_known, by number */
	unsigned known_size;
};

struct pg {
	struct loop *loop;
	pg_state_fn fn;
	void *arg;
	const struct pg_lib *lib;

	/* As wanted. */
	struct pg_url url;
	char *name, *setup;
	char *session; /* `options` of libpq */
	int64_t connect_timeout_us, silence_us;

	struct pg_conn *conns;
	unsigned conn_count;
	const struct pg_statement **statements; /* by number */
	unsigned statement_count, statement_size;
	SLIST_HEAD(, pg_listen) listens;
	struct pg_batches ending; /* lost, their ends not told */
	size_t waiting;           /* bytes of batches */
	unsigned pending;         /* batches of the user */

	bool is_due; /* pg_on_turn will be called */
	bool is_up;  /* as told */
	bool is_closed;
	char told[ERR_TEXT_MAX]; /* the last reason for being down */
	int busy;                /* callbacks of ours on the stack */
};

struct pg_result {
	PGresult *res;
	bool is_stale; /* its prepared statement was, and no more */
};

/* Every callback of the loop is between these two: a close within it lets the
 * object live until its end. */
void pg_enter(struct pg *p);
void pg_leave(struct pg *p);
/* Have what is to go out sent at the end of this turn of the loop. */
void pg_soon(struct pg *p);
/* It serves: tell so, and go on. */
void pg_serve(struct pg_conn *c);
/* The connection, or the attempt at one, is gone: from the loop only. */
void pg_lost(struct pg_conn *c, const char *why);
/* Tell the ends of lost batches. */
void pg_drain(struct pg *p);

/* pg_reach.c: from a URL to a connection that is set up. */
void pg_reach(struct pg_conn *c);
/* This address did not do: the next, or lost. */
void pg_reach_next(struct pg_conn *c, const char *why);
/* A message of libpq: its first line, without what we say ourselves. */
void pg_reach_text(
	const struct pg *p, const char *message, char *ret, size_t size);
/* Drop what there is of a connection. */
void pg_reach_end(struct pg_conn *c);

/* pg_flow.c: batches out, answers in. */
void pg_flow_out(struct pg_conn *c);
/* The loop_fd_fn of one that serves. */
void pg_flow_on_fd(int fd, unsigned events, void *arg);
void pg_flow_on_timer(struct pg_conn *c);

/* pg_batch.c */
struct pg_batch *pg_batch_internal(
	struct pg *p, enum pg_batch_kind kind, const struct pg_statement *s);
/* How it ended, told to whom it may concern; frees it. */
void pg_batch_end(struct pg_batch *b, enum pg_verdict verdict);
void pg_batch_put(struct pg_conn *c, struct pg_batch *b);

/* pg_listen.c */
void pg_listen_begin(struct pg_conn *c);
void pg_listen_begun(struct pg_listen *n, enum pg_verdict verdict,
	const struct pg_result *error);
void pg_listen_hear(struct pg_conn *c);
void pg_listen_done(struct pg *p);

#endif
