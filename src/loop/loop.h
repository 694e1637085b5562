/* SPDX-License-Identifier: ISC */
/*
 * loop - the event loop: descriptors, timers, signals, deferred calls.
 *
 * The only room that knows libevent.  One loop a process; none of it may be
 * used from a signal handler.  Every callback of a user runs from loop_run,
 * never from inside the call that started the work.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void (*loop_fd_fn)(int fd, unsigned events, void *arg);
typedef void (*loop_fn)(void *arg);
typedef void (*loop_signal_fn)(int signo, void *arg);

/* NULL with errno when the kernel has no descriptor or memory for it. */
struct loop *loop_new(void);
/* Everything made from it must be gone.  NULL is a no-op. */
void loop_free(struct loop *l);

/*
 * Run until loop_stop.  Returns 0, or -1 when waiting itself failed.
 */
int loop_run(struct loop *l);
/* Leave loop_run after the callback at hand. */
void loop_stop(struct loop *l);

/*
 * Call busy(arg) before the first callback of a turn and idle(arg) before the
 * loop waits: where a worker stamps the scoreboard.  Either may be NULL.
 */
void loop_set_hooks(struct loop *l, loop_fn busy, loop_fn idle, void *arg);

/*
 * Watch fd for `events`, level-triggered, until freed.  Borrows fd: free the
 * watch before closing it.  A callback may free its own watch.
 */
struct loop_fd *loop_fd_new(
	struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *arg);
/* Change what is watched; 0 pauses it. */
void loop_fd_set(struct loop_fd *w, unsigned events);
void loop_fd_free(struct loop_fd *w);

/* A one-shot timer; starting it again moves its deadline. */
struct loop_timer *loop_timer_new(struct loop *l, loop_fn fn, void *arg);
/* Fires once, delay_us from now (negative: at once). */
void loop_timer_start(struct loop_timer *t, int64_t delay_us);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/*
 * Call fn for each delivery (several may be told as one).  The signal is
 * blocked from here on and read from a signalfd(2); no handler runs, nothing
 * is left in a static of the library for a child to trip over.
 */
struct loop_signal *loop_signal_new(
	struct loop *l, int signo, loop_signal_fn fn, void *arg);
void loop_signal_free(struct loop_signal *s);
/* Block exactly the signals that the loop reads, and no other. */
void loop_signal_mask(struct loop *l);

/* Call fn(arg) once, on the next turn.  loop_free drops what is left. */
void loop_defer(struct loop *l, loop_fn fn, void *arg);
/* The deferred calls of fn(arg) that have not begun are not made. */
void loop_defer_cancel(struct loop *l, loop_fn fn, const void *arg);

/*
 * In a child after fork: give up the parent's loop without touching its
 * watch set.  The descriptors must be closed by the caller (all of them are,
 * with close_range); the memory stays as it is, shared with the parent.
 */
void loop_forget(struct loop *l);

#endif
