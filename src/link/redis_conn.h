/* SPDX-License-Identifier: ISC */
/*
 * redis_conn - what the files of redis share: one connection's insides.
 *
 *                    +--------------- lost, with back-off ---------------+
 *                    v                                                   |
 *   open -> [WAITING] -> [LOCATING] -> [RESOLVING] -> [CONNECTING] -> [GREETING]
 *                ^        (Sentinel)                                     |
 *                +---------------------- lost -------------- [SERVING] <-+
 *
 * A move on a Cluster goes from SERVING to RESOLVING and is not told: commands
 * are held until the other node serves.
 */
#ifndef LINK_REDIS_CONN_H
#define LINK_REDIS_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "link/redis.h"
#include "link/redis_queue.h"
#include "link/redis_url.h"
#include "link/redis_wire.h"
#include "loop/resolve.h"

#define REDIS_HELLO_MAX 6
#define REDIS_MOVES_MAX 5
#define REDIS_LABEL_MAX (REDIS_HOST_MAX + 16)

enum redis_phase {
	REDIS_WAITING = 0, /* for the back-off, or for its turn */
	REDIS_LOCATING = 1,
	REDIS_RESOLVING = 2,
	REDIS_CONNECTING = 3,
	REDIS_GREETING = 4,
	REDIS_SERVING = 5,
	REDIS_CLOSED = 6
};

struct redis_channel {
	SLIST_ENTRY(redis_channel) entry;
	char *name;
	redis_message_fn fn;
	void *arg;
};

struct redis {
	struct loop *loop;
	redis_state_fn fn;
	void *arg;

	/* As wanted. */
	struct redis_url url;
	char *sentinel_master; /* NULL: none */
	char **sentinel_nodes;
	size_t sentinel_count;
	char *name; /* NULL: none */
	int64_t connect_timeout_us, command_timeout_us;

	/* Where to. */
	char host[REDIS_HOST_MAX + 1]; /* or the url's path */
	uint16_t port;
	char label[REDIS_LABEL_MAX]; /* for texts */
	struct redis_sentinel *sentinel;
	struct resolve *resolve;
	struct resolve_answer found;
	size_t next;                         /* of found: to be tried */
	char moved_host[REDIS_HOST_MAX + 1]; /* of a Cluster; "": none */
	uint16_t moved_port;
	bool use_moved; /* the next connection goes there */
	bool is_moving; /* new commands are held */

	/* The connection. */
	enum redis_phase phase;
	struct redis_wire wire;
	struct loop_timer *timer; /* what it is for: see the phase */
	int64_t up_at;            /* SERVING since */
	int64_t heard_at;         /* last answer, or first of the pending */
	struct redis_queue hello;
	const struct redis_hello *steps[REDIS_HELLO_MAX];
	size_t step, step_count;
	struct redis_queue queue; /* what the server has to answer */
	struct redis_queue held;  /* for the connection to come */
	const struct redis_script *loading;
	SLIST_HEAD(, redis_channel) channels;

	/* What the next turn does. */
	bool is_due;             /* redis_on_turn will be called */
	bool wants_reset;        /* by the user, with doom as the reason */
	bool is_up;              /* as told */
	unsigned failures;       /* in a row */
	char doom[128];          /* "": all is well; else drop it, and why */
	char told[ERR_TEXT_MAX]; /* the last reason for being down */
	int busy;                /* callbacks of ours on the stack */
};

/* Have redis_on_turn called at the end of this turn of the loop. */
void redis_soon(struct redis *r);
/* After the answers at hand the connection is dropped. */
void redis_doom(struct redis *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Every callback of the loop is between these two: a close within it lets the
 * object live until its end. */
void redis_enter(struct redis *r);
void redis_leave(struct redis *r);
/* The connection, or the attempt at one, is gone: from the loop only. */
void redis_lost(struct redis *r, const char *why);
/* The socket's loop_fd_fn. */
void redis_on_fd(int fd, unsigned events, void *arg);

/* redis_reach.c: from a name to a socket that connects. */
void redis_attempt(struct redis *r);
/* Begin to connect to r->host. */
void redis_begin(struct redis *r);
/* The next address that was found, or lost. */
void redis_try_address(struct redis *r);

/* Where a command goes now; NULL when none is taken. */
struct redis_queue *redis_open_queue(struct redis *r);
/* The command whose bytes were put at the end of q is whole. */
void redis_push(struct redis *r, struct redis_queue *q,
	const struct redis_request *request);

/* redis_hello.c: the first commands of a connection. */
void redis_hello_make(struct redis *r);
/* Overwrites them: the password is among them. */
void redis_hello_wipe(struct redis *r);
/* 1: all were answered well; 0: more to come; -1 with err. */
int redis_hello_answer(
	struct redis *r, const struct redis_reply *p, struct err *err);

/* redis_move.c: MOVED and ASK.  True when the command at the queue's head was
 * taken care of. */
bool redis_move_judge(struct redis *r, const struct redis_reply *p);
/* Commands wait for a move and none is answered any more: go. */
bool redis_move_is_due(const struct redis *r);
void redis_move_begin(struct redis *r);

/* redis_script.c: NOSCRIPT.  True as above. */
bool redis_script_judge(struct redis *r, const struct redis_reply *p);

/* redis_sub.c */
void redis_sub_begin(struct redis *r);
void redis_sub_answer(struct redis *r, const struct redis_reply *p);
void redis_sub_done(struct redis *r);

#endif
