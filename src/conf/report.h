/* SPDX-License-Identifier: ISC */
/*
 * report - the problems of one reading, in the order of the files.
 */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include <stddef.h>

#include "conf/conf.h"

struct source;

/* Add a problem; takes text, copies the mark.  A second error at one place
 * and what goes beyond CONF_ERRORS_MAX is dropped. */
void report_add(struct conf_report *r, enum conf_severity severity,
	struct conf_mark mark, char *text);
/* Sort by place, files in the order given, and say so when there were too
 * many. */
void report_finish(struct conf_report *r, const struct source *const *sources,
	size_t count);

#endif
