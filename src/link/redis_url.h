/* SPDX-License-Identifier: ISC */
/*
 * redis_url - where a Redis is, from its URL.
 *
 *     redis://[[user]:password@]host[:port][/db]
 *     unix:///path[?db=N]
 *
 * User and password may hold %XX.  No text made here shows them.
 */
#ifndef LINK_REDIS_URL_H
#define LINK_REDIS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define REDIS_PORT     6379
#define REDIS_DB_MAX   1000000
#define REDIS_HOST_MAX 253

struct redis_url {
	bool is_unix;
	char *host; /* the path of a unix socket */
	uint16_t port;
	int db;
	char *user;     /* NULL: none */
	char *password; /* NULL: none */
};

/* Fills ret, to be ended with redis_url_done; on -1 ret is empty. */
int redis_url_parse(const char *text, struct redis_url *ret, struct err *err);
/* "host:port" or "[ip6]:port" into what it says; -1 with err. */
int redis_url_node(
	const char *text, char **ret_host, uint16_t *ret_port, struct err *err);
/* Frees what was parsed; the password is overwritten. */
void redis_url_done(struct redis_url *u);

#endif
