/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/opt.h"
#include "deploy/files.h"

#define FILES_RELEASES "releases/"
#define FILES_KEPT     ".old" /* behind current: what led elsewhere before */

bool files_is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *files_read(const char *path, size_t max, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	ssize_t n;

	if (fd == -1) {
		(void)err_errno(err, "%s", path);
		return NULL;
	}
	text = xmalloc(max + 1);
	n = read(fd, text, max);
	if (n == -1) {
		(void)err_errno(err, "%s", path);
		free(text);
		text = NULL;
	} else {
		text[n] = '\0';
	}
	close(fd);
	return text;
}

static int files_make(const char *path, struct err *err)
{
	if (mkdir(path, 0755) == 0 ||
		(errno == EEXIST && files_is_directory(path)))
		return 0;
	return err_errno(err, "%s", path);
}

/* All directories above a path. */
static int files_make_above(const char *path, struct err *err)
{
	char *above = xstrdup(path), *at = above;
	int rc = 0;

	while (rc == 0 && (at = strchr(at + 1, '/')) != NULL) {
		*at = '\0';
		rc = files_make(above, err);
		*at = '/';
	}
	free(above);
	return rc;
}

static int files_make_below(const char *root, const char *name, struct err *err)
{
	char *path = xasprintf("%s/%s", root, name);
	int rc = files_make(path, err);

	free(path);
	return rc;
}

int files_make_path(const char *path, struct err *err)
{
	return files_make_above(path, err) == 0 ? files_make(path, err) : -1;
}

int files_make_root(const char *root, struct err *err)
{
	if (files_make_path(root, err) != 0 ||
		files_make_below(root, "releases", err) != 0)
		return -1;
	return files_make_below(root, "shared", err);
}

/* What was changed in the directory of a path is on the disk. */
static int files_sync_above(const char *path, struct err *err)
{
	char *above = xstrdup(path);
	int fd, rc = 0;

	*strrchr(above, '/') = '\0';
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		rc = err_errno(err, "%s", above);
	if (fd != -1)
		close(fd);
	free(above);
	return rc;
}

int files_rename(const char *from, const char *to, struct err *err)
{
	if (rename(from, to) == -1)
		return err_errno(err, "%s", to);
	return files_sync_above(to, err);
}

/* What the release brings at a shared path: the first time it is what is
 * shared, later it stays beside it. */
static int files_set_aside(
	const char *shared, const char *inside, struct err *err)
{
	char *aside = xasprintf("%s.release", inside);
	struct stat st;
	int rc;

	if (lstat(shared, &st) == -1)
		rc = rename(inside, shared);
	else
		rc = rename(inside, aside);
	if (rc == -1)
		rc = err_errno(err, "%s", inside);
	free(aside);
	return rc;
}

static int files_share_one(
	const char *shared, const char *inside, struct err *err)
{
	struct stat st;

	if (files_make_above(shared, err) != 0 ||
		files_make_above(inside, err) != 0)
		return -1;
	if (lstat(inside, &st) == 0) {
		if (!S_ISLNK(st.st_mode))
			return files_set_aside(shared, inside, err);
		if (unlink(inside) == -1)
			return err_errno(err, "%s", inside);
	}
	return access(shared, F_OK) == 0 ? 0 : files_make(shared, err);
}

/* No directory of a release above a path is a link: behind one would be what is
 * not its own.  start: where its name ends. */
static int files_check_above(const char *inside, size_t start, struct err *err)
{
	char *above = xstrdup(inside), *at = above + start;
	struct stat st;
	int rc = 0;

	while (rc == 0 && (at = strchr(at + 1, '/')) != NULL) {
		*at = '\0';
		if (lstat(above, &st) == 0 && S_ISLNK(st.st_mode))
			rc = err_set(err, 0,
				"%s is a link: nothing behind it can be shared",
				above);
		*at = '/';
	}
	free(above);
	return rc;
}

int files_share(const char *root, const char *release,
	const struct conf_strings *paths, struct err *err)
{
	char *shared, *inside;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < paths->count; i++) {
		shared = xasprintf("%s/shared/%s", root, paths->items[i]);
		inside = xasprintf("%s/%s", release, paths->items[i]);
		rc = files_check_above(inside, strlen(release), err);
		if (rc == 0)
			rc = files_share_one(shared, inside, err);
		if (rc == 0 && symlink(shared, inside) == -1)
			rc = err_errno(err, "%s", inside);
		free(shared);
		free(inside);
	}
	return rc;
}

/* Is it the same directory? */
static bool files_is_same(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 &&
	       S_ISDIR(one.st_mode) && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* What the link says; 0, or -1 with err: it is none, or leads elsewhere. */
static int files_read_current(const char *root, const char *path,
	char *ret_version, size_t size, struct err *err)
{
	char target[PATH_MAX], *release;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *name;
	int rc = 0;

	if (n == -1 && errno == ENOENT)
		return 0;
	if (n == -1 && errno == EINVAL)
		return err_set(err, 0, "%s is no link: move it away", path);
	if (n == -1)
		return err_errno(err, "%s", path);
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name != NULL ? name + 1 : target;
	release = xasprintf("%s/" FILES_RELEASES "%s", root, name);
	if (files_is_same(path, release) && strlen(name) < size)
		snprintf(ret_version, size, "%s", name);
	else if (access(path, F_OK) == 0)
		rc = err_set(err, 0,
			"%s leads to %s, which is no release of releases/: "
			"there would be no way back to it",
			path, target);
	free(release);
	return rc;
}

int files_current(
	const char *root, char *ret_version, size_t size, struct err *err)
{
	char *path = xasprintf("%s/current", root);
	int rc;

	ret_version[0] = '\0';
	rc = files_read_current(root, path, ret_version, size, err);
	free(path);
	return rc;
}

static bool files_leads_to(const char *path, const char *target)
{
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n == -1)
		return false;
	text[n] = '\0';
	return strcmp(text, target) == 0;
}

static int files_set_link(const char *path, const char *target, struct err *err)
{
	char *fresh = xasprintf("%s.new", path);
	int rc = 0;

	(void)unlink(fresh);
	if (symlink(target, fresh) == -1 || rename(fresh, path) == -1) {
		rc = err_errno(err, "%s", path);
		(void)unlink(fresh);
	}
	free(fresh);
	return rc;
}

int files_link(const char *root, const char *link, const char *version,
	struct err *err)
{
	char *path = xasprintf("%s/%s", root, link);
	char *target = xasprintf(FILES_RELEASES "%s", version);
	int rc = 0;

	if (*version != '\0' && !files_leads_to(path, target))
		rc = files_set_link(path, target, err);
	else if (*version == '\0' && unlink(path) == -1 && errno != ENOENT)
		rc = err_errno(err, "%s", path);
	if (rc == 0)
		rc = files_sync_above(path, err);
	free(path);
	free(target);
	return rc;
}

/* Keep where a link leads in another, for the way back, which may then have no
 * room for a new one. */
static int files_keep_link(const char *path, const char *kept, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n == -1)
		return 0;
	target[n] = '\0';
	return files_leads_to(kept, target) ? 0
					    : files_set_link(kept, target, err);
}

int files_switch(const char *root, const char *version, struct err *err)
{
	char *path = xasprintf("%s/current", root);
	char *kept = xasprintf("%s" FILES_KEPT, path);
	char *target = xasprintf(FILES_RELEASES "%s", version);
	int rc = 0;

	if (*version != '\0' && !files_leads_to(path, target) &&
		(!files_leads_to(kept, target) || rename(kept, path) == -1))
		rc = files_keep_link(path, kept, err);
	if (rc == 0)
		rc = files_link(root, "current", version, err);
	free(path);
	free(kept);
	free(target);
	return rc;
}

int files_write(const char *path, const char *text, struct err *err)
{
	char *fresh = xasprintf("%s.new", path);
	size_t len = strlen(text);
	int fd, rc = 0;

	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd != -1)
		errno = ENOSPC; /* of a write that comes to an end early */
	if (fd == -1 || fchmod(fd, 0644) == -1 ||
		write(fd, text, len) != (ssize_t)len || fsync(fd) == -1)
		rc = err_errno(err, "%s", fresh);
	if (fd != -1)
		close(fd);
	if (rc == 0)
		rc = files_rename(fresh, path, err);
	if (rc != 0)
		(void)unlink(fresh);
	free(fresh);
	return rc;
}

void files_switched(const char *root)
{
	char *kept = xasprintf("%s/current" FILES_KEPT, root);

	(void)unlink(kept);
	free(kept);
}
