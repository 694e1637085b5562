/* SPDX-License-Identifier: ISC */
/*
 * redis_help - servers of the test's own, and a loop run until something
 * holds.
 */
#ifndef T_UNIT_REDIS_HELP_H
#define T_UNIT_REDIS_HELP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/redis.h"

#define HELP_WAIT_MS 15000

struct loop;

struct help_server {
	pid_t pid; /* 0: not running */
	uint16_t port;
	char socket[128];
	char dir[96];
	char log[128];
};

/* One connection, and what it told. */
struct help_link {
	struct loop *loop;
	struct redis *redis;
	int ups, downs;
	char why[600];
	int answers, losses; /* of help_on_reply */
	enum redis_type type;
	int64_t number;
	char text[4096]; /* of the last answer */
};

/* Is there a redis-server to test with? */
bool help_has_server(void);
/* Starts redis-server with `more` lines of configuration, on a free port and a
 * socket; waits until it accepts.  Bails out when it does not. */
void help_start(struct help_server *s, const char *more);
/* The same, in its old place, on its old data. */
void help_start_again(struct help_server *s, const char *more);
/* signo, and SIGCONT; returns when it is gone. */
void help_stop(struct help_server *s, int signo);
/* Stopped, and its directory removed. */
void help_done(struct help_server *s);
void help_signal(const struct help_server *s, int signo);
uint16_t help_free_port(void);

/* Run the loop until held(arg), or for HELP_WAIT_MS. */
bool help_until(struct loop *l, bool (*held)(void *arg), void *arg);
/* Run the loop for so long. */
void help_run(struct loop *l, int64_t ms);

/* A connection with these options, told to k. */
void help_open(
	struct help_link *k, struct loop *l, const struct redis_options *o);
void help_close(struct help_link *k);
bool help_wait_up(struct help_link *k);
bool help_wait_down(struct help_link *k);
/* answers is more than 0. */
bool help_wait_answer(struct help_link *k);
/* Asks until the answer has `part`. */
bool help_wait_text(struct help_link *k, const char *command, const char *part);
/* Keeps the answer in the help_link that is its arg. */
void help_on_reply(const struct redis_reply *p, void *arg);
/* Sends the words of text and waits for the answer's text; "(nil)", "(lost)",
 * "(down)", a number, "[n]" of an array. */
const char *help_ask(struct help_link *k, const char *text);
/* Descriptors that are open. */
int help_descriptors(void);

#endif
