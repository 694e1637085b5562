/* SPDX-License-Identifier: ISC */
/*
 * notify - sd_notify(3), both ways: to systemd, and from program children.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>

#include "base/err.h"

/* Take $NOTIFY_SOCKET and $WATCHDOG_* out of the environment. */
void notify_init(void);
/* Send one datagram of newline-separated assignments; without a supervisor it
 * does nothing. */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with its time, after sd_notify(3) of systemd 253. */
void notify_reloading(void);
/* How often WATCHDOG=1 is due, microseconds; 0: never. */
int64_t notify_watchdog_us(void);
/* For an upgrade: what notify_init took, to be set again; NULL: none. */
const char *notify_supervisor(void);

/* Open the socket that programs with `ready: { notify: true }` write to. */
int notify_listen(const char *path, struct err *err);
void notify_close(void);
/* Its path, or NULL while it isn't open. */
const char *notify_path(void);

#endif
