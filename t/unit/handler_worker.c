/* SPDX-License-Identifier: ISC */
/* handler_worker: long-lived children, and the samples in their languages. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "handler_help.h"
#include "tap.h"

/* A child in shell: what it does is in the task's params. */
static const char script[] =
	"echo hello from the start\n"
	"while read -r line; do\n"
	"	id=${line#*'\"id\":\"'}; id=${id%%'\"'*}\n"
	"	say() { printf '{\"id\":\"%s\",%s}\\n' \"$id\" \"$1\"; }\n"
	"	case $line in\n"
	"	*do-pid*) say \"\\\"ok\\\":true,\\\"result\\\":$$\";;\n"
	"	*do-echo*) say \"\\\"ok\\\":true,\\\"result\\\":$line\";;\n"
	"	*do-fail*) say '\"ok\":false,\"error\":\"no luck\"';;\n"
	"	*do-never*) say '\"ok\":false,\"error\":{\"c\":1},"
	"\"retry\":false';;\n"
	"	*do-snooze*) say '\"ok\":false,\"snooze_ms\":1500';;\n"
	"	*do-silent*) say '\"ok\":false';;\n"
	"	*do-crash*) echo so long >&2; kill -SEGV $$;;\n"
	"	*do-exit*) exit 9;;\n"
	"	*do-hang*) trap '' TERM; while :; do sleep 1; done;;\n"
	"	*do-sleep*) sleep 20;;\n"
	"	*do-nap*) sleep 0.05; say '\"ok\":true';;\n"
	"	*do-garbage*) echo '{\"id\":\"other\",\"ok\":true}'\n"
	"		echo '{\"id\":'; echo; echo plain words\n"
	"		say '\"progress\":30,\"text\":\"so far\"'\n"
	"		say '\"progress\":101'\n"
	"		say '\"ok\":true,\"result\":\"x\"'; say '\"ok\":true';;\n"
	"	*do-long*) say \"\\\"ok\\\":true,\\\"result\\\":\\\"$(head -c "
	"2000 /dev/zero | tr '\\0' x)\\\"\";;\n"
	"	*do-huge*) say \"\\\"ok\\\":true,\\\"result\\\":\\\"$(head -c "
	"200000 /dev/zero | tr '\\0' x)\\\"\";;\n"
	"	*do-grow*) x=12345678; i=0; while [ $i -lt 24 ]; do "
	"x=$x$x; i=$((i+1)); done; sleep 20;;\n"
	"	*do-close*) exec >&-; sleep 20;;\n"
	"	esac\n"
	"done\n";

static struct conf_handler *add(struct help *h, const char *name)
{
	struct conf_handler *c = help_add(h, name, CONF_HANDLER_WORKER);

	help_command(c, "/bin/sh", "-c", script, NULL);
	c->output_max = 1000;
	return c;
}

/* Run one and tell the pid that answered. */
static int pid_of(struct help *h, const char *name)
{
	struct help_run run;
	int pid;

	help_do(h, &run, name, "\"do-pid\"");
	pid = atoi(buf_str(&run.text));
	help_run_done(&run);
	return pid;
}

static void test_answers(struct help *h)
{
	struct help_run run;
	char *log, *want;
	int pid;

	pid = pid_of(h, "one");
	ok(pid > 0, "a child is started for the first task");
	help_do(h, &run, "one", "{\"do-echo\":\n[1]}");
	want = xasprintf(
		"{\"id\":\"%s\",\"handler\":\"one\",\"topic\":\"high\","
		"\"params\":{\"do-echo\": [1]},\"attempt\":0,"
		"\"timeout_ms\":10000,\"epoch\":0,"
		"\"tenant\":\"default\"}",
		run.task->id);
	is_str(want, buf_str(&run.text), "it gets the task in one line");
	is_int(HANDLER_SUCCESS, run.r.outcome, "ok is success");
	free(want);
	help_run_done(&run);

	help_do(h, &run, "one", "\"do-fail\"");
	is_int(HANDLER_RETRY, run.r.outcome, "not ok is tried again");
	is_str("no luck", buf_str(&run.text), "with its error");
	help_run_done(&run);
	help_do(h, &run, "one", "\"do-never\"");
	is_int(HANDLER_FATAL, run.r.outcome, "without retry it is not");
	is_str("{\"c\":1}", buf_str(&run.text),
		"an error that is no string is kept as JSON");
	help_run_done(&run);
	help_do(h, &run, "one", "\"do-snooze\"");
	is_int(HANDLER_SNOOZE, run.r.outcome, "it may ask for a snooze");
	is_int(1500000, run.r.pause_us, "as long as it says");
	help_run_done(&run);
	help_do(h, &run, "one", "\"do-silent\"");
	is_str("failed without a reason", buf_str(&run.text),
		"a failure has a reason, or says so");
	help_run_done(&run);

	help_do(h, &run, "one", "\"do-garbage\"");
	is_int(HANDLER_SUCCESS, run.r.outcome, "stray lines do no harm");
	is_str("\"x\"", buf_str(&run.text), "a string stays JSON");
	is_str("30 so far;-1 -;", buf_str(&run.progress), "progress is told");
	is_int(1, run.answers, "a second answer is none");
	help_run_done(&run);
	is_int(pid, pid_of(h, "one"), "all that by one process");
	log = help_log(h);
	has_str(": plain words\n", log, "stray lines are logged");
	has_str(": hello from the start\n", log, "also those before a task");
	has_str("{\"id\":\"other\",\"ok\":true}", log,
		"an answer to another task is a stray line");
	free(log);
}

static void test_sizes(struct help *h)
{
	struct buf params = BUF_INIT;
	struct help_run run;
	int i;

	help_do(h, &run, "one", "\"do-long\"");
	is_int(HANDLER_SUCCESS, run.r.outcome, "a long result");
	ok(run.r.is_cut && run.text.len == 1000, "is cut");
	help_run_done(&run);
	help_do(h, &run, "one", "\"do-huge\"");
	is_int(HANDLER_FATAL, run.r.outcome, "one without measure");
	has_str("longer than output_max", buf_str(&run.text), "is refused");
	help_run_done(&run);
	ok(pid_of(h, "one") > 0, "and the child goes on");

	buf_puts(&params, "\"do-nap ");
	for (i = 0; i < 500000; i++)
		buf_putc(&params, 'x');
	buf_puts(&params, "\"");
	help_do(h, &run, "one", buf_str(&params));
	is_int(HANDLER_SUCCESS, run.r.outcome, "long params are written whole");
	help_run_done(&run);
	buf_done(&params);
}

static void test_deaths(struct help *h)
{
	struct help_run run;
	int pid = pid_of(h, "one"), i;

	help_do(h, &run, "one", "\"do-crash\"");
	is_int(HANDLER_CRASHED, run.r.outcome, "a child that crashes tells");
	is_int(SIGSEGV, run.r.signo, "its signal");
	is_str("its process was ended by SIGSEGV: so long", buf_str(&run.text),
		"and its last words");
	ok(run.r.peak_kb > 0, "and what memory it had");
	help_run_done(&run);
	ok(pid_of(h, "one") != pid, "another takes its place");

	help_do(h, &run, "one", "\"do-exit\"");
	is_int(HANDLER_RETRY, run.r.outcome, "one that just ends");
	is_str("its process ended with exit status 9", buf_str(&run.text),
		"is told as well");
	help_run_done(&run);
	for (i = 0; i < 3; i++) {
		help_do(h, &run, "one", "\"do-exit\"");
		help_run_done(&run);
	}
	ok(run.took_us > 150000, "who dies again and again is started later");
	pid = pid_of(h, "one");
	ok(kill(pid, SIGKILL) == 0, "an idle child is killed");
	help_turn(h, 50000);
	ok(pid_of(h, "one") > 0, "and the next task does not mind");
	help_do(h, &run, "absent", "{}");
	is_int(HANDLER_FATAL, run.r.outcome,
		"a command that is not there is final");
	is_str("cannot run /no/such/worker: No such file or directory",
		buf_str(&run.text), "and said");
	help_run_done(&run);
}

static void test_stops(struct help *h)
{
	struct help_run run, other;
	int pid = pid_of(h, "one");

	help_start(h, &run, "one", "\"do-hang\"", 100000);
	help_wait(h);
	is_int(HANDLER_TIMEOUT, run.r.outcome, "a hung child is a timeout");
	ok(run.took_us < 5 * (int64_t)US_PER_S, "soon");
	help_run_done(&run);
	ok(kill(pid, 0) == -1, "it is killed");

	help_start(h, &run, "one", "\"do-sleep\"", 0);
	help_start(h, &other, "one", "\"do-pid\"", 0);
	help_turn(h, 50000);
	handler_cancel(other.run);
	is_int(HANDLER_CANCELLED, other.r.outcome,
		"who waits is cancelled at once");
	handler_cancel(run.run);
	help_wait(h);
	is_int(HANDLER_CANCELLED, run.r.outcome,
		"who runs when the child has ended");
	help_run_done(&run);
	help_run_done(&other);

	help_start(h, &run, "one", "\"do-sleep\"", 0);
	help_start(h, &other, "one", "\"do-pid\"", 0);
	help_turn(h, 50000);
	handler_kill(run.run);
	h->open--;
	help_wait(h);
	is_int(HANDLER_SUCCESS, other.r.outcome, "after a kill the next goes");
	help_run_done(&run);
	help_start(h, &run, "one", "\"do-pid\"", 0);
	help_wait(h);
	is_int(HANDLER_SUCCESS, run.r.outcome, "and those after it");
	help_run_done(&run);
	help_run_done(&other);
}

static void test_streams(struct help *h)
{
	struct buf params = BUF_INIT;
	struct help_run run;
	int i;

	help_do(h, &run, "one", "\"do-close\"");
	is_int(HANDLER_CRASHED, run.r.outcome,
		"who can't answer any more is ended");
	is_int(SIGTERM, run.r.signo, "by TERM");
	help_run_done(&run);
	buf_puts(&params, "\"do-nap ");
	for (i = 0; i < 300000; i++)
		buf_putc(&params, 'x');
	buf_puts(&params, "\"");
	help_start(h, &run, "deaf", buf_str(&params), 0);
	help_wait(h);
	ok(run.r.outcome == HANDLER_CRASHED || run.r.outcome == HANDLER_RETRY,
		"so is who does not read");
	help_run_done(&run);
	buf_done(&params);
}

static void test_many(struct help *h)
{
	const struct conf_handler *c = handlers_find(h->handlers, "three");
	struct help_run runs[30];
	int64_t wait_us = 0;
	int i, good = 0;

	for (i = 0; i < 30; i++) {
		if (i == 2)
			ok(handlers_has_room(h->handlers, c, &wait_us),
				"two of three are at work: there is room");
		if (i == 3)
			ok(!handlers_has_room(h->handlers, c, &wait_us) &&
					wait_us == -1,
				"three of three: there is none");
		help_start(h, &runs[i], "three",
			i % 3 == 0 ? "\"do-nap\"" : "\"do-pid\"", 0);
	}
	help_wait(h);
	for (i = 0; i < 30; i++) {
		good += runs[i].r.outcome == HANDLER_SUCCESS &&
			runs[i].answers == 1;
		help_run_done(&runs[i]);
	}
	is_int(30, good, "a few children do many tasks");
	ok(handlers_has_room(h->handlers, c, &wait_us), "then there is room");
}

static void test_limits(struct help *h)
{
	struct help_run run;
	int first = pid_of(h, "spent");

	is_int(first, pid_of(h, "spent"), "two tasks are done by one child");
	ok(pid_of(h, "spent") != first, "the third by another");
	first = pid_of(h, "soft");
	ok(pid_of(h, "soft") != first,
		"a child that has grown is replaced after its task");
	help_do(h, &run, "hard", "\"do-grow\"");
	is_int(HANDLER_CRASHED, run.r.outcome,
		"one that grows too big is killed");
	is_str("its process was ended by SIGKILL: more than memory.hard",
		buf_str(&run.text), "and why");
	help_run_done(&run);
	first = pid_of(h, "one");
	handlers_trim(h->handlers);
	ok(pid_of(h, "one") != first, "idle ones are given up when told to");
}

static const char *sample(const char *name)
{
	const char *top = getenv("srcdir");

	return xasprintf("%s/etc/examples/%s", top != NULL ? top : "..", name);
}

static bool has_program(const char *name)
{
	char *line = xasprintf("command -v %s >/dev/null 2>&1", name);
	bool found = system(line) == 0;

	free(line);
	return found;
}

/* Some writers of JSON put spaces. */
static const char *squeezed(struct buf *b)
{
	size_t i, n = 0;

	for (i = 0; i < b->len; i++)
		if (b->data[i] != ' ')
			b->data[n++] = b->data[i];
	b->data[n] = '\0';
	return b->data;
}

static void test_sample(struct help *h, const char *name)
{
	struct help_run run;

	help_do(h, &run, name, "{\"text\":\"to be or not\"}");
	is_str("{\"words\":4,\"attempt\":0}", squeezed(&run.text),
		"the sample %s answers", name);
	is_str("50 counting;", buf_str(&run.progress), "it tells progress");
	help_run_done(&run);
	help_do(h, &run, name, "{}");
	is_int(HANDLER_FATAL, run.r.outcome, "it refuses what is useless");
	is_str("params.text is missing", buf_str(&run.text), "in words");
	help_run_done(&run);
	help_do(h, &run, name, "{\"snooze_ms\":2000}");
	is_int(HANDLER_SNOOZE, run.r.outcome, "it may snooze");
	is_int(2000000, run.r.pause_us, "for a while");
	help_run_done(&run);
	help_do(h, &run, name, "{\"snooze_ms\":[]}");
	is_int(HANDLER_RETRY, run.r.outcome, "its own faults are failures");
	help_run_done(&run);
	help_do(h, &run, name, "{\"text\":\"\\u00e4 \\ud83d\\ude00\"}");
	is_str("{\"words\":2,\"attempt\":0}", squeezed(&run.text),
		"and it goes on");
	help_run_done(&run);
}

static void test_exec_sample(struct help *h)
{
	struct help_run run;

	help_do(h, &run, "handler.sh", "{\"text\":\"to be or not\"}");
	is_str("{\"words\":4}", buf_str(&run.text), "the sample for exec does");
	is_str("50 counting;", buf_str(&run.progress), "it tells progress");
	help_run_done(&run);
	help_do(h, &run, "handler.sh", "{}");
	is_int(HANDLER_FATAL, run.r.outcome, "it refuses what is useless");
	help_run_done(&run);
	help_do(h, &run, "handler.sh", "{\"text\":\"a\",\"busy\":1}");
	is_int(HANDLER_RETRY, run.r.outcome, "and what is busy comes again");
	help_run_done(&run);
}

static void test_samples(void)
{
	static const char *const rows[][2] = { { "worker.py", "python3" },
		{ "worker.php", "php" }, { "worker.js", "node" } };
	struct conf_handler *c;
	struct help h;
	size_t i;

	help_init(&h);
	for (i = 0; i < 3; i++) {
		c = help_add(&h, rows[i][0], CONF_HANDLER_WORKER);
		help_command(c, rows[i][1], sample(rows[i][0]), NULL);
	}
	help_command(help_add(&h, "handler.sh", CONF_HANDLER_EXEC),
		sample("handler.sh"), NULL);
	help_open(&h);
	for (i = 0; i < 3; i++)
		if (has_program(rows[i][1]))
			test_sample(&h, rows[i][0]);
		else
			skip(rows[i][1], 9);
	test_exec_sample(&h);
	help_done(&h);
}

int main(void)
{
	struct conf_handler *c;
	struct help h;

	help_init(&h);
	c = add(&h, "one");
	c->kill_after_us = 100000;
	add(&h, "three")->processes = 3;
	add(&h, "spent")->max_tasks = 2;
	add(&h, "soft")->memory_soft = 1;
	add(&h, "hard")->memory_hard = 64 << 20;
	help_command(help_add(&h, "deaf", CONF_HANDLER_WORKER), "/bin/sh", "-c",
		"exec <&-; sleep 20", NULL);
	help_command(help_add(&h, "absent", CONF_HANDLER_WORKER),
		"/no/such/worker", NULL);
	help_open(&h);
	test_answers(&h);
	test_sizes(&h);
	test_deaths(&h);
	test_stops(&h);
	test_streams(&h);
	test_many(&h);
	test_limits(&h);
	help_done(&h);
	test_samples();
	return tap_done();
}
