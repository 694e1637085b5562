/* SPDX-License-Identifier: ISC */
/* handler_http and handler_poll, against a service in another process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "handler_help.h"
#include "http_peer.h"
#include "tap.h"
#include "task/handler_path.h"

#define MANY 1000
#define MS   ((int64_t)US_PER_MS)

static struct http_peer_ports ports;

/* Kept for the process's life, as the configuration's texts are. */
static const char *url_of(int port, const char *path)
{
	static char texts[64][160];
	static size_t used;

	snprintf(texts[used], sizeof(texts[used]), "http://127.0.0.1:%d%s",
		port, path);
	return texts[used++];
}

static struct conf_handler *service(
	struct help *h, const char *name, int port, const char *path)
{
	struct conf_handler *c = help_add(h, name, CONF_HANDLER_HTTP);

	c->request.url = url_of(port, path);
	c->request.method = "POST";
	return c;
}

static struct conf_handler *job(
	struct help *h, const char *name, int port, const char *path)
{
	static char *done[] = { (char *)"done", (char *)"ready", NULL };
	static char *failed[] = { (char *)"failed", NULL };
	struct conf_handler *c = help_add(h, name, CONF_HANDLER_POLL);

	c->submit.url = url_of(port, path);
	c->submit.method = "POST";
	c->status.url = url_of(ports.good, "/jobs/{id}");
	c->status.method = "GET";
	c->id_field = "job.id";
	c->state_field = "job.state";
	c->done = (struct conf_strings){ done, 2 };
	c->failed = (struct conf_strings){ failed, 1 };
	c->interval_us = 20 * MS;
	c->max_attempts = 10;
	return c;
}

static void expect(struct help *h, const char *name,
	enum handler_outcome outcome, const char *part)
{
	struct help_run run;

	help_do(h, &run, name, "{}");
	is_int(outcome, run.r.outcome, "%s: %s", name,
		handler_outcome_names[outcome]);
	has_str(part, buf_str(&run.text), "%s: the text says why", name);
	is_int(1, run.answers, "%s: one answer", name);
	help_run_done(&run);
}

static void test_request(void)
{
	static struct conf_pair own[] = {
		{ (char *)"X-Own", (char *)"a b" },
		{ (char *)"x-reeve-tenant", (char *)"theirs" },
	};
	struct conf_handler *c;
	struct help_run run;
	struct help h;
	char want[512];

	help_init(&h);
	c = service(&h, "echo", ports.good, "/echo");
	c->request.headers = (struct conf_map){ own, 2 };
	service(&h, "get", ports.good, "/echo")->request.method = "GET";
	help_open(&h);
	help_do(&h, &run, "echo", "{\"a\":[1,2]}");
	is_int(HANDLER_SUCCESS, run.r.outcome, "2xx is success");
	snprintf(want, sizeof(want),
		"POST\nX-Reeve-Task-Id: %s\nX-Reeve-Attempt: 0\n"
		"X-Reeve-Epoch: 0\nX-Reeve-Tenant: theirs\n"
		"X-Reeve-Handler: echo\nIdempotency-Key: %s\n"
		"Content-Type: application/json\nUser-Agent: reeve/" PACKAGE_VERSION
		"\nX-Own: a b\n\n{\"a\":[1,2]}",
		run.task->id, run.task->id);
	is_str(want, buf_str(&run.text),
		"the service hears who asks, and params");
	help_run_done(&run);
	help_do(&h, &run, "get", "{\"a\":1}");
	has_str("GET\n", buf_str(&run.text), "another method");
	ok(strstr(buf_str(&run.text), "Content-Type") == NULL &&
			strstr(buf_str(&run.text), "{\"a\"") == NULL,
		"GET takes no body along");
	help_run_done(&run);
	help_done(&h);
}

static void test_classes(void)
{
	static const struct {
		int status;
		enum handler_outcome outcome;
	} rows[] = { { 200, HANDLER_SUCCESS }, { 204, HANDLER_SUCCESS },
		{ 301, HANDLER_FATAL }, { 302, HANDLER_FATAL },
		{ 400, HANDLER_FATAL }, { 404, HANDLER_FATAL },
		{ 408, HANDLER_RETRY }, { 422, HANDLER_FATAL },
		{ 425, HANDLER_RETRY }, { 429, HANDLER_RETRY },
		{ 500, HANDLER_RETRY }, { 503, HANDLER_RETRY } };
	char names[16][8], path[64];
	struct help_run run;
	struct help h;
	size_t i;

	help_init(&h);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(names[i], sizeof(names[i]), "s%d", rows[i].status);
		snprintf(path, sizeof(path), "/status/%d", rows[i].status);
		service(&h, names[i], ports.good, path);
	}
	service(&h, "later", ports.good, "/status/503?retry=17");
	help_open(&h);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		help_do(&h, &run, names[i], "{}");
		is_int(rows[i].outcome, run.r.outcome, "status %d: %s",
			rows[i].status, handler_outcome_names[rows[i].outcome]);
		is_int(-1, run.r.pause_us, "without a pause of its own");
		help_run_done(&run);
	}
	help_do(&h, &run, "later", "{}");
	is_int(17 * US_PER_S, run.r.pause_us, "Retry-After is the pause");
	is_str("answered with status 503: status 503", buf_str(&run.text),
		"the error has the status and the answer");
	help_run_done(&run);
	help_done(&h);
}

static void test_faults(void)
{
	static struct conf_pair split = { (char *)"X-Own",
		(char *)"a\r\nX-Reeve-Tenant: other" };
	struct help_run run;
	struct help h;

	help_init(&h);
	service(&h, "split", ports.good, "/echo")->request.headers =
		(struct conf_map){ &split, 1 };
	service(&h, "silent", ports.silent, "/");
	service(&h, "garbage", ports.bad, "/garbage");
	service(&h, "short", ports.bad, "/short");
	service(&h, "chunked", ports.bad, "/chunked");
	service(&h, "endless", ports.bad, "/endless")->output_max = 1000;
	service(&h, "slow", ports.good, "/slow")->timeout_us = 200 * MS;
	service(&h, "bad-url", ports.good, "/")->request.url = "ftp://x/";
	help_open(&h);
	expect(&h, "silent", HANDLER_RETRY, "no answer: ");
	expect(&h, "garbage", HANDLER_RETRY, "no answer: ");
	expect(&h, "short", HANDLER_RETRY, "no answer: ");
	expect(&h, "chunked", HANDLER_SUCCESS, "hello, world");
	expect(&h, "slow", HANDLER_TIMEOUT, "timed out after 200 ms");
	expect(&h, "split", HANDLER_FATAL, "control character");
	expect(&h, "bad-url", HANDLER_FATAL, "neither http nor https");
	help_do(&h, &run, "endless", "{}");
	ok(run.r.outcome == HANDLER_SUCCESS && run.r.is_cut &&
			run.text.len == 1000,
		"a result is cut at output_max");
	help_run_done(&run);
	help_done(&h);
}

static void test_cancel(void)
{
	struct help_run runs[3];
	struct help h;
	int i;

	help_init(&h);
	service(&h, "slow", ports.good, "/slow");
	help_open(&h);
	help_start(&h, &runs[0], "slow", "{}", 0);
	handler_cancel(runs[0].run);
	help_start(&h, &runs[1], "slow", "{}", 0);
	help_start(&h, &runs[2], "slow", "{}", 0);
	help_turn(&h, 50 * MS);
	handler_cancel(runs[1].run);
	handler_kill(runs[2].run);
	h.open--;
	help_wait(&h);
	is_int(HANDLER_CANCELLED, runs[0].r.outcome,
		"cancelled before it began");
	is_int(HANDLER_CANCELLED, runs[1].r.outcome, "cancelled under way");
	is_int(0, runs[2].answers, "killed without an answer");
	for (i = 0; i < 3; i++)
		help_run_done(&runs[i]);
	handlers_trim(h.handlers);
	help_done(&h);
}

static void test_many(void)
{
	struct help_run *runs = xcalloc(MANY, sizeof(*runs));
	int i, good = 0;
	struct help h;

	help_init(&h);
	service(&h, "barrier", ports.good, "/barrier?n=1000");
	help_open(&h);
	for (i = 0; i < MANY; i++)
		help_start(&h, &runs[i], "barrier", "{}", 30 * US_PER_S);
	help_wait(&h);
	for (i = 0; i < MANY; i++) {
		good += runs[i].r.outcome == HANDLER_SUCCESS;
		help_run_done(&runs[i]);
	}
	is_int(MANY, good, "%d tasks are in flight at once", MANY);
	free(runs);
	help_done(&h);
}

static void test_poll(void)
{
	struct conf_handler *c;
	struct help_run run;
	struct help h;

	help_init(&h);
	job(&h, "done", ports.good, "/jobs?id=done.3.a%20%25b%3F");
	job(&h, "failed", ports.good, "/jobs?id=failed.2.a");
	job(&h, "never", ports.good, "/jobs?id=done.99.b")->max_attempts = 4;
	job(&h, "lost", ports.good, "/jobs?id=lost.3.c");
	job(&h, "gone", ports.good, "/jobs?id=lost.99.d")->max_attempts = 3;
	job(&h, "refused", ports.good, "/status/400");
	job(&h, "busy", ports.good, "/status/503?retry=5");
	job(&h, "not-json", ports.bad, "/not-json");
	job(&h, "no-id", ports.bad, "/no-id");
	job(&h, "silent", ports.silent, "/");
	c = job(&h, "forbidden", ports.good, "/jobs?id=e");
	c->status.url = url_of(ports.good, "/status/403?{id}");
	c = job(&h, "no-state", ports.good, "/jobs?id=done.1.f");
	c->state_field = "job.what";
	c->max_attempts = 2;
	c = job(&h, "slow", ports.good, "/jobs?id=done.99.g");
	c->timeout_us = 300 * MS;
	c->max_attempts = 100;
	job(&h, "slow-submit", ports.good, "/slow")->timeout_us = 200 * MS;
	help_open(&h);

	help_do(&h, &run, "done", "{}");
	is_int(HANDLER_SUCCESS, run.r.outcome, "a job that gets done: success");
	has_str("\"progress\":3", buf_str(&run.text),
		"after three questions, with an id that needs encoding");
	is_str("-1 running;-1 done;", buf_str(&run.progress),
		"each new state is told as progress");
	ok(run.took_us >= 60 * MS, "an interval lies before each question");
	help_run_done(&run);
	expect(&h, "failed", HANDLER_RETRY, "the job is failed: {\"job\"");
	expect(&h, "never", HANDLER_TIMEOUT, "still running after 4 questions");
	expect(&h, "lost", HANDLER_SUCCESS, "\"progress\":3");
	expect(&h, "gone", HANDLER_TIMEOUT,
		"3 questions, the last one: "
		"answered with status 503");
	expect(&h, "refused", HANDLER_FATAL, "status 400");
	help_do(&h, &run, "busy", "{}");
	ok(run.r.outcome == HANDLER_RETRY && run.r.pause_us == 5 * US_PER_S,
		"a busy service is submitted to again when it says so");
	help_run_done(&run);
	expect(&h, "not-json", HANDLER_FATAL, "without an id");
	expect(&h, "no-id", HANDLER_FATAL, "there is no job.id");
	expect(&h, "silent", HANDLER_RETRY, "no answer: ");
	expect(&h, "forbidden", HANDLER_FATAL, "status 403");
	expect(&h, "no-state", HANDLER_TIMEOUT, "there is no job.what");
	expect(&h, "slow", HANDLER_TIMEOUT, "timed out after 300 ms");
	expect(&h, "slow-submit", HANDLER_TIMEOUT, "timed out after 200 ms");
	help_done(&h);
}

static void test_poll_cancel(void)
{
	struct help_run runs[4];
	struct help h;
	int i;

	help_init(&h);
	job(&h, "submit", ports.good, "/slow");
	job(&h, "wait", ports.good, "/jobs?id=done.99.h")->interval_us =
		5 * US_PER_S;
	job(&h, "ask", ports.good, "/jobs?id=x")->status.url =
		url_of(ports.good, "/slow?{id}");
	help_open(&h);
	help_start(&h, &runs[0], "submit", "{}", 0);
	help_start(&h, &runs[1], "wait", "{}", 0);
	help_start(&h, &runs[2], "ask", "{}", 0);
	help_start(&h, &runs[3], "ask", "{}", 0);
	help_turn(&h, 200 * MS);
	for (i = 0; i < 3; i++)
		handler_cancel(runs[i].run);
	handler_kill(runs[3].run);
	h.open--;
	help_wait(&h);
	is_int(HANDLER_CANCELLED, runs[0].r.outcome,
		"cancelled while it is submitted");
	is_int(HANDLER_CANCELLED, runs[1].r.outcome,
		"cancelled between two questions");
	is_int(HANDLER_CANCELLED, runs[2].r.outcome,
		"cancelled while it is asked after");
	is_int(0, runs[3].answers, "killed without an answer");
	for (i = 0; i < 4; i++)
		help_run_done(&runs[i]);

	help_start(&h, &runs[0], "submit", "{}", 0);
	help_start(&h, &runs[1], "wait", "{}", 0);
	help_start(&h, &runs[2], "ask", "{}", 0);
	help_turn(&h, 100 * MS);
	h.open = 0;
	help_done(&h);
	for (i = 0; i < 3; i++) {
		is_int(0, runs[i].answers, "no answer after handlers_free");
		help_run_done(&runs[i]);
	}
}

static void is_found(const char *text, const char *path, const char *wanted)
{
	struct err err = { 0, "" };
	char *found = handler_path_find(text, strlen(text), path, &err);

	if (wanted == NULL)
		ok(found == NULL && err.text[0] != '\0', "%s in %.30s: %s",
			path, text, err.text);
	else
		is_str(wanted, found == NULL ? "" : found, "%s in %.30s", path,
			text);
	free(found);
}

static void test_path(void)
{
	char *url;

	is_found("{\"id\":\"x\"}", "id", "x");
	is_found("{\"a\":{\"b\":[1,{\"id\":42}]}}", "a.b.1.id", "42");
	is_found("{\"id\":\"\\u00e9\\n\"}", "id", "\xc3\xa9\n");
	is_found("[true,1.50]", "0", "true");
	is_found("[true,1.50]", "1", "1.50");
	is_found("[true]", "1", NULL);
	is_found("[true]", "-1", NULL);
	is_found("{\"id\":null}", "id", NULL);
	is_found("{\"id\":{}}", "id", NULL);
	is_found("{\"id\":1}", "id.x", NULL);
	is_found("{\"id\":1}", "", NULL);
	is_found("{\"id\":1}", ".", NULL);
	is_found("{\"id\":1", "id", NULL);
	is_found("", "id", NULL);
	is_found("17", "id", NULL);
	url = handler_path_url("/a/{id}/b?x={id}&{", "a/b ?\xc3\xa9~");
	is_str("/a/a%2Fb%20%3F%C3%A9~/b?x=a%2Fb%20%3F%C3%A9~&{", url,
		"an id is percent-encoded wherever it stands");
	free(url);
}

int main(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	http_peer_start(&ports);
	test_path();
	test_request();
	test_classes();
	test_faults();
	test_cancel();
	test_many();
	test_poll();
	test_poll_cancel();
	http_peer_stop();
	return tap_done();
}
