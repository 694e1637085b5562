/* SPDX-License-Identifier: ISC */
/* logger/sink: lines reach the file, whatever the disk says. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "logger/sink.h"
#include "tap.h"

static const struct sink_limits limits = {
	.keep_max = 4096,
	.pause_us = 50 * US_PER_MS,
	.retry_us = 5 * US_PER_MS,
	.retry_max_us = 10 * US_PER_MS,
};

static char dir[64], path[96];
static struct loop *loop;
static int disk_is_full; /* an errno: what every write fails with */
static size_t disk_room; /* bytes that still fit, while disk_is_full */
static int room_calls;

static ssize_t full_write(int fd, const void *data, size_t len)
{
	if (disk_is_full == 0)
		return write(fd, data, len);
	if (disk_room == 0) {
		errno = disk_is_full;
		return -1;
	}
	if (len > disk_room)
		len = disk_room;
	disk_room -= len;
	return write(fd, data, len);
}

static void on_room(struct sink *s, void *arg)
{
	(void)s;
	(void)arg;
	room_calls++;
}

static void on_time(void *arg)
{
	loop_stop(arg);
}

static void run_for(int64_t us)
{
	struct loop_timer *t = loop_timer_new(loop, on_time, loop);

	loop_timer_start(t, us);
	(void)loop_run(loop);
	loop_timer_free(t);
}

/* Turn the loop until `done` says so; false after 10 s. */
static bool run_until(bool (*done)(const struct sink *), const struct sink *s)
{
	int64_t end = clock_now() + 10 * US_PER_S;

	while (!done(s) && clock_now() < end)
		run_for(2 * US_PER_MS);
	return done(s);
}

static bool is_lossy(const struct sink *s)
{
	return sink_lost(s) > 0;
}

static const char *slurp(const char *name)
{
	static char text[65536];
	FILE *f = fopen(name, "r");
	size_t n = 0;

	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static struct sink *begin(void)
{
	(void)unlink(path);
	disk_is_full = 0;
	disk_room = 0;
	room_calls = 0;
	return sink_new(loop, path, &limits, on_room, NULL);
}

static void put(struct sink *s, const char *text)
{
	sink_line(s, "> ", text, strlen(text), LINES_WHOLE);
}

static void test_write(void)
{
	struct sink *s = begin();
	struct stat st;

	put(s, "one\x01");
	sink_line(s, "> ", "two", 3, LINES_CUT);
	is_str("", slurp(path), "lines wait for the flush");
	sink_flush(s);
	is_str("> one\\x01\n> two\\\n", slurp(path),
		"then they are in the file, escaped and marked");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640,
		"the file's mode is 0640");
	sink_free(s);
}

static void test_reopen(void)
{
	struct sink *s = begin();
	struct err err;
	char old[128];

	snprintf(old, sizeof(old), "%s.1", path);
	put(s, "before");
	if (rename(path, old) != 0)
		bail("rename: %s", strerror(errno));
	is_int(0, sink_reopen(s, &err), "a file is opened anew");
	put(s, "after");
	sink_flush(s);
	is_str("> before\n", slurp(old), "what waited is in the old file");
	is_str("> after\n", slurp(path), "what came later in the new one");

	(void)unlink(path);
	if (mkdir(path, 0700) != 0)
		bail("mkdir: %s", strerror(errno));
	is_int(-1, sink_reopen(s, &err),
		"a file that cannot be opened is said");
	has_str(path, err.text, "by name");
	(void)rmdir(path);
	is_int(0, sink_reopen(s, &err), "later it can");
	put(s, "on");
	sink_flush(s);
	is_str("> on\n", slurp(path), "and is used");
	sink_free(s);
	(void)unlink(old);
}

static void test_full_for_a_while(void)
{
	struct sink *s = begin();

	disk_is_full = ENOSPC;
	disk_room = 8;
	put(s, "first");
	put(s, "second");
	sink_flush(s);
	is_str("> first\n", slurp(path), "a full disk takes what fits");
	ok(!sink_is_full(s), "lines are kept without a pause");
	disk_room = 3;
	run_for(20 * US_PER_MS);
	disk_is_full = 0;
	ok(run_until(sink_is_empty, s), "they are written when there is room");
	is_str("> first\n> second\n", slurp(path), "once, and whole");
	is_int(0, (int64_t)sink_lost(s), "none is lost");
	sink_free(s);
}

static void test_full_for_long(void)
{
	struct sink *s = begin();
	int i, kept = 0;
	const char *text, *at;

	disk_is_full = ENOSPC;
	for (i = 0; i < 10000 && !sink_is_full(s); i++) {
		put(s, "a line");
		sink_flush(s);
	}
	ok(sink_is_full(s), "at the limit the readers are asked to pause");
	kept = i;
	while (sink_is_full(s))
		run_for(2 * US_PER_MS);
	is_int(1, room_calls, "after a while they go on");
	put(s, "lost one");
	put(s, "lost two");
	ok(run_until(is_lossy, s), "and their lines are counted");
	disk_is_full = 0;
	ok(run_until(sink_is_empty, s), "writing works again");
	text = slurp(path);
	for (at = text; (at = strstr(at, "> a line\n")) != NULL; at++)
		kept--;
	is_int(0, kept, "every line kept is in the file");
	has_str("2 lines lost: No space left on device\n", text,
		"and a line says what is missing");
	put(s, "new");
	sink_flush(s);
	has_str("on device\n> new\n", slurp(path), "before what comes next");
	sink_free(s);
}

static void test_no_directory(void)
{
	struct sink *s;
	char deep[128], below[160];

	snprintf(deep, sizeof(deep), "%s/later", dir);
	snprintf(below, sizeof(below), "%s/x.log", deep);
	s = sink_new(loop, below, &limits, on_room, NULL);
	put(s, "early");
	sink_flush(s);
	if (mkdir(deep, 0700) != 0)
		bail("mkdir: %s", strerror(errno));
	ok(run_until(sink_is_empty, s), "a file that could not be opened is");
	is_str("> early\n", slurp(below), "with the lines kept for it");
	sink_free(s);
	(void)unlink(below);
	(void)rmdir(deep);
}

/* Standard error, when it is a pipe that nobody reads. */
static void test_slow_reader(void)
{
	static char back[1 << 20];
	int fds[2], saved = dup(2);
	size_t total = 0, sent = 0;
	struct sink *s;

	if (pipe(fds) != 0 || dup2(fds[1], 2) == -1)
		bail("pipe: %s", strerror(errno));
	s = sink_new(loop, NULL, &limits, on_room, NULL);
	while (!sink_is_full(s)) {
		put(s, "0123456789");
		sink_flush(s);
		sent += 13;
	}
	ok(!sink_is_empty(s), "a full pipe does not block the sink");
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (total < sent) {
		ssize_t n = read(fds[0], back + total, sizeof(back) - total);

		if (n > 0)
			total += (size_t)n;
		else if (room_calls++ < 1000)
			run_for(US_PER_MS);
		else
			break;
	}
	is_int((int64_t)sent, (int64_t)total, "its reader gets every byte");
	ok(sink_is_empty(s), "and then nothing waits");
	sink_free(s);
	dup2(saved, 2);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	log_to(null, LOG_FULL);
	snprintf(dir, sizeof(dir), "/tmp/reeve-sink-XXXXXX");
	if (mkdtemp(dir) == NULL)
		bail("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/pool.log", dir);
	umask(022);
	loop = loop_new();
	sink_write = full_write;
	test_write();
	test_reopen();
	test_full_for_a_while();
	test_full_for_long();
	test_no_directory();
	test_slow_reader();
	loop_free(loop);
	(void)unlink(path);
	(void)rmdir(dir);
	close(null);
	return tap_done();
}
