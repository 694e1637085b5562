/* SPDX-License-Identifier: ISC */
/*
 * watch - once a second: which workers hang, which are too big.
 *
 * It only tells the master, which decides.  The same round keeps the
 * governor's own watchdog (alarm(2)) from firing: a governor that loops for
 * ever is killed by it and replaced.
 */
#ifndef GOVERN_WATCH_H
#define GOVERN_WATCH_H

struct watch;
struct worker;

struct watch *watch_new(struct worker *w);
/* Also disarms the watchdog.  NULL is a no-op. */
void watch_free(struct watch *t);

#endif
