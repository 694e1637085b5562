/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "link/http.h"
#include "link/http_call.h"

#define HTTP_IDLE_CONNECTIONS 64L /* kept for later calls */

struct http_watch {
	LIST_ENTRY(http_watch) entry;
	struct http_client *client;
	struct loop_fd *fd;
};

static void http_client_act(struct http_client *c, int fd, int events);

static void http_on_fd(int fd, unsigned events, void *arg)
{
	struct http_watch *w = arg;
	int what = 0;

	if (events & LOOP_READ)
		what |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		what |= CURL_CSELECT_OUT;
	http_client_act(w->client, fd, what);
}

static void http_watch_free(struct http_watch *w)
{
	LIST_REMOVE(w, entry);
	loop_fd_free(w->fd);
	free(w);
}

static int http_on_socket(
	CURL *easy, curl_socket_t fd, int what, void *arg, void *own)
{
	struct http_client *c = arg;
	struct http_watch *w = own;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			http_watch_free(w);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= LOOP_WRITE;
	if (w != NULL) {
		loop_fd_set(w->fd, events);
		return 0;
	}
	w = xcalloc(1, sizeof(*w));
	w->client = c;
	w->fd = loop_fd_new(c->loop, fd, events, http_on_fd, w);
	LIST_INSERT_HEAD(&c->watches, w, entry);
	c->lib->multi_assign(c->multi, fd, w);
	return 0;
}

static int http_on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(c->timer);
	else
		loop_timer_start(c->timer, (int64_t)timeout_ms * US_PER_MS);
	return 0;
}

CURL *http_client_take_easy(struct http_client *c)
{
	if (c->spare_count > 0)
		return c->spare[--c->spare_count];
	return c->lib->easy_init();
}

void http_client_give_easy(struct http_client *c, CURL *easy)
{
	if (easy == NULL)
		return;
	if (c->spare_count == HTTP_IDLE_HANDLES || c->is_gone) {
		c->lib->easy_cleanup(easy);
		return;
	}
	c->lib->easy_reset(easy);
	c->spare[c->spare_count++] = easy;
}

static void http_client_drain(struct http_client *c)
{
	struct http_call *call;
	const CURLMsg *m;
	CURLcode code;
	int left;

	http_client_enter(c);
	while (!c->is_gone &&
		(m = c->lib->multi_info_read(c->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result;
		c->lib->easy_getinfo(
			m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		http_call_on_done(call, code);
	}
	http_client_leave(c);
}

/*
 * One step of libcurl.  A thread that it starts to look a name up takes our
 * signal mask with it: no signal is for that thread.  Those of our own faults
 * (and of the watch over hung workers) stay open.
 */
static void http_client_act(struct http_client *c, int fd, int events)
{
	static const int open[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGTRAP };
	sigset_t all, before;
	int running;
	size_t i;

	sigfillset(&all);
	for (i = 0; i < sizeof(open) / sizeof(*open); i++)
		sigdelset(&all, open[i]);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	c->lib->multi_socket_action(c->multi, fd, events, &running);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	http_client_drain(c);
}

static void http_client_on_timer(void *arg)
{
	http_client_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void http_client_on_hosts(void *arg)
{
	http_call_go_on(arg);
}

static void http_client_on_idle(void *arg)
{
	http_client_trim(arg);
}

struct http_client *http_client_new(
	struct loop *l, unsigned connections, struct err *err)
{
	const struct http_lib *lib = http_lib_load(err);
	struct http_client *c;

	if (lib == NULL)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->loop = l;
	c->lib = lib;
	c->connections = connections;
	c->timer = loop_timer_new(l, http_client_on_timer, c);
	c->idle = loop_timer_new(l, http_client_on_idle, c);
	c->hosts_timer = loop_timer_new(l, http_client_on_hosts, c);
	LIST_INIT(&c->watches);
	LIST_INIT(&c->calls);
	LIST_INIT(&c->hosts);
	return c;
}

int http_client_ready(struct http_client *c, struct err *err)
{
	const struct http_lib *lib = c->lib;

	if (c->multi != NULL)
		return 0;
	c->multi = lib->multi_init();
	if (c->multi == NULL)
		return err_set(err, 0, "libcurl has no memory");
	lib->multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, http_on_socket);
	lib->multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	lib->multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, http_on_timeout);
	lib->multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	lib->multi_setopt(
		c->multi, CURLMOPT_MAXCONNECTS, HTTP_IDLE_CONNECTIONS);
	lib->multi_setopt(
		c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->connections);
	return 0;
}

/* No call is left. */
static void http_client_close(struct http_client *c)
{
	struct http_watch *w;

	if (c->multi != NULL)
		c->lib->multi_cleanup(c->multi);
	c->multi = NULL;
	while ((w = LIST_FIRST(&c->watches)) != NULL)
		http_watch_free(w);
	loop_timer_stop(c->timer);
	loop_timer_stop(c->hosts_timer);
	http_host_sweep(&c->hosts, INT64_MAX);
}

void http_client_trim(struct http_client *c)
{
	if (c->depth > 0)
		return;
	while (c->spare_count > 0)
		c->lib->easy_cleanup(c->spare[--c->spare_count]);
	if (c->count == 0) {
		loop_timer_stop(c->idle);
		http_client_close(c);
	}
}

void http_client_enter(struct http_client *c)
{
	c->depth++;
}

void http_client_leave(struct http_client *c)
{
	c->depth--;
	if (!c->is_gone || c->depth > 0)
		return;
	http_client_trim(c);
	loop_timer_free(c->timer);
	loop_timer_free(c->idle);
	loop_timer_free(c->hosts_timer);
	free(c);
}

void http_client_free(struct http_client *c)
{
	struct http_call *call;

	if (c == NULL)
		return;
	http_client_enter(c);
	c->is_gone = true;
	while ((call = LIST_FIRST(&c->calls)) != NULL)
		http_call_free(call);
	http_client_leave(c);
}

unsigned http_client_calls(const struct http_client *c)
{
	return c->count;
}
