/* SPDX-License-Identifier: ISC */
/*
 * http_call - what the client and its calls share.
 *
 * libcurl tells us which descriptors and which moment it waits for; we tell it
 * when they come, and then read which transfers are done.  Only there, between
 * two calls into libcurl, are users' callbacks called: so they may do what
 * they like.
 */
#ifndef LINK_HTTP_CALL_H
#define LINK_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "link/http.h"
#include "link/http_host.h"
#include "link/http_lib.h"
#include "loop/loop.h"

#define HTTP_IDLE_HANDLES 64u /* kept for later calls */

struct http_watch;

struct http_client {
	struct loop *loop;
	const struct http_lib *lib;
	unsigned connections;
	CURLM *multi; /* NULL while nothing was called, or trimmed */
	struct loop_timer *timer;        /* libcurl's */
	struct loop_timer *idle;         /* until what is kept is dropped */
	struct loop_timer *hosts_timer;  /* at once: a host has news */
	LIST_HEAD(, http_watch) watches; /* what libcurl waits for */
	LIST_HEAD(, http_call) calls;
	unsigned count; /* of calls */
	struct http_hosts hosts;
	CURL *spare[HTTP_IDLE_HANDLES];
	unsigned spare_count;
	unsigned depth; /* users' callbacks may be running */
	bool is_gone;   /* freed in one of them */
};

struct http_call {
	LIST_ENTRY(http_call) entry;
	struct http_client *client;
	http_answer_fn fn;
	void *arg;
	CURL *easy;
	bool is_added;   /* to multi */
	bool is_refused; /* by it: the timer tells */
	struct curl_slist *headers, *resolve;
	struct http_visit visit;
	struct loop_timer *timer; /* of timeout_us; NULL: none */
	struct buf body;
	size_t answer_max, dropped;
	int64_t retry_after_us;
	char error[CURL_ERROR_SIZE];
};

/* The way through the user's callbacks: nothing of the client is freed between
 * the two, http_client_leave may be the end of it. */
void http_client_enter(struct http_client *c);
void http_client_leave(struct http_client *c);
/* Make libcurl's side, if there is none. */
int http_client_ready(struct http_client *c, struct err *err);
CURL *http_client_take_easy(struct http_client *c);
void http_client_give_easy(struct http_client *c, CURL *easy);

/* libcurl is done with it. */
void http_call_on_done(struct http_call *call, CURLcode code);
/* Begin those whose host has news. */
void http_call_go_on(struct http_client *c);
/* Without a word to its owner. */
void http_call_free(struct http_call *call);

#endif
