/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/procfs.h"

/* /proc/PID/status is about 1.5 KiB, smaps_rollup under 1 KiB (Linux 6.1). */
#define PROCFS_TEXT_MAX 4096

static int procfs_read(
	pid_t pid, const char *file, char ret_text[PROCFS_TEXT_MAX])
{
	char path[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	do {
		n = read(fd, ret_text + len, PROCFS_TEXT_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	close(fd);
	ret_text[len] = '\0';
	return n == 0 && len > 0 ? 0 : -1;
}

/* The number behind `name` at the start of a line: "Pss:     1234 kB". */
static int64_t procfs_field(pid_t pid, const char *file, const char *name)
{
	char text[PROCFS_TEXT_MAX];
	size_t len = strlen(name);
	const char *line;

	if (procfs_read(pid, file, text) != 0)
		return -1;
	for (line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0)
			return strtoll(line + len, NULL, 10);
	}
	return -1;
}

int64_t procfs_pss_kb(pid_t pid)
{
	return procfs_field(pid, "smaps_rollup", "Pss:");
}

int64_t procfs_rss_kb(pid_t pid)
{
	char text[PROCFS_TEXT_MAX];
	long long resident;

	if (procfs_read(pid, "statm", text) != 0 ||
		sscanf(text, "%*s %lld", &resident) != 1)
		return -1;
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int64_t procfs_anon_kb(pid_t pid)
{
	return procfs_field(pid, "status", "RssAnon:");
}
