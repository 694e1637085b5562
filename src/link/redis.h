/* SPDX-License-Identifier: ISC */
/*
 * redis - one asynchronous connection to Redis on the loop.
 *
 * hiredis is known in this room only.  A connection looks after itself: it
 * resolves names without blocking, connects, authenticates, selects its
 * database, asks a Sentinel where the master is, and comes back after a loss
 * with back-off: 50 ms doubled to 2 s, from half of it to all of it at random,
 * begun anew by a connection that lived for 5 s.
 *
 * An idle connection costs one descriptor and no timer.
 */
#ifndef LINK_REDIS_H
#define LINK_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct conf_strings;
struct loop;
struct redis;
struct redis_reply;

struct redis_options {
	/* redis://[[user]:password@]host[:port][/db], unix:///path[?db=N].
	 * With a Sentinel the host is not used, and NULL will do. */
	const char *url;
	const char *sentinel_master;               /* NULL: no Sentinel */
	const struct conf_strings *sentinel_nodes; /* "host:port" */
	const char *name;           /* CLIENT SETNAME; NULL: none */
	int64_t connect_timeout_us; /* 0: 5 s */
	/* A connection that owes an answer and brings none for so long is
	 * dead; 0: none (a blocking read). */
	int64_t command_timeout_us;
};

enum redis_state {
	REDIS_DOWN = 0, /* told with the reason; the next try is scheduled */
	REDIS_UP = 1
};

/*
 * Told from the loop at each change, and again when the reason for being down
 * is a new one.  why: the place when up, else a whole text for the operator
 * ("redis at 127.0.0.1:6379: Connection refused"), without any password.
 */
typedef void (*redis_state_fn)(
	enum redis_state state, const char *why, void *arg);

/*
 * The answer to one command, borrowed for the call; NULL when the connection
 * was lost before it came: whether the command was carried out is unknown.
 * Called from the loop, or from redis_close; before REDIS_DOWN is told.
 * READONLY and LOADING are passed on, and then the connection is dropped.
 */
typedef void (*redis_reply_fn)(const struct redis_reply *reply, void *arg);

/* Does this URL read?  0, or -1 with err. */
int redis_check_url(const char *url, struct err *err);
/* Begins to connect; copies the options.  NULL with err for a bad URL. */
struct redis *redis_open(struct loop *l, const struct redis_options *o,
	redis_state_fn fn, void *arg, struct err *err);
/* Gives up: commands not yet answered get NULL before this returns.  Also from
 * within a callback.  NULL is a no-op. */
void redis_close(struct redis *r);
bool redis_is_up(const struct redis *r);
/* Drop the connection and make a new one at once (a fail-over, a reader that
 * hears nothing). */
void redis_reset(struct redis *r, const char *why);

/* After a burst: give back the memory that answers took.  Nothing happens within
 * a callback, nor while an answer is half read. */
void redis_trim(struct redis *r);

/*
 * Queue a command; all that is queued in one turn of the loop goes out in one
 * write.  lens may be NULL (strlen).  fn may be NULL.  The arguments are copied.
 * -1 when the connection is down, is for messages, or has 256 MiB to send: fn
 * is not called then.
 */
int redis_command(struct redis *r, redis_reply_fn fn, void *arg, int argc,
	const char *const *argv, const size_t *lens);
/* "XLEN %s" with hiredis' %s, %b (pointer, size_t) and %lld. */
int redis_printf(
	struct redis *r, redis_reply_fn fn, void *arg, const char *fmt, ...);
/* Commands sent and not answered yet. */
unsigned redis_pending(const struct redis *r);

/*
 * A script, called by its SHA-1; it is loaded when the server does not know it
 * (NOSCRIPT), also after a restart of the server.  argv: keys, then arguments.
 */
struct redis_script {
	const char *name; /* for messages */
	const char *text;
	char sha[41]; /* computed on first use */
};
int redis_script(struct redis *r, redis_reply_fn fn, void *arg,
	struct redis_script *s, int keys, int argc, const char *const *argv,
	const size_t *lens);

/* Subscribe this connection (which is then for messages only); fn gets each
 * message's channel and text.  Subscribed again after each reconnect: what was
 * said meanwhile is not heard.  Up or down; -1 while commands are pending. */
typedef void (*redis_message_fn)(
	const char *channel, const char *text, size_t len, void *arg);
int redis_subscribe(
	struct redis *r, const char *channel, redis_message_fn fn, void *arg);

/* Reading an answer. */
enum redis_type {
	REDIS_NIL = 0,
	REDIS_STRING = 1,
	REDIS_INTEGER = 2,
	REDIS_ARRAY = 3,
	REDIS_STATUS = 4,
	REDIS_ERROR = 5 /* the text begins with the code: "NOGROUP …" */
};
enum redis_type redis_type(const struct redis_reply *p);
/* Text of a string, status or error; "" for the rest. */
const char *redis_text(const struct redis_reply *p, size_t *ret_len);
/* An integer, or a string that is one; `otherwise` for the rest. */
int64_t redis_int(const struct redis_reply *p, int64_t otherwise);
size_t redis_count(const struct redis_reply *p);
/* Element i of an array, or NULL. */
const struct redis_reply *redis_at(const struct redis_reply *p, size_t i);
/* The value of a name in a flat [name, value, …] array, or NULL. */
const struct redis_reply *redis_field(
	const struct redis_reply *p, const char *name);
bool redis_is_error(const struct redis_reply *p, const char *code);

#endif
