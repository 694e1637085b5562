/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "link/redis_conn.h"
#include "link/redis_sentinel.h"
#include "loop/loop.h"

#define SENTINEL_TIMEOUT_US ((int64_t)US_PER_S)

static void redis_set_label(struct redis *r)
{
	if (r->url.is_unix && !r->use_moved)
		snprintf(r->label, sizeof(r->label), "%s", r->host);
	else if (strchr(r->host, ':') != NULL)
		snprintf(r->label, sizeof(r->label), "[%s]:%u", r->host,
			(unsigned)r->port);
	else
		snprintf(r->label, sizeof(r->label), "%s:%u", r->host,
			(unsigned)r->port);
}

void redis_try_address(struct redis *r)
{
	struct err err = { 0, "no address" };

	while (r->next < r->found.count) {
		if (redis_wire_open(&r->wire, &r->found.addresses[r->next++],
			    redis_on_fd, r, &err) == 0) {
			r->phase = REDIS_CONNECTING;
			return;
		}
	}
	redis_lost(r, err.text);
}

static void redis_on_resolved(const struct resolve_answer *a, void *arg)
{
	struct redis *r = arg;

	redis_enter(r);
	r->resolve = NULL;
	if (a->count == 0) {
		redis_lost(r, a->error);
	} else {
		r->found = *a;
		redis_try_address(r);
	}
	redis_leave(r);
}

void redis_begin(struct redis *r)
{
	r->phase = REDIS_RESOLVING;
	r->next = 0;
	redis_set_label(r);
	loop_timer_start(r->timer, r->connect_timeout_us);
	if (r->url.is_unix && !r->use_moved) {
		r->found.count = 1;
		redis_wire_unix(r->host, &r->found.addresses[0]);
		redis_try_address(r);
	} else {
		r->resolve = resolve_start(
			r->loop, r->host, r->port, redis_on_resolved, r);
	}
}

static void redis_head_for(struct redis *r, const char *host, uint16_t port)
{
	snprintf(r->host, sizeof(r->host), "%s", host);
	r->port = port;
	redis_begin(r);
}

static void redis_on_located(
	const char *host, uint16_t port, const char *why, void *arg)
{
	struct redis *r = arg;

	redis_enter(r);
	r->sentinel = NULL;
	if (host != NULL)
		redis_head_for(r, host, port);
	else
		redis_lost(r, why);
	redis_leave(r);
}

static void redis_locate(struct redis *r)
{
	struct redis_sentinel_options o = {
		.master = r->sentinel_master,
		.nodes = r->sentinel_nodes,
		.count = r->sentinel_count,
		.first = r->failures % r->sentinel_count,
		.timeout_us = r->connect_timeout_us < SENTINEL_TIMEOUT_US
				      ? r->connect_timeout_us
				      : SENTINEL_TIMEOUT_US,
	};

	r->phase = REDIS_LOCATING;
	r->label[0] = '\0';
	r->sentinel = redis_sentinel_ask(r->loop, &o, redis_on_located, r);
}

void redis_attempt(struct redis *r)
{
	r->doom[0] = '\0';
	r->wants_reset = false;
	if (r->use_moved)
		redis_head_for(r, r->moved_host, r->moved_port);
	else if (r->sentinel_master != NULL)
		redis_locate(r);
	else
		redis_head_for(r, r->url.host, r->url.port);
}
