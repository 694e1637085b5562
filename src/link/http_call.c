/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "link/http_call.h"
#include "link/http_out.h"

/* How long what is kept for later calls stays. */
#define HTTP_IDLE_US (INT64_C(60) * US_PER_S)
/* No connection is older, so that a service that moves is followed. */
#define HTTP_CONNECTION_AGE_S 600L
/* Bytes that a call reads at a time: each call under way holds as many. */
#define HTTP_READ_BYTES 4096L
/* Of a body beyond answer_max so much is read and dropped, for the sake of the
 * connection; then the connection is given up. */
#define HTTP_DROP_BYTES (256u << 10)

static size_t http_on_header(char *line, size_t size, size_t len, void *arg)
{
	struct http_call *call = arg;
	char *value;

	len *= size;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		call->retry_after_us = -1; /* what came was a 1xx */
	value = http_out_field(line, len, "Retry-After");
	if (value != NULL)
		call->retry_after_us =
			http_out_retry_after(call->client->lib, value);
	free(value);
	return len;
}

static size_t http_on_body(char *data, size_t size, size_t len, void *arg)
{
	struct http_call *call = arg;
	size_t room = call->answer_max - call->body.len;
	size_t kept;

	len *= size;
	kept = len < room ? len : room;
	if (kept > 0)
		buf_add(&call->body, data, kept);
	call->dropped += len - kept;
	return call->dropped > HTTP_DROP_BYTES ? 0 : len;
}

/* Those who wait for this host may be able to go. */
static void http_call_wake_waiting(
	struct http_client *c, const struct http_host *host)
{
	if (!TAILQ_EMPTY(&host->waiting))
		loop_timer_start(c->hosts_timer, 0);
}

/* The host's addresses are known: this is for the first of them. */
static curl_socket_t http_on_open(
	void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct http_call *call = arg;

	(void)purpose;
	http_host_answered(&call->visit);
	http_call_wake_waiting(call->client, call->visit.host);
	return socket(
		addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* Connected, or an open connection was taken. */
static int http_on_connected(
	void *arg, char *peer, char *own, int peer_port, int own_port)
{
	struct http_call *call = arg;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	http_host_unasked(&call->visit);
	http_call_wake_waiting(call->client, call->visit.host);
	return CURL_PREREQFUNC_OK;
}

void http_call_free(struct http_call *call)
{
	struct http_client *c = call->client;
	struct http_host *host;

	if (call->is_added)
		c->lib->multi_remove_handle(c->multi, call->easy);
	http_client_give_easy(c, call->easy);
	host = call->visit.host;
	http_host_leave(&call->visit);
	http_call_wake_waiting(c, host);
	c->lib->slist_free_all(call->headers);
	c->lib->slist_free_all(call->resolve);
	loop_timer_free(call->timer);
	buf_done(&call->body);
	LIST_REMOVE(call, entry);
	c->count--;
	if (c->count == 0)
		loop_timer_start(c->idle, HTTP_IDLE_US);
	free(call);
}

/* Tell the answer; the call is gone before. */
static void http_call_finish(struct http_call *call, struct http_answer *a)
{
	struct http_client *c = call->client;
	http_answer_fn fn = call->fn;
	void *arg = call->arg;
	struct buf body = call->body;

	call->body = (struct buf)BUF_INIT;
	a->body = buf_str(&body);
	a->body_len = body.len;
	a->is_cut = call->dropped > 0;
	a->retry_after_us = call->retry_after_us;
	http_client_enter(c);
	http_call_free(call);
	fn(a, arg);
	buf_done(&body);
	http_client_leave(c);
}

static struct http_call *http_call_of(struct http_visit *v)
{
	return (struct http_call *)((char *)v -
				    offsetof(struct http_call, visit));
}

/* Nobody knows the host: those who waited for the one that asked get the same
 * answer.  Calls that are started meanwhile are not among them. */
static void http_call_fail_all(struct http_call *asked, struct http_answer *a)
{
	struct http_host *h = asked->visit.host;
	struct http_answer same = *a;
	struct http_visit *v;
	unsigned n = 0;

	TAILQ_FOREACH(v, &h->waiting, entry)
		n++;
	h->visits++;
	http_call_finish(asked, a);
	while (n-- > 0 && (v = TAILQ_FIRST(&h->waiting)) != NULL) {
		*a = same;
		http_call_finish(http_call_of(v), a);
	}
	h->visits--;
}

void http_call_on_done(struct http_call *call, CURLcode code)
{
	const struct http_lib *lib = call->client->lib;
	struct http_answer a = { .status = 0 };
	char error[CURL_ERROR_SIZE];
	long status = 0;

	/* We gave the rest of a long body up ourselves. */
	if (code == CURLE_WRITE_ERROR && call->dropped > 0)
		code = CURLE_OK;
	if (code == CURLE_OK) {
		lib->easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		a.status = (int)status;
		http_call_finish(call, &a);
		return;
	}
	(void)snprintf(error, sizeof(error), "%s",
		call->error[0] != '\0' ? call->error
				       : lib->easy_strerror(code));
	a.error = error;
	a.is_timeout = code == CURLE_OPERATION_TIMEDOUT;
	if (code == CURLE_COULDNT_RESOLVE_HOST &&
		call->visit.host->asking == &call->visit)
		http_call_fail_all(call, &a);
	else
		http_call_finish(call, &a);
}

static void http_call_on_timer(void *arg)
{
	struct http_call *call = arg;
	struct http_answer a = { .error = "no answer in time",
		.is_timeout = true };

	if (call->is_refused)
		a = (struct http_answer){
			.error = "libcurl takes no further call"
		};
	http_call_finish(call, &a);
}

static void http_call_start_timer(struct http_call *call, int64_t delay_us)
{
	if (call->timer == NULL)
		call->timer = loop_timer_new(
			call->client->loop, http_call_on_timer, call);
	loop_timer_start(call->timer, delay_us);
}

static void http_call_set_security(
	const struct http_lib *lib, CURL *easy, const char *ca_file)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	lib->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	lib->easy_setopt(easy, CURLOPT_PROTOCOLS,
		(long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	lib->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	lib->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	lib->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file != NULL)
		lib->easy_setopt(easy, CURLOPT_CAINFO, ca_file);
}

static void http_call_set_callbacks(struct http_call *call)
{
	const struct http_lib *lib = call->client->lib;
	CURL *easy = call->easy;

	lib->easy_setopt(easy, CURLOPT_PRIVATE, call);
	lib->easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	lib->easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
	lib->easy_setopt(easy, CURLOPT_WRITEDATA, call);
	lib->easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
	lib->easy_setopt(easy, CURLOPT_HEADERDATA, call);
	lib->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_on_open);
	lib->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	lib->easy_setopt(easy, CURLOPT_PREREQFUNCTION, http_on_connected);
	lib->easy_setopt(easy, CURLOPT_PREREQDATA, call);
}

static void http_call_set_habits(const struct http_lib *lib, CURL *easy)
{
	lib->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	lib->easy_setopt(easy, CURLOPT_USERAGENT, "reeve/" PACKAGE_VERSION);
	lib->easy_setopt(
		easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	lib->easy_setopt(easy, CURLOPT_BUFFERSIZE, HTTP_READ_BYTES);
	lib->easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	/* Timeouts are ours; libcurl's own for connecting is 300 s. */
	lib->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)INT32_MAX);
	/* http_host says when a name is asked for again. */
	lib->easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	lib->easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, HTTP_CONNECTION_AGE_S);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Do not wait for the thread of a lookup that is given up. */
	lib->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

/* Into libcurl's hands; it begins in a later turn. */
static void http_call_go(struct http_call *call, enum http_host_turn turn)
{
	struct http_client *c = call->client;
	char *forget;

	if (turn == HTTP_HOST_ASK) {
		forget = xasprintf("-%s", call->visit.host->key);
		call->resolve = c->lib->slist_append(NULL, forget);
		free(forget);
		c->lib->easy_setopt(call->easy, CURLOPT_RESOLVE, call->resolve);
	}
	call->is_added =
		c->lib->multi_add_handle(c->multi, call->easy) == CURLM_OK;
	if (call->is_added)
		return;
	call->is_refused = true;
	http_call_start_timer(call, 0);
}

void http_call_go_on(struct http_client *c)
{
	enum http_host_turn turn;
	struct http_visit *v;

	while ((v = http_host_next(&c->hosts, &turn)) != NULL)
		http_call_go(http_call_of(v), turn);
}

static struct http_call *http_call_new(
	struct http_client *c, const struct http_call_options *o)
{
	struct http_call *call = xcalloc(1, sizeof(*call));

	call->client = c;
	call->retry_after_us = -1;
	call->answer_max = o->answer_max;
	call->easy = http_client_take_easy(c);
	LIST_INSERT_HEAD(&c->calls, call, entry);
	c->count++;
	loop_timer_stop(c->idle);
	if (call->easy == NULL)
		return call;
	call->headers = http_out_headers(c->lib, o);
	c->lib->easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	http_out_apply(c->lib, call->easy, o);
	http_call_set_security(c->lib, call->easy, o->ca_file);
	http_call_set_habits(c->lib, call->easy);
	http_call_set_callbacks(call);
	if (o->timeout_us > 0)
		http_call_start_timer(call, o->timeout_us);
	return call;
}

struct http_call *http_call_start(struct http_client *c,
	const struct http_call_options *o, http_answer_fn fn, void *arg,
	struct err *err)
{
	struct http_call *call;
	enum http_host_turn turn;
	char *key;

	if (http_client_ready(c, err) != 0 ||
		http_out_check(c->lib, o, &key, err) != 0)
		return NULL;
	call = http_call_new(c, o);
	turn = http_host_visit(&c->hosts, key, &call->visit);
	free(key);
	call->fn = fn;
	call->arg = arg;
	if (call->easy == NULL) {
		err_set(err, 0, "libcurl has no memory for a call");
		http_call_free(call);
		return NULL;
	}
	if (turn != HTTP_HOST_WAIT)
		http_call_go(call, turn);
	return call;
}

void http_call_cancel(struct http_call *call)
{
	if (call != NULL)
		http_call_free(call);
}
