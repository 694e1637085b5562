/* SPDX-License-Identifier: ISC */
/*
 * redis_queue - commands in the order of their answers, with their bytes.
 *
 * A command's bytes stay until it is answered, so that it can be sent once
 * more: when a script must be loaded first, or when the key lives elsewhere.
 */
#ifndef LINK_REDIS_QUEUE_H
#define LINK_REDIS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "link/redis.h"

/* Bytes not yet answered that a connection holds at most. */
#define REDIS_QUEUE_MAX ((size_t)256 << 20)

enum redis_kind {
	REDIS_ASKED = 0, /* of the user */
	REDIS_LOAD = 1,  /* SCRIPT LOAD, of ours */
	REDIS_ASKING = 2 /* ASKING, of ours */
};

struct redis_request {
	redis_reply_fn fn; /* NULL: nobody wants the answer */
	void *arg;
	struct redis_script *script; /* NULL: not by EVALSHA */
	uint64_t at;                 /* where its bytes begin */
	size_t len;
	uint8_t kind;  /* enum redis_kind */
	uint8_t loads; /* how often its script was loaded for it */
	uint8_t moves; /* how often it was sent elsewhere */
};

struct redis_queue {
	struct redis_request *ring;
	size_t cap, head, count; /* cap: a power of two, or 0 */
	struct buf bytes;
	uint64_t base; /* where bytes begins: counted since the first byte */
	uint64_t sent; /* what is before was written */
};

void redis_queue_done(struct redis_queue *q);
/* Where the next command's bytes go: append to q->bytes, then push. */
void redis_queue_push(struct redis_queue *q, struct redis_request r);
/* A copy of a command of another queue, or of this, with its bytes. */
void redis_queue_again(struct redis_queue *q, const struct redis_request *r,
	const struct redis_queue *from);
/* The oldest; NULL when empty. */
struct redis_request *redis_queue_head(const struct redis_queue *q);
/* Takes the oldest off; its bytes may go. */
struct redis_request redis_queue_pop(struct redis_queue *q);
/* What is to be written. */
const char *redis_queue_unsent(const struct redis_queue *q, size_t *ret_len);
/* All of it is to be written (again): on a new connection. */
void redis_queue_rewind(struct redis_queue *q);
bool redis_queue_is_full(const struct redis_queue *q);
/* One argument, and the count of them, as the protocol has it. */
void redis_queue_argc(struct redis_queue *q, int argc);
void redis_queue_arg(struct redis_queue *q, const char *arg, size_t len);

#endif
