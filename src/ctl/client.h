/* SPDX-License-Identifier: ISC */
/*
 * client - one request after the other, over the control socket of this node
 * or to the API of another.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct client;
struct ctl;

struct client_answer {
	long status;        /* of HTTP */
	struct buf body;    /* as it came */
	json_t *json;       /* NULL when it is not JSON; owned */
	long retry_after_s; /* 0: it said nothing of that */
};

/* Some of a stream, as it came; false: no more of it is wanted. */
typedef bool (*client_data_fn)(const char *data, size_t len, void *arg);

struct client_request {
	const char *method; /* "GET" */
	const char *path;   /* "/api/v1/…", with its query */
	const char *body;   /* JSON; NULL: none */
	const char *header; /* one more: "If-Match: \"3\""; NULL */
	/* A body of 200 goes here, for as long as it goes on; NULL: all of it
	 * is kept, and has to come in time. */
	client_data_fn on_data;
	void *arg;
};

/* Never fails: the connection is made by the first request. */
struct client *client_new(const struct ctl *c);
void client_free(struct client *cl);
/* The socket it talks to; NULL: it goes to the API of another node. */
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
/* The same of any request, to the API. */
int client_send(struct client *cl, const struct client_request *q,
	struct client_answer *ret_answer, struct err *err)
	__attribute__((warn_unused_result));
void client_answer_done(struct client_answer *a);

/* The reason in an answer that is not 2xx; borrowed from it. */
const char *client_error(const struct client_answer *a);

/* `text` percent-encoded for a path or query; the caller frees. */
char *client_escape(const char *text);

/* The same document, whatever it is. */
int client_look(struct client *cl, const char *pool,
	struct client_answer *ret_answer, struct err *err)
	__attribute__((warn_unused_result));
/*
 * The status document: 0 with ret_answer->json an object; otherwise the exit
 * code, the reason having been printed.  pool: NULL for all.
 */
int client_status(struct client *cl, const char *pool,
	struct client_answer *ret_answer) __attribute__((warn_unused_result));

#endif
