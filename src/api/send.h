/* SPDX-License-Identifier: ISC */
/*
 * send - what this worker has put into the outbox goes to the queue at once,
 * and does not wait for a crontab worker.
 */
#ifndef API_SEND_H
#define API_SEND_H

struct call;
struct service;

/* Something was committed.  Connects when it is the first time. */
void send_poke(struct call *call);
/* Take no more; done(arg) when nothing is on its way, from the loop or at
 * once. */
void send_drain(struct service *s, void (*done)(void *arg), void *arg);
void send_close(struct service *s);

#endif
