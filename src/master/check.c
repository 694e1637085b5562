/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/check.h"
#include "master/env.h"
#include "master/helper.h"
#include "master/node.h"
#include "master/probe.h"
#include "master/spawn.h"

/* The first tries follow each other fast, so that a quick start is seen soon;
 * then each `interval`. */
#define CHECK_FIRST_US (5 * US_PER_MS)
#define CHECK_TEXT_MAX 128

struct check {
	pid_t pid;
	int errors; /* read end: fixed-size texts of failed tries */
	char last[CHECK_TEXT_MAX];
	check_fn passed;
	void *arg;
};

/* What the child needs; lives on the parent's stack across the fork. */
struct check_task {
	const struct conf_pool *pool;
	const struct conf_check *conf;
	int errors;
};

bool check_is_set(const struct conf_check *c)
{
	return c->tcp != NULL || c->unix_path != NULL || c->http != NULL ||
	       c->exec.count > 0;
}

static int check_exec_wait(pid_t pid, int64_t timeout_us)
{
	const struct timespec pause = { 0, 2 * 1000 * 1000 };
	int64_t until = clock_now() + timeout_us;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_now() > until) {
			(void)kill(-pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			errno = ETIMEDOUT;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the grandchild.  Its end is tied to the checking process, which the
 * master kills when the answer is of no use any more. */
static void check_exec_child(const struct check_task *t, pid_t parent)
{
	struct env_child e = {
		.conf = t->pool, .node = node.conf->node, .token = "check"
	};

	(void)setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	(void)dup2(open("/dev/null", O_WRONLY), 2);
	if (t->pool->directory != NULL && chdir(t->pool->directory) == -1)
		_exit(126);
	_exit(spawn_exec(&t->conf->exec, env_for_child(&e)));
}

static int check_exec(const struct check_task *t, struct err *err)
{
	pid_t parent = getpid(), pid = fork();
	int rc;

	if (pid == -1)
		return err_errno(err, "fork");
	if (pid == 0)
		check_exec_child(t, parent);
	(void)setpgid(pid, pid);
	rc = check_exec_wait(pid, t->conf->timeout_us);
	if (rc == -1)
		return err_errno(err, "%s", t->conf->exec.items[0]);
	if (rc != 0)
		return err_set(
			err, rc, "%s: exit %d", t->conf->exec.items[0], rc);
	return 0;
}

static int check_try(const struct check_task *t, struct err *err)
{
	const struct conf_check *c = t->conf;

	if (c->tcp != NULL)
		return probe_tcp(c->tcp, c->timeout_us, err);
	if (c->unix_path != NULL)
		return probe_unix(c->unix_path, c->timeout_us, err);
	if (c->http != NULL)
		return probe_http(c->http, c->timeout_us, err);
	return check_exec(t, err);
}

static void check_tell(int fd, const struct err *err)
{
	char text[CHECK_TEXT_MAX] = { 0 };

	snprintf(text, sizeof(text), "%.*s", CHECK_TEXT_MAX - 1, err->text);
	/* A full pipe: the parent has read none, it misses a repetition. */
	if (write(fd, text, sizeof(text)) == -1)
		return;
}

/* The child's life: try until it works; the parent kills it otherwise. */
static int check_run(void *arg)
{
	const struct check_task *t = arg;
	int64_t pause = CHECK_FIRST_US;
	struct err err = { 0 };
	char last[ERR_TEXT_MAX] = "";

	log_title("check");
	while (check_try(t, &err) != 0) {
		struct timespec ts = { pause / US_PER_S,
			pause % US_PER_S * 1000 };

		if (strcmp(last, err.text) != 0)
			check_tell(t->errors, &err);
		memcpy(last, err.text, sizeof(last));
		nanosleep(&ts, NULL);
		pause *= 2;
		if (pause > t->conf->interval_us)
			pause = t->conf->interval_us;
	}
	return EXIT_OK;
}

static void check_on_exit(int status, void *arg)
{
	struct check *c = arg;

	c->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK)
		c->passed(c->arg);
	else
		snprintf(c->last, sizeof(c->last), "the checking process died");
}

struct check *check_start(const struct conf_pool *pool,
	const struct conf_check *conf, check_fn passed, void *arg,
	struct err *err)
{
	struct check_task task = { pool, conf, -1 };
	struct check *c;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		(void)err_errno(err, "pipe");
		return NULL;
	}
	task.errors = fds[1];
	pid = spawn_helper(pool, fds[1], check_run, &task, err);
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->pid = pid;
	c->errors = fds[0];
	c->passed = passed;
	c->arg = arg;
	helper_add(pid, check_on_exit, c);
	return c;
}

const char *check_error(struct check *c)
{
	char text[CHECK_TEXT_MAX];

	if (c == NULL)
		return "";
	while (read(c->errors, text, sizeof(text)) == (ssize_t)sizeof(text)) {
		text[sizeof(text) - 1] = '\0';
		memcpy(c->last, text, sizeof(text));
	}
	return c->last;
}

void check_stop(struct check *c)
{
	if (c == NULL)
		return;
	if (c->pid != 0)
		helper_kill(c->pid);
	close(c->errors);
	free(c);
}
