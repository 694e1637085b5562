/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "master/daemonize.h"

static int tell_fd = -1;

static void daemonize_wait(int fd) __attribute__((noreturn));

static void daemonize_wait(int fd)
{
	unsigned char code = EXIT_SYSTEM;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n == -1 && errno == EINTR);
	_exit(code);
}

int daemonize(struct err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return err_errno(err, "pipe");
	pid = fork();
	if (pid == -1)
		return err_errno(err, "fork");
	if (pid > 0) {
		close(fds[1]);
		daemonize_wait(fds[0]);
	}
	close(fds[0]);
	tell_fd = fds[1];
	if (setsid() == -1)
		return err_errno(err, "setsid");
	/* No session leader, no controlling terminal by accident. */
	pid = fork();
	if (pid == -1)
		return err_errno(err, "fork");
	if (pid > 0)
		_exit(EXIT_OK);
	if (chdir("/") == -1)
		return err_errno(err, "/");
	return 0;
}

/* The streams go last: until now they carried the errors of the start. */
static void daemonize_close_streams(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	if (fd == -1)
		return;
	for (i = 0; i < 3; i++)
		(void)dup2(fd, i);
	close(fd);
}

void daemonize_tell(int exit_code)
{
	unsigned char code = (unsigned char)exit_code;

	if (tell_fd == -1)
		return;
	daemonize_close_streams();
	if (write(tell_fd, &code, 1) != 1)
		log_warn("nobody waits for the start any more");
	close(tell_fd);
	tell_fd = -1;
}
