/* SPDX-License-Identifier: ISC */
/*
 * wire - the API's way to Redis, opened by the first request that needs it.
 */
#ifndef API_WIRE_H
#define API_WIRE_H

#include "link/redis.h"

struct call;
struct conf;
struct loop;
struct wire;

struct wire *wire_new(struct loop *l, const struct conf *conf);
/* Who waits for it is answered. */
void wire_free(struct wire *w);

/*
 * Go on with next(call) when Redis is there: at once, or when it is known
 * after the first connection.  Where it is not, or none is configured, the
 * call is answered with 503.
 */
void wire_await(struct call *call, void (*next)(struct call *call));
/* For next: its connection.  A command that is refused, or whose answer is
 * NULL, is call_reply_away(call, "Redis"). */
struct redis *wire_redis(struct call *call);

/*
 * Tell whoever runs these tasks to end them (what there is of them in the
 * queue will not be run), or take that back; then next(call).  503 when Redis
 * does not take it.
 */
void wire_cancel(struct call *call, const char *const *ids, size_t count,
	void (*next)(struct call *call));
void wire_uncancel(
	struct call *call, const char *id, void (*next)(struct call *call));

#endif
