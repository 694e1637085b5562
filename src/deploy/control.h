/* SPDX-License-Identifier: ISC */
/*
 * control - a request to the governor of this node, over its socket.
 */
#ifndef DEPLOY_CONTROL_H
#define DEPLOY_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct control;
struct loop;

/* status 0: no answer; text says why.  Borrowed; the request is gone after
 * it. */
typedef void (*control_fn)(int status, const char *text, void *arg);

/* Is it no verdict, but to be asked again? */
bool control_is_away(int status);
/* POST path; fn is called once from the loop.  NULL with err: nobody listens
 * at the socket. */
struct control *control_post(struct loop *l, const char *socket_path,
	const char *path, int64_t timeout_us, control_fn fn, void *arg,
	struct err *err);
/* fn is not called any more. */
void control_cancel(struct control *c);

#endif
