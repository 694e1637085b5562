/* SPDX-License-Identifier: ISC */
/* logger/stream: from a pipe to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "logger/stream.h"
#include "tap.h"

static char dir[64], path[96];
static struct loop *loop;
static struct sink *sink;
static struct stream *stream;
static bool ended;

static void on_room(struct sink *s, void *arg)
{
	(void)s;
	(void)arg;
}

static void on_lines(void *arg)
{
	(void)arg;
	sink_flush(sink);
}

static void on_end(void *arg)
{
	(void)arg;
	sink_flush(sink);
	ended = true;
	stream_free(stream);
	stream = NULL;
	loop_stop(loop);
}

static const struct stream_events events = { on_lines, on_end };

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

static const char *slurp(void)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

/* A stream of pool web, place 3, pid 77; returns where to write. */
static int begin(enum msg_stream which)
{
	struct msg m = { .type = MSG_MASTER_STREAM, .token = which };
	int fds[2];

	(void)unlink(path);
	ended = false;
	m.value = 3;
	snprintf(m.name, sizeof(m.name), "web");
	snprintf(m.text, sizeof(m.text), "77");
	if (pipe(fds) != 0)
		bail("pipe: %s", strerror(errno));
	sink = sink_new(loop, path, &sink_limits_default, on_room, NULL);
	stream = stream_new(loop, fds[0], &m, sink, &events, NULL);
	return fds[1];
}

static void end(int fd)
{
	close(fd);
	stream_free(stream);
	stream = NULL;
	sink_free(sink);
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) == -1)
		bail("write: %s", strerror(errno));
}

static void test_stamp(void)
{
	int fd = begin(MSG_STREAM_STDERR);
	const char *text;
	int y, n = 0;

	say(fd, "hello\n");
	run_for(20 * US_PER_MS);
	text = slurp();
	ok(sscanf(text, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ %n", &y, &n) == 1 &&
			n == 25,
		"a line begins with its time");
	is_str("web.3[77] err hello\n", text + n,
		"then who said it, where, and what");
	end(fd);

	fd = begin(MSG_STREAM_LOG);
	say(fd, "info http.0[5] ready\n");
	run_for(20 * US_PER_MS);
	is_str("info http.0[5] ready\n", slurp() + 25,
		"a role's own log line gets only the time");
	end(fd);
}

static void test_eof(void)
{
	int fd = begin(MSG_STREAM_STDOUT);

	say(fd, "one\nno end");
	run_for(20 * US_PER_MS);
	ok(strstr(slurp(), "no end") == NULL, "the start of a line waits");
	close(fd);
	run_for(US_PER_S);
	ok(ended, "the end of the pipe is told");
	has_str("web.3[77] out no end\n", slurp(),
		"and a last line without newline written");
	sink_free(sink);
}

static void test_drain(void)
{
	int fd = begin(MSG_STREAM_STDOUT);

	say(fd, "one\ntwo\n");
	ok(stream_drain(stream), "a stream at a line's end is drained at once");
	end(fd);

	fd = begin(MSG_STREAM_STDOUT);
	say(fd, "one\ntw");
	ok(!stream_drain(stream), "inside a line it goes on");
	say(fd, "o\nthree\n");
	run_for(US_PER_S);
	ok(ended, "to the line's end");
	has_str("two\n", slurp(), "which is written");
	ok(strstr(slurp(), "three") == NULL, "and no further");
	sink_free(sink);
	close(fd);

	fd = begin(MSG_STREAM_STDOUT);
	say(fd, "never ends");
	ok(!stream_drain(stream), "a line may have no end");
	stream_finish(stream);
	sink_flush(sink);
	has_str("never ends\\\n", slurp(), "then its start is written, marked");
	end(fd);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/reeve-stream-XXXXXX");
	if (mkdtemp(dir) == NULL)
		bail("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/pool.log", dir);
	loop = loop_new();
	test_stamp();
	test_eof();
	test_drain();
	loop_free(loop);
	(void)unlink(path);
	(void)rmdir(dir);
	return tap_done();
}
