/* SPDX-License-Identifier: ISC */
/*
 * ask - commands to Redis from the command line, one after the other.
 *
 * The connection is the daemon's own kind (link/redis); waiting for an answer
 * runs its loop until the answer is there.
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "conf/conf.h"
#include "link/redis.h"

struct ask;
struct ctl;

/* Read process.yaml: 0 with a conf to free, or the exit code, printed. */
int ask_read(const struct ctl *c, struct conf **ret_conf);
/* The same of another source; its kinds are set here. */
int ask_read_source(const struct conf_source *source, struct conf **ret_conf);
/* Read process.yaml, and connect.  0, or the exit code, the reason having been
 * printed. */
int ask_new(const struct ctl *c, struct ask **ret_ask);
int ask_connect(struct ask *a);
/* Both. */
int ask_open(const struct ctl *c, struct ask **ret_ask);
void ask_close(struct ask *a);
const struct conf *ask_conf(const struct ask *a);
struct redis *ask_redis(struct ask *a);
/* What it waits in, for a caller who has more to wait for. */
struct loop *ask_loop(struct ask *a);
/* Count a command that was sent with ask_redis; its fn calls ask_answered. */
void ask_sent(struct ask *a);
void ask_answered(struct ask *a);
/* Run until all that was sent is answered, or the connection is lost: 0, or
 * the exit code. */
int ask_wait(struct ask *a);
/* The same, but until no more than `enough` are without an answer. */
int ask_wait_few(struct ask *a, unsigned enough);
/* Let `ms` pass. */
void ask_pause(struct ask *a, int64_t ms);

/*
 * One command and its answer, in one: fn(reply, arg) is called before it
 * returns.  An error of the server is printed.  0, or the exit code.
 */
int ask_command(struct ask *a, redis_reply_fn fn, void *arg, int argc,
	const char *const *argv, const size_t *lens);
int ask_script(struct ask *a, redis_reply_fn fn, void *arg,
	struct redis_script *s, int keys, int argc, const char *const *argv);

/* The topics of all queue pools, each once; NULL at the end; ask_close frees
 * it. */
const char *const *ask_topics(struct ask *a);
/* `topic` by its right name if a pool serves it; else NULL, and printed. */
const char *ask_topic(struct ask *a, const char *topic);

#endif
