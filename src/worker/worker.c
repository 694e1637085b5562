/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/title.h"
#include "worker/worker.h"

#define WORKER_FRAMES_MAX 64
/* How often at the most a busy worker looks at its own memory and age. */
#define WORKER_LOOK_US US_PER_S
/* max_tasks and max_age are shortened by up to this share, so that a pool's
 * workers are not all replaced at once. */
#define WORKER_JITTER_PCT 10

struct worker {
	const struct child *child;
	struct loop *loop;
	struct board_live *live;
	struct loop_fd *channel;
	struct loop_signal *on_term, *on_quit;
	struct loop_timer *age; /* fires at max_age; NULL without one */
	void *self;             /* the role's state */
	worker_msg_fn msg_fn;
	void *msg_arg;
	worker_trim_fn trim_fn;
	void *trim_arg;
	bool draining, retired;
	int64_t max_tasks; /* with jitter; 0: none */
	int64_t tasks;
	int64_t looked_at_us;
	int exit_code;
};

static void worker_on_abort(int signo)
{
	void *frames[WORKER_FRAMES_MAX];
	int fd = log_fd(), n;
	static const char text[] = "backtrace of a worker told to abort:\n";

	n = backtrace(frames, WORKER_FRAMES_MAX);
	if (write(fd, text, sizeof(text) - 1) > 0)
		backtrace_symbols_fd(frames, n, fd);
	signal(signo, SIG_DFL);
	raise(signo);
}

static void worker_on_fault(int signo)
{
	worker_on_abort(signo);
}

void worker_prepare(void)
{
	void *first[1];

	/* The first backtrace loads libgcc: not in a signal handler, and not
	 * in each worker. */
	(void)backtrace(first, 1);
}

static void worker_catch(int signo, void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn };

	sigemptyset(&sa.sa_mask);
	sa.sa_flags = SA_RESTART | (fn == worker_on_fault ? SA_NODEFER : 0);
	sigaction(signo, &sa, NULL);
}

static void worker_set_signals(struct worker *w)
{
	worker_catch(SIGHUP, SIG_IGN);
	worker_catch(SIGINT, SIG_IGN);
	worker_catch(SIGUSR1, SIG_IGN);
	worker_catch(SIGUSR2, SIG_IGN);
	worker_catch(SIGPIPE, SIG_IGN);
	worker_catch(SIGABRT, worker_on_abort);
#ifndef WITH_SANITIZERS
	worker_catch(SIGSEGV, worker_on_fault);
	worker_catch(SIGBUS, worker_on_fault);
	worker_catch(SIGILL, worker_on_fault);
	worker_catch(SIGFPE, worker_on_fault);
#endif
	loop_signal_mask(w->loop);
}

static void worker_stamp(struct worker *w, enum board_pulse pulse)
{
	atomic_store_explicit(
		&w->live->pulse_at_us, clock_now(), memory_order_relaxed);
	atomic_store_explicit(&w->live->pulse, pulse, memory_order_release);
}

static void worker_on_busy(void *arg)
{
	worker_stamp(arg, BOARD_PULSE_BUSY);
}

static void worker_on_idle(void *arg)
{
	struct worker *w = arg;

	/* No clock here: the start of idleness is nobody's concern. */
	atomic_store_explicit(
		&w->live->pulse, BOARD_PULSE_IDLE, memory_order_release);
}

static void worker_leave(struct worker *w, int exit_code)
{
	w->exit_code = exit_code;
	loop_stop(w->loop);
}

static void worker_drain(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	if (w->child->role->drain == NULL)
		worker_leave(w, EXIT_OK);
	else
		w->child->role->drain(w->self);
}

static void worker_on_signal(int signo, void *arg)
{
	struct worker *w = arg;

	if (signo == SIGQUIT)
		worker_leave(w, EXIT_OK);
	else
		worker_drain(w);
}

static void worker_on_channel(int fd, unsigned events, void *arg)
{
	struct worker *w = arg;
	struct msg m;
	int rc, passed;

	(void)events;
	while ((rc = msg_recv(fd, &m, &passed)) == 1) {
		if (w->msg_fn != NULL)
			w->msg_fn(&m, passed, w->msg_arg);
		else if (passed != -1)
			close(passed);
	}
	if (rc == -1) {
		/* The master is gone: nobody would look after this worker. */
		log_warn("the master is gone, leaving");
		worker_leave(w, EXIT_SYSTEM);
	}
}

static void worker_on_age(void *arg)
{
	worker_retire(arg, "max_age");
}

static int64_t worker_shorten(int64_t limit)
{
	return limit - clock_jitter(limit * WORKER_JITTER_PCT / 100);
}

static void worker_title(const struct child *child)
{
	char title[96];

	snprintf(
		title, sizeof(title), "%s.%d", child->pool->name, child->index);
	log_title(title);
	title_set("worker %s", title);
	prctl(PR_SET_NAME, title); /* cut to 15 bytes by the kernel */
}

static struct worker *worker_new(const struct child *child)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->child = child;
	w->live = &child->board->map->live[child->slot];
	w->loop = loop_new();
	if (w->loop == NULL)
		fatal(EXIT_SYSTEM, "cannot make an event loop: %s",
			strerror(errno));
	loop_set_hooks(w->loop, worker_on_busy, worker_on_idle, w);
	w->channel = loop_fd_new(
		w->loop, child->channel, LOOP_READ, worker_on_channel, w);
	w->on_term = loop_signal_new(w->loop, SIGTERM, worker_on_signal, w);
	w->on_quit = loop_signal_new(w->loop, SIGQUIT, worker_on_signal, w);
	if (child->pool->max_tasks > 0)
		w->max_tasks = worker_shorten(child->pool->max_tasks);
	if (child->pool->max_age_us > 0) {
		w->age = loop_timer_new(w->loop, worker_on_age, w);
		loop_timer_start(
			w->age, worker_shorten(child->pool->max_age_us));
	}
	return w;
}

static void worker_free(struct worker *w)
{
	loop_timer_free(w->age);
	loop_signal_free(w->on_quit);
	loop_signal_free(w->on_term);
	loop_fd_free(w->channel);
	loop_free(w->loop);
	free(w);
}

int worker_main(const struct child *child)
{
	struct msg ready = { .type = MSG_WORKER_READY };
	struct err err = { 0 };
	struct worker *w;
	int rc;

	worker_title(child);
	w = worker_new(child);
	worker_set_signals(w);
	w->self = child->role->start(w, &err);
	if (w->self == NULL) {
		log_error("cannot start: %s", err.text);
		worker_free(w);
		return EXIT_CONFIG;
	}
	worker_stamp(w, BOARD_PULSE_IDLE);
	worker_send(w, &ready);
	if (loop_run(w->loop) != 0) {
		log_error("waiting for events failed: %s", strerror(errno));
		w->exit_code = EXIT_SYSTEM;
	}
	child->role->stop(w->self);
	rc = w->exit_code;
	worker_free(w);
	return rc;
}

struct loop *worker_loop(struct worker *w)
{
	return w->loop;
}

const struct child *worker_child(struct worker *w)
{
	return w->child;
}

struct board_live *worker_live(struct worker *w)
{
	return w->live;
}

void worker_send(struct worker *w, const struct msg *m)
{
	if (msg_send(w->child->channel, m, -1) == 0)
		return;
	log_error("cannot talk to the master: %s, leaving", strerror(errno));
	worker_leave(w, EXIT_SYSTEM);
}

void worker_on_msg(struct worker *w, worker_msg_fn fn, void *arg)
{
	w->msg_fn = fn;
	w->msg_arg = arg;
}

/* Anonymous memory in bytes after /proc/self/statm (proc(5): resident less
 * shared, in pages); 0 when it can't be read. */
static int64_t worker_memory(void)
{
	long resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*s %ld %ld", &resident, &shared) != 2)
		resident = shared = 0;
	fclose(f);
	return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

static void worker_look(struct worker *w)
{
	int64_t soft = w->child->pool->memory_soft, now;

	if (w->retired)
		return;
	if (w->max_tasks > 0 && w->tasks >= w->max_tasks) {
		worker_retire(w, "max_tasks");
		return;
	}
	if (soft <= 0)
		return;
	now = clock_now();
	if (now - w->looked_at_us < WORKER_LOOK_US)
		return;
	w->looked_at_us = now;
	if (worker_memory() <= soft)
		return;
	if (w->trim_fn != NULL)
		w->trim_fn(w->trim_arg);
	malloc_trim(0);
	if (worker_memory() > soft)
		worker_retire(w, "memory.soft");
}

void worker_task_begin(struct worker *w)
{
	atomic_fetch_add_explicit(&w->live->in_flight, 1, memory_order_relaxed);
}

/* The counters have one writer, so a load and a store do. */
static void worker_count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter,
		atomic_load_explicit(counter, memory_order_relaxed) + more,
		memory_order_relaxed);
}

void worker_task_end(struct worker *w, bool failed, int64_t duration_us)
{
	struct board_live *l = w->live;

	atomic_fetch_sub_explicit(&l->in_flight, 1, memory_order_relaxed);
	worker_count(&l->tasks, 1);
	if (failed)
		worker_count(&l->failed, 1);
	if (duration_us > 0)
		worker_count(&l->duration_us_sum, (uint64_t)duration_us);
	worker_count(&l->duration_count[board_bucket(duration_us)], 1);
	w->tasks++;
	worker_look(w);
}

void worker_retire(struct worker *w, const char *why)
{
	struct msg m = { .type = MSG_WORKER_RETIRE };

	if (w->retired || w->draining)
		return;
	w->retired = true;
	snprintf(m.text, sizeof(m.text), "%s", why);
	worker_send(w, &m);
}

bool worker_is_draining(const struct worker *w)
{
	return w->draining;
}

void worker_done(struct worker *w)
{
	worker_leave(w, EXIT_OK);
}

void worker_on_trim(struct worker *w, worker_trim_fn fn, void *arg)
{
	w->trim_fn = fn;
	w->trim_arg = arg;
}
