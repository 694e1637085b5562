/* SPDX-License-Identifier: ISC */
/*
 * send - what this worker has put into the outbox goes to the queue at once,
 * and does not wait for a crontab worker.
 */
#ifndef API_SEND_H
#define API_SEND_H

#include <stdbool.h>

struct call;
struct service;

/* Can this worker reach Redis?  Else a crontab worker has to be told. */
bool send_is_possible(const struct call *call);
/* Something was committed.  Connects when it is the first time. */
void send_poke(struct call *call);
/* Take no more; done(arg) when nothing is on its way, from the loop or at
 * once. */
void send_drain(struct service *s, void (*done)(void *arg), void *arg);
void send_close(struct service *s);

#endif
