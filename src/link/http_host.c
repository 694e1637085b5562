/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "link/http_host.h"

#define HTTP_HOST_KNOWN_US (INT64_C(60) * US_PER_S)

static struct http_host *http_host_find(
	struct http_hosts *hosts, const char *key)
{
	struct http_host *h;

	LIST_FOREACH(h, hosts, entry)
		if (strcmp(h->key, key) == 0)
			return h;
	http_host_sweep(hosts, clock_now());
	h = xcalloc(1, sizeof(*h));
	h->key = xstrdup(key);
	TAILQ_INIT(&h->waiting);
	LIST_INSERT_HEAD(hosts, h, entry);
	return h;
}

static enum http_host_turn http_host_turn(
	struct http_host *h, struct http_visit *v)
{
	if (h->known_until_us > clock_now())
		return HTTP_HOST_GO;
	if (h->asking != NULL)
		return HTTP_HOST_WAIT;
	h->asking = v;
	return HTTP_HOST_ASK;
}

enum http_host_turn http_host_visit(
	struct http_hosts *hosts, const char *key, struct http_visit *v)
{
	struct http_host *h = http_host_find(hosts, key);
	enum http_host_turn turn = http_host_turn(h, v);

	h->visits++;
	v->host = h;
	v->is_waiting = turn == HTTP_HOST_WAIT;
	if (v->is_waiting)
		TAILQ_INSERT_TAIL(&h->waiting, v, entry);
	return turn;
}

static void http_host_stop_waiting(struct http_visit *v)
{
	if (!v->is_waiting)
		return;
	TAILQ_REMOVE(&v->host->waiting, v, entry);
	v->is_waiting = false;
}

void http_host_leave(struct http_visit *v)
{
	if (v->host == NULL)
		return;
	http_host_stop_waiting(v);
	http_host_unasked(v);
	v->host->visits--;
	v->host = NULL;
}

void http_host_answered(struct http_visit *v)
{
	if (v->host->asking != v)
		return;
	v->host->asking = NULL;
	v->host->known_until_us = clock_now() + HTTP_HOST_KNOWN_US;
}

void http_host_unasked(struct http_visit *v)
{
	if (v->host->asking == v)
		v->host->asking = NULL;
}

struct http_visit *http_host_next(
	struct http_hosts *hosts, enum http_host_turn *ret_turn)
{
	struct http_visit *v;
	struct http_host *h;
	enum http_host_turn turn;

	LIST_FOREACH(h, hosts, entry) {
		v = TAILQ_FIRST(&h->waiting);
		if (v == NULL)
			continue;
		turn = http_host_turn(h, v);
		if (turn == HTTP_HOST_WAIT)
			continue;
		http_host_stop_waiting(v);
		*ret_turn = turn;
		return v;
	}
	return NULL;
}

void http_host_sweep(struct http_hosts *hosts, int64_t known_before_us)
{
	struct http_host *h, *next;

	for (h = LIST_FIRST(hosts); h != NULL; h = next) {
		next = LIST_NEXT(h, entry);
		if (h->visits > 0 || h->known_until_us > known_before_us)
			continue;
		LIST_REMOVE(h, entry);
		free(h->key);
		free(h);
	}
}
