/* SPDX-License-Identifier: ISC */
/*
 * fetch - a release to look at: got, proved and unpacked as a push would, but
 * in a directory of its own.
 */
#ifndef CTL_FETCH_H
#define CTL_FETCH_H

struct conf_pool;
struct fetch;
struct loop;

/*
 * Get one, as the user of its pool, and remove what earlier ones have left.
 *
 * pool     of kind deploy
 * version  checked
 * Returns 0, or the exit code, printed, with nothing left of it.  SIGINT,
 * SIGTERM and SIGHUP end it that way too.
 */
int fetch_open(struct loop *l, const struct conf_pool *pool,
	const char *version, struct fetch **ret_fetch);
/* Its tree; lives as long as it. */
const char *fetch_tree(const struct fetch *f);
/* Remove it.  NULL is a no-op. */
void fetch_close(struct fetch *f);

#endif
