/* SPDX-License-Identifier: ISC */
/*
 * client - one request after the other over the control socket.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct client;
struct ctl;

struct client_answer {
	long status;     /* of HTTP */
	struct buf body; /* as it came */
	json_t *json;    /* NULL when it is not JSON; owned */
};

/* Never fails: the connection is made by the first request. */
struct client *client_new(const struct ctl *c);
void client_free(struct client *cl);
/* The socket it talks to. */
const char *client_socket(const struct client *cl);

/*
 * A reading has to be answered within seconds, an action may take as long as
 * it takes.  Returns 0 with an answer of any status (client_answer_done), or
 * -1 with err: which socket, why, and what to check.
 */
int client_get(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
	__attribute__((warn_unused_result));
int client_post(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
	__attribute__((warn_unused_result));
void client_answer_done(struct client_answer *a);

/* The reason in an answer that is not 2xx. */
const char *client_error(const struct client_answer *a);

/* `text` percent-encoded for a path or query; the caller frees. */
char *client_escape(const char *text);

/*
 * The status document: 0 with ret_answer->json an object; otherwise the exit
 * code, the reason having been printed.  pool: NULL for all.
 */
int client_status(struct client *cl, const char *pool,
	struct client_answer *ret_answer) __attribute__((warn_unused_result));

#endif
