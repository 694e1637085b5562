/* SPDX-License-Identifier: ISC */
/*
 * fsck_queue - what Redis has of the tracked tasks, as a table of PostgreSQL.
 */
#ifndef CTL_FSCK_QUEUE_H
#define CTL_FSCK_QUEUE_H

#include <stdint.h>

struct ask;
struct db;

/*
 * Fill the temporary table fsck_queue anew with the tasks in the streams and
 * sorted sets of all topics: of the node's pools, and of those that rows name.
 * Returns 0, or the exit code, printed.
 */
int fsck_queue_read(struct ask *a, struct db *db);
/*
 * Take out of Redis the entries that fsck_found has as "stale".
 * ret_count  how many went
 * Returns 0, or the exit code, printed.
 */
int fsck_queue_remove(struct ask *a, struct db *db, int64_t *ret_count);

#endif
