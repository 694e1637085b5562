/* SPDX-License-Identifier: ISC */
/*
 * files - links and names in the directory of an application, changed so that
 * a crash leaves the old or the new.
 */
#ifndef DEPLOY_FILES_H
#define DEPLOY_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct conf_strings;

bool files_is_directory(const char *path);
/* All of a small file, NUL-terminated, heap; NULL with err. */
char *files_read(const char *path, size_t max, struct err *err);
/* A directory, and all above it, where they are not there. */
int files_make_path(const char *path, struct err *err);
/* root, root/releases and root/shared. */
int files_make_root(const char *root, struct err *err);
/* Rename a directory and wait until its parent knows of it. */
int files_rename(const char *from, const char *to, struct err *err);
/*
 * Make each path of a release a link to the same path under root/shared.  What
 * the release brings there is moved to it the first time, and later renamed to
 * PATH.release beside the link.
 */
int files_share(const char *root, const char *release,
	const struct conf_strings *paths, struct err *err);

/*
 * The version that root/current leads to: "" for none, or for one that is gone.
 * Returns 0, or -1 with err and "" when something else is there, that nobody
 * could go back to.
 */
int files_current(
	const char *root, char *ret_version, size_t size, struct err *err);
/* Make it lead to another, by one rename; "": to none.  The way back takes no
 * room on the disk, until files_switched. */
int files_switch(const char *root, const char *version, struct err *err);
/* The same of another link than current. */
int files_link(const char *root, const char *link, const char *version,
	struct err *err);
/* Replace a file that all may read, by one rename. */
int files_write(const char *path, const char *text, struct err *err);
/* There is no way back any more. */
void files_switched(const char *root);

#endif
