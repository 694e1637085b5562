/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "deploy/files.h"
#include "deploy/spare.h"

#define SPARE_NAME  ".gate-"
#define SPARE_GONE  ".gone-" /* is being removed */
#define SPARE_TRIES 100

/* The lock of a directory, if nobody has it and it is still of this name; -1
 * else, with errno. */
static int spare_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat mine, there;

	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
		lstat(path, &there) == 0 && mine.st_ino == there.st_ino)
		return fd;
	close(fd);
	errno = EAGAIN;
	return -1;
}

/* Somebody may take it for left over before it is locked: then another. */
static int spare_make_one(const char *root, char **ret_path)
{
	char *path;
	int fd, tries;

	for (tries = 0; tries < SPARE_TRIES; tries++) {
		path = xasprintf("%s/" SPARE_NAME "XXXXXX", root);
		if (mkdtemp(path) == NULL) {
			free(path);
			return -1;
		}
		fd = spare_lock(path);
		if (fd != -1) {
			*ret_path = path;
			return fd;
		}
		free(path);
	}
	return -1;
}

static int spare_make_root(
	const char *root, uid_t uid, gid_t gid, struct err *err)
{
	if (files_is_directory(root))
		return 0;
	if (files_make_path(root, err) != 0)
		return -1;
	return lchown(root, uid, gid) == 0 ? 0 : err_errno(err, "%s", root);
}

int spare_make(const char *root, uid_t uid, gid_t gid, char **ret_path,
	struct err *err)
{
	int fd;

	if (spare_make_root(root, uid, gid, err) != 0)
		return -1;
	fd = spare_make_one(root, ret_path);
	if (fd == -1)
		return err_errno(err, "%s", root);
	if (fchown(fd, uid, gid) == 0)
		return fd;
	(void)err_errno(err, "%s", *ret_path);
	(void)rmdir(*ret_path);
	free(*ret_path);
	close(fd);
	return -1;
}

static bool spare_begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Its path, heap, once it is sure that nobody has it. */
static char *spare_take(const char *root, const char *name)
{
	char *path = xasprintf("%s/%s", root, name), *gone;
	int fd;

	if (spare_begins(name, SPARE_GONE))
		return path;
	fd = spare_begins(name, SPARE_NAME) ? spare_lock(path) : -1;
	if (fd == -1) {
		free(path);
		return NULL;
	}
	gone = xasprintf(
		"%s/" SPARE_GONE "%s", root, name + strlen(SPARE_NAME));
	if (rename(path, gone) == -1) {
		free(gone);
		gone = NULL;
	}
	free(path);
	close(fd);
	return gone;
}

size_t spare_left_over(const char *root, char *ret_paths[SPARE_LEFT_MAX])
{
	DIR *dir = opendir(root);
	struct dirent *e;
	size_t n = 0;

	while (dir != NULL && n < SPARE_LEFT_MAX &&
		(e = readdir(dir)) != NULL) {
		ret_paths[n] = spare_take(root, e->d_name);
		if (ret_paths[n] != NULL)
			n++;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}
