/* SPDX-License-Identifier: ISC */
/*
 * report - the scoreboard in words: the status document and the metrics.
 */
#ifndef BOARD_REPORT_H
#define BOARD_REPORT_H

#include "base/buf.h"
#include "board/board.h"

enum report_detail {
	REPORT_PLAIN,  /* from the board alone: any worker may ask */
	REPORT_MEMORY, /* with pss_kb, which reads /proc for each process */
};

/*
 * The status document (JSON, one object) of `reevectl status --json`,
 * GET /status of the control socket and /api/v1/status.  `pool`: only that
 * one, or those that it was split into; NULL: all.  Returns 0, or -1 when no pool has that name.
 */
int report_status(const struct board *b, const char *pool,
	enum report_detail detail, struct buf *out);

/* Prometheus text exposition format 0.0.4. */
void report_metrics(const struct board *b, struct buf *out);

#endif
