/* SPDX-License-Identifier: ISC */
/* Outgoing requests: link/http, against a service in another process. */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/opt.h"
#include "http_peer.h"
#include "link/http.h"
#include "loop/loop.h"
#include "tap.h"

#define MANY 1000
#define S    ((int64_t)US_PER_S)

static struct {
	struct loop *loop;
	struct http_client *client;
	struct http_peer_ports ports;
	struct loop_timer *deadline;
	unsigned answered, wanted;
	bool is_starting, was_early;
	unsigned by_status[600];
	struct http_answer last; /* its texts are in body and error */
	struct buf body;
	char error[512];
} t;

/* Looking names up: libcurl calls this one. */
static atomic_uint lookups;
static atomic_bool is_masked;

int getaddrinfo(const char *name, const char *service,
	const struct addrinfo *hints, struct addrinfo **ret)
{
	struct {
		struct addrinfo info;
		struct sockaddr_in addr;
	} * r;
	sigset_t mask;

	(void)hints;
	atomic_fetch_add(&lookups, 1);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	atomic_store(&is_masked, sigismember(&mask, SIGTERM) == 1 &&
					 sigismember(&mask, SIGCHLD) == 1);
	usleep(20000);
	while (strcmp(name, "stuck.test") == 0)
		usleep(10000);
	if (strcmp(name, "known.test") != 0)
		return EAI_NONAME;
	r = calloc(1, sizeof(*r));
	r->addr.sin_family = AF_INET;
	r->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r->addr.sin_port = htons((uint16_t)atoi(service));
	r->info.ai_family = AF_INET;
	r->info.ai_socktype = SOCK_STREAM;
	r->info.ai_addrlen = sizeof(r->addr);
	r->info.ai_addr = (struct sockaddr *)&r->addr;
	*ret = &r->info;
	return 0;
}

void freeaddrinfo(struct addrinfo *r)
{
	free(r);
}

static void on_answer(const struct http_answer *a, void *arg)
{
	(void)arg;
	t.was_early |= t.is_starting;
	t.answered++;
	t.by_status[a->status]++;
	t.last = *a;
	buf_reset(&t.body);
	buf_add(&t.body, a->body, a->body_len);
	(void)snprintf(t.error, sizeof(t.error), "%s",
		a->error == NULL ? "" : a->error);
	if (t.answered >= t.wanted)
		loop_stop(t.loop);
}

static void on_deadline(void *arg)
{
	(void)arg;
	if (t.wanted != UINT32_MAX)
		note("the deadline of the test is over");
	loop_stop(t.loop);
}

/* Until `count` further answers are there. */
static void wait_for(unsigned count)
{
	t.answered = 0;
	t.wanted = count;
	loop_timer_start(t.deadline, 60 * S);
	(void)loop_run(t.loop);
	loop_timer_stop(t.deadline);
}

/* Let the loop run for a while. */
static void run_for(int64_t us)
{
	t.wanted = UINT32_MAX;
	loop_timer_start(t.deadline, us);
	(void)loop_run(t.loop);
}

static char *url_of(int port, const char *path)
{
	static char text[512];

	(void)snprintf(text, sizeof(text), "http://127.0.0.1:%d%s", port, path);
	return text;
}

static struct http_call_options to(int port, const char *path)
{
	return (struct http_call_options){ .method = "GET",
		.url = url_of(port, path),
		.timeout_us = 30 * S,
		.answer_max = 65536 };
}

static struct http_call *start(const struct http_call_options *o)
{
	struct err err = { 0 };
	struct http_call *call;

	t.is_starting = true;
	call = http_call_start(t.client, o, on_answer, NULL, &err);
	t.is_starting = false;
	(void)snprintf(t.error, sizeof(t.error), "%s", err.text);
	return call;
}

static void call(const struct http_call_options *o)
{
	memset(&t.last, 0, sizeof(t.last));
	if (start(o) != NULL)
		wait_for(1);
}

static void get(int port, const char *path)
{
	struct http_call_options o = to(port, path);

	call(&o);
}

static void test_statuses(void)
{
	static const int statuses[] = { 200, 201, 204, 302, 400, 404, 408, 425,
		429, 500, 503, 599 };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		(void)snprintf(path, sizeof(path), "/status/%d", statuses[i]);
		get(t.ports.good, path);
		is_int(statuses[i], t.last.status, "status %d is told",
			statuses[i]);
	}
	get(t.ports.good, "/status/302");
	is_str("status 302", buf_str(&t.body), "no redirect is followed");
	ok(!t.was_early, "no answer came from within http_call_start");
}

static void test_retry_after(void)
{
	char path[128], date[64];
	time_t at = time(NULL) + 100;
	struct tm tm;

	get(t.ports.good, "/status/503");
	is_int(-1, t.last.retry_after_us, "no Retry-After is told as such");
	get(t.ports.good, "/status/503?retry=12");
	is_int(12 * S, t.last.retry_after_us, "Retry-After in seconds");
	get(t.ports.good, "/status/503?retry=0");
	is_int(0, t.last.retry_after_us, "Retry-After: 0");
	get(t.ports.good, "/status/503?retry=99999999999999999999");
	is_int(HTTP_RETRY_AFTER_MAX_US, t.last.retry_after_us,
		"a Retry-After of ages is a day");
	get(t.ports.good, "/status/503?retry=soon");
	is_int(-1, t.last.retry_after_us, "one that says nothing is none");
	(void)strftime(date, sizeof(date), "%a,%%20%d%%20%b%%20%Y%%20%T%%20GMT",
		gmtime_r(&at, &tm));
	(void)snprintf(path, sizeof(path), "/status/429?retry=%s", date);
	get(t.ports.good, path);
	ok(t.last.retry_after_us > 90 * S && t.last.retry_after_us <= 100 * S,
		"Retry-After as a date");
	get(t.ports.good,
		"/status/429?retry=Sun,%2006%20Nov%201994%2008:49:37%20GMT");
	is_int(0, t.last.retry_after_us, "a date that is over is now");
	get(t.ports.bad, "/early");
	is_int(200, t.last.status, "100 Continue is no answer");
	is_int(-1, t.last.retry_after_us,
		"and its fields are not the answer's");
}

static void test_request(void)
{
	struct conf_pair pairs[] = { { (char *)"X-Own", (char *)"a b" },
		{ (char *)"Content-Type", (char *)"application/json" } };
	struct conf_map headers = { pairs, 2 };
	struct http_call_options o = to(t.ports.good, "/echo");

	o.headers = &headers;
	o.method = "POST";
	o.body = "{\"a\":1}";
	o.body_len = 7;
	call(&o);
	has_str("POST\nContent-Type: application/json\n", buf_str(&t.body),
		"method and type are sent");
	has_str("X-Own: a b\n\n{\"a\":1}", buf_str(&t.body),
		"a header field and the body are sent");
	has_str("User-Agent: reeve/", buf_str(&t.body), "it says who it is");
	o.method = "PATCH";
	call(&o);
	has_str("PATCH\n", buf_str(&t.body), "another method");
	o.method = "DELETE";
	o.body = NULL;
	call(&o);
	has_str("DELETE\n", buf_str(&t.body), "a method without a body");
	o.method = "HEAD";
	call(&o);
	is_int(200, t.last.status, "HEAD waits for no body");

	o = to(t.ports.good, "/echo");
	o.method = "POST";
	o.body_len = 3 << 20;
	o.body = xcalloc(1, o.body_len);
	o.answer_max = 8 << 20;
	call(&o);
	ok(t.last.status == 200 && t.last.body_len > o.body_len,
		"a body of 3 MiB goes both ways");
	free((void *)o.body);
}

static void test_refused(void)
{
	static const char *const urls[] = { "ftp://127.0.0.1/",
		"file:///etc/passwd", "http://", "", "http://a b/",
		"gopher://x/", "127.0.0.1" };
	struct conf_pair pair = { (char *)"X-Own", (char *)"a\r\nb: c" };
	struct conf_map headers = { &pair, 1 };
	struct http_call_options o = to(t.ports.good, "/echo");
	size_t i;

	o.headers = &headers;
	ok(start(&o) == NULL, "a header that would split the request");
	has_str("control character", t.error, "is refused with the reason");
	pair.name = (char *)"X Own";
	pair.value = (char *)"";
	ok(start(&o) == NULL, "a header's name with a blank is refused");
	o.headers = NULL;
	o.method = "GET /x HTTP/1.1\r\n";
	ok(start(&o) == NULL, "a method that would split it is refused");
	o.method = "GET";
	for (i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		o.url = urls[i];
		ok(start(&o) == NULL && t.error[0] != '\0',
			"URL '%s' is refused: %s", urls[i], t.error);
	}
	is_int(0, http_client_calls(t.client), "and nothing is left of them");
}

static void test_network(void)
{
	static const char *const paths[] = { "/garbage", "/short", "/nothing",
		"/chunks" };
	struct http_call_options o;
	int64_t began;
	size_t i;

	get(t.ports.silent, "/");
	is_int(0, t.last.status, "where nobody listens no status comes");
	has_str("connect", t.error, "but the reason");
	ok(!t.last.is_timeout, "which is no timeout");
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		get(t.ports.bad, paths[i]);
		ok(t.last.status == 0 && t.error[0] != '\0',
			"%s is an error: %s", paths[i], t.error);
	}
	get(t.ports.bad, "/chunked");
	is_str("hello, world", buf_str(&t.body), "a chunked answer is read");
	get(t.ports.bad, "/until-eof");
	is_str("to the end", buf_str(&t.body), "one that ends with EOF too");

	o = to(t.ports.good, "/slow");
	o.timeout_us = 200 * US_PER_MS;
	began = clock_now();
	call(&o);
	ok(t.last.is_timeout && t.last.status == 0, "a slow service times out");
	ok(clock_now() - began < 5 * S, "in time");
}

static void test_limits(void)
{
	struct http_call_options o = to(t.ports.good, "/big?n=1000");

	o.answer_max = 1000;
	call(&o);
	ok(t.last.body_len == 1000 && !t.last.is_cut, "a body as allowed");
	o.answer_max = 999;
	call(&o);
	ok(t.last.body_len == 999 && t.last.is_cut, "one byte more is cut");
	o.answer_max = 0;
	call(&o);
	ok(t.last.status == 200 && t.last.body_len == 0 && t.last.is_cut,
		"none is wanted");
	o = to(t.ports.bad, "/endless");
	o.answer_max = 5000;
	call(&o);
	ok(t.last.status == 200 && t.last.body_len == 5000 && t.last.is_cut,
		"an endless body is given up");
}

static unsigned accepted(void)
{
	get(t.ports.good, "/accepted");
	return (unsigned)atoi(buf_str(&t.body));
}

static void test_reuse(void)
{
	unsigned before = accepted();
	int i;

	for (i = 0; i < 20; i++)
		get(t.ports.good, "/status/200");
	is_int(before, accepted(), "connections are used again");
	http_client_trim(t.client);
	is_int(before + 1, accepted(), "and closed by a trim");
}

static size_t resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, pages = 0;

	if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void call_many(const char *base, unsigned count)
{
	struct http_call_options o = to(t.ports.good, "");
	char url[128];
	unsigned i;

	(void)snprintf(url, sizeof(url), "%s/barrier?n=%u", base, count);
	o.url = url;
	o.timeout_us = 50 * S;
	o.method = "POST";
	o.body = "{}";
	o.body_len = 2;
	memset(t.by_status, 0, sizeof(t.by_status));
	for (i = 0; i < count; i++)
		(void)start(&o);
	wait_for(count);
}

static void test_many(void)
{
	size_t before, first, last;
	char base[64];
	int i;

	(void)snprintf(base, sizeof(base), "http://127.0.0.1:%d", t.ports.good);
	before = resident_kb();
	call_many(base, MANY);
	first = resident_kb();
	is_int(MANY, t.by_status[200], "%d calls are under way at once", MANY);
	for (i = 0; i < 5; i++)
		call_many(base, MANY);
	last = resident_kb();
	is_int(MANY, t.by_status[200], "and five times again");
	note("resident: %zu KB before, %zu KB after one round, %zu KB after "
	     "six",
		before, first, last);
#ifndef WITH_SANITIZERS
	ok(last < first + 2048, "the memory stays flat");
	ok(last < before + 40 * 1024, "and small");
#endif
}

static void test_names(void)
{
	char base[64];

	(void)snprintf(
		base, sizeof(base), "http://known.test:%d", t.ports.good);
	atomic_store(&lookups, 0);
	call_many(base, MANY);
	is_int(MANY, t.by_status[200], "%d calls of a named host", MANY);
	is_int(1, atomic_load(&lookups), "look it up once");
	ok(atomic_load(&is_masked), "in a thread that takes no signal");

	atomic_store(&lookups, 0);
	(void)snprintf(
		base, sizeof(base), "http://unknown.test:%d", t.ports.good);
	call_many(base, 50);
	is_int(50, t.by_status[0], "an unknown host is an error for all");
	has_str("resolve", t.error, "with the reason");
	is_int(1, atomic_load(&lookups), "after one look");
}

static void test_stuck_name(void)
{
	struct http_call_options o = to(t.ports.good, "");
	int64_t began = clock_now();
	struct http_call *waits;

	o.url = "http://stuck.test/";
	o.timeout_us = 300 * US_PER_MS;
	(void)start(&o);
	(void)start(&o);
	waits = start(&o);
	run_for(50 * US_PER_MS);
	http_call_cancel(waits);
	wait_for(2);
	ok(t.last.is_timeout, "a name server that is silent is a timeout");
	ok(clock_now() - began < 3 * S, "and blocks nothing");
	waits = start(&o);
	run_for(50 * US_PER_MS);
	began = clock_now();
	http_call_cancel(waits);
	ok(clock_now() - began < S, "not even the cancel of the lookup");
}

static void test_cancel(void)
{
	struct http_call_options o = to(t.ports.good, "/slow");
	struct http_call *call;

	t.answered = 0;
	http_call_cancel(start(&o));
	call = start(&o);
	run_for(100 * US_PER_MS);
	http_call_cancel(call);
	o = to(t.ports.bad, "/endless");
	o.answer_max = 1 << 30;
	call = start(&o);
	run_for(50 * US_PER_MS);
	http_call_cancel(call);
	run_for(50 * US_PER_MS);
	is_int(0, t.answered, "a call that is cancelled is not answered");
	is_int(0, http_client_calls(t.client), "and is gone");
}

static struct http_call *other;

static void on_cancel_other(const struct http_answer *a, void *arg)
{
	(void)a;
	(void)arg;
	http_call_cancel(other);
	other = NULL;
	loop_stop(t.loop);
}

static void test_callbacks(void)
{
	struct http_call_options o = to(t.ports.good, "/status/200");
	struct http_call_options slow = to(t.ports.good, "/slow");
	char url[128];

	(void)snprintf(url, sizeof(url), "%s", slow.url);
	slow.url = url;
	other = start(&slow);
	o = to(t.ports.good, "/status/200");
	(void)http_call_start(t.client, &o, on_cancel_other, NULL, NULL);
	t.answered = 0;
	wait_for(1);
	is_int(0, http_client_calls(t.client),
		"an answer's callback may cancel another call");
}

static void on_free_client(const struct http_answer *a, void *arg)
{
	(void)a;
	(void)arg;
	http_client_free(t.client);
	t.client = NULL;
	loop_stop(t.loop);
}

static void test_free(void)
{
	struct http_call_options o = to(t.ports.good, "/status/200");
	int i;

	(void)http_call_start(t.client, &o, on_free_client, NULL, NULL);
	for (i = 0; i < 10; i++)
		(void)start(&o);
	wait_for(1);
	ok(t.client == NULL, "an answer's callback may free the client");
	t.client = http_client_new(t.loop, 0, NULL);
	for (i = 0; i < 10; i++)
		(void)start(&o);
	run_for(US_PER_MS);
	http_client_free(t.client);
	t.client = http_client_new(t.loop, 4, NULL);
	for (i = 0; i < 100; i++)
		(void)start(&o);
	memset(t.by_status, 0, sizeof(t.by_status));
	wait_for(100);
	is_int(100, t.by_status[200], "few connections serve many calls");
	ok(accepted() > 0, "all of them");
}

/* A TLS server with a certificate of its own; -1: no openssl(1). */
static int tls_start(const char *dir, pid_t *ret_pid)
{
	char command[1024], line[256];
	int port = -1, fds[2];
	FILE *out;

	(void)snprintf(command, sizeof(command),
		"cd %s && openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x "
		"-addext subjectAltName=IP:127.0.0.1 -keyout key.pem "
		"-out cert.pem >/dev/null 2>&1",
		dir);
	if (system(command) != 0 || pipe(fds) == -1)
		return -1;
	(void)snprintf(command, sizeof(command),
		"cd %s && exec openssl s_server -accept 127.0.0.1:0 -www "
		"-key key.pem -cert cert.pem 2>/dev/null",
		dir);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	out = fdopen(fds[0], "r");
	while (port == -1 && fgets(line, sizeof(line), out) != NULL)
		(void)sscanf(line, "ACCEPT 127.0.0.1:%d", &port);
	/* Not closed: the server would die of SIGPIPE. */
	return port;
}

static void test_tls(void)
{
	char dir[] = "/tmp/reeve-tls-XXXXXX", path[64], url[64];
	struct http_call_options o = to(t.ports.good, "");
	pid_t pid = -1;
	int port = mkdtemp(dir) == NULL ? -1 : tls_start(dir, &pid);

	if (port == -1) {
		skip("openssl(1) is not here", 4);
		return;
	}
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
	(void)snprintf(path, sizeof(path), "%s/cert.pem", dir);
	o.url = url;
	call(&o);
	is_int(0, t.last.status, "a certificate nobody vouches for");
	has_str("certificate", t.error, "is refused with the reason");
	o.ca_file = path;
	call(&o);
	is_int(200, t.last.status, "with ca_file it is good");
	(void)snprintf(url, sizeof(url), "https://localhost:%d/", port);
	call(&o);
	is_int(0, t.last.status, "but not for another name");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/key.pem", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

static bool is_mapped(const char *library)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found |= strstr(line, library) != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	http_peer_start(&t.ports);
	ok(!is_mapped("libcurl"), "libcurl is not there until it is needed");
	t.loop = loop_new();
	t.deadline = loop_timer_new(t.loop, on_deadline, NULL);
	t.client = http_client_new(t.loop, 0, NULL);
	ok(is_mapped("libcurl"), "and then it is");
	test_statuses();
	test_retry_after();
	test_request();
	test_refused();
	test_network();
	test_limits();
	test_reuse();
	test_cancel();
	test_callbacks();
	test_tls();
	test_many();
	test_names();
	test_stuck_name();
	test_free();
	http_client_free(t.client);
	loop_timer_free(t.deadline);
	loop_free(t.loop);
	buf_done(&t.body);
	http_peer_stop();
	return tap_done();
}
