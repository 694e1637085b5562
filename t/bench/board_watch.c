/* SPDX-License-Identifier: ISC */
/*
 * board_watch - time what a running reeved does, from its scoreboard.
 *
 *	board_watch start PID POOL COUNT
 *	board_watch respawn PID POOL
 *
 * The board is mapped out of the master's /proc/PID/fd, so nothing is asked
 * of the daemon that is being timed; the master stamps each change of state
 * with CLOCK_MONOTONIC, so a lazy look loses no precision.  `start` prints
 * "forked US" (as seen, every 0.2 ms) and "ready US", on that clock, once COUNT
 * workers of POOL are ready.  `respawn` kills every worker of POOL once and
 * prints "respawn US", from the signal until the master has heard READY from
 * the successor.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "board/board.h"

#define WAIT_MAX_US (60 * (int64_t)US_PER_S)
#define NAP_US      200

static struct board board = { .fd = -1, .live_fd = -1, .read_fd = -1 };
static int64_t deadline_us;

static void nap_or_die(const char *what)
{
	struct timespec ts = { .tv_nsec = NAP_US * 1000 };

	if (clock_now() > deadline_us) {
		fprintf(stderr, "board_watch: %s: waited too long\n", what);
		exit(1);
	}
	nanosleep(&ts, NULL);
}

/* -1 while the master has not made it. */
static int board_find(int pid)
{
	char dir[64], path[384], link[64];
	struct dirent *e;
	int fd = -1;
	ssize_t n;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	if (d == NULL)
		return -1;
	while (fd == -1 && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, "/memfd:reeve-board", 18) == 0)
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	closedir(d);
	return fd;
}

static void board_attach(int pid)
{
	void *map;

	while ((board.fd = board_find(pid)) == -1)
		nap_or_die("no scoreboard");
	/* Before it has its size, a look at it would be a bus error. */
	while (lseek(board.fd, 0, SEEK_END) < (off_t)sizeof(struct board_map))
		nap_or_die("an empty scoreboard");
	map = mmap(NULL, sizeof(struct board_map), PROT_READ, MAP_SHARED,
		board.fd, 0);
	if (map == MAP_FAILED) {
		perror("board_watch: mmap");
		exit(71);
	}
	board.map = map;
}

static int pool_find(const char *name)
{
	struct board_pool p;
	int i;

	for (;;) {
		for (i = 0; i < BOARD_POOLS_MAX; i++)
			if (board_read_pool(&board, i, &p) &&
				p.state != BOARD_POOL_UNUSED &&
				strcmp(p.name, name) == 0)
				return i;
		nap_or_die(name);
	}
}

struct tally {
	int forked, ready;
	int64_t ready_at_us; /* of the last one */
};

static struct tally pool_tally(int pool)
{
	struct tally t = { 0, 0, 0 };
	struct board_slot s;
	int i, n = atomic_load(&board.map->header.slot_limit);

	for (i = 0; i < n; i++) {
		if (!board_read_slot(&board, i, &s) || s.pool != pool ||
			s.pid <= 0)
			continue;
		t.forked++;
		if (s.state != BOARD_READY)
			continue;
		t.ready++;
		if (s.since_us > t.ready_at_us)
			t.ready_at_us = s.since_us;
	}
	return t;
}

static void watch_start(int pool, int count)
{
	int64_t forked_at_us = 0;
	struct tally t;

	for (;;) {
		t = pool_tally(pool);
		if (forked_at_us == 0 && t.forked >= count)
			forked_at_us = clock_now();
		if (t.ready >= count)
			break;
		nap_or_die("not all ready");
	}
	/* On a busy machine the look came late, and the stamp knows better. */
	if (forked_at_us > t.ready_at_us)
		forked_at_us = t.ready_at_us;
	printf("forked %lld\nready %lld\n", (long long)forked_at_us,
		(long long)t.ready_at_us);
}

/* When the place of the killed one is ready again; 0: not yet. */
static int64_t successor_at_us(int pool, const struct board_slot *dead)
{
	struct board_slot s;
	int i, n = atomic_load(&board.map->header.slot_limit);

	for (i = 0; i < n; i++)
		if (board_read_slot(&board, i, &s) && s.pool == pool &&
			s.index == dead->index && s.pid != dead->pid &&
			s.state == BOARD_READY)
			return s.since_us;
	return 0;
}

static void watch_respawn(int pool)
{
	struct board_slot first[BOARD_SLOTS_MAX];
	int i, count = 0, n = atomic_load(&board.map->header.slot_limit);
	int64_t from_us, until_us;

	for (i = 0; i < n; i++)
		if (board_read_slot(&board, i, &first[count]) &&
			first[count].pool == pool && first[count].pid > 0)
			count++;
	for (i = 0; i < count; i++) {
		from_us = clock_now();
		kill(first[i].pid, SIGKILL);
		while ((until_us = successor_at_us(pool, &first[i])) == 0)
			nap_or_die("no successor");
		printf("respawn %lld\n", (long long)(until_us - from_us));
	}
}

int main(int argc, char **argv)
{
	int pool;

	if (argc < 4 || (strcmp(argv[1], "start") == 0) != (argc == 5)) {
		fprintf(stderr, "usage: board_watch start PID POOL COUNT\n"
				"       board_watch respawn PID POOL\n");
		return 2;
	}
	deadline_us = clock_now() + WAIT_MAX_US;
	board_attach(atoi(argv[2]));
	pool = pool_find(argv[3]);
	if (argc == 5)
		watch_start(pool, atoi(argv[4]));
	else
		watch_respawn(pool);
	return 0;
}
