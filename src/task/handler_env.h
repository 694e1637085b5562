/* SPDX-License-Identifier: ISC */
/*
 * handler_env - the environment that a handler's processes start with.
 *
 * The worker's own, less what is between the daemon and who started it; the
 * handler's `environment`; REEVE_NODE, REEVE_POOL, REEVE_INDEX and
 * REEVE_HANDLER.  REEVE_INSTANCE marks them for the master: it kills a
 * process with a mark it does not know as soon as it becomes its child, which
 * is when the worker, or the parent below it, has died.
 */
#ifndef TASK_HANDLER_ENV_H
#define TASK_HANDLER_ENV_H

#include <stddef.h>

struct conf_handler;
struct handler_context;

struct handler_env {
	char **items; /* "NAME=VALUE", each once; NULL at the end; owned */
	size_t count;
};

void handler_env_init(struct handler_env *e, const struct conf_handler *c,
	const struct handler_context *ctx);
void handler_env_done(struct handler_env *e);
/* All of it and `more` (NULL at the end, or NULL): one list, to be freed; the
 * texts are borrowed. */
char **handler_env_join(const struct handler_env *e, char *const *more);
/* NULL: it has none of that name. */
const char *handler_env_value(const struct handler_env *e, const char *name);

#endif
