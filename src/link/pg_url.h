/* SPDX-License-Identifier: ISC */
/*
 * pg_url - where PostgreSQL is, as the URL says it: hosts, and the parameters
 * that libpq gets for each of them.
 */
#ifndef LINK_PG_URL_H
#define LINK_PG_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/pg_lib.h"

#define PG_HOSTS_MAX  32
#define PG_PARAMS_MAX 80 /* of libpq; 15 has 43 */

struct pg_host {
	char *name;    /* or the directory of a socket; NULL: libpq's own */
	char *address; /* by `hostaddr`; NULL: to be resolved */
	char *port;
	uint16_t number; /* the same */
};

struct pg_url {
	PQconninfoOption *options; /* as written; owns the password */
	struct pg_host hosts[PG_HOSTS_MAX];
	size_t host_count;
	char *target; /* target_session_attrs; NULL: any */
	bool prefers_standby;
};

/* Keys and values for libpq: borrowed from the URL and from the caller. */
struct pg_params {
	const char *keys[PG_PARAMS_MAX + 1];
	const char *values[PG_PARAMS_MAX + 1];
	size_t count;
};

/* 0, or -1 with err, which tells nothing of what stands in the URL. */
int pg_url_parse(const char *text, struct pg_url *ret, struct err *err);
void pg_url_done(struct pg_url *u);
/* As written, or NULL. */
const char *pg_url_value(const struct pg_url *u, const char *key);
/* Is it a directory (or an abstract name), and nothing to resolve? */
bool pg_host_is_socket(const struct pg_host *h);

/* What the URL says, but for hosts and what they are to be. */
void pg_params_init(struct pg_params *p, const struct pg_url *u);
void pg_params_add(struct pg_params *p, const char *key, const char *value);
/* Only if the URL says nothing of it. */
void pg_params_default(struct pg_params *p, const struct pg_url *u,
	const char *key, const char *value);

#endif
