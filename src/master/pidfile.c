/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/pidfile.h"

#define PIDFILE_TRIES 10

static struct {
	int fd;
	char *path;
} held = { -1, NULL };

static bool pidfile_is(int fd, const char *path)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && lstat(path, &there) == 0 &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int pidfile_lock(int fd, const char *path, struct err *err)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &fl) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_errno(err, "cannot lock %s", path);
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
	(void)fcntl(fd, F_GETLK, &fl);
	return err_set(err, EAGAIN,
		"already running as process %d, which holds %s",
		fl.l_type == F_UNLCK ? 0 : (int)fl.l_pid, path);
}

static int pidfile_write(int fd, const char *path, struct err *err)
{
	if (ftruncate(fd, 0) == -1 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return err_errno(err, "cannot write %s", path);
	return 0;
}

int pidfile_open(const char *path, struct err *err)
{
	int fd, i;

	for (i = 0; i < PIDFILE_TRIES; i++) {
		fd = open(
			path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd == -1)
			return err_errno(err, "cannot open %s", path);
		if (pidfile_lock(fd, path, err) != 0) {
			close(fd);
			return -1;
		}
		/* The one before us may have unlinked it in between. */
		if (pidfile_is(fd, path))
			break;
		close(fd);
	}
	if (i == PIDFILE_TRIES)
		return err_set(err, EBUSY, "%s does not stay", path);
	if (pidfile_write(fd, path, err) != 0) {
		close(fd);
		return -1;
	}
	pidfile_adopt(fd, path);
	return 0;
}

void pidfile_adopt(int fd, const char *path)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	held.fd = fd;
	free(held.path);
	held.path = xstrdup(path);
}

int pidfile_fd(void)
{
	return held.fd;
}

const char *pidfile_path(void)
{
	return held.path;
}

void pidfile_close(void)
{
	if (held.fd == -1)
		return;
	if (pidfile_is(held.fd, held.path))
		(void)unlink(held.path);
	close(held.fd);
	held.fd = -1;
	free(held.path);
	held.path = NULL;
}

pid_t pidfile_holder(const char *path, struct err *err)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC), rc;

	if (fd == -1 && errno == EACCES)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1)
		return err_errno(err, "cannot open %s", path);
	rc = fcntl(fd, F_GETLK, &fl);
	close(fd);
	if (rc == -1)
		return err_errno(err, "cannot ask for the lock of %s", path);
	return fl.l_type == F_UNLCK ? 0 : fl.l_pid;
}
