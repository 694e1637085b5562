/* SPDX-License-Identifier: ISC */
/*
 * options - the settings of queue pools.
 */
#ifndef QUEUE_OPTIONS_H
#define QUEUE_OPTIONS_H

#include "conf/conf.h"

enum queue_order { QUEUE_STRICT = 0, QUEUE_WEIGHTED = 1 };

struct queue_options {
	struct conf_topics topics;   /* at least one; one in a split pool */
	int order;                   /* enum queue_order */
	struct conf_weights weights; /* see queue_options_weight */
	int64_t concurrency;         /* tasks in flight of one worker */
	int64_t max_wait_us;     /* an older head is served next; 0: never */
	int64_t lease_us;        /* of an entry, without renewal */
	int64_t renew_us;        /* between two renewals */
	int64_t claim_us;        /* idle entries are anyone's */
	int64_t node_timeout_us; /* a node silent for so long is dead */
	int64_t crashes_max;     /* then the task is a dead letter */
};

extern const struct conf_kind conf_kind_queue;

/* The share of a topic in weighted order: 1 when `weights` does not say. */
int64_t queue_options_weight(const struct queue_options *o, const char *topic);

#endif
