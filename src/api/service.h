/* SPDX-License-Identifier: ISC */
/*
 * service - what one http worker keeps besides its server.
 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include <stdint.h>
#include <sys/queue.h>

#include "api/options.h"
#include "worker/worker.h"

struct access_book;
struct db;
struct follow;
struct outbox;
struct secret;
struct task_batches;
struct wire;

/* How much had ended, so that a rate can be told. */
#define SERVICE_RATE_US (10 * INT64_C(1000000))
struct service_rate {
	int64_t at_us; /* clock_now; 0: never */
	uint64_t ends;
};

struct service {
	struct worker *worker;             /* borrowed */
	const struct conf *conf;           /* borrowed */
	const struct api_options *options; /* borrowed */
	const struct board *board;         /* borrowed */
	struct db *db;                     /* owned; NULL: none is configured */
	struct access_book *access;        /* owned; NULL with auth: none */
	struct secret *secret;             /* owned; NULL: no key */
	struct wire *wire;                 /* owned */
	struct outbox *outbox;             /* owned; NULL: see send.h */
	struct task_batches *task_batches; /* owned; NULL: none yet */
	LIST_HEAD(, follow) follows;       /* owned: logs that are streamed */
	struct service_rate rate_before, rate_now;
};

#endif
