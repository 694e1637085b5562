/* SPDX-License-Identifier: ISC */
/* board: what a child can write. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/board.h"
#include "tap.h"

/* The kernel writes there for us: EFAULT in the place of a SIGSEGV. */
static bool can_write(void *where)
{
	int fds[2];
	bool can;

	if (pipe(fds) != 0 || write(fds[1], "x", 1) != 1)
		_exit(71);
	can = read(fds[0], where, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return can;
}

/* One bit for each thing that should not be. */
static int child(struct board *b)
{
	int bad = 0;

	if (board_confine(b) != 0)
		return 128;
	bad |= can_write(&b->map->header.pid) ? 1 : 0;
	bad |= can_write(&b->map->pools[0].name) ? 2 : 0;
	bad |= can_write(&b->map->slots[BOARD_SLOTS_MAX - 1].why) ? 4 : 0;
	bad |= can_write(&b->map->past[BOARD_POOLS_MAX - 1]) ? 8 : 0;
	bad |= can_write(&b->map->live[0].pulse) ? 0 : 16;
	bad |= can_write(&b->map->live[BOARD_SLOTS_MAX - 1].bytes_in) ? 0 : 32;
	if (mprotect(b->map, 4096, PROT_READ | PROT_WRITE) == 0)
		bad |= 64;
	return bad;
}

int main(void)
{
	struct board b, again;
	struct err err;
	int status, slot;
	pid_t pid;

	if (board_open(&b, &err) != 0)
		bail("%s", err.text);
	slot = board_slot_take(&b);
	strcpy(b.map->slots[slot].why, "told");
	pid = fork();
	if (pid == 0)
		_exit(child(&b));
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid: %s", strerror(errno));
	is_int(0, WIFEXITED(status) ? WEXITSTATUS(status) : 255,
		"a child can write the live records and nothing else");
	is_int('x', (char)b.map->live[0].pulse, "the master sees what it says");

	is_int(0, board_adopt(&again, dup(b.fd), dup(b.live_fd), &err),
		"a scoreboard can be handed on");
	is_str("told", again.map->slots[slot].why, "with what it says");
	is_int('x', (char)again.map->live[0].pulse, "of both kinds");
	is_int(-1, board_adopt(&again, b.live_fd, b.fd, &err),
		"what is none is not taken");
	board_close(&b);
	return tap_done();
}
