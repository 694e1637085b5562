/* SPDX-License-Identifier: ISC */
/*
 * redis_wire - one socket to a Redis server, and the answers it brings.
 *
 * Passive: its owner hears of the descriptor and then calls in here.  Nothing
 * of it calls the owner.
 */
#ifndef LINK_REDIS_WIRE_H
#define LINK_REDIS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "loop/loop.h"

struct redis_reader;
struct redis_reply;
struct resolve_address;

struct redis_wire {
	struct loop *loop;
	int fd; /* -1: closed */
	struct loop_fd *watch;
	bool is_connecting; /* until redis_wire_connected says 0 */
	struct redis_reader *reader;
};

void redis_wire_init(struct redis_wire *w, struct loop *l);
/* Closed, and its memory given back. */
void redis_wire_done(struct redis_wire *w);
/* Between answers: their memory is given back. */
void redis_wire_trim(struct redis_wire *w);
/* The answer at hand stays readable until the next open or done. */
void redis_wire_close(struct redis_wire *w);
/*
 * Begin to connect; fn(arg) hears of the descriptor, first when the connection
 * stands or failed.  -1 with err when it can't even begin: nothing is open.
 */
int redis_wire_open(struct redis_wire *w, const struct resolve_address *to,
	loop_fd_fn fn, void *arg, struct err *err);
/* The path of a unix socket as an address; its length is checked before. */
void redis_wire_unix(const char *path, struct resolve_address *ret);
/* At the first event: 0 when the connection stands, -1 with err. */
int redis_wire_connected(struct redis_wire *w, struct err *err);
/* Bytes taken, which may be fewer than len; the descriptor is then watched
 * for room.  -1 with err when the connection is gone. */
long redis_wire_send(
	struct redis_wire *w, const char *data, size_t len, struct err *err);
/* Read what is there, at most some 256 KiB.  1 when there was something, 0, or
 * -1 with err when the connection is gone; answers may be waiting even so. */
int redis_wire_read(struct redis_wire *w, struct err *err);
/* As redis_reader_next; -1 with err.  0 after a close. */
int redis_wire_next(
	struct redis_wire *w, const struct redis_reply **ret, struct err *err);

#endif
