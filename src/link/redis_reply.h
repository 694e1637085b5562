/* SPDX-License-Identifier: ISC */
/*
 * redis_reply - answers out of bytes: hiredis' reader with objects of ours.
 *
 * An answer is one arena: an array's elements lie side by side, texts behind
 * them, and all of it is dropped at once.  So an entry of a stream costs no
 * malloc, and the accessors of redis.h read a struct.
 */
#ifndef LINK_REDIS_REPLY_H
#define LINK_REDIS_REPLY_H

#include <stddef.h>

#include "link/redis.h"

/* What one answer may take, as bytes and as objects. */
#define REDIS_REPLY_MAX ((size_t)512 << 20)
/* Elements of one array. */
#define REDIS_ELEMENTS_MAX ((size_t)4 << 20)

struct redis_reader;

struct redis_reader *redis_reader_new(void);
void redis_reader_free(struct redis_reader *rd);
/* Take len bytes as they came from the server; -1 when they can't be kept. */
int redis_reader_feed(struct redis_reader *rd, const char *data, size_t len);
/*
 * The next whole answer, borrowed until the next call.
 * 1, 0 when more bytes are needed, or -1 when they are not Redis' protocol:
 * nothing but redis_reader_free may follow.
 */
int redis_reader_next(struct redis_reader *rd, const struct redis_reply **ret);
/* Between answers: give back what former ones took, the last one as well. */
void redis_reader_trim(struct redis_reader *rd);
/* What was wrong. */
const char *redis_reader_error(const struct redis_reader *rd);

#endif
