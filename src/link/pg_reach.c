/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "link/pg_conn.h"
#include "loop/loop.h"

static void reach_on_fd(int fd, unsigned events, void *arg);
static void reach_host(struct pg_conn *c);

void pg_reach_text(
	const struct pg *p, const char *message, char *ret, size_t size)
{
	static const char *const heads[] = {
		"FATAL:  ", "PANIC:  ", "ERROR:  "
	};
	const char *password = pg_url_value(&p->url, "password");
	const char *at = strstr(message, " failed: ");
	size_t i;

	if (strncmp(message, "connection to server ", 21) == 0 && at != NULL)
		message = at + 9;
	for (i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (strncmp(message, heads[i], strlen(heads[i])) == 0)
			message += strlen(heads[i]);
	snprintf(ret, size, "%.*s", (int)strcspn(message, "\n"), message);
	if (password != NULL && strstr(ret, password) != NULL)
		snprintf(ret, size, "the reason has the password in it");
}

static void reach_on_notice(void *arg, const char *message)
{
	(void)arg;
	log_debug("postgresql: %.*s", (int)strcspn(message, "\n"), message);
}

void pg_reach_end(struct pg_conn *c)
{
	loop_fd_free(c->watch);
	c->watch = NULL;
	if (c->pq != NULL)
		c->pool->lib->finish(c->pq);
	c->pq = NULL;
}

static void reach_fault(struct pg_conn *c)
{
	char text[256];

	pg_reach_text(c->pool, c->pool->lib->error_message(c->pq), text,
		sizeof(text));
	pg_reach_next(c, text);
}

static void reach_watch(struct pg_conn *c, unsigned events)
{
	int fd = c->pool->lib->socket(c->pq);

	if (fd == -1)
		reach_fault(c);
	else
		c->watch =
			loop_fd_new(c->pool->loop, fd, events, reach_on_fd, c);
}

static void reach_params(
	const struct pg_conn *c, const char *address, struct pg_params *ret)
{
	const struct pg *p = c->pool;
	const struct pg_host *h = &p->url.hosts[c->host];

	pg_params_init(ret, &p->url);
	pg_params_add(ret, "host", h->name);
	pg_params_add(ret, "hostaddr", address);
	pg_params_add(ret, "port", h->port);
	pg_params_add(ret, "target_session_attrs",
		c->wants_standby ? "standby" : p->url.target);
	pg_params_add(ret, "options", p->session);
	pg_params_add(ret, "client_encoding", "UTF8");
	pg_params_default(ret, &p->url, "application_name", p->name);
	/* Kerberos would ask its servers, and wait. */
	pg_params_default(ret, &p->url, "gssencmode", "disable");
	/* A network that is cut is noticed within 10 s, idle or not. */
	pg_params_default(ret, &p->url, "tcp_user_timeout", "8000");
	pg_params_default(ret, &p->url, "keepalives_idle", "4");
	pg_params_default(ret, &p->url, "keepalives_interval", "2");
	pg_params_default(ret, &p->url, "keepalives_count", "3");
}

/* address NULL: a socket of the file system. */
static void reach_connect(struct pg_conn *c, const char *address)
{
	const struct pg_lib *lib = c->pool->lib;
	struct pg_params params;

	reach_params(c, address, &params);
	c->phase = PG_CONNECTING;
	loop_timer_start(c->timer, c->pool->connect_timeout_us);
	c->pq = lib->connect_start(params.keys, params.values, 0);
	if (c->pq == NULL) {
		pg_reach_next(c, "out of memory");
	} else if (lib->status(c->pq) == CONNECTION_BAD) {
		reach_fault(c);
	} else {
		(void)lib->set_notice_processor(c->pq, reach_on_notice, NULL);
		reach_watch(c, LOOP_WRITE);
	}
}

static void reach_address(struct pg_conn *c)
{
	const struct resolve_address *a = &c->found.addresses[c->next++];
	const void *ip =
		a->addr.ss_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)&a->addr)
				  ->sin6_addr
			: (const void *)&((const struct sockaddr_in *)&a->addr)
				  ->sin_addr;
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(a->addr.ss_family, ip, text, sizeof(text)) == NULL)
		pg_reach_next(c, "no address");
	else
		reach_connect(c, text);
}

static void reach_on_resolved(const struct resolve_answer *a, void *arg)
{
	struct pg_conn *c = arg;
	struct pg *p = c->pool;

	pg_enter(p);
	c->resolve = NULL;
	c->found = *a;
	if (a->count == 0)
		pg_reach_next(c, a->error);
	else
		reach_address(c);
	pg_leave(p);
}

static void reach_host(struct pg_conn *c)
{
	const struct pg_host *h = &c->pool->url.hosts[c->host];
	bool is_socket = pg_host_is_socket(h);

	c->next = 0;
	c->found.count = 0;
	if (is_socket && h->address == NULL)
		snprintf(c->label, sizeof(c->label), "%s",
			h->name != NULL ? h->name : "its usual socket");
	else
		snprintf(c->label, sizeof(c->label), "%.100s:%s",
			h->name != NULL ? h->name : h->address, h->port);
	if (is_socket || h->address != NULL) {
		reach_connect(c, h->address);
		return;
	}
	c->phase = PG_RESOLVING;
	loop_timer_start(c->timer, c->pool->connect_timeout_us);
	c->resolve = resolve_start(
		c->pool->loop, h->name, h->number, reach_on_resolved, c);
}

void pg_reach(struct pg_conn *c)
{
	c->host = 0;
	c->wants_standby = c->pool->url.prefers_standby;
	c->why[0] = '\0';
	reach_host(c);
}

static void reach_note(struct pg_conn *c, const char *why)
{
	size_t len = strlen(c->why);
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s: %.300s", c->label, why);
	/* Several addresses of a host have mostly one reason. */
	if (strstr(c->why, text) == NULL)
		snprintf(c->why + len, sizeof(c->why) - len, "%s%s",
			len > 0 ? "; " : "", text);
}

void pg_reach_next(struct pg_conn *c, const char *why)
{
	resolve_cancel(c->resolve);
	c->resolve = NULL;
	reach_note(c, why);
	pg_reach_end(c);
	if (c->next < c->found.count) {
		reach_address(c);
	} else if (c->host + 1 < c->pool->url.host_count) {
		c->host++;
		reach_host(c);
	} else if (c->wants_standby) {
		c->wants_standby = false;
		c->why[0] = '\0';
		c->host = 0;
		reach_host(c);
	} else {
		pg_lost(c, c->why);
	}
}

/* The session is as it should be: from here on all goes out in pipelines. */
static void reach_arrived(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;

	if (lib->enter_pipeline(c->pq) != 1) {
		reach_fault(c);
		return;
	}
	loop_fd_free(c->watch);
	c->watch = loop_fd_new(
		c->pool->loop, lib->socket(c->pq), LOOP_READ, pg_flow_on_fd, c);
	pg_serve(c);
}

static void reach_set_up(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;

	if (lib->set_nonblocking(c->pq, 1) != 0) {
		reach_fault(c);
		return;
	}
	c->phase = PG_SETTING_UP;
	if (c->pool->setup == NULL)
		reach_arrived(c);
	else if (lib->send_query(c->pq, c->pool->setup) != 1)
		reach_fault(c);
	else
		reach_watch(c, LOOP_READ | LOOP_WRITE);
}

/* 1: all of the setup is answered well; 0: more to come; -1: it failed. */
static int reach_answers(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;
	ExecStatusType status;
	PGresult *r;

	while (lib->is_busy(c->pq) == 0) {
		r = lib->get_result(c->pq);
		if (r == NULL)
			return 1;
		status = lib->result_status(r);
		lib->clear(r);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
			status != PGRES_EMPTY_QUERY)
			return -1;
	}
	return 0;
}

static void reach_on_setup(struct pg_conn *c, unsigned events)
{
	const struct pg_lib *lib = c->pool->lib;
	int flushed = lib->flush(c->pq), done = 0;

	if (flushed != -1 && (events & LOOP_READ))
		done = lib->consume_input(c->pq) == 1 ? reach_answers(c) : -1;
	if (flushed == -1 || done == -1)
		reach_fault(c);
	else if (done == 1)
		reach_arrived(c);
	else
		loop_fd_set(
			c->watch, LOOP_READ | (flushed == 1 ? LOOP_WRITE : 0));
}

/* libpq may take another socket: the watch is gone before it does. */
static void reach_on_poll(struct pg_conn *c)
{
	loop_fd_free(c->watch);
	c->watch = NULL;
	switch (c->pool->lib->connect_poll(c->pq)) {
	case PGRES_POLLING_READING: reach_watch(c, LOOP_READ); break;
	case PGRES_POLLING_WRITING: reach_watch(c, LOOP_WRITE); break;
	case PGRES_POLLING_OK: reach_set_up(c); break;
	case PGRES_POLLING_ACTIVE:
	case PGRES_POLLING_FAILED:
	default: reach_fault(c); break;
	}
}

static void reach_on_fd(int fd, unsigned events, void *arg)
{
	struct pg_conn *c = arg;
	struct pg *p = c->pool;

	(void)fd;
	pg_enter(p);
	if (c->phase == PG_SETTING_UP)
		reach_on_setup(c, events);
	else
		reach_on_poll(c);
	pg_leave(p);
}
