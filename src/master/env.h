/* SPDX-License-Identifier: ISC */
/*
 * env - the environment a child program starts with.
 */
#ifndef MASTER_ENV_H
#define MASTER_ENV_H

#include <stddef.h>

#include "conf/conf.h"

struct env_child {
	const struct conf_pool *conf;
	int index;
	unsigned generation;
	const char *node;
	const char *token;       /* REEVE_INSTANCE */
	const char *notify_path; /* NULL: no NOTIFY_SOCKET */
	size_t listener_count;
};

/*
 * The master's own environment (or PATH, HOME, LANG, TZ, USER only with
 * clear_environment), less what is meant for the master itself (NOTIFY_SOCKET,
 * LISTEN_*, WATCHDOG_*), with the user's HOME, USER, LOGNAME and SHELL when
 * the pool has its own user, REEVE_*, and the pool's own last.
 * Called in the child; the result is never freed.
 */
char **env_for_child(const struct env_child *e);
/* Drop from this process' own environment what systemd meant for it alone;
 * for before an exec of anything else. */
void env_drop_supervision(void);

#endif
