/* SPDX-License-Identifier: ISC */
/*
 * remote_ask - questions to the API of another node, and its answers in the
 * words of reevectl.
 */
#ifndef CTL_REMOTE_ASK_H
#define CTL_REMOTE_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "ctl/client.h"

struct ctl;
struct remote;

/* How a member of an answer is turned into ours. */
enum remote_turn {
	REMOTE_SAME = 0, /* as it is; null where there is none */
	REMOTE_MS = 1,   /* a time: milliseconds since 1970 */
	REMOTE_TIME = 2, /* a time to the millisecond, as text */
	REMOTE_TURN_COUNT
};

struct remote_member {
	const char *ours, *theirs; /* theirs NULL: the API does not tell it */
	enum remote_turn turn;
};

struct remote_command {
	const char *words; /* of the command: "cron list" */
	const char *method;
	/* What is in braces is made of the arguments. */
	const char *path;
	int (*run)(struct remote *r);
	/* The rest as `run` wants it. */
	const struct remote_member *members; /* up to one without `ours` */
	void (*print)(const struct ctl *c, json_t *doc); /* takes doc */
	unsigned without; /* options of enum option_group it does not take */
};

/* One command that is carried out. */
struct remote {
	struct ctl *ctl;
	const struct remote_command *how;
	struct client *client;
};

/*
 * Send a request.  about: goes before what is wrong; NULL: nothing.
 * Returns 0 with an answer of 2xx (client_answer_done), or the exit code,
 * printed.
 */
int remote_send(struct remote *r, const struct client_request *q,
	const char *about, struct client_answer *ret_answer)
	__attribute__((warn_unused_result));
/* EXIT_SYSTEM, printed: what came is not what the API says. */
int remote_not_ours(const struct remote *r);
/* The answer's JSON: 0 with ret_doc (json_decref), or the exit code, printed.
 * body: taken; NULL: none. */
int remote_call(struct remote *r, const char *method, const char *path,
	json_t *body, json_t **ret_doc) __attribute__((warn_unused_result));
int remote_get(struct remote *r, const char *path, json_t **ret_doc)
	__attribute__((warn_unused_result));

/* All items of a list of one page. */
#define REMOTE_ONE_PAGE 0
/* All items of a list of pages. */
#define REMOTE_ALL (-1)
/*
 * The first `most` items of a list, in the order of the API; ret_is_cut (may
 * be NULL) tells whether there are more.
 * Returns 0 with an array (json_decref), or the exit code, printed.
 */
int remote_list(struct remote *r, const char *path, long most,
	json_t **ret_items, bool *ret_is_cut)
	__attribute__((warn_unused_result));

/* An object in our words. */
json_t *remote_ours(const struct remote_member *m, const json_t *theirs);
/* The path of the row with `value` in place of what is in braces; heap. */
char *remote_path(const struct remote *r, const char *value);
/* "&name=value", or "?name=value" as the first of a path. */
void remote_query(struct buf *path, const char *name, const char *value);
/* The micro- or milliseconds since 1970 of a time; -1: it is none. */
int64_t remote_us(const json_t *time);
int64_t remote_ms(const json_t *time);
/* A member of the answer to the letter, as the JSON it is: heap; "{}" where
 * there is none. */
char *remote_raw(const struct client_answer *a, const char *member);
/* Is it an id? */
bool remote_is_id(const char *text);

#endif
