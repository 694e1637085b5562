/* SPDX-License-Identifier: ISC */
/*
 * status - the node, its pools and its workers, for people.
 */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include <jansson.h>

#include "base/buf.h"
#include "ctl/screen.h"
#include "ctl/table.h"

struct ctl;

int status_command(struct ctl *c);

/* The parts of it, for the live view too.  `doc` is the status document. */
void status_summary(const json_t *doc, const struct screen *s, struct buf *out);
struct table *status_pools(const json_t *doc);

/* A further column between TASKS and WHY: fills one cell for a worker. */
struct status_extra {
	void (*cell)(struct table *t, const json_t *worker, void *arg);
	void *arg;
};

/* extra: NULL leaves that column empty, and so out. */
struct table *status_workers(const json_t *doc, const struct status_extra *x);

/* Members of an object; "" and 0 where there are none. */
const char *status_text(const json_t *object, const char *key);
double status_number(const json_t *object, const char *key);

#endif
