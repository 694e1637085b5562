/* SPDX-License-Identifier: ISC */
/* handler_exec: a process per task, and what handler.c does for all kinds. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "handler_help.h"
#include "tap.h"

/* A handler that runs a line of shell. */
static struct conf_handler *shell(
	struct help *h, const char *name, const char *line)
{
	struct conf_handler *c = help_add(h, name, CONF_HANDLER_EXEC);

	help_command(c, "/bin/sh", "-c", line, NULL);
	return c;
}

/* The pid that a run has printed as its first word of progress. */
static pid_t told_pid(const struct help_run *run)
{
	const char *text = buf_str(&run->progress);

	return strncmp(text, "-1 ", 3) == 0 ? atoi(text + 3) : 0;
}

/* Zombies whom nobody has reaped yet don't count. */
static bool is_alive(pid_t pid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(f);
	return state != 'Z';
}

static bool is_gone_soon(struct help *h, pid_t pid)
{
	int64_t end = clock_now() + 5 * (int64_t)US_PER_S;

	while (is_alive(pid) && clock_now() < end)
		help_turn(h, 5000);
	return !is_alive(pid);
}

static void test_success(struct help *h)
{
	struct help_run run;
	char *log;

	help_do(h, &run, "cat", "{\"a\":1}");
	is_int(HANDLER_SUCCESS, run.r.outcome, "exit 0 is success");
	is_str("{\"a\":1}", buf_str(&run.text),
		"params come in, the result goes out");
	ok(run.r.peak_kb > 0 && run.answers == 1 && !run.r.is_cut,
		"the answer is whole and single");
	help_run_done(&run);

	help_do(h, &run, "env",
		"{\"order\":17,\"Name\":\"x y\",\"ok\":true,\"list\":[1],"
		"\"bad-name\":1,\"none\":null,\"f\":1.50}");
	has_str("REEVE_HANDLER=env\n", buf_str(&run.text),
		"the handler is in the environment");
	has_str("REEVE_TOPIC=high\n", buf_str(&run.text), "the topic too");
	has_str("REEVE_ATTEMPT=0\n", buf_str(&run.text), "the attempt");
	has_str("REEVE_EPOCH=0\n", buf_str(&run.text), "the epoch");
	has_str("REEVE_TENANT=default\n", buf_str(&run.text), "the tenant");
	has_str("REEVE_NODE=box\n", buf_str(&run.text), "the node");
	has_str("REEVE_INSTANCE=queue.high.3/env.", buf_str(&run.text),
		"a mark for the master");
	has_str("REEVE_TIMEOUT_MS=10000\n", buf_str(&run.text),
		"the time it has");
	has_str("REEVE_PARAM_ORDER=17\n", buf_str(&run.text), "numbers");
	has_str("REEVE_PARAM_NAME=x y\n", buf_str(&run.text), "strings");
	has_str("REEVE_PARAM_OK=true\n", buf_str(&run.text), "booleans");
	has_str("REEVE_PARAM_F=1.50\n", buf_str(&run.text), "as written");
	has_str("COLOUR=red\n", buf_str(&run.text), "its own variables");
	ok(strstr(buf_str(&run.text), "PARAM_LIST") == NULL &&
			strstr(buf_str(&run.text), "PARAM_BAD") == NULL &&
			strstr(buf_str(&run.text), "NOTIFY_SOCKET") == NULL,
		"and nothing else");
	has_str(run.task->id, buf_str(&run.text), "the id stands there");
	help_run_done(&run);

	help_do(h, &run, "fds", "{}");
	/* ls has one of its own for the directory. */
	is_str("0\n1\n2\n3\n4", buf_str(&run.text),
		"its descriptors are 0 to 3 alone");
	help_run_done(&run);
	help_do(h, &run, "where", "{}");
	is_str("/usr", buf_str(&run.text), "its directory is as configured");
	help_run_done(&run);

	help_do(h, &run, "noise", "{}");
	is_str("-1 begin;50 half way;100 -;-1 101 no;", buf_str(&run.progress),
		"descriptor 3 tells progress");
	log = help_log(h);
	has_str(run.task->id, log, "lines of the log have the id");
	has_str(": first\n", log, "and the text");
	has_str(": no end\n", log, "also of the last one without an end");
	free(log);
	help_run_done(&run);
}

static void test_failures(struct help *h)
{
	struct help_run run;

	help_do(h, &run, "fail", "{}");
	is_int(HANDLER_RETRY, run.r.outcome, "exit 3 is tried again");
	is_str("exit status 3: it broke", buf_str(&run.text),
		"with the last line of its log");
	help_run_done(&run);
	help_do(h, &run, "later", "{}");
	is_int(HANDLER_RETRY, run.r.outcome, "exit 75 as well");
	help_run_done(&run);
	help_do(h, &run, "missing", "{}");
	is_int(HANDLER_FATAL, run.r.outcome, "exit 127 is for good");
	help_run_done(&run);
	help_do(h, &run, "absent", "{}");
	is_int(HANDLER_FATAL, run.r.outcome, "so is a command that is not");
	is_str("cannot run /no/such/program: No such file or directory",
		buf_str(&run.text), "it is said");
	help_run_done(&run);
	help_do(h, &run, "unfound", "{}");
	is_str("cannot run no-such-word: No such file or directory",
		buf_str(&run.text), "also of one that PATH does not have");
	help_run_done(&run);
	help_do(h, &run, "lost", "{}");
	is_int(HANDLER_RETRY, run.r.outcome,
		"a directory that is away may come back");
	has_str("directory /no/such", buf_str(&run.text), "it is named");
	help_run_done(&run);
	help_do(h, &run, "crash", "{}");
	is_int(HANDLER_CRASHED, run.r.outcome, "a signal is a crash");
	is_int(SIGSEGV, run.r.signo, "its number is told");
	is_str("ended by SIGSEGV", buf_str(&run.text), "and its name");
	help_run_done(&run);
}

static void test_sizes(struct help *h)
{
	struct buf params = BUF_INIT;
	struct help_run run;
	int i;

	help_do(h, &run, "big", "{}");
	is_int(1000, (int64_t)run.text.len, "a long result is cut");
	ok(run.r.is_cut && run.r.outcome == HANDLER_SUCCESS, "and told so");
	help_run_done(&run);

	buf_putc(&params, '"');
	for (i = 0; i < 900000; i++)
		buf_putc(&params, 'x');
	buf_putc(&params, '"');
	help_do(h, &run, "count", buf_str(&params));
	is_str("900002", buf_str(&run.text), "long params come in whole");
	help_run_done(&run);
	help_do(h, &run, "deaf", buf_str(&params));
	is_int(HANDLER_SUCCESS, run.r.outcome,
		"who does not read them may as well succeed");
	help_run_done(&run);
	buf_done(&params);
}

static void test_stops(struct help *h)
{
	struct help_run run, again;
	pid_t pid;

	help_start(h, &run, "sleep", "{}", 100000);
	help_wait(h);
	is_int(HANDLER_TIMEOUT, run.r.outcome, "too long is a timeout");
	is_str("timed out after 100 ms", buf_str(&run.text), "in words");
	ok(run.took_us < 3 * (int64_t)US_PER_S, "TERM is enough for most");
	ok(is_gone_soon(h, told_pid(&run)), "its children end with it");
	help_run_done(&run);

	help_start(h, &run, "stubborn", "{}", 100000);
	help_wait(h);
	is_int(HANDLER_TIMEOUT, run.r.outcome, "who ignores TERM is killed");
	ok(run.took_us >= 250000 && run.took_us < 5 * (int64_t)US_PER_S,
		"after kill_after");
	help_run_done(&run);

	help_start(h, &run, "sleep", "{}", 0);
	help_start(h, &again, "sleep", "{}", 0);
	help_turn(h, 100000);
	handler_cancel(run.run);
	handler_cancel(run.run);
	pid = told_pid(&again);
	handler_kill(again.run);
	h->open--;
	help_wait(h);
	is_int(HANDLER_CANCELLED, run.r.outcome, "a run can be cancelled");
	is_int(1, run.answers, "and answers once");
	is_int(0, again.answers, "one that is killed does not answer");
	ok(pid > 0 && is_gone_soon(h, pid), "but it is gone");
	help_run_done(&run);
	help_run_done(&again);

	help_do(h, &run, "daemon", "{}");
	is_int(HANDLER_SUCCESS, run.r.outcome,
		"who leaves a child behind that holds the pipes ends");
	ok(run.took_us < 5 * (int64_t)US_PER_S, "without waiting for it");
	ok(is_gone_soon(h, told_pid(&run)), "and the child is killed");
	help_run_done(&run);
}

static void test_room(struct help *h)
{
	const struct conf_handler *c = handlers_find(h->handlers, "single");
	struct help_run run;
	int64_t wait_us = 0;
	int i;

	ok(handlers_find(h->handlers, "unknown") == NULL,
		"an unknown handler is not found");
	ok(handlers_has_room(h->handlers, c, &wait_us), "there is room");
	help_start(h, &run, "single", "{}", 0);
	ok(!handlers_has_room(h->handlers, c, &wait_us) && wait_us == -1,
		"until as many run as may");
	help_wait(h);
	ok(handlers_has_room(h->handlers, c, &wait_us), "and then again");
	help_run_done(&run);

	c = handlers_find(h->handlers, "rated");
	for (i = 0; i < 3; i++) {
		ok(handlers_has_room(h->handlers, c, &wait_us),
			"the bucket is full at first");
		help_do(h, &run, "rated", "{}");
		help_run_done(&run);
	}
	ok(!handlers_has_room(h->handlers, c, &wait_us), "then it is empty");
	ok(wait_us > 100000 && wait_us <= 200000,
		"a third of the time brings one back");
	help_turn(h, wait_us + 1000);
	ok(handlers_has_room(h->handlers, c, &wait_us), "and it does");
	help_do(h, &run, "rated", "{}");
	help_run_done(&run);
	ok(!handlers_has_room(h->handlers, c, &wait_us), "one, not more");
}

static void test_many(struct help *h)
{
	struct help_run runs[50];
	int i, good = 0;

	for (i = 0; i < 50; i++)
		help_start(h, &runs[i], "cat", "{\"n\":1}", 0);
	help_wait(h);
	for (i = 0; i < 50; i++) {
		good += runs[i].r.outcome == HANDLER_SUCCESS &&
			runs[i].answers == 1;
		help_run_done(&runs[i]);
	}
	is_int(50, good, "many run at a time");
}

static void test_user(struct help *h)
{
	struct help_run run;

	if (geteuid() != 0) {
		skip("only root can be another user", 2);
		return;
	}
	help_do(h, &run, "nobody", "{}");
	is_str("65534 65534", buf_str(&run.text), "it runs as its user");
	help_run_done(&run);
	help_start(h, &run, "nobody-sleep", "{}", 100000);
	help_wait(h);
	is_int(HANDLER_TIMEOUT, run.r.outcome, "and can be stopped");
	help_run_done(&run);
}

static void add_handlers(struct help *h)
{
	static char colour[] = "COLOUR", value[] = "red";
	static struct conf_pair red[] = { { colour, value } };
	struct conf_handler *c;

	c = help_add(h, "cat", CONF_HANDLER_EXEC);
	help_command(c, "cat", NULL);
	c = shell(h, "env", "env");
	c->environment.items = red;
	c->environment.count = 1;
	help_command(help_add(h, "fds", CONF_HANDLER_EXEC), "ls",
		"/proc/self/fd", NULL);
	shell(h, "where", "pwd")->directory = "/usr";
	shell(h, "noise",
		"echo first >&2; echo begin >&3; echo 50 half way >&3; "
		"echo 100% >&3; echo 101 no >&3; printf 'no end' >&2");
	shell(h, "fail", "echo a line >&2; echo it broke >&2; exit 3");
	shell(h, "later", "exit 75");
	shell(h, "missing", "exit 127");
	help_command(help_add(h, "absent", CONF_HANDLER_EXEC),
		"/no/such/program", NULL);
	help_command(help_add(h, "unfound", CONF_HANDLER_EXEC), "no-such-word",
		NULL);
	shell(h, "lost", "true")->directory = "/no/such";
	shell(h, "crash", "kill -SEGV $$");
}

static void add_more(struct help *h)
{
	struct conf_handler *c;

	shell(h, "big", "head -c 300000 /dev/zero | tr '\\0' x")->output_max =
		1000;
	shell(h, "count", "wc -c | tr -d ' '");
	shell(h, "deaf", "exec <&-; sleep 0.05; exit 0");
	shell(h, "sleep", "sleep 30 & echo $! >&3; wait");
	c = shell(h, "stubborn", "trap '' TERM; while :; do sleep 1; done");
	c->kill_after_us = 150000;
	shell(h, "daemon", "sleep 30 & echo $! >&3; exit 0");
	shell(h, "single", "sleep 0.05")->concurrency = 1;
	c = shell(h, "rated", "true");
	c->rate_count = 3;
	c->rate_per_us = 600000;
	help_command(help_add(h, "cat", CONF_HANDLER_EXEC), "cat", NULL);
	if (geteuid() != 0)
		return;
	c = shell(h, "nobody", "echo $(id -u) $(id -g)");
	c->uid = c->gid = 65534;
	c = shell(h, "nobody-sleep", "sleep 30");
	c->uid = c->gid = 65534;
}

static void test_refused(void)
{
	struct handler_context ctx = { .node = "box" };
	struct help h;
	struct err err;

	help_init(&h);
	help_add(&h, "empty", CONF_HANDLER_EXEC);
	ok(handlers_new(h.loop, &h.conf, &ctx, &err) == NULL,
		"a handler that can't be used is refused");
	is_str("handler empty: has no command", err.text, "and named");
	help_done(&h);
}

static void test_free(void)
{
	struct help_run run;
	struct help h;

	help_init(&h);
	shell(&h, "sleep", "trap '' TERM; sleep 30; sleep 30");
	help_open(&h);
	help_start(&h, &run, "sleep", "{}", 0);
	help_turn(&h, 20000);
	handlers_trim(h.handlers);
	help_done(&h);
	is_int(0, run.answers, "who runs at the end is killed in silence");
	help_run_done(&run);
}

int main(void)
{
	struct help h;

	setenv("NOTIFY_SOCKET", "/run/notify", 1);
	help_init(&h);
	add_handlers(&h);
	help_open(&h);
	test_success(&h);
	test_failures(&h);
	test_many(&h);
	help_done(&h);

	help_init(&h);
	add_more(&h);
	help_open(&h);
	test_sizes(&h);
	test_stops(&h);
	test_room(&h);
	test_user(&h);
	help_done(&h);

	test_refused();
	test_free();
	return tap_done();
}
