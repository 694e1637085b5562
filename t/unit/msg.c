/* SPDX-License-Identifier: ISC */
/* msg: what a peer that is not to be trusted may put on the channel. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "board/msg.h"
#include "tap.h"

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (d == NULL)
		bail("no /proc");
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* A record of any size with any number of descriptors, two at the most. */
static void put(int channel, const void *data, size_t size, size_t fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int passed[2] = { 0, 0 };

	if (fds > 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), passed, fds * sizeof(int));
		h.msg_control = control.space;
		h.msg_controllen = CMSG_SPACE(fds * sizeof(int));
	}
	if (sendmsg(channel, &h, MSG_NOSIGNAL) != (ssize_t)size)
		bail("cannot send: %s", strerror(errno));
}

static void test_good(const int pair[2])
{
	struct msg m = { .type = MSG_WORKER_RETIRE }, got;
	int fd = -1;

	memset(m.text, 'x', sizeof(m.text));
	put(pair[0], &m, sizeof(m), 1);
	is_int(1, msg_recv(pair[1], &got, &fd), "a message comes");
	is_int(MSG_WORKER_RETIRE, got.type, "its type is kept");
	is_int(MSG_TEXT_MAX - 1, (int64_t)strlen(got.text),
		"a text without an end is given one");
	ok(fd != -1, "a descriptor comes with it");
	close(fd);
	is_int(0, msg_recv(pair[1], &got, &fd), "no message is 0");
}

static void test_strange(const int pair[2])
{
	struct msg m = { .type = MSG_COUNT }, got;
	char large[sizeof(m) + 1] = { 1 };
	int fd = -1;

	put(pair[0], &m, sizeof(m), 1);
	put(pair[0], "?", 1, 0);
	put(pair[0], large, sizeof(large), 0);
	is_int(1, msg_recv(pair[1], &got, &fd),
		"a message of an unknown type is counted");
	is_int(MSG_NONE, got.type, "and says nothing");
	is_int(-1, fd, "nor hands anything on");
	(void)msg_recv(pair[1], &got, &fd);
	is_int(MSG_NONE, got.type, "so is one that is too short");
	(void)msg_recv(pair[1], &got, &fd);
	is_int(MSG_NONE, got.type, "so is one that is too long");
	is_int(0, msg_recv(pair[1], &got, &fd), "each call takes one");
}

static void test_descriptors(const int pair[2])
{
	struct msg m = { .type = MSG_WORKER_READY }, got;
	int before = count_fds(), fd = -1;

	put(pair[0], &m, sizeof(m), 2);
	(void)msg_recv(pair[1], &got, NULL);
	put(pair[0], &m, sizeof(m), 2);
	(void)msg_recv(pair[1], &got, &fd);
	close(fd);
	is_int(before, count_fds(),
		"two descriptors with one message leave "
		"none open");
}

int main(void)
{
	int pair[2];

	log_set_level(LOG_LEVEL_ERROR);
	if (msg_pair(pair) != 0)
		bail("no channel");
	test_good(pair);
	test_strange(pair);
	test_descriptors(pair);
	close(pair[0]);
	return tap_done();
}
