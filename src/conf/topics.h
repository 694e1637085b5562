/* SPDX-License-Identifier: ISC */
/*
 * topics - names of topics with what each is given: workers, bounds, shares.
 */
#ifndef CONF_TOPICS_H
#define CONF_TOPICS_H

#include <stdbool.h>

#include "conf/conf.h"

struct buf;
struct draft;
struct node;

/* A topic that is only given a number of workers can be scaled so far. */
#define TOPICS_COUNT_MAX 200

/* What a topic may be called; "normal" is taken for "common". */
bool topics_is_name(const char *name);
const char *topics_alias(const char *name);

/* The value of an OPT_TOPICS or OPT_WEIGHTS row.  Every problem is reported.
 * Returns 0, or -1 after an error. */
int topics_read(struct draft *d, struct node *n, const char *row,
	struct conf_topics *ret_topics) __attribute__((warn_unused_result));
int topics_read_weights(struct draft *d, struct node *n, const char *row,
	struct conf_weights *ret_weights) __attribute__((warn_unused_result));

/* On one line, as it reads back. */
void topics_print(const struct conf_topics *topics, struct buf *out);
void topics_print_weights(const struct conf_weights *weights, struct buf *out);

#endif
