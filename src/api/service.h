/* SPDX-License-Identifier: ISC */
/*
 * service - what one http worker keeps besides its server.
 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include <sys/queue.h>

#include "api/options.h"
#include "worker/worker.h"

struct access_book;
struct db;
struct follow;
struct outbox;
struct wire;

struct service {
	struct worker *worker;             /* borrowed */
	const struct conf *conf;           /* borrowed */
	const struct api_options *options; /* borrowed */
	const struct board *board;         /* borrowed */
	struct db *db;                     /* owned; NULL: none is configured */
	struct access_book *access;        /* owned; NULL with auth: none */
	struct wire *wire;                 /* owned */
	struct outbox *outbox;             /* owned; NULL: see send.h */
	LIST_HEAD(, follow) follows;       /* owned: logs that are streamed */
};

#endif
