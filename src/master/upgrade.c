/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/adopt.h"
#include "master/order.h"
#include "master/helper.h"
#include "master/listen.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "master/proc.h"
#include "master/spawn.h"
#include "master/upgrade.h"

/* The new binary's test reads a file: more is a hang. */
#define UPGRADE_TEST_US (30 * US_PER_S)

struct upgrade {
	pid_t pid; /* the test; 0: passed */
	struct loop_timer *deadline;
};

static void upgrade_fail(const char *why)
{
	log_error("upgrade failed, nothing has changed: %s", why);
	if (node.upgrade != NULL) {
		if (node.upgrade->pid > 0)
			helper_kill(node.upgrade->pid);
		loop_timer_free(node.upgrade->deadline);
		free(node.upgrade);
		node.upgrade = NULL;
	}
	node.upgrade_wanted = false;
	order_on_upgrade(why);
	node_publish();
}

/* How the new binary is called: what decides, in absolute terms. */
static char **upgrade_argv(bool test)
{
	const struct master_params *p = node.params;
	size_t n = 0, overrides = 0;
	char **argv;
	int i;

	while (p->source.overrides != NULL &&
		p->source.overrides[overrides] != NULL)
		overrides++;
	argv = xcalloc(12 + 2 * overrides + (size_t)p->verbose, sizeof(*argv));
	argv[n++] = xstrdup(p->program);
	if (test)
		argv[n++] = xstrdup("-t");
	if (test || p->quiet)
		argv[n++] = xstrdup("-q");
	argv[n++] = xstrdup("-c");
	argv[n++] = xstrdup(node.conf->path);
	if (p->pid_file != NULL) {
		argv[n++] = xstrdup("-p");
		argv[n++] = xstrdup(p->pid_file);
	}
	for (i = 0; i < (int)overrides; i++) {
		argv[n++] = xstrdup("-e");
		argv[n++] = xstrdup(p->source.overrides[i]);
	}
	for (i = 0; i < p->verbose; i++)
		argv[n++] = xstrdup("-v");
	return argv;
}

static void upgrade_free_argv(char **argv)
{
	size_t i;

	for (i = 0; argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}

static int upgrade_test(void *arg)
{
	struct conf_strings command = { arg, 0 };
	char text[16];

	snprintf(text, sizeof(text), "%d", MASTER_STATE_VERSION);
	setenv(MASTER_TEST_ENV, text, 1);
	return spawn_exec(&command, environ);
}

static void upgrade_on_tested(int status, void *arg)
{
	char text[64], why[160];

	(void)arg;
	node.upgrade->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		node_poke();
		return;
	}
	snprintf(why, sizeof(why), "the test of %.80s (-t) ended with %s",
		node.params->program,
		proc_exit_text(status, text, sizeof(text)));
	upgrade_fail(why);
}

static void upgrade_on_deadline(void *arg)
{
	(void)arg;
	upgrade_fail("the test of the new binary (-t) hangs");
}

static void upgrade_start_test(void)
{
	char **argv = upgrade_argv(true);
	struct err err;

	node.upgrade = xcalloc(1, sizeof(*node.upgrade));
	node.upgrade->deadline =
		loop_timer_new(node.loop, upgrade_on_deadline, NULL);
	node.upgrade->pid = spawn_helper(NULL, -1, upgrade_test, argv, &err);
	upgrade_free_argv(argv);
	if (node.upgrade->pid == -1) {
		upgrade_fail(err.text);
		return;
	}
	helper_add(node.upgrade->pid, upgrade_on_tested, NULL);
	loop_timer_start(node.upgrade->deadline, UPGRADE_TEST_US);
}

void upgrade_request(void)
{
	if (node.upgrade_wanted || node.phase != NODE_RUNNING)
		return;
	log_info("upgrading to %s", node.params->program);
	node.upgrade_wanted = true;
	node_publish();
	node_poke();
}

static void upgrade_set_inherited(bool inherited)
{
	adopt_each_fd(inherited ? adopt_keep_fd : adopt_close_fd);
}

/* Returns only when the exec failed. */
static void upgrade_exec(void)
{
	char **argv = upgrade_argv(false), text[16];
	const char *supervisor = notify_supervisor();
	sigset_t all, old;
	struct err err;
	int fd, saved;

	fd = adopt_write(&err);
	if (fd == -1) {
		upgrade_fail(err.text);
		upgrade_free_argv(argv);
		return;
	}
	log_info("executing %s", node.params->program);
	order_before_upgrade();
	/* Signals that come now wait for the new one's handlers. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	upgrade_set_inherited(true);
	snprintf(text, sizeof(text), "%d", fd);
	setenv(MASTER_STATE_ENV, text, 1);
	if (supervisor != NULL)
		setenv("NOTIFY_SOCKET", supervisor, 1);
	if (notify_watchdog_us() > 0) {
		char usec[24];

		snprintf(usec, sizeof(usec), "%lld",
			(long long)notify_watchdog_us());
		setenv("WATCHDOG_USEC", usec, 1);
	}
	execv(node.params->program, argv);
	saved = errno;
	upgrade_set_inherited(false);
	unsetenv(MASTER_STATE_ENV);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd);
	upgrade_free_argv(argv);
	upgrade_fail(strerror(saved));
}

void upgrade_step(void)
{
	if (!node.upgrade_wanted || node.reload != NULL)
		return;
	if (node.phase != NODE_RUNNING) {
		upgrade_fail("the daemon is stopping");
		return;
	}
	if (node.upgrade == NULL)
		upgrade_start_test();
	else if (node.upgrade->pid == 0)
		upgrade_exec();
}
