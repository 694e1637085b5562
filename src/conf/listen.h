/* SPDX-License-Identifier: ISC */
/*
 * listen - addresses of listening sockets.
 */
#ifndef CONF_LISTEN_H
#define CONF_LISTEN_H

struct conf_listen;
struct draft;
struct node;

/* sun_path less its NUL. */
#define LISTEN_UNIX_MAX 107
/* Addresses of one pool. */
#define LISTEN_COUNT_MAX 32

/*
 * "8084", ":8084", "0.0.0.0:8084", "localhost:8084", "[::1]:80" and
 * "unix:/path": numeric hosts only, so that no name service is asked.
 * Strings of ret_listen come from the draft's keep arena.
 * Returns 0, or -1 after an error at `at`.
 */
int listen_parse(struct draft *d, const struct node *at, const char *text,
	struct conf_listen *ret_listen) __attribute__((warn_unused_result));

#endif
