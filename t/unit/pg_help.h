/* SPDX-License-Identifier: ISC */
/*
 * pg_help - a PostgreSQL of the test's own (t/lib/PgServer.pm), a pool, and a
 * loop run until something holds.
 */
#ifndef T_UNIT_PG_HELP_H
#define T_UNIT_PG_HELP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "link/pg.h"

#define PG_HELP_WAIT_MS 30000

struct loop;

struct pg_server {
	pid_t pid; /* of the perl that has it; 0: none */
	FILE *in, *out;
	unsigned port;
	char url[256], socket_url[256];
	char answer[4096]; /* of the last command */
};

/* A pool, and what it told. */
struct pg_help {
	struct loop *loop;
	struct pg *pg;
	int ups, downs;
	char why[600];
	int answers, losses; /* of pg_help_on_result */
	bool is_error;
	int64_t affected;
	char state[8];   /* SQLSTATE */
	char text[4096]; /* of the last answer */
};

/* Is there a PostgreSQL to test with? */
bool pg_help_has_server(void);
/* Starts one; settings: "name=value" words up to a NULL, may be NULL. */
void pg_help_start(struct pg_server *s, char *const *settings);
/* One of PgServer's methods: "stop fast", "start", "kill", "freeze", "thaw",
 * "psql SELECT 1"; the text of its answer. */
const char *pg_help_do(struct pg_server *s, const char *command);
/* Stopped, and all of it removed. */
void pg_help_done(struct pg_server *s);

/* Run the loop until held(arg), or for PG_HELP_WAIT_MS. */
bool pg_help_until(struct loop *l, bool (*held)(void *arg), void *arg);
/* Run the loop for so long. */
void pg_help_run(struct loop *l, int64_t ms);

void pg_help_open(
	struct pg_help *k, struct loop *l, const struct pg_options *o);
void pg_help_close(struct pg_help *k);
bool pg_help_wait_up(struct pg_help *k);
/* It is down, and has said so `downs` times. */
bool pg_help_wait_down(struct pg_help *k, int downs);
/* Keeps the answer in the pg_help that is its arg. */
void pg_help_on_result(const struct pg_result *r, void *arg);
/* Queries, and waits for the answer's text: columns by ",", rows by "|"; NULL
 * is "(null)"; "(lost)", "(down)", "(none)", or "SQLSTATE message". */
const char *pg_help_ask(struct pg_help *k, const struct pg_statement *s,
	const char *const *values);

#endif
