/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/msg.h"
#include "master/cgroup.h"
#include "master/check.h"
#include "master/order.h"
#include "master/hang.h"
#include "master/orphan.h"
#include "master/pool.h"
#include "master/proc.h"
#include "master/reload.h"
#include "master/spawn.h"
#include "master/stream.h"

/* A worker of ours that was never ready has nothing to finish; a program may
 * be a database that recovers. */
#define PROC_GRACE_UNREADY_US (5 * US_PER_S)
/* So that not all programs of a pool are replaced at once. */
#define PROC_AGE_JITTER_PCT 10
/* Messages of one process: in a turn of the loop, and in a second.  The
 * governor may suspect every process each second. */
#define PROC_MSG_TURN_MAX   64
#define PROC_MSG_SECOND_MAX (2 * BOARD_SLOTS_MAX)

static void proc_on_timer(void *arg);

const char *proc_signal_name(int signo, char *ret_text, size_t size)
{
	const char *abbrev = sigabbrev_np(signo);

	if (abbrev != NULL)
		snprintf(ret_text, size, "SIG%s", abbrev);
	else
		snprintf(ret_text, size, "signal %d", signo);
	return ret_text;
}

const char *proc_exit_text(int status, char *ret_text, size_t size)
{
	char name[32];

	if (WIFSIGNALED(status))
		snprintf(ret_text, size, "%s%s",
			proc_signal_name(WTERMSIG(status), name, sizeof(name)),
			WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(ret_text, size, "exit %d", WEXITSTATUS(status));
	return ret_text;
}

void proc_publish(struct proc *pr)
{
	struct board_slot *b = &node.board.map->slots[pr->board_slot];
	int cpus[CONF_CPU_MAX];
	size_t n, i;

	board_write_begin(&b->version);
	if (b->state != pr->state)
		b->since_us = clock_now();
	b->state = pr->state;
	b->pool = pr->pool->board_pool;
	b->index = pr->slot->index;
	b->pid = pr->pid;
	b->generation = pr->generation;
	b->restarts = pr->slot->restarts;
	memset(b->cpus, 0, sizeof(b->cpus));
	n = conf_pool_cpus(pr->pool->conf, pr->slot->index, cpus);
	for (i = 0; i < n; i++)
		b->cpus[cpus[i] / 64] |= UINT64_C(1) << (cpus[i] % 64);
	snprintf(b->why, sizeof(b->why), "%s", pr->why);
	snprintf(b->last_exit, sizeof(b->last_exit), "%s", pr->slot->last_exit);
	b->last_peak_kb = pr->slot->last_peak_kb;
	board_write_end(&b->version);
}

static void proc_set_state(struct proc *pr, enum board_state state)
{
	static const unsigned allowed[BOARD_STATE_COUNT] = {
		[BOARD_STARTING] = 1u << BOARD_READY | 1u << BOARD_DRAINING,
		[BOARD_READY] = 1u << BOARD_DRAINING,
	};

	if (pr->state == state)
		return;
	if ((allowed[pr->state] & 1u << state) == 0) {
		log_error("%s.%d[%d]: no way from %s to %s", pr->pool->name,
			pr->slot->index, (int)pr->pid,
			board_state_names[pr->state], board_state_names[state]);
		return;
	}
	log_debug("%s.%d[%d]: %s -> %s", pr->pool->name, pr->slot->index,
		(int)pr->pid, board_state_names[pr->state],
		board_state_names[state]);
	pr->pool->by_state[pr->state]--;
	pr->pool->by_state[state]++;
	pr->state = state;
	proc_publish(pr);
}

static struct proc *proc_new(
	struct slot *s, enum board_state state, unsigned generation)
{
	struct proc *pr = xcalloc(1, sizeof(*pr));

	pr->pool = s->pool;
	pr->slot = s;
	pr->state = state;
	pr->generation = generation;
	pr->pidfd = pr->channel = pr->streams[0] = pr->streams[1] = -1;
	pr->board_slot = -1;
	pr->stop_signal =
		s->pool->role != NULL ? SIGTERM : s->pool->conf->stop_signal;
	pr->started_at_us = clock_now();
	return pr;
}

static void proc_join(struct proc *pr)
{
	pr->timer = loop_timer_new(node.loop, proc_on_timer, pr);
	TAILQ_INSERT_HEAD(&pr->slot->procs, pr, in_slot);
	pr->pool->by_state[pr->state]++;
	node_join(pr);
}

void proc_distrust(struct proc *pr, const char *why)
{
	if (pr->killed)
		return;
	log_error("%s.%d[%d] %s, killing it", pr->pool->name, pr->slot->index,
		(int)pr->pid, why);
	pr->doomed = true;
	proc_kill(pr, why);
}

static void proc_on_retire(struct proc *pr, const struct msg *m)
{
	/* Its memory may have been seen from outside before. */
	if (pr->retiring)
		return;
	log_info("%s.%d[%d] wants to be replaced: %s", pr->pool->name,
		pr->slot->index, (int)pr->pid, m->text);
	pr->retiring = true;
	snprintf(pr->why, sizeof(pr->why), "%.*s", NODE_WHY_MAX - 1, m->text);
	pool_reconcile(pr->pool);
}

static void proc_on_msg(struct proc *pr, const struct msg *m)
{
	int64_t now = clock_now();

	if (now - pr->msg_since_us > US_PER_S) {
		pr->msg_since_us = now;
		pr->msg_count = 0;
	}
	if (++pr->msg_count > PROC_MSG_SECOND_MAX)
		proc_distrust(pr, "floods the master with messages");
	else if (m->type == MSG_WORKER_READY)
		proc_said_ready(pr);
	else if (m->type == MSG_WORKER_RETIRE)
		proc_on_retire(pr, m);
	else
		order_on_msg(pr, m);
}

/* Few a turn: who writes without an end must not hold the master. */
static void proc_on_channel(int fd, unsigned events, void *arg)
{
	struct proc *pr = arg;
	struct msg m;
	int rc = 1, i;

	if (events & LOOP_WRITE) {
		loop_fd_set(pr->channel_watch, LOOP_READ);
		stream_pump();
	}
	for (i = 0; i < PROC_MSG_TURN_MAX && rc == 1; i++) {
		rc = pr->killed ? -1 : msg_recv(fd, &m, NULL);
		if (rc == 1)
			proc_on_msg(pr, &m);
	}
	if (rc == -1)
		loop_fd_set(pr->channel_watch, 0); /* SIGCHLD tells the rest */
}

void proc_watch(struct proc *pr)
{
	if (pr->channel != -1)
		pr->channel_watch = loop_fd_new(
			node.loop, pr->channel, LOOP_READ, proc_on_channel, pr);
	stream_pump();
}

/* A program of which nothing but its age says that it serves. */
static bool proc_is_ready_by_age(const struct proc *pr)
{
	const struct conf_pool *c = pr->pool->conf;

	return pr->pool->role == NULL && !pr->said_ready && !c->ready_notify &&
	       !check_is_set(&c->ready);
}

/* What is due next while it starts: old enough to be ready, or too late. */
static void proc_set_start_timer(struct proc *pr)
{
	const struct conf_pool *c = pr->pool->conf;
	int64_t age = clock_now() - pr->started_at_us;

	if (pr->state != BOARD_STARTING)
		return;
	if (proc_is_ready_by_age(pr) && !c->oneshot)
		loop_timer_start(pr->timer, c->ready_after_us - age);
	else if (c->start_timeout_us > 0 && !c->oneshot)
		loop_timer_start(pr->timer, c->start_timeout_us - age);
}

static void proc_on_check_passed(void *arg)
{
	struct proc *pr = arg;

	check_stop(pr->check);
	pr->check = NULL;
	if (pr->state != BOARD_STARTING)
		return;
	if (pr->probing)
		proc_set_ready(pr);
	else
		proc_said_ready(pr);
}

static void proc_check(struct proc *pr, const struct conf_check *check)
{
	char why[NODE_WHY_MAX];
	struct err err;

	pr->check = check_start(
		pr->pool->conf, check, proc_on_check_passed, pr, &err);
	if (pr->check != NULL)
		return;
	snprintf(why, sizeof(why), "cannot be checked: %.100s", err.text);
	log_error("%s.%d[%d] %s, killing it", pr->pool->name, pr->slot->index,
		(int)pr->pid, why);
	pr->doomed = true;
	proc_kill(pr, why);
}

void proc_said_ready(struct proc *pr)
{
	const struct conf_pool *c = pr->pool->conf;

	if (pr->state != BOARD_STARTING || pr->said_ready)
		return;
	pr->said_ready = true;
	if (check_is_set(&c->probe)) {
		pr->probing = true;
		proc_check(pr, &c->probe);
		proc_set_start_timer(pr);
		return;
	}
	proc_set_ready(pr);
}

/* Role workers mind their age themselves, programs don't. */
static void proc_set_age_timer(struct proc *pr)
{
	int64_t age = pr->pool->conf->max_age_us;

	if (pr->pool->role == NULL && age > 0)
		loop_timer_start(pr->timer,
			age - clock_jitter(age * PROC_AGE_JITTER_PCT / 100) -
				(clock_now() - pr->ready_at_us));
}

static void proc_on_old(struct proc *pr)
{
	log_info("%s.%d[%d] has reached max_age, replacing it", pr->pool->name,
		pr->slot->index, (int)pr->pid);
	pr->retiring = true;
	snprintf(pr->why, sizeof(pr->why), "max_age");
	pool_reconcile(pr->pool);
}

void proc_set_ready(struct proc *pr)
{
	pr->ready_at_us = clock_now();
	loop_timer_stop(pr->timer);
	proc_set_state(pr, BOARD_READY);
	proc_set_age_timer(pr);
	if (pr->stopped)
		proc_on_stop(pr);
	if (pr->pool == node.logger)
		stream_restart();
	node_poke();
}

static int proc_fork(struct proc *pr, struct err *err)
{
	int pair[2] = { -1, -1 }, output[2] = { -1, -1 };
	struct spawn sp = { .conf = pr->pool->conf,
		.owner = pr->pool->owner,
		.role = pr->pool->role,
		.index = pr->slot->index,
		.generation = pr->generation,
		.board_slot = pr->board_slot,
		.listeners = pr->pool->listeners,
		.listener_count = pr->pool->listener_count };

	if (sp.role != NULL && msg_pair(pair) == -1)
		return err_errno(err, "cannot make a channel");
	if (stream_open(
		    pr->pool, pr->streams, output, &pr->stream_count, err) != 0)
		goto out;
	sp.token = orphan_token(
		pr->pool->name, pr->slot->index, pr->token, sizeof(pr->token));
	sp.channel = pair[1];
	sp.output[0] = output[0];
	sp.output[1] = output[1];
	pr->pid = spawn_fork(&sp, err);
	if (pr->pid == -1)
		goto out;
	pr->channel = pair[0];
	pair[0] = -1;
out:
	if (output[1] != output[0] && output[1] != -1)
		close(output[1]);
	if (output[0] != -1)
		close(output[0]);
	if (pair[0] != -1)
		close(pair[0]);
	if (pair[1] != -1)
		close(pair[1]);
	return pr->pid > 0 ? 0 : -1;
}

static void proc_free(struct proc *pr)
{
	int i;

	check_stop(pr->check);
	loop_timer_free(pr->timer);
	loop_fd_free(pr->channel_watch);
	if (pr->channel != -1)
		close(pr->channel);
	if (pr->pidfd != -1)
		close(pr->pidfd);
	for (i = 0; i < 2; i++)
		if (pr->streams[i] != -1)
			close(pr->streams[i]);
	board_slot_give(&node.board, pr->board_slot);
	free(pr);
}

struct proc *proc_start(struct slot *s, struct err *err)
{
	struct proc *pr = proc_new(s, BOARD_STARTING, s->pool->generation);
	const struct conf_pool *c = s->pool->conf;

	pr->board_slot = board_slot_take(&node.board);
	if (pr->board_slot == -1) {
		(void)err_set(err, 0, "the scoreboard is full");
		goto fail;
	}
	if (proc_fork(pr, err) != 0)
		goto fail;
	/* Nobody else waits for it, so the pid can't be anyone else's yet. */
	pr->pidfd = pidfd_open(pr->pid, 0);
	if (pr->pidfd == -1) {
		(void)err_errno(err, "cannot watch the new process");
		kill(pr->pid, SIGKILL);
		goto fail;
	}
	proc_join(pr);
	proc_publish(pr);
	proc_watch(pr);
	if (s->pool->role == NULL && check_is_set(&c->ready))
		proc_check(pr, &c->ready);
	proc_set_start_timer(pr);
	log_debug("%s.%d[%d] started", s->pool->name, s->index, (int)pr->pid);
	return pr;
fail:
	proc_free(pr);
	return NULL;
}

struct proc *proc_adopt(struct slot *s, pid_t pid, unsigned generation,
	enum board_state state, struct err *err)
{
	struct proc *pr = proc_new(s, state, generation);

	pr->pid = pid;
	pr->adopted = true;
	pr->pidfd = pidfd_open(pid, 0);
	if (pr->pidfd == -1 && errno != ESRCH) {
		(void)err_errno(err, "cannot watch process %d", (int)pid);
		proc_free(pr);
		return NULL;
	}
	proc_join(pr);
	return pr;
}

void proc_adopt_record(struct proc *pr, int board_slot)
{
	const struct board_slot *b = NULL;

	if (board_slot >= 0 && board_slot < BOARD_SLOTS_MAX)
		b = &node.board.map->slots[board_slot];
	if (b != NULL && b->state != BOARD_EMPTY && b->pid == pr->pid)
		pr->board_slot = board_slot;
	else
		pr->board_slot = board_slot_take(&node.board);
}

void proc_resume(struct proc *pr)
{
	const struct conf_pool *c = pr->pool->conf;

	proc_publish(pr);
	proc_watch(pr);
	if (pr->state == BOARD_READY) {
		pr->ready_at_us = clock_now();
		proc_set_age_timer(pr);
	} else if (pr->state == BOARD_DRAINING) {
		pr->wished = true;
		loop_timer_start(pr->timer, c->stop_timeout_us);
	} else {
		if (pr->said_ready && check_is_set(&c->probe))
			proc_check(pr, &c->probe);
		else if (pr->pool->role == NULL && check_is_set(&c->ready))
			proc_check(pr, &c->ready);
		pr->probing = pr->said_ready;
		proc_set_start_timer(pr);
	}
}

void proc_signal(struct proc *pr, int signo)
{
	if (pr->pidfd == -1)
		return;
	if (pidfd_send_signal(pr->pidfd, signo, NULL, 0) == -1 &&
		errno != ESRCH)
		log_error("%s.%d[%d]: cannot send signal %d: %s",
			pr->pool->name, pr->slot->index, (int)pr->pid, signo,
			strerror(errno));
}

static void proc_set_why(struct proc *pr, const char *why)
{
	if (why != NULL)
		snprintf(pr->why, sizeof(pr->why), "%s", why);
}

void proc_kill(struct proc *pr, const char *why)
{
	if (pr->killed)
		return;
	pr->killed = true;
	proc_set_why(pr, why);
	loop_timer_stop(pr->timer);
	if (pr->state != BOARD_DRAINING)
		proc_set_state(pr, BOARD_DRAINING);
	else
		proc_publish(pr);
	proc_signal(pr, SIGKILL);
}

void proc_drain(struct proc *pr, const char *why)
{
	int64_t grace = pr->pool->conf->stop_timeout_us;

	if (pr->state == BOARD_DRAINING)
		return;
	if (pr->state == BOARD_STARTING && pr->pool->role != NULL &&
		grace > PROC_GRACE_UNREADY_US)
		grace = PROC_GRACE_UNREADY_US;
	pr->wished = !pr->doomed;
	proc_set_why(pr, why);
	check_stop(pr->check);
	pr->check = NULL;
	proc_set_state(pr, BOARD_DRAINING);
	proc_signal(pr, pr->stop_signal);
	/* A stopped process would not hear it. */
	if (pr->stopped)
		proc_signal(pr, SIGCONT);
	loop_timer_start(pr->timer, grace);
}

void proc_hurry(struct proc *pr, int64_t grace_us)
{
	if (pr->state != BOARD_DRAINING) {
		proc_drain(pr, "fast stop");
		if (pr->pool->role != NULL)
			proc_signal(pr, SIGQUIT);
	} else if (pr->pool->role != NULL && !pr->killed) {
		proc_signal(pr, SIGQUIT);
	}
	if (!pr->killed)
		loop_timer_start(pr->timer, grace_us);
}

static void proc_on_late_start(struct proc *pr)
{
	char why[NODE_WHY_MAX], span[32];
	const char *seen = check_error(pr->check);

	clock_span(pr->pool->conf->start_timeout_us, span, sizeof(span));
	snprintf(why, sizeof(why), "not ready within %s%s%s", span,
		*seen ? ": " : "", seen);
	log_warn("%s.%d[%d] is %s, stopping it", pr->pool->name,
		pr->slot->index, (int)pr->pid, why);
	pr->doomed = true;
	proc_drain(pr, why);
	reload_on_failure(pr, why);
}

static void proc_on_late_stop(struct proc *pr)
{
	log_warn("%s.%d[%d] did not stop in time, killing it", pr->pool->name,
		pr->slot->index, (int)pr->pid);
	proc_kill(pr, NULL);
}

static void proc_on_timer(void *arg)
{
	struct proc *pr = arg;
	const struct conf_pool *c = pr->pool->conf;
	int64_t age = clock_now() - pr->started_at_us;

	if (pr->state == BOARD_READY && !pr->stopped &&
		pr->pool->role == NULL && c->max_age_us > 0)
		proc_on_old(pr);
	else if (pr->state == BOARD_READY)
		hang_on_timer(pr);
	else if (pr->state == BOARD_DRAINING)
		proc_on_late_stop(pr);
	else if (proc_is_ready_by_age(pr) &&
		 (age < c->start_timeout_us || c->start_timeout_us == 0))
		proc_said_ready(pr);
	else
		proc_on_late_start(pr);
}

void proc_on_stop(struct proc *pr)
{
	int64_t limit = pr->pool->conf->hang_timeout_us;

	pr->stopped = true;
	/* Who stops a program may be looking at it: hang_timeout is for
	 * workers of ours. */
	if (pr->state != BOARD_READY || limit <= 0 || pr->pool->role == NULL)
		return;
	log_info("%s.%d[%d] was stopped by a signal", pr->pool->name,
		pr->slot->index, (int)pr->pid);
	loop_timer_start(pr->timer, limit);
}

void proc_on_continue(struct proc *pr)
{
	pr->stopped = false;
	if (pr->state != BOARD_READY)
		return;
	loop_timer_stop(pr->timer);
	proc_set_age_timer(pr);
}

void proc_on_exit(struct proc *pr, int status, int64_t peak_kb)
{
	struct pool *p = pr->pool;
	char text[NODE_WHY_MAX];

	proc_exit_text(status, text, sizeof(text));
	TAILQ_REMOVE(&pr->slot->procs, pr, in_slot);
	p->by_state[pr->state]--;
	node_leave(pr);
	board_retire_counters(&node.board, pr->board_slot, p->board_pool);
	stream_close(pr);
	order_on_exit(pr);
	pr->slot->last_peak_kb = peak_kb;
	pool_on_exit(pr, status, text);
	if (p->role == NULL)
		cgroup_kill(pr->token);
	proc_free(pr);
	/* One step for all that died in this turn, not one for each. */
	node_poke();
}
