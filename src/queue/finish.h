/* SPDX-License-Identifier: ISC */
/*
 * finish - outcomes on their way into Redis.
 *
 * A plain success of a young flight is one of many in an XDEL and an XACK:
 * its entry can't be another's yet.  Everything else goes through a script
 * that first looks whether the entry is still ours.
 */
#ifndef QUEUE_FINISH_H
#define QUEUE_FINISH_H

#include "queue/consumer.h"

/* What the handler said: success, retry, dead letter. */
void finish_result(struct flight *f, const struct handler_result *r);
/* An end without a handler's word; reason for the dead letters, or NULL. */
void finish_end(struct flight *f, enum flight_end end, const char *reason);
/* Into the delayed set for left_ms, no attempt counted. */
void finish_postpone(struct flight *f, int64_t left_ms);
/* PostgreSQL has its outcome: now Redis. */
void finish_kept(struct flight *f);
/* An envelope that can't be read goes to the dead letters as it is. */
void finish_keep_payload(struct flight *f, const char *text, size_t len);
/* The key that its uniqueness is held by; freed by the caller. */
char *finish_unique_key(const struct flight *f);

/* Send what has ended, on this connection. */
void finish_flush(struct topic *t, struct redis *r);
/* It could not be stored: sent again when that may work. */
void finish_unstored(struct flight *f);
/* The topic is up again: send what could not be stored. */
void finish_resend(struct topic *t);

#endif
