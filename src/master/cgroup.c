/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/cgroup.h"

/* Where version 2 is mounted: alone, or beside version 1. */
static const char *const cgroup_mounts[] = { "/sys/fs/cgroup",
	"/sys/fs/cgroup/unified", NULL };

/* Our groups are called so, to tell them from an administrator's. */
#define CGROUP_PREFIX "reeve-"
#define CGROUP_TRIES  10

static char *home; /* the group we may divide; NULL: none */

/* "/a/b" of the line "0::/a/b" (cgroups(7)). */
static char *cgroup_own_path(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX], *path = NULL;

	if (f == NULL)
		return NULL;
	while (path == NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "0::/", 4) == 0)
			path = xstrndup(line + 3, strcspn(line + 3, "\n"));
	fclose(f);
	return path;
}

static bool cgroup_is_delegated(const char *dir)
{
	char value[2];

	return (getxattr(dir, "trusted.delegate", value, 1) == 1 ||
		       getxattr(dir, "user.delegate", value, 1) == 1) &&
	       value[0] == '1' && access(dir, W_OK) == 0;
}

static char *cgroup_path(const char *token, const char *file)
{
	return xasprintf("%s/" CGROUP_PREFIX "%s%s", home, token, file);
}

static int cgroup_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc, saved;

	if (fd == -1)
		return -1;
	rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

/* A group that is not empty refuses, which is what a sweep relies on. */
void cgroup_sweep(void)
{
	struct dirent *e;
	DIR *d;

	if (home == NULL || (d = opendir(home)) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		char *path;

		if (strncmp(e->d_name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) !=
			0)
			continue;
		path = xasprintf("%s/%s", home, e->d_name);
		(void)rmdir(path);
		free(path);
	}
	closedir(d);
}

void cgroup_init(void)
{
	char *own = cgroup_own_path();
	int i;

	for (i = 0; own != NULL && home == NULL && cgroup_mounts[i]; i++) {
		char *dir = xasprintf("%s%s", cgroup_mounts[i], own);
		char *procs = xasprintf("%s/cgroup.procs", dir);

		if (access(procs, F_OK) == 0 && cgroup_is_delegated(dir))
			home = xstrdup(dir);
		free(procs);
		free(dir);
	}
	free(own);
	if (home == NULL)
		return;
	log_info("each program gets a control group below %s", home);
	cgroup_sweep();
}

bool cgroup_is_on(void)
{
	return home != NULL;
}

int cgroup_enter(const char *token)
{
	char *dir, *procs;
	int rc = -1, i;

	if (home == NULL)
		return 0;
	dir = cgroup_path(token, "");
	procs = cgroup_path(token, "/cgroup.procs");
	/* The master's sweep may take it while it is still empty. */
	for (i = 0; i < CGROUP_TRIES && rc == -1; i++) {
		if (mkdir(dir, 0755) == -1 && errno != EEXIST)
			break;
		rc = cgroup_write(procs, "0");
	}
	free(procs);
	free(dir);
	return rc;
}

void cgroup_kill(const char *token)
{
	char *dir, *file;

	if (home == NULL || *token == '\0')
		return;
	dir = cgroup_path(token, "");
	file = cgroup_path(token, "/cgroup.kill");
	if (rmdir(dir) == -1 && errno == EBUSY && cgroup_write(file, "1") == -1)
		log_warn("cannot kill what is left in %s: %s", dir,
			strerror(errno));
	(void)rmdir(dir);
	free(file);
	free(dir);
}
