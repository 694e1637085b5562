/* SPDX-License-Identifier: ISC */
/* api: what the http worker answers, from a board made up here. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sys/un.h>

#include "api/call.h"
#include "api/openapi.h"
#include "api/options.h"
#include "api/service.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonr.h"
#include "board/board.h"
#include "conf/conf.h"
#include "loop/http.h"
#include "tap.h"

static struct loop *loop;
static struct loop_timer *tick;
static struct board board;
static struct sockaddr_un addr;
static socklen_t addr_len;

static void on_request(struct http_request *req, void *arg)
{
	static const struct api_options options = { .auth = API_AUTH_NONE };
	struct service service = { .board = &board, .options = &options };

	(void)arg;
	call_begin(&service, req);
}

static void on_tick(void *arg)
{
	loop_stop(arg);
}

/* Sends one request, returns the whole answer (buf_done). */
static struct buf ask(const char *method, const char *path)
{
	struct buf b = BUF_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = -1;
	int i;

	if (connect(fd, (struct sockaddr *)&addr, addr_len) != 0)
		bail("cannot connect");
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		method, path);
	for (i = 0; i < 5000 && n != 0; i++) {
		loop_timer_start(tick, US_PER_MS);
		loop_run(loop);
		n = recv(fd, buf_reserve(&b, 65536), 65536, MSG_DONTWAIT);
		if (n > 0)
			b.len += (size_t)n;
	}
	buf_putc(&b, '\0');
	close(fd);
	return b;
}

static void answers(const char *method, const char *path, const char *part,
	const char *title)
{
	struct buf b = ask(method, path);

	has_str(part, buf_str(&b), "%s", title);
	buf_done(&b);
}

static struct board_pool *add_pool(const char *name, enum board_pool_state s)
{
	struct board_pool *p = &board.map->pools[board_pool_take(&board)];

	board_write_begin(&p->version);
	p->state = s;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->kind, sizeof(p->kind), "program");
	board_write_end(&p->version);
	return p;
}

static void set_node(enum board_node_state s)
{
	board_write_begin(&board.map->header.version);
	board.map->header.state = s;
	board_write_end(&board.map->header.version);
}

static void test_ready(void)
{
	struct board_pool *a, *b;

	answers("GET", "/readyz", "\"detail\":\"node is starting\"",
		"a node that starts is not ready");
	set_node(BOARD_NODE_RUNNING);
	a = add_pool("web", BOARD_POOL_RUNNING);
	b = add_pool("jobs", BOARD_POOL_DONE);
	add_pool("governor", BOARD_POOL_STARTING)->is_internal = 1;
	answers("GET", "/readyz", "HTTP/1.1 200 OK\r\n",
		"one whose pools are up or done is ready");
	set_node(BOARD_NODE_RELOADING);
	a->state = BOARD_POOL_ROLLING;
	answers("GET", "/readyz", "HTTP/1.1 200 OK\r\n",
		"it stays so while it reloads");
	a->state = BOARD_POOL_FAILED;
	b->state = BOARD_POOL_STARTING;
	answers("GET", "/readyz",
		"\"detail\":\"web is failed, jobs is starting\"",
		"pools that are not up are named");
	answers("GET", "/readyz", "HTTP/1.1 503 Service Unavailable\r\n",
		"with 503");
	answers("GET", "/healthz", "HTTP/1.1 200 OK\r\n",
		"the worker itself is healthy all the same");
}

static void test_routes(void)
{
	answers("GET", "/healthz",
		"Content-Length: 16\r\nConnection: close\r\n\r\n"
		"{\"status\":\"ok\"}\n",
		"/healthz answers");
	answers("HEAD", "/healthz", "Content-Length: 16\r\n", "HEAD as well");
	answers("GET", "/metrics", "text/plain; version=0.0.4",
		"/metrics is Prometheus text");
	answers("GET", "/api/v1/status", "\"status\":\"degraded\"",
		"/api/v1/status tells how all does");
	answers("GET", "/api/v1/pools", "\"pools\":[",
		"/api/v1/pools tells of the pools");
	answers("GET", "/api/v1/pools?pool=web", "\"name\":\"web\"",
		"of one by its name");
	answers("GET", "/api/v1/pools?pool=nope", "HTTP/1.1 404 ",
		"and of none by another");
	answers("GET", "/api/v1", "\"path\":\"/readyz\"",
		"/api/v1 lists what there is");
	answers("GET", "/nope", "HTTP/1.1 404 Not Found\r\n",
		"other paths are not found");
	answers("GET", "/healthz/", "application/problem+json",
		"which a problem document says");
	answers("POST", "/healthz", "HTTP/1.1 405 Method Not Allowed\r\n",
		"other methods are not allowed");
	answers("POST", "/healthz", "\r\nAllow: GET, HEAD\r\n",
		"and those that are get named");
}

static void test_openapi(void)
{
	const struct route *const *table;
	const struct route *r;
	struct buf text = BUF_INIT, bad = BUF_INIT;
	struct jsonr_value value;
	struct err err = { 0 };

	openapi_print(&text);
	ok(jsonr_check(text.data, text.len, 64, &value, &err) == 0,
		"the description is JSON: %s", err.text);
	for (table = route_tables; *table != NULL; table++)
		for (r = *table; r->path != NULL; r++) {
			if (strstr(buf_str(&text), r->operation) == NULL)
				buf_printf(&bad, "%s ", r->operation);
			if ((r->plain == NULL) == (r->serve == NULL) ||
				r->summary == NULL || r->tag == NULL)
				buf_printf(&bad, "%s(row) ", r->operation);
		}
	is_str("", buf_str(&bad), "each route is whole, and described");
	buf_done(&bad);
	buf_done(&text);
}

static void test_options(void)
{
	const struct opt *o;
	struct buf text = BUF_INIT;

	is_str("http", conf_kind_http.name, "the kind is http");
	for (o = conf_kind_http.options; o->name != NULL; o++)
		if (o->help == NULL ||
			(o->default_text == NULL && o->type != OPT_STRINGS) ||
			o->offset >= conf_kind_http.size)
			buf_printf(&text, "%s ", o->name);
	is_str("", buf_str(&text), "each option has a default and a help");
	buf_done(&text);
}

static void test_proxies(void)
{
	char good[] = "10.0.0.0/8", bad[] = "10.0.0.1/8";
	char *items[] = { good, bad };
	struct api_options own = { .trusted_proxies = { items, 1 } };
	struct conf_pool pool = { .own = &own };
	const char *setting = "";
	struct err err = { 0, "" };

	is_int(0, conf_kind_http.check(&pool, &setting, &err),
		"a trusted range is well");
	own.trusted_proxies.count = 2;
	is_int(-1, conf_kind_http.check(&pool, &setting, &err),
		"one that can't be meant so is refused");
	is_str("trusted_proxies", setting, "with the setting");
	has_str("\"10.0.0.1/8\"", err.text, "and the text that is wrong");
}

int main(void)
{
	const struct http_limits limits = { 4096, 4096, 10, 5 * US_PER_S,
		5 * US_PER_S, 5 * US_PER_S, 5 * US_PER_S, 0 };
	struct http_server *server;
	struct err err;
	int fd;

	if (board_open(&board, &err) != 0)
		bail("%s", err.text);
	loop = loop_new();
	tick = loop_timer_new(loop, on_tick, loop);
	server = http_server_new(loop, &limits, on_request, NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	addr.sun_family = AF_UNIX;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)) != 0 ||
		listen(fd, 8) != 0)
		bail("cannot listen");
	addr_len = sizeof(addr);
	getsockname(fd, (struct sockaddr *)&addr, &addr_len);
	http_server_listen(server, fd);
	test_ready();
	test_routes();
	test_openapi();
	test_options();
	test_proxies();
	http_server_free(server);
	close(fd);
	loop_timer_free(tick);
	loop_free(loop);
	board_close(&board);
	return tap_done();
}
