/* SPDX-License-Identifier: ISC */
/*
 * redis_sentinel - asks the Sentinels, one after the other, where a master is.
 */
#ifndef LINK_REDIS_SENTINEL_H
#define LINK_REDIS_SENTINEL_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct redis_sentinel;

struct redis_sentinel_options {
	const char *master;
	char *const *nodes; /* "host:port", each good for redis_url_node */
	size_t count;       /* at least 1 */
	size_t first;       /* which one is asked first */
	int64_t timeout_us; /* for one node */
};

/* host is NULL when none of them knows, and why says what the last one said.
 * All is borrowed for the call; the question is gone before it. */
typedef void (*redis_sentinel_fn)(
	const char *host, uint16_t port, const char *why, void *arg);

/* Borrows the options' texts until fn is called, from the loop. */
struct redis_sentinel *redis_sentinel_ask(struct loop *l,
	const struct redis_sentinel_options *o, redis_sentinel_fn fn,
	void *arg);
/* fn is not called any more.  NULL is a no-op. */
void redis_sentinel_cancel(struct redis_sentinel *s);

#endif
