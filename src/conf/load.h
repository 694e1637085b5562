/* SPDX-License-Identifier: ISC */
/*
 * load - process.yaml, the files it includes and -e as one map.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

struct draft;
struct node;

/* The merged map of all files, templates not yet filled in.  NULL when there
 * is nothing to go on with; every reason is in the report. */
struct node *load_all(struct draft *d);

#endif
