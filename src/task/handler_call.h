/* SPDX-License-Identifier: ISC */
/*
 * handler_call - requests to services, as the kinds http and poll make them.
 *
 * All of one worker's handlers share a client, made with the first request.
 */
#ifndef TASK_HANDLER_CALL_H
#define TASK_HANDLER_CALL_H

#include "link/http.h"
#include "task/handler_kind.h"

struct handler_call {
	const struct conf_request *request;
	const char *url; /* NULL: the request's */
	const char *key; /* Idempotency-Key; NULL: none */
	/* params go with it, unless the method is GET or HEAD. */
	bool has_params;
	int64_t timeout_us; /* of this request; 0: the run's alone */
	size_t answer_max;  /* bytes; 0: output_max */
};

#define HANDLER_CALL_QUOTE_MAX 200

/*
 * Begin; NULL when it can't, and then *ret_outcome says whether it may later.
 * fn gets arg, never from within.
 */
struct http_call *handler_call_start(struct handler_run *run,
	const struct handler_call *c, http_answer_fn fn, void *arg,
	enum handler_outcome *ret_outcome, struct err *err);

/* What an answer means: 2xx is SUCCESS; 408, 425, 429, 5xx and the network's
 * faults RETRY; all else FATAL. */
enum handler_outcome handler_call_outcome(const struct http_answer *a);
/* The run has failed with this answer; its text says why. */
void handler_call_fail(struct handler_run *run, const struct http_answer *a);

/* The beginning of its body on one line, for an error. */
const char *handler_call_quote(
	const struct http_answer *a, char ret_text[HANDLER_CALL_QUOTE_MAX + 1]);

/* The kinds' trim. */
void handler_call_trim(struct handler *h);

#endif
