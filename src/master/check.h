/* SPDX-License-Identifier: ISC */
/*
 * check - ask a new process from outside whether it serves.
 *
 * The asking (names, connections, orders, all of which may block) is done
 * by a child of its own, which tries again and again and exits 0 at the first
 * success.
 */
#ifndef MASTER_CHECK_H
#define MASTER_CHECK_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

struct check;

typedef void (*check_fn)(void *arg);

bool check_is_set(const struct conf_check *c);
/* Start asking, as the pool's user; passed(arg) is called once, from the
 * loop.  Returns NULL with err when it can't fork. */
struct check *check_start(const struct conf_pool *pool,
	const struct conf_check *c, check_fn passed, void *arg,
	struct err *err);
/* What the last try ran into; "" before the first. Borrowed. */
const char *check_error(struct check *c);
/* Stop asking.  NULL is a no-op. */
void check_stop(struct check *c);

#endif
