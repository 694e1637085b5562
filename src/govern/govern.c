/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/role.h"
#include "govern/command.h"
#include "govern/counts.h"
#include "govern/govern.h"
#include "govern/options.h"
#include "govern/routes.h"
#include "govern/lookout.h"
#include "loop/http.h"
#include "worker/worker.h"

static const struct http_limits govern_limits = {
	.header_max = 8192,
	.body_max = 65536,
	.connections_max = 256,
	.header_timeout_us = 10 * US_PER_S,
	.body_timeout_us = 10 * US_PER_S,
	.write_timeout_us = 10 * US_PER_S,
	.idle_timeout_us = 60 * US_PER_S,
	.linger_us = 100 * US_PER_MS,
};

struct govern {
	struct worker *worker;      /* borrowed */
	struct http_server *server; /* owned, as the next three */
	struct command_table *commands;
	struct lookout *lookout;
	struct counts *counts; /* NULL: no queues */
	struct routes routes;
	bool draining, disconnected;
};

static void govern_leave_if_done(struct govern *g)
{
	if (g->draining && g->disconnected && command_count(g->commands) == 0)
		worker_done(g->worker);
}

static void govern_on_request(struct http_request *req, void *arg)
{
	struct govern *g = arg;

	routes_serve(&g->routes, req);
}

static void govern_on_msg(const struct msg *m, int fd, void *arg)
{
	struct govern *g = arg;

	command_on_msg(g->commands, m, fd);
	govern_leave_if_done(g);
}

static void govern_on_disconnected(void *arg)
{
	struct govern *g = arg;

	g->disconnected = true;
	govern_leave_if_done(g);
}

static void *govern_start(struct worker *w, struct err *err)
{
	const struct child *child = worker_child(w);
	struct govern *g;
	size_t i;

	if (child->listener_count == 0) {
		(void)err_set(err, 0, "no control socket was handed on");
		return NULL;
	}
	g = xcalloc(1, sizeof(*g));
	g->worker = w;
	g->commands = command_table_new(w);
	g->routes = (struct routes){ w, g->commands };
	g->server = http_server_new(
		worker_loop(w), &govern_limits, govern_on_request, g);
	for (i = 0; i < child->listener_count; i++)
		http_server_listen(g->server, child->listeners[i]);
	g->lookout = lookout_new(w);
	worker_on_msg(w, govern_on_msg, g);
	/* Without counts from outside the file's stand: no reason to go. */
	g->counts = counts_new(w, err);
	if (g->counts == NULL && err->text[0] != '\0')
		log_error("no counts from Redis: %s", err->text);
	return g;
}

static void govern_drain(void *self)
{
	struct govern *g = self;

	g->draining = true;
	command_drain(g->commands);
	http_server_drain(g->server, govern_on_disconnected, g);
}

/* Told to go at once: what the master has answered by then still counts. */
static void govern_finish(struct govern *g)
{
	int channel = worker_child(g->worker)->channel, fd;
	struct msg m;

	while (msg_recv(channel, &m, &fd) == 1)
		command_on_msg(g->commands, &m, fd);
	command_drain(g->commands);
}

static void govern_stop(void *self)
{
	struct govern *g = self;

	counts_free(g->counts);
	lookout_free(g->lookout);
	govern_finish(g);
	command_table_free(g->commands);
	http_server_free(g->server);
	free(g);
}

const struct role role_governor = {
	.name = "governor",
	.kind = &conf_kind_governor,
	.start = govern_start,
	.drain = govern_drain,
	.stop = govern_stop,
};
