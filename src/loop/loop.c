/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/loop_base.h"

struct loop_defer {
	STAILQ_ENTRY(loop_defer) entry;
	loop_fn fn;
	void *arg;
};
STAILQ_HEAD(loop_defers, loop_defer);

struct loop {
	struct event_base *base;
	loop_fn busy, idle; /* hooks, NULL: none */
	void *hook_arg;
	bool is_busy; /* a callback has run in this turn */
	bool stopping;
	struct event defer_event;
	struct loop_defers deferred;
	struct loop_defers running; /* deferred calls of this turn */
	int signal_fd; /* signalfd(2); -1 while no signal is watched */
	sigset_t signal_mask;
	struct loop_fd *signal_watch;
	LIST_HEAD(, loop_signal) signals;
};

struct loop_fd {
	struct event ev;
	struct loop *loop;
	loop_fd_fn fn;
	void *arg;
};

struct loop_timer {
	struct event ev;
	struct loop *loop;
	loop_fn fn;
	void *arg;
};

struct loop_signal {
	LIST_ENTRY(loop_signal) entry;
	struct loop *loop;
	int signo;
	loop_signal_fn fn;
	void *arg;
};

static void loop_enter(struct loop *l)
{
	if (l->is_busy)
		return;
	l->is_busy = true;
	if (l->busy != NULL)
		l->busy(l->hook_arg);
}

static void loop_on_library_log(int severity, const char *text)
{
	if (severity == EVENT_LOG_ERR)
		log_error("libevent: %s", text);
	else if (severity == EVENT_LOG_WARN)
		log_warn("libevent: %s", text);
	else
		log_debug("libevent: %s", text);
}

static void loop_on_defer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct loop_defer *d;

	(void)fd;
	(void)what;
	loop_enter(l);
	STAILQ_CONCAT(&l->running, &l->deferred);
	while ((d = STAILQ_FIRST(&l->running)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->running, entry);
		d->fn(d->arg);
		free(d);
	}
}

struct loop *loop_new(void)
{
	struct event_config *cfg = event_config_new();
	struct loop *l;

	if (cfg == NULL)
		return NULL;
	event_set_log_callback(loop_on_library_log);
	/* One clock for the whole program (base/clock), read when needed. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
	l = xcalloc(1, sizeof(*l));
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (l->base == NULL) {
		free(l);
		return NULL;
	}
	STAILQ_INIT(&l->deferred);
	STAILQ_INIT(&l->running);
	LIST_INIT(&l->signals);
	l->signal_fd = -1;
	sigemptyset(&l->signal_mask);
	event_assign(&l->defer_event, l->base, -1, 0, loop_on_defer, l);
	return l;
}

void loop_free(struct loop *l)
{
	struct loop_defer *d;

	if (l == NULL)
		return;
	while ((d = STAILQ_FIRST(&l->deferred)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->deferred, entry);
		free(d);
	}
	event_del(&l->defer_event);
	loop_fd_free(l->signal_watch);
	if (l->signal_fd != -1)
		close(l->signal_fd);
	event_base_free(l->base);
	free(l);
}

void loop_set_hooks(struct loop *l, loop_fn busy, loop_fn idle, void *arg)
{
	l->busy = busy;
	l->idle = idle;
	l->hook_arg = arg;
}

int loop_run(struct loop *l)
{
	l->stopping = false;
	while (!l->stopping) {
		l->is_busy = false;
		if (l->idle != NULL)
			l->idle(l->hook_arg);
		if (event_base_loop(l->base, EVLOOP_ONCE) == -1)
			return -1;
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
	event_base_loopbreak(l->base);
}

static short loop_to_library(unsigned events)
{
	short what = EV_PERSIST;

	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	return what;
}

static void loop_on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *w = arg;
	unsigned events = 0;

	loop_enter(w->loop);
	if (what & EV_READ)
		events |= LOOP_READ;
	if (what & EV_WRITE)
		events |= LOOP_WRITE;
	w->fn(fd, events, w->arg);
}

struct loop_fd *loop_fd_new(
	struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *arg)
{
	struct loop_fd *w = xcalloc(1, sizeof(*w));

	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	event_assign(
		&w->ev, l->base, fd, loop_to_library(events), loop_on_fd, w);
	if (events != 0)
		event_add(&w->ev, NULL);
	return w;
}

void loop_fd_set(struct loop_fd *w, unsigned events)
{
	short what = loop_to_library(events);
	evutil_socket_t fd = event_get_fd(&w->ev);
	bool pending = event_pending(&w->ev, EV_READ | EV_WRITE, NULL) != 0;

	if (pending && event_get_events(&w->ev) == what)
		return;
	event_del(&w->ev);
	if (events == 0)
		return;
	event_assign(&w->ev, w->loop->base, fd, what, loop_on_fd, w);
	event_add(&w->ev, NULL);
}

void loop_fd_free(struct loop_fd *w)
{
	if (w == NULL)
		return;
	event_del(&w->ev);
	free(w);
}

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	loop_enter(t->loop);
	t->fn(t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_fn fn, void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	evtimer_assign(&t->ev, l->base, loop_on_timer, t);
	return t;
}

void loop_timer_start(struct loop_timer *t, int64_t delay_us)
{
	struct timeval tv;

	if (delay_us < 0)
		delay_us = 0;
	tv.tv_sec = (time_t)(delay_us / US_PER_S);
	tv.tv_usec = (suseconds_t)(delay_us % US_PER_S);
	evtimer_add(&t->ev, &tv);
}

void loop_timer_stop(struct loop_timer *t)
{
	evtimer_del(&t->ev);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
	return evtimer_pending(&t->ev, NULL) != 0;
}

void loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	evtimer_del(&t->ev);
	free(t);
}

static void loop_tell_signal(struct loop *l, int signo)
{
	struct loop_signal *s, *next;

	for (s = LIST_FIRST(&l->signals); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (s->signo == signo) {
			s->fn(signo, s->arg);
			return;
		}
	}
}

static void loop_on_signal(int fd, unsigned events, void *arg)
{
	struct loop *l = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (l->signal_fd == fd &&
		read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		loop_tell_signal(l, (int)si.ssi_signo);
}

struct loop_signal *loop_signal_new(
	struct loop *l, int signo, loop_signal_fn fn, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));
	bool first = l->signal_fd == -1;

	s->loop = l;
	s->signo = signo;
	s->fn = fn;
	s->arg = arg;
	LIST_INSERT_HEAD(&l->signals, s, entry);
	sigaddset(&l->signal_mask, signo);
	sigprocmask(SIG_BLOCK, &l->signal_mask, NULL);
	l->signal_fd = signalfd(
		l->signal_fd, &l->signal_mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd == -1)
		log_error("signalfd: %s", strerror(errno));
	else if (first)
		l->signal_watch = loop_fd_new(
			l, l->signal_fd, LOOP_READ, loop_on_signal, l);
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	if (s == NULL)
		return;
	LIST_REMOVE(s, entry);
	sigdelset(&s->loop->signal_mask, s->signo);
	(void)signalfd(s->loop->signal_fd, &s->loop->signal_mask, 0);
	free(s);
}

void loop_signal_mask(struct loop *l)
{
	sigprocmask(SIG_SETMASK, &l->signal_mask, NULL);
}

void loop_defer(struct loop *l, loop_fn fn, void *arg)
{
	struct loop_defer *d = xmalloc(sizeof(*d));

	d->fn = fn;
	d->arg = arg;
	if (STAILQ_EMPTY(&l->deferred))
		event_active(&l->defer_event, 0, 0);
	STAILQ_INSERT_TAIL(&l->deferred, d, entry);
}

static void loop_drop(struct loop_defers *calls, loop_fn fn, const void *arg)
{
	struct loop_defer *d, *next;

	for (d = STAILQ_FIRST(calls); d != NULL; d = next) {
		next = STAILQ_NEXT(d, entry);
		if (d->fn != fn || d->arg != arg)
			continue;
		STAILQ_REMOVE(calls, d, loop_defer, entry);
		free(d);
	}
}

void loop_defer_cancel(struct loop *l, loop_fn fn, const void *arg)
{
	loop_drop(&l->deferred, fn, arg);
	loop_drop(&l->running, fn, arg);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

void loop_forget(struct loop *l)
{
	/* Nothing of `l` is touched: a write would copy the page, an
	 * epoll_ctl would reach the parent. */
	(void)l;
}
