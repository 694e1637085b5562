/* SPDX-License-Identifier: ISC */
/*
 * resolve - a host's addresses, without blocking.
 *
 * Numbers and "localhost" are answered from memory.  Any other name is looked
 * up in /etc/hosts and then asked of the servers in /etc/resolv.conf; the
 * resolver for that lives as long as the one question, so a process that has
 * its addresses holds no descriptor and no timer, and a changed resolv.conf
 * is followed.
 */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define RESOLVE_ADDRESSES_MAX 8

struct loop;
struct resolve;

struct resolve_address {
	socklen_t len;
	struct sockaddr_storage addr;
};

struct resolve_answer {
	size_t count; /* 0: see error */
	struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
	const char *error; /* "no such host", NULL when there are addresses */
};

/* The answer is borrowed for the call; the question is gone after it. */
typedef void (*resolve_fn)(const struct resolve_answer *a, void *arg);

/* Never NULL; fn is called from the loop, in a later turn.  There is no time
 * limit but the resolver's own (15 s and more): the caller sets one. */
struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port,
	resolve_fn fn, void *arg);
/* fn is not called any more.  What the library holds for the question goes
 * within the next turn of the loop. */
void resolve_cancel(struct resolve *q);

/* Read these files instead of those in /etc: for tests.  NULL: the usual. */
void resolve_set_files(const char *resolv_conf, const char *hosts);

#endif
