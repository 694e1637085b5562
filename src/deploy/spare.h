/* SPDX-License-Identifier: ISC */
/*
 * spare - a directory beside the releases, for one that is looked at and not
 * kept.
 *
 * Whom it is of holds a lock on it, which ends with the process: one that
 * nobody holds was left over, and whoever comes next removes it.
 */
#ifndef DEPLOY_SPARE_H
#define DEPLOY_SPARE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define SPARE_LEFT_MAX 24

/* Make root/.gate-XXXXXX, and root where there is none, for a user and group
 * ((uid_t)-1: for the caller).  Returns its lock, to be closed once it is
 * removed, with ret_path heap; -1 with err. */
int spare_make(const char *root, uid_t uid, gid_t gid, char **ret_path,
	struct err *err);
/* What was left over, heap each; from then on nobody else takes it for one in
 * use.  Returns how many, at most SPARE_LEFT_MAX. */
size_t spare_left_over(const char *root, char *ret_paths[SPARE_LEFT_MAX]);

#endif
