/* SPDX-License-Identifier: ISC */
/*
 * options - the settings of a `deploy` pool: one application.
 */
#ifndef DEPLOY_OPTIONS_H
#define DEPLOY_OPTIONS_H

#include <stdint.h>

#include "conf/opt.h"

enum deploy_verify {
	DEPLOY_VERIFY_NONE = 0,
	DEPLOY_VERIFY_SHA256 = 1,   /* NAME.sha256 beside the archive */
	DEPLOY_VERIFY_MINISIGN = 2, /* NAME.minisig */
	DEPLOY_VERIFY_GPG = 3       /* NAME.asc, or the signed tag of git */
};

enum deploy_strategy {
	DEPLOY_ROLLING = 0, /* one node after the other */
	DEPLOY_ALL = 1,     /* all at once */
	DEPLOY_CANARY = 2   /* a share of them, then the others */
};
/* By enum deploy_strategy, NULL at the end. */
extern const char *const deploy_strategies[];

struct deploy_options {
	const char *root;
	/* One of the three is set. */
	const char *git, *directory, *url;
	int verify; /* enum deploy_verify */
	const char *verify_key;
	int64_t keep;               /* releases beside the current one */
	struct conf_strings shared; /* paths in a release */
	struct conf_strings env_files;
	struct conf_strings prepare, before_switch, after_switch, rollback;
	int64_t hook_timeout_us, fetch_timeout_us;
	const char *health_http; /* a URL; NULL: none */
	struct conf_strings health_exec;
	int64_t health_interval_us, health_timeout_us;
	int64_t health_for_us, health_failures;
	struct conf_map consumers_during; /* topic to number */
	struct conf_strings pools;        /* rolled after the switch */
	const char *handlers_file;        /* in a release; NULL: none */
	int strategy;                     /* enum deploy_strategy */
	struct conf_share canary;         /* who is first */
	int64_t canary_for_us;            /* how long it is compared */
	int64_t node_timeout_us;          /* then a silent node is lost */
	int64_t failure_rise;             /* percent points */
	int64_t queue_max;                /* entries; 0: not watched */
};

extern const struct conf_kind conf_kind_deploy;

#endif
