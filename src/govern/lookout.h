/* SPDX-License-Identifier: ISC */
/*
 * lookout - once a second: which workers hang, which are too big.
 *
 * It only tells the master, which decides.  The same round keeps the
 * governor's own watchdog (alarm(2)) from firing: a governor that loops for
 * ever is killed by it and replaced.
 */
#ifndef GOVERN_LOOKOUT_H
#define GOVERN_LOOKOUT_H

struct lookout;
struct worker;

struct lookout *lookout_new(struct worker *w);
/* Also disarms the watchdog.  NULL is a no-op. */
void lookout_free(struct lookout *t);

#endif
