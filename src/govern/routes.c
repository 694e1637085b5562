/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "board/report.h"
#include "board/role.h"
#include "board/view.h"
#include "govern/command.h"
#include "govern/routes.h"
#include "loop/http.h"
#include "worker/worker.h"

#define ROUTES_COUNT_DIGITS 6

struct routes_row {
	enum http_method method;
	const char *path;  /* "*" stands for a pool's name */
	const char *query; /* when this parameter is 1; NULL: any */
	void (*serve)(const struct routes *r, const struct routes_row *row,
		const char *pool, struct http_request *req);
	enum msg_command command;
	const char *words; /* what the log calls it */
};

static void routes_status(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req);
static void routes_metrics(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req);
static void routes_config(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req);
static void routes_command(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req);
static void routes_scale(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req);

/* The first row that fits is taken. */
static const struct routes_row routes_table[] = {
	{ HTTP_GET, "/status", NULL, routes_status, MSG_COMMAND_NONE, NULL },
	{ HTTP_GET, "/metrics", NULL, routes_metrics, MSG_COMMAND_NONE, NULL },
	{ HTTP_GET, "/config", NULL, routes_config, MSG_COMMAND_CONFIG, NULL },
	{ HTTP_POST, "/reload", "plan", routes_command, MSG_COMMAND_PLAN,
		"plan of a reload" },
	{ HTTP_POST, "/reload", NULL, routes_command, MSG_COMMAND_RELOAD,
		"reload" },
	{ HTTP_POST, "/pools/*/start", NULL, routes_command, MSG_COMMAND_START,
		"start" },
	{ HTTP_POST, "/pools/*/stop", NULL, routes_command, MSG_COMMAND_STOP,
		"stop" },
	{ HTTP_POST, "/pools/*/restart", NULL, routes_command,
		MSG_COMMAND_RESTART, "restart" },
	{ HTTP_POST, "/pools/*/scale", NULL, routes_scale, MSG_COMMAND_SCALE,
		"scale" },
	{ HTTP_POST, "/reopen", NULL, routes_command, MSG_COMMAND_REOPEN,
		"reopen" },
	{ HTTP_POST, "/upgrade", NULL, routes_command, MSG_COMMAND_UPGRADE,
		"upgrade" },
	{ HTTP_POST, "/shutdown", "now", routes_command,
		MSG_COMMAND_SHUTDOWN_NOW, "shutdown --now" },
	{ HTTP_POST, "/shutdown", NULL, routes_command, MSG_COMMAND_SHUTDOWN,
		"shutdown" },
};

#define ROUTES_COUNT (sizeof(routes_table) / sizeof(*routes_table))

/* Does the path fit the row's?  The name behind "*" goes to ret_pool. */
static bool routes_match(
	const char *pattern, const char *path, char ret_pool[MSG_NAME_MAX])
{
	const char *star = strchr(pattern, '*'), *end;
	size_t head, len;

	ret_pool[0] = '\0';
	if (star == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(star - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	end = strchr(path + head, '/');
	if (end == NULL || strcmp(end, star + 1) != 0)
		return false;
	len = (size_t)(end - path) - head;
	if (len == 0 || len >= MSG_NAME_MAX)
		return false;
	memcpy(ret_pool, path + head, len);
	ret_pool[len] = '\0';
	return true;
}

static bool routes_has_query(
	const struct routes_row *row, struct http_request *req)
{
	const char *value;

	if (row->query == NULL)
		return true;
	value = http_request_query(req, row->query);
	return value != NULL && strcmp(value, "1") == 0;
}

static bool routes_has_pool(const struct board *b, const char *name)
{
	int i, n = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;

	for (i = 0; i < n && i < BOARD_POOLS_MAX; i++) {
		(void)board_read_pool(b, i, &p);
		if (p.state != BOARD_POOL_UNUSED && strcmp(p.name, name) == 0)
			return true;
	}
	return false;
}

/* Who wanted it goes to the log before anything is done. */
static void routes_log(const struct routes_row *row, const char *pool,
	const char *more, const struct http_request *req)
{
	struct http_peer peer;

	if (http_request_peer(req, &peer))
		log_info("control: %s%s%s%s%s by uid %u pid %d", row->words,
			*pool != '\0' ? " " : "", pool,
			*more != '\0' ? " " : "", more, (unsigned)peer.uid,
			(int)peer.pid);
	else
		log_info("control: %s %s %s", row->words, pool, more);
}

static void routes_reply_buf(
	struct http_request *req, const char *type, struct buf *out)
{
	http_reply(req, 200, type, out->data, out->len);
	buf_done(out);
}

static void routes_status(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req)
{
	const char *only = http_request_query(req, "pool");
	struct buf out = BUF_INIT;

	(void)row;
	(void)pool;
	if (report_status(worker_child(r->worker)->board, only, REPORT_MEMORY,
		    &out) != 0) {
		command_refuse(req, 404, "no pool is named \"%s\"", only);
		return;
	}
	buf_putc(&out, '\n');
	routes_reply_buf(req, "application/json", &out);
}

static void routes_metrics(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req)
{
	struct buf out = BUF_INIT;

	(void)row;
	(void)pool;
	report_metrics(worker_child(r->worker)->board, &out);
	routes_reply_buf(req, "text/plain; version=0.0.4; charset=utf-8", &out);
}

/* The configuration of this process is the effective one until a reload. */
static void routes_config(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req)
{
	const struct child *child = worker_child(r->worker);
	struct buf out = BUF_INIT;
	struct board_header h;

	(void)pool;
	(void)board_read_header(child->board, &h);
	if (h.generation != child->generation) {
		command_send(r->commands, row->command, NULL, NULL, req);
		return;
	}
	conf_print(child->conf, &out);
	routes_reply_buf(req, "text/yaml; charset=utf-8", &out);
}

static void routes_command(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req)
{
	routes_log(row, pool, "", req);
	command_send(r->commands, row->command, pool, NULL, req);
}

static bool routes_is_count(const char *text)
{
	size_t len = strspn(text, "0123456789");

	if (strcmp(text, "file") == 0)
		return true;
	return len > 0 && len <= ROUTES_COUNT_DIGITS && text[len] == '\0';
}

static void routes_scale(const struct routes *r, const struct routes_row *row,
	const char *pool, struct http_request *req)
{
	const char *count = http_request_query(req, "count");

	if (count == NULL || !routes_is_count(count)) {
		command_refuse(req, 400,
			"count must be a number, or \"file\" for that of "
			"process.yaml");
		return;
	}
	routes_log(row, pool, count, req);
	command_send(r->commands, row->command, pool, count, req);
}

static void routes_refuse_method(struct http_request *req, const char *allow)
{
	(void)http_reply_header(req, "Allow", allow);
	command_refuse(req, 405, "this path takes %s", allow);
}

void routes_serve(const struct routes *r, struct http_request *req)
{
	enum http_method method = http_request_method(req);
	const char *path = http_request_path(req), *allow = NULL;
	char pool[MSG_NAME_MAX];
	size_t i;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (i = 0; i < ROUTES_COUNT; i++) {
		const struct routes_row *row = &routes_table[i];

		if (!routes_match(row->path, path, pool))
			continue;
		allow = row->method == HTTP_GET ? "GET, HEAD" : "POST";
		if (row->method != method || !routes_has_query(row, req))
			continue;
		if (*pool != '\0' &&
			!routes_has_pool(worker_child(r->worker)->board, pool))
			command_refuse(
				req, 404, "no pool is named \"%s\"", pool);
		else
			row->serve(r, row, pool, req);
		return;
	}
	if (allow != NULL)
		routes_refuse_method(req, allow);
	else
		command_refuse(req, 404, "there is nothing at %s", path);
}
