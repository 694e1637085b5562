/* SPDX-License-Identifier: ISC */
/*
 * filesync - the definitions of process.yaml into PostgreSQL.
 *
 * Done by the first worker of a crontab pool as it starts, so at the start of
 * the node and after each reload that changes them.  What the file says is
 * made so; what it does not name any more, but did, is disabled.
 */
#ifndef CRON_FILESYNC_H
#define CRON_FILESYNC_H

struct crontab;

/* PostgreSQL and its clock are there: once is enough. */
void filesync_run(struct crontab *c);

#endif
