/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "api/options.h"
#include "cron/options.h"
#include "deploy/options.h"
#include "kinds.h"
#include "queue/options.h"

const struct conf_kind *const kinds[] = {
	&conf_kind_program,
	&conf_kind_http,
	&conf_kind_queue,
	&conf_kind_crontab,
	&conf_kind_deploy,
	NULL,
};
