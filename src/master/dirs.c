/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/dirs.h"

/* mkdir -p; the last one belongs to `uid`. */
static int dirs_make_one(
	const char *path, uid_t uid, gid_t gid, struct err *err)
{
	char *copy = xstrdup(path), *p;
	struct stat st;
	int rc = 0;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		goto out;
	for (p = copy + 1; rc == 0 && *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST)
			rc = err_errno(err, "cannot make directory %s", copy);
		*p = '/';
	}
	if (rc != 0)
		goto out;
	/* Only what is made here is given away: a link there may lead to
	 * anything. */
	if (mkdir(path, 0755) == 0) {
		if (geteuid() == 0 && uid != (uid_t)-1 &&
			lchown(path, uid, gid) == -1)
			rc = err_errno(err, "owner of %s", path);
	} else if (errno != EEXIST) {
		rc = err_errno(err, "cannot make directory %s", path);
	}
out:
	free(copy);
	return rc;
}

int dirs_make(const struct conf *c, struct err *err)
{
	if (dirs_make_one(c->run_dir, (uid_t)-1, (gid_t)-1, err) != 0)
		return -1;
	if (c->log_dir != NULL &&
		dirs_make_one(c->log_dir, c->uid, c->gid, err) != 0)
		return -1;
	return 0;
}
