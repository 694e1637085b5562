/* SPDX-License-Identifier: ISC */
/*
 * access - who calls, and how often he may.
 *
 * A token is known by its SHA-256 alone.  What the database said of one is
 * remembered for ACCESS_KEEP_US, and forgotten at once when a token or a
 * tenant changes (NOTIFY reeve_tokens).
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "base/clock.h"

#define ACCESS_KEEP_US    (5 * US_PER_S)
#define ACCESS_TOKENS_MAX 4096     /* remembered */
#define ACCESS_PREFIX     "reeve_" /* of each token, for secret scanners */

struct access_book;
struct call;
struct service;

/* Nothing is loaded or asked before the first token comes. */
struct access_book *access_open(struct service *s);
void access_close(struct access_book *b);

/*
 * Fill call->access and go on with admit(call), at once or later; or answer
 * the call: 401 without a good token, 403 with one that may not, 429 with
 * Retry-After beyond the tenant's rate, 503 when the database is away.
 */
void access_check(struct call *call, void (*admit)(struct call *call));

#endif
