/* SPDX-License-Identifier: ISC */
/*
 * fork_loop - the least a process manager can do, as the limit to hold reeved
 * against: fork processes that wait, and fork another for each that ends.
 *
 *	fork_loop COUNT
 *
 * Prints "forked US" and "running US" (since its own start) and the pids,
 * then does what standard input asks for, a word a line: "respawn" kills each
 * process once and prints "respawn US" from the signal until its successor
 * runs; "stop" ends them all and prints "stopped US".
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define COUNT_MAX 4096

/* Shared by the loop, its processes and the one that drives them. */
struct table {
	_Atomic int64_t forked_at_us, gone_at_us;
	_Atomic int stopping;
	int count;
	struct {
		_Atomic pid_t pid;
		_Atomic int64_t running_at_us;
	} entries[COUNT_MAX];
};

static struct table *table;

static void child_run(int i)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Both sides do it: who sees it running must know its pid. */
	atomic_store(&table->entries[i].pid, getpid());
	atomic_store(&table->entries[i].running_at_us, clock_now());
	for (;;)
		pause();
}

static void loop_fork(int i)
{
	pid_t pid = fork();

	if (pid == -1) {
		perror("fork_loop: fork");
		exit(71);
	}
	if (pid == 0)
		child_run(i);
	atomic_store(&table->entries[i].pid, pid);
}

/* Replace what ends until it is told to stop, then reap the rest. */
static void loop_run(pid_t driver)
{
	int left = table->count, i;
	pid_t pid;

	while ((pid = wait(NULL)) > 0) {
		for (i = 0; i < table->count; i++)
			if (atomic_load(&table->entries[i].pid) == pid)
				break;
		if (pid == driver || i == table->count)
			continue;
		if (!atomic_load(&table->stopping))
			loop_fork(i);
		else if (--left == 0)
			atomic_store(&table->gone_at_us, clock_now());
	}
}

static void nap(void)
{
	struct timespec ts = { .tv_nsec = 100 * 1000 };

	nanosleep(&ts, NULL);
}

static int64_t driver_wait_running(int i, int64_t after_us)
{
	while (atomic_load(&table->entries[i].running_at_us) <= after_us)
		nap();
	return atomic_load(&table->entries[i].running_at_us);
}

static void driver_start(int64_t start_us)
{
	int64_t running_us = 0, at_us;
	int i;

	while (atomic_load(&table->forked_at_us) == 0)
		nap();
	for (i = 0; i < table->count; i++) {
		at_us = driver_wait_running(i, 0);
		if (at_us > running_us)
			running_us = at_us;
	}
	printf("forked %lld\nrunning %lld\npids",
		(long long)(atomic_load(&table->forked_at_us) - start_us),
		(long long)(running_us - start_us));
	for (i = 0; i < table->count; i++)
		printf(" %d", (int)atomic_load(&table->entries[i].pid));
	printf("\n");
}

static void driver_respawn(void)
{
	int64_t from_us, until_us;
	int i;

	for (i = 0; i < table->count; i++) {
		from_us = clock_now();
		kill(atomic_load(&table->entries[i].pid), SIGKILL);
		until_us = driver_wait_running(i, from_us);
		printf("respawn %lld\n", (long long)(until_us - from_us));
	}
	printf("end\n");
}

static void driver_stop(void)
{
	int64_t from_us = clock_now();
	int i;

	atomic_store(&table->stopping, 1);
	for (i = 0; i < table->count; i++)
		kill(atomic_load(&table->entries[i].pid), SIGTERM);
	while (atomic_load(&table->gone_at_us) == 0)
		nap();
	printf("stopped %lld\n",
		(long long)(atomic_load(&table->gone_at_us) - from_us));
}

static void driver_run(int64_t start_us)
{
	char word[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	driver_start(start_us);
	while (scanf("%31s", word) == 1) {
		if (strcmp(word, "respawn") == 0)
			driver_respawn();
		else if (strcmp(word, "stop") == 0)
			break;
	}
	driver_stop();
	exit(0);
}

int main(int argc, char **argv)
{
	int64_t start_us = clock_now();
	int count = argc == 2 ? atoi(argv[1]) : 0, i;
	pid_t driver;

	if (count < 1 || count > COUNT_MAX) {
		fprintf(stderr, "usage: fork_loop COUNT\n");
		return 2;
	}
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED) {
		perror("fork_loop: mmap");
		return 71;
	}
	table->count = count;
	driver = fork();
	if (driver == 0)
		driver_run(start_us);
	for (i = 0; i < count; i++)
		loop_fork(i);
	atomic_store(&table->forked_at_us, clock_now());
	loop_run(driver);
	return 0;
}
