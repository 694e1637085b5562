/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/hang.h"
#include "master/pool.h"
#include "master/proc.h"

/* The second look at a suspect, and the time SIGABRT gets to show where it
 * hangs. */
#define HANG_CONFIRM_US (300 * US_PER_MS)
#define HANG_ABORT_US   (500 * US_PER_MS)

/* One line of /proc/PID/NAME; "" when it can't be read. */
static const char *hang_read(
	pid_t pid, const char *name, char *ret_text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, ret_text, size - 1);
		close(fd);
	}
	ret_text[n > 0 ? n : 0] = '\0';
	return ret_text;
}

/* The letter of proc(5) for its state: 'R', 'S', 'D', 'T', 't', …; '?'. */
static char hang_state(pid_t pid)
{
	char text[512], *p;

	p = strrchr(hang_read(pid, "stat", text, sizeof(text)), ')');
	return p != NULL && p[1] == ' ' ? p[2] : '?';
}

static int64_t hang_memory(pid_t pid)
{
	char text[4096], *p;
	long kb = 0;

	p = strstr(hang_read(pid, "status", text, sizeof(text)), "RssAnon:");
	if (p == NULL || sscanf(p, "RssAnon: %ld", &kb) != 1)
		return 0;
	return (int64_t)kb * 1024;
}

/* Microseconds it has been busy without a sign; 0 when it isn't. */
static int64_t hang_silence(const struct proc *pr, int64_t *ret_stamp)
{
	struct board_live *l = &node.board.map->live[pr->board_slot];

	*ret_stamp = atomic_load(&l->pulse_at_us);
	if (atomic_load(&l->pulse) != BOARD_PULSE_BUSY)
		return 0;
	return clock_now() - *ret_stamp;
}

static void hang_end(struct proc *pr, const char *why)
{
	char wchan[64];

	log_error("%s.%d[%d] hangs: %s (state %c, in %s), replacing it",
		pr->pool->name, pr->slot->index, (int)pr->pid, why,
		hang_state(pr->pid),
		hang_read(pr->pid, "wchan", wchan, sizeof(wchan)));
	pr->doomed = true;
	if (pr->pool->role == NULL || pr->stopped) {
		proc_kill(pr, why);
		return;
	}
	/* SIGABRT: its handler writes the backtrace to the pool's log. */
	pr->stop_signal = SIGABRT;
	proc_drain(pr, why);
	loop_timer_start(pr->timer, HANG_ABORT_US);
}

static void hang_on_memory(struct proc *pr, enum msg_suspicion what)
{
	const struct conf_pool *c = pr->pool->conf;
	int64_t bytes = hang_memory(pr->pid);
	char why[NODE_WHY_MAX];

	if (pr->killed)
		return;
	if (what == MSG_SUSPECT_MEMORY_HARD && c->memory_hard > 0 &&
		bytes > c->memory_hard) {
		snprintf(why, sizeof(why), "memory.hard: %lld KiB",
			(long long)(bytes / 1024));
		log_error("%s.%d[%d] is over %s, killing it", pr->pool->name,
			pr->slot->index, (int)pr->pid, why);
		pr->doomed = true;
		proc_kill(pr, why);
	} else if (pr->state == BOARD_READY && c->memory_soft > 0 &&
		   bytes > c->memory_soft && !pr->retiring) {
		snprintf(pr->why, sizeof(pr->why), "memory.soft: %lld KiB",
			(long long)(bytes / 1024));
		log_warn("%s.%d[%d] is over %s, replacing it", pr->pool->name,
			pr->slot->index, (int)pr->pid, pr->why);
		pr->retiring = true;
		pool_reconcile(pr->pool);
	}
}

void hang_on_suspect(struct proc *pr, enum msg_suspicion what)
{
	int64_t limit = pr->pool->conf->hang_timeout_us, stamp;

	if (what != MSG_SUSPECT_HUNG) {
		hang_on_memory(pr, what);
		return;
	}
	if (pr->state != BOARD_READY)
		return;
	if (limit <= 0 || pr->stopped || hang_silence(pr, &stamp) <= limit ||
		loop_timer_is_set(pr->timer))
		return;
	pr->suspect_stamp_us = stamp;
	loop_timer_start(pr->timer, HANG_CONFIRM_US);
}

void hang_on_timer(struct proc *pr)
{
	char why[NODE_WHY_MAX], span[32];
	int64_t stamp, silence;

	if (pr->stopped) {
		char state = hang_state(pr->pid);

		if (state != 'T' && state != 't')
			return;
		hang_end(pr, "stopped by a signal beyond hang_timeout");
		return;
	}
	silence = hang_silence(pr, &stamp);
	if (silence <= pr->pool->conf->hang_timeout_us ||
		stamp != pr->suspect_stamp_us)
		return;
	snprintf(why, sizeof(why), "busy without a sign for %s",
		clock_span(silence, span, sizeof(span)));
	hang_end(pr, why);
}
