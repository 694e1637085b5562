/* SPDX-License-Identifier: ISC */
/*
 * command - the operator's commands on their way to the master and back.
 *
 * A command is one message with a token; its answer comes as pieces of text
 * and an end with the same token, whenever the master has carried it out.
 * Until then the HTTP request waits.  A client that goes away changes
 * nothing: the command goes on.
 */
#ifndef GOVERN_COMMAND_H
#define GOVERN_COMMAND_H

#include <stddef.h>

#include "board/msg.h"

#define COMMAND_PENDING_MAX 64           /* then 503 */
#define COMMAND_TEXT_MAX    (256 * 1024) /* bytes of an answer, then cut */

struct command_table;
struct http_request;
struct worker;

struct command_table *command_table_new(struct worker *w);
/* What is still waited for is answered with 503. */
void command_table_free(struct command_table *t);
/* How many are waited for. */
size_t command_count(const struct command_table *t);

/*
 * Send a command and answer `req` (taken) when the master has, or at once
 * when it can't be sent.  pool: NULL or "" for none; text: NULL or what the
 * command needs besides.
 */
void command_send(struct command_table *t, enum msg_command command,
	const char *pool, const char *text, struct http_request *req);

/* A message of the master; takes fd (or -1). */
void command_on_msg(struct command_table *t, const struct msg *m, int fd);

/* The governor shall end: answers what can't be answered later. */
void command_drain(struct command_table *t);

/* {"ok":false,"error":…} with that status; takes req. */
void command_refuse(struct http_request *req, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
