/* SPDX-License-Identifier: ISC */
/*
 * queue_loop - the least programs that do what the queue does.
 *
 *	queue_loop add SOCKET STREAM COUNT TASK
 *	queue_loop pace SOCKET STREAM COUNT PER_SECOND
 *	queue_loop consume SOCKET STREAM BATCH CONSUMER [STAMPS]
 *	queue_loop watch SOCKET STREAM
 *	queue_loop spawn COUNT WINDOW
 *
 * add: XADD in pipelines of 64.  pace: one task at a time, for the handler
 * "stamp", with the time in it.  consume: reads BATCH entries at a time, and
 * sends one XACK and one XDEL of all of them in the same write as the next
 * read; with STAMPS it takes the time that each stamped task was on its way
 * into that file; runs until it is killed.  watch: until the stream is empty,
 * then prints "from_us" of the first look at which it had shrunk, "left", the
 * entries of that look, and "until_us".  spawn: WINDOW processes of /bin/true
 * at a time by posix_spawn.
 */
#include <hiredis/hiredis.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

#define PIPELINE  64
#define BATCH_MAX 1024
#define LOOK_US   2000

extern char **environ;

static void die(const char *what)
{
	fprintf(stderr, "queue_loop: %s\n", what);
	exit(1);
}

static redisContext *dial(const char *path)
{
	redisContext *r = redisConnectUnix(path);

	if (r == NULL || r->err != 0)
		die(r != NULL ? r->errstr : "no memory");
	return r;
}

static redisReply *answer(redisContext *r)
{
	void *reply = NULL;

	if (redisGetReply(r, &reply) != REDIS_OK)
		die(r->errstr);
	if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
		die(((redisReply *)reply)->str);
	return reply;
}

static void pause_us(int64_t us)
{
	struct timespec ts = { us / US_PER_S, us % US_PER_S * 1000 };

	nanosleep(&ts, NULL);
}

static void add_one(redisContext *r, const char *stream, const char *task)
{
	const char *argv[] = { "XADD", stream, "*", "task", task };
	size_t lens[] = { 4, strlen(stream), 1, 4, strlen(task) };

	redisAppendCommandArgv(r, 5, argv, lens);
}

static void add(
	redisContext *r, const char *stream, long count, const char *task)
{
	long sent, i, part;

	for (sent = 0; sent < count; sent += part) {
		part = count - sent < PIPELINE ? count - sent : PIPELINE;
		for (i = 0; i < part; i++)
			add_one(r, stream, task);
		for (i = 0; i < part; i++)
			freeReplyObject(answer(r));
	}
}

static void pace(redisContext *r, const char *stream, long count, long rate)
{
	int64_t due_us = clock_now();
	char task[128];
	long i;

	for (i = 0; i < count; i++) {
		due_us += US_PER_S / rate;
		pause_us(due_us > clock_now() ? due_us - clock_now() : 0);
		snprintf(task, sizeof(task),
			"{\"handler\":\"stamp\",\"params\":{\"at\":%lld}}",
			(long long)clock_now());
		add_one(r, stream, task);
		freeReplyObject(answer(r));
	}
}

static void stamp(FILE *stamps, const redisReply *entry)
{
	const char *at = strstr(entry->element[1]->element[1]->str, "\"at\":");
	int64_t now_us = clock_now();

	if (at != NULL)
		fprintf(stamps, "wait_us %lld\n",
			(long long)(now_us - strtoll(at + 5, NULL, 10)));
	fflush(stamps);
}

/* One command for all entries of a batch. */
static void end_batch(redisContext *r, const char *const *head, int head_count,
	const redisReply *entries)
{
	const char *argv[BATCH_MAX + 3];
	size_t lens[BATCH_MAX + 3], i;
	int n;

	for (n = 0; n < head_count; n++) {
		argv[n] = head[n];
		lens[n] = strlen(head[n]);
	}
	for (i = 0; i < entries->elements; i++, n++) {
		argv[n] = entries->element[i]->element[0]->str;
		lens[n] = (size_t)entries->element[i]->element[0]->len;
	}
	redisAppendCommandArgv(r, n, argv, lens);
}

static void consume(redisContext *r, const char *stream, const char *batch,
	const char *consumer, FILE *stamps)
{
	const char *ack[] = { "XACK", stream, "reeve" };
	const char *del[] = { "XDEL", stream };
	const char *read[] = { "XREADGROUP", "GROUP", "reeve", consumer,
		"COUNT", batch, "BLOCK", "0", "STREAMS", stream, ">" };
	redisReply *reply, *entries;
	size_t i;

	redisAppendCommandArgv(r, 11, read, NULL);
	for (;;) {
		reply = answer(r);
		entries = reply->element[0]->element[1];
		for (i = 0; stamps != NULL && i < entries->elements; i++)
			stamp(stamps, entries->element[i]);
		end_batch(r, ack, 3, entries);
		end_batch(r, del, 2, entries);
		redisAppendCommandArgv(r, 11, read, NULL);
		freeReplyObject(reply);
		freeReplyObject(answer(r));
		freeReplyObject(answer(r));
	}
}

static long long length(redisContext *r, const char *stream)
{
	redisReply *reply;
	long long n;

	redisAppendCommand(r, "XLEN %s", stream);
	reply = answer(r);
	n = reply->integer;
	freeReplyObject(reply);
	return n;
}

static void watch(redisContext *r, const char *stream)
{
	long long whole = length(r, stream), left;

	printf("watching %lld\n", whole);
	fflush(stdout);
	while ((left = length(r, stream)) == whole)
		pause_us(LOOK_US);
	printf("left %lld\nfrom_us %lld\n", left, (long long)clock_now());
	while (length(r, stream) > 0)
		pause_us(LOOK_US);
	printf("until_us %lld\n", (long long)clock_now());
}

static void spawn(long count, long window)
{
	char *argv[] = { (char[]){ "true" }, NULL };
	long begun = 0, ended = 0;
	pid_t pid;

	while (ended < count) {
		while (begun < count && begun - ended < window) {
			if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv,
				    environ) != 0)
				die("posix_spawn failed");
			begun++;
		}
		if (wait(NULL) == -1)
			die("wait failed");
		ended++;
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: queue_loop add|pace|consume|watch|spawn …\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	int64_t from_us = clock_now();

	if (strcmp(what, "spawn") == 0)
		spawn(atol(argv[2]), atol(argv[3]));
	else if (strcmp(what, "add") == 0 && argc == 6)
		add(dial(argv[2]), argv[3], atol(argv[4]), argv[5]);
	else if (strcmp(what, "pace") == 0 && argc == 6)
		pace(dial(argv[2]), argv[3], atol(argv[4]), atol(argv[5]));
	else if (strcmp(what, "watch") == 0)
		watch(dial(argv[2]), argv[3]);
	else if (strcmp(what, "consume") == 0 && argc >= 6 &&
		 atol(argv[4]) <= BATCH_MAX)
		consume(dial(argv[2]), argv[3], argv[4], argv[5],
			argc > 6 ? fopen(argv[6], "a") : NULL);
	else
		return usage();
	printf("spent_us %lld\n", (long long)(clock_now() - from_us));
	return 0;
}
