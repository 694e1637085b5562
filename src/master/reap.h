/* SPDX-License-Identifier: ISC */
/*
 * reap - what SIGCHLD says: who ended, who was stopped, who went on.
 */
#ifndef MASTER_REAP_H
#define MASTER_REAP_H

/* Take all there is to take; may be called at any time. */
void reap_all(void);

#endif
