/* SPDX-License-Identifier: ISC */
/*
 * figures - what the scoreboard says of this node, added up for the API.
 */
#ifndef API_FIGURES_H
#define API_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "board/board.h"

struct conf;
struct series_histogram;

/* Handlers that wait for a service elsewhere, and all others. */
enum figures_class {
	FIGURES_STANDARD = 0,
	FIGURES_SLOW = 1, /* of kind poll */
	FIGURES_CLASSES = 2
};

struct figures {
	struct board_header header;
	int64_t uptime_us;
	struct buf reasons; /* why not all is well, by '\n'; "": it is */
	/* Of pools that take tasks from a queue. */
	int64_t places;                   /* tasks they may run at a time */
	int64_t running[FIGURES_CLASSES]; /* in handlers */
	/* Since the node started, of the handlers. */
	uint64_t completed, failed, retried, cancelled, timed_out;
	uint64_t run_us;
	uint64_t run_count[SERIES_BUCKETS]; /* attempts, by duration */
	/* In Redis, of all nodes: of the topics that this one serves. */
	int64_t waiting, delayed, dead;
};

void figures_take(
	struct figures *f, const struct board *b, const struct conf *conf);
void figures_done(struct figures *f);

/* Tasks that the workers of such a pool may run at a time. */
int64_t figures_places(const struct conf *conf, const struct board_pool *p);
/* The duration in ms that a share of the counted ones is below, as Prometheus
 * reckons it; negative: nothing was counted. */
double figures_quantile(const uint64_t count[SERIES_BUCKETS], double share);

#endif
