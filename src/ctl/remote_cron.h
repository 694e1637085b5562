/* SPDX-License-Identifier: ISC */
/*
 * remote_cron - definitions and their runs, of another node.
 */
#ifndef CTL_REMOTE_CRON_H
#define CTL_REMOTE_CRON_H

#include <jansson.h>

#include "ctl/remote_ask.h"

/* A definition and a run of one, in the words of cron list and history. */
extern const struct remote_member remote_cron_definition[];
extern const struct remote_member remote_cron_run[];
/* The scheduler, in the words of scheduler status. */
extern const struct remote_member remote_cron_scheduling[];

int remote_cron_list(struct remote *r);
int remote_cron_show(struct remote *r);
/* enable, disable, rm */
int remote_cron_each(struct remote *r);
int remote_cron_history(struct remote *r);
int remote_cron_scheduler(struct remote *r);
/* start, stop, restart */
int remote_cron_scheduler_do(struct remote *r);

/* The definition of that name or id, as the API has it: 0 with ret_doc
 * (json_decref), or the exit code, printed. */
int remote_cron_find(struct remote *r, const char *name, json_t **ret_doc);
/* Does it come from a process.yaml, and is that not forced?  0, or
 * EXIT_CONFIG, printed.  what: "remove" */
int remote_cron_check_source(
	const struct remote *r, const json_t *doc, const char *what);

#endif
