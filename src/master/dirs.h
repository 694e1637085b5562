/* SPDX-License-Identifier: ISC */
/*
 * dirs - the directories a node needs: run_dir and log_dir.
 */
#ifndef MASTER_DIRS_H
#define MASTER_DIRS_H

#include "base/err.h"
#include "conf/conf.h"

/* Make what is missing; log_dir then belongs to the configured user, since
 * the logger writes there.  0, or -1 with err. */
int dirs_make(const struct conf *c, struct err *err);

#endif
