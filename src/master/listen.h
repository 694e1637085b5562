/* SPDX-License-Identifier: ISC */
/*
 * listen - the listening sockets: opened once, by address, kept for as long
 * as a configuration names them.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"

/* Take over what systemd opened ($LISTEN_FDS, sd_listen_fds(3)); sockets that
 * no pool names are closed by listen_sweep. */
void listen_init(void);

/* How long an address that is still held may take to become free: a killed
 * master's workers go within moments. */
enum listen_patience { LISTEN_NOW, LISTEN_PATIENT };

/*
 * Open what the pool needs and is not open yet.  0, or -1 with err; what was
 * opened before the failure is closed by the next listen_sweep.
 */
int listen_open(const struct conf_pool *pool, enum listen_patience patience,
	struct err *err);
/* Mode and group of the file of a unix socket; that of an internal pool is
 * nobody else's until then. */
int listen_guard(
	const struct conf_listen *l, mode_t mode, gid_t gid, struct err *err);
/* The descriptors of the pool's addresses, in their order; freed by the
 * caller, the descriptors are the table's. */
int *listen_table(const struct conf_pool *pool, size_t *ret_count);
/* Close (and unlink) the addresses that used(text) says no to. */
void listen_sweep(bool (*used)(const char *text));
/* Close and unlink all: the daemon ends. */
void listen_done(void);

/* For an upgrade: call fn for each socket; take one over. */
void listen_each(
	void (*fn)(int fd, const char *text, bool ours, void *arg), void *arg);
void listen_adopt(int fd, const char *text, bool ours);

#endif
