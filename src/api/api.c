/* SPDX-License-Identifier: ISC */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/access.h"
#include "api/access_log.h"
#include "api/api.h"
#include "api/call.h"
#include "api/db.h"
#include "api/follow.h"
#include "api/options.h"
#include "api/send.h"
#include "api/service.h"
#include "api/task_batch.h"
#include "api/wire.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/http.h"
#include "loop/http_origin.h"
#include "store/secret.h"
#include "worker/worker.h"

#define API_STOP_LINGER_US (100 * US_PER_MS)

struct api {
	struct worker *worker;             /* borrowed */
	const struct api_options *options; /* borrowed */
	struct http_server *server;        /* owned */
	struct http_origin *origin;        /* owned */
	struct service service;
	struct access_log *access; /* owned; NULL: off */
};

static void api_on_request(struct http_request *req, void *arg)
{
	struct api *self = arg;

	worker_task_begin(self->worker);
	call_begin(&self->service, req);
}

static void api_on_done(const struct http_done *d, void *arg)
{
	struct api *self = arg;

	if (!d->is_refused)
		worker_task_end(self->worker, d->status == 500, d->wait_us);
	if (self->access != NULL)
		access_log_add(self->access, d);
}

static void api_put(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* The server's counts go to the board, where all can read them. */
static void api_on_change(void *arg)
{
	struct api *self = arg;
	const struct http_counts *c = http_server_counts(self->server);
	struct board_live *live = worker_live(self->worker);
	int i;

	api_put(&live->accepted, c->accepted);
	api_put(&live->rejected, c->rejected);
	api_put(&live->timeouts, c->timeouts);
	api_put(&live->bytes_in, c->bytes_in);
	api_put(&live->bytes_out, c->bytes_out);
	for (i = 1; i < 6; i++)
		api_put(&live->by_class[i], c->by_class[i]);
	atomic_store_explicit(
		&live->connections, c->connections, memory_order_relaxed);
}

static void api_on_sent(void *arg)
{
	struct api *self = arg;

	worker_done(self->worker);
}

static void api_on_drained(void *arg)
{
	struct api *self = arg;

	send_drain(&self->service, api_on_sent, self);
}

static struct http_limits api_limits(const struct api_options *o)
{
	return (struct http_limits){
		.header_max = (size_t)o->max_header,
		.body_max = (size_t)o->max_body,
		.connections_max = (unsigned)o->max_connections,
		.header_timeout_us = o->header_timeout_us,
		.body_timeout_us = o->body_timeout_us,
		.write_timeout_us = o->write_timeout_us,
		.idle_timeout_us = o->keepalive_timeout_us,
		.linger_us = o->linger_us,
	};
}

/* What the API needs; health and metrics need none of it. */
static int api_open(struct api *self, struct err *err)
{
	struct service *s = &self->service;
	const char *key = s->conf->database_secret_key_file;

	if (key != NULL && (s->secret = secret_open(key, err)) == NULL)
		return -1;
	s->wire = wire_new(worker_loop(self->worker), s->conf);
	if (s->conf->database_url != NULL) {
		s->db = db_open(worker_loop(self->worker), s->conf, err);
		if (s->db == NULL)
			return -1;
	}
	if (s->options->auth == API_AUTH_TOKEN)
		s->access = access_open(s);
	return 0;
}

static void api_close(struct api *self)
{
	send_close(&self->service);
	wire_free(self->service.wire);
	db_close(self->service.db);
	task_batch_close(&self->service);
	access_close(self->service.access);
	http_origin_free(self->origin);
	secret_close(self->service.secret);
	free(self);
}

static void *api_start(struct worker *w, struct err *err)
{
	const struct child *child = worker_child(w);
	struct http_origin *origin;
	struct http_limits limits;
	struct api *self;
	size_t i;

	if (child->listener_count == 0) {
		(void)err_set(err, 0, "pool %s has nothing to listen on",
			child->pool->name);
		return NULL;
	}
	origin = api_options_origin(child->pool->own, err);
	if (origin == NULL)
		return NULL;
	self = xcalloc(1, sizeof(*self));
	self->worker = w;
	self->origin = origin;
	self->options = child->pool->own;
	self->service = (struct service){
		.worker = w,
		.conf = child->conf,
		.options = self->options,
		.board = child->board,
	};
	if (api_open(self, err) != 0) {
		api_close(self);
		return NULL;
	}
	limits = api_limits(self->options);
	self->server =
		http_server_new(worker_loop(w), &limits, api_on_request, self);
	if (strcmp(child->pool->access_log, "off") != 0)
		self->access = access_log_new(worker_loop(w));
	http_server_use_ids(self->server);
	if (self->options->gzip)
		http_server_use_gzip(self->server);
	http_server_set_origin(self->server, self->origin);
	http_server_on_done(self->server, api_on_done, self);
	http_server_on_change(self->server, api_on_change, self);
	for (i = 0; i < child->listener_count; i++)
		http_server_listen(self->server, child->listeners[i]);
	return self;
}

/* A worker that is replaced waits for requests that may be on their way;
 * when the node stops, their clients are refused in any case. */
static bool api_is_node_stopping(const struct api *self)
{
	struct board_header h;

	(void)board_read_header(worker_child(self->worker)->board, &h);
	return h.state == BOARD_NODE_STOPPING;
}

/* An address that was taken out of the configuration must not be held by
 * workers that linger: who connects would wait for nothing. */
static void api_close_listeners(const struct api *self)
{
	const struct child *child = worker_child(self->worker);
	size_t i;

	for (i = 0; i < child->listener_count; i++)
		close(child->listeners[i]);
}

static void api_drain(void *arg)
{
	struct api *self = arg;

	if (api_is_node_stopping(self) &&
		self->options->linger_us > API_STOP_LINGER_US)
		http_server_set_linger(self->server, API_STOP_LINGER_US);
	http_server_drain(self->server, api_on_drained, self);
	api_close_listeners(self);
}

static void api_stop(void *arg)
{
	struct api *self = arg;

	follow_stop(&self->service);
	http_server_free(self->server);
	access_log_free(self->access);
	api_close(self);
}

const struct role role_http = {
	.name = "http",
	.kind = &conf_kind_http,
	.start = api_start,
	.drain = api_drain,
	.stop = api_stop,
};
