/* SPDX-License-Identifier: ISC */
/*
 * probe - one try of a check over the network.  All of it blocks, up to the
 * timeout: only for the child that checks.
 */
#ifndef MASTER_PROBE_H
#define MASTER_PROBE_H

#include <stdint.h>

#include "base/err.h"

/* "host:port": can it be connected? */
int probe_tcp(const char *address, int64_t timeout_us, struct err *err);
/* The same for a unix socket. */
int probe_unix(const char *path, int64_t timeout_us, struct err *err);
/* "http://host[:port]/path" or "unix:/socket:/path": does it answer with a
 * status from 200 to 399? */
int probe_http(const char *url, int64_t timeout_us, struct err *err);

#endif
