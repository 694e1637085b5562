/* SPDX-License-Identifier: ISC */
/* handler_plugin: shared objects that run tasks in this process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "handler_help.h"
#include "tap.h"

#define NOOP_COUNT 100000

static char *plugin_path(const char *name)
{
	const char *top = getenv("builddir");
	char *path, *full;

	path = xasprintf("%s/t/plugins/%s", top != NULL ? top : ".", name);
	full = realpath(path, NULL);
	free(path);
	return full;
}

static struct conf_handler *add(
	struct help *h, const char *name, const char *path)
{
	struct conf_handler *c = help_add(h, name, CONF_HANDLER_PLUGIN);

	c->path = path;
	c->kill_after_us = 0;
	return c;
}

static void test_answers(struct help *h)
{
	struct help_run run;

	help_do(h, &run, "echo", "{\"a\":1}");
	is_int(HANDLER_SUCCESS, run.r.outcome, "a plugin answers at once");
	is_str("{\"a\":1}", buf_str(&run.text), "with what it was given");
	is_str("50 half;", buf_str(&run.progress), "it tells progress");
	help_run_done(&run);
	help_do(h, &run, "echo", "\"do-fail\"");
	is_int(HANDLER_RETRY, run.r.outcome, "it may fail");
	is_str("no luck", buf_str(&run.text), "with a reason");
	help_run_done(&run);
	help_do(h, &run, "echo", "\"do-never\"");
	is_int(HANDLER_FATAL, run.r.outcome, "for good");
	help_run_done(&run);
	help_do(h, &run, "echo", "\"do-snooze\"");
	is_int(HANDLER_SNOOZE, run.r.outcome, "or snooze");
	is_int(1500000, run.r.pause_us, "for so long");
	help_run_done(&run);
	help_do(h, &run, "echo", "\"do-later\"");
	is_str("\"late\"", buf_str(&run.text), "it may answer by a timer");
	help_run_done(&run);
	help_do(h, &run, "echo", "\"do-pipe\"");
	is_str("\"read\"", buf_str(&run.text), "or by a descriptor");
	help_run_done(&run);
	help_do(h, &run, "short", "\"0123456789\"");
	is_str("\"01234567", buf_str(&run.text), "long results are cut");
	ok(run.r.is_cut, "and told so");
	help_run_done(&run);
}

static void test_stops(struct help *h)
{
	struct help_run run, late;
	char *log;

	help_start(h, &run, "echo", "\"do-hang\"", 50000);
	help_wait(h);
	is_int(HANDLER_TIMEOUT, run.r.outcome, "one that hangs is a timeout");
	help_run_done(&run);

	help_start(h, &late, "echo", "\"do-later\"", 0);
	help_start(h, &run, "echo", "\"do-hang\"", 0);
	handler_cancel(run.run);
	handler_cancel(late.run);
	is_int(HANDLER_CANCELLED, run.r.outcome, "a run can be cancelled");
	is_int(HANDLER_CANCELLED, late.r.outcome,
		"also one that answers by itself");
	help_run_done(&late);
	help_run_done(&run);
	help_start(h, &run, "echo", "\"do-later\"", 0);
	handler_kill(run.run);
	h->open--;
	help_run_done(&run);
	help_turn(h, 60000);
	is_int(1, late.answers, "whose answer is dropped");
	is_int(0, run.answers, "as is that of one that was killed");
	log = help_log(h);
	has_str("handler echo: ready\n", log, "it writes to the log");
	free(log);
}

static void test_noop(struct help *h)
{
	const struct conf_handler *c = handlers_find(h->handlers, "noop");
	struct help_run run;
	int64_t began = clock_now(), wait_us;
	int i, good = 0;

	for (i = 0; i < NOOP_COUNT; i++) {
		if (!handlers_has_room(h->handlers, c, &wait_us))
			break;
		help_start(h, &run, "noop", "{}", US_PER_S);
		good += run.answers == 1 && run.r.outcome == HANDLER_SUCCESS;
		help_run_done(&run);
	}
	is_int(NOOP_COUNT, good, "many tasks are done in a row");
	note("%d ns each", (int)((clock_now() - began) * 1000 / NOOP_COUNT));
}

static void refused(const char *path, const char *config, const char *why)
{
	struct handler_context ctx = { .node = "box" };
	struct handlers *made;
	struct help h;
	struct err err;

	help_init(&h);
	add(&h, "bad", path)->config = config;
	made = handlers_new(h.loop, &h.conf, &ctx, &err);
	ok(made == NULL, "refused: %s", path);
	has_str(why, err.text, "with the reason");
	has_str("handler bad: ", err.text, "and the handler's name");
	handlers_free(made);
	help_done(&h);
}

static void test_refused(const char *good)
{
	char dir[] = "/tmp/reeve-plugin.XXXXXX";
	char *file, *line, *old = plugin_path("old.so");

	if (mkdtemp(dir) == NULL)
		bail("mkdtemp");
	file = xasprintf("%s/echo.so", dir);
	line = xasprintf("cp '%s' '%s'", good, file);
	if (system(line) != 0)
		bail("%s", line);
	refused("relative.so", NULL, "its path is not absolute");
	refused("/no/such.so", NULL, "No such file");
	refused("/tmp", NULL, "is not a regular file");
	refused("/etc/passwd", NULL, "invalid ELF header");
	refused(good, "bad", "plugin echo: config is \"bad\", not \"noop\"");
	refused(old, NULL, "has ABI 0, this daemon has 1");
	chmod(file, 0777);
	refused(file, NULL, "is writable by all");
	chmod(file, 0755);
	chmod(dir, 0777);
	refused(file, NULL, "where it lies, is writable by all");
	if (geteuid() == 0 && chown(file, 65534, 65534) == 0) {
		chmod(dir, 0755);
		refused(file, NULL, "belongs neither to root nor");
	}
	unlink(file);
	rmdir(dir);
	free(old);
	free(line);
	free(file);
}

int main(void)
{
	char *path = plugin_path("echo.so");
	struct help h;

	if (path == NULL)
		bail("the sample plugin is not built");
	help_init(&h);
	add(&h, "echo", path);
	add(&h, "short", path)->output_max = 9;
	add(&h, "noop", path)->config = "noop";
	help_open(&h);
	test_answers(&h);
	test_stops(&h);
	test_noop(&h);
	handlers_trim(h.handlers);
	help_done(&h);
	test_refused(path);
	free(path);
	return tap_done();
}
