/* SPDX-License-Identifier: ISC */
/*
 * options - the settings of crontab pools.
 */
#ifndef CRON_OPTIONS_H
#define CRON_OPTIONS_H

#include "conf/conf.h"

struct crontab_options {
	int64_t preload_us;         /* what is due so soon is held ready */
	int64_t scan_us;            /* between two looks at the definitions */
	int64_t batch_size;         /* definitions of one transaction */
	int64_t concurrent_limit;   /* inline runs at a time */
	int64_t misfire_us;         /* later than this is a misfire */
	int64_t clock_tolerance_us; /* off PostgreSQL's by more: step aside */
	const char *lock_prefix;    /* of the locks in Redis */
	int64_t lock_expire_us;
	int64_t outbox_batch;    /* rows of one transaction */
	int64_t reconcile_us;    /* leader: between two looks */
	int64_t statistics_us;   /* likewise */
	int64_t retention_us;    /* runs and logs are kept so long */
	int64_t node_timeout_us; /* a node silent for so long is OFFLINE */
};

extern const struct conf_kind conf_kind_crontab;

#endif
