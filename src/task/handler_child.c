/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/handler.h"
#include "loop/loop.h"
#include "task/handler.h"
#include "task/handler_child.h"
#include "task/handler_env.h"

#define CHILD_STACK_SIZE 65536 /* holds a path of PATH_MAX */
#define CHILD_LEAVE_US   250000
#define CHILD_WAIT_US    US_PER_S

/* The child runs in the worker's memory until it execs: what a sanitizer
 * would note of its stack must not outlive it. */
#define IN_CHILD __attribute__((no_sanitize("address")))

struct handler_command {
	char *const *argv; /* borrowed from the configuration */
	const char *directory;
	bool has_user;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
	struct handler_env env;
};

struct handler_child {
	LIST_ENTRY(handler_child) entry;
	struct handler_children *all;
	struct loop_fd *watch;
	int pidfd;
	pid_t pid;
	handler_exit_fn fn; /* NULL: abandoned */
	void *arg;
};

struct handler_children {
	struct loop *loop;
	LIST_HEAD(, handler_child) list;
};

/* What the child is told, and what it tells of a failure. */
struct handler_start {
	const struct handler_command *command;
	char **env;
	const char *path; /* of the search; NULL: the command names a file */
	const int *fds;
	int count;
	pid_t parent;
	const char *step; /* that failed */
	int error;
};

static char handler_child_stack[CHILD_STACK_SIZE] __attribute__((aligned(16)));

static int handler_command_user(struct handler_command *c,
	const struct conf_handler *conf, struct err *err)
{
	struct passwd *pw;
	int n = 64;

	if (conf->uid == (uid_t)-1 && conf->gid == (gid_t)-1)
		return 0;
	c->uid = conf->uid == (uid_t)-1 ? geteuid() : conf->uid;
	c->gid = conf->gid == (gid_t)-1 ? getegid() : conf->gid;
	if (geteuid() != 0 && c->uid == geteuid() && c->gid == getegid())
		return 0;
	if (geteuid() != 0)
		return err_set(err, EPERM,
			"runs as another user, for which the pool must run as root");
	c->has_user = true;
	pw = getpwuid(c->uid);
	if (pw == NULL)
		return 0;
	c->groups = xcalloc((size_t)n, sizeof(*c->groups));
	if (getgrouplist(pw->pw_name, c->gid, c->groups, &n) == -1) {
		c->groups =
			xreallocarray(c->groups, (size_t)n, sizeof(*c->groups));
		n = getgrouplist(pw->pw_name, c->gid, c->groups, &n);
	}
	c->group_count = n > 0 ? n : 0;
	return 0;
}

struct handler_command *handler_command_new(const struct conf_handler *conf,
	const struct handler_context *ctx, struct err *err)
{
	struct handler_command *c = xcalloc(1, sizeof(*c));

	c->argv = conf->command.items;
	c->directory = conf->directory != NULL ? conf->directory : "/";
	handler_env_init(&c->env, conf, ctx);
	if (conf->command.count == 0)
		err_set(err, EINVAL, "has no command");
	else if (handler_command_user(c, conf, err) == 0)
		return c;
	handler_command_free(c);
	return NULL;
}

void handler_command_free(struct handler_command *c)
{
	if (c == NULL)
		return;
	handler_env_done(&c->env);
	free(c->groups);
	free(c);
}

struct handler_children *handler_children_new(struct loop *l)
{
	struct handler_children *all = xcalloc(1, sizeof(*all));

	all->loop = l;
	LIST_INIT(&all->list);
	return all;
}

static void handler_child_free(struct handler_child *c)
{
	LIST_REMOVE(c, entry);
	loop_fd_free(c->watch);
	close(c->pidfd);
	free(c);
}

/* Zombies included: its end is known to the kernel.  Returns false when it
 * still runs. */
static bool handler_child_reap(
	struct handler_child *c, struct handler_exit *ret_exit)
{
	struct rusage usage;
	int status;
	pid_t pid;

	/* The others of its group, while the number is still its own. */
	(void)kill(-c->pid, SIGKILL);
	do {
		pid = wait4(c->pid, &status, WNOHANG, &usage);
	} while (pid == -1 && errno == EINTR);
	if (pid == 0)
		return false;
	*ret_exit = (struct handler_exit){ .code = -1 };
	if (pid == -1)
		return true;
	ret_exit->peak_kb = usage.ru_maxrss;
	if (WIFSIGNALED(status))
		ret_exit->signo = WTERMSIG(status);
	else
		ret_exit->code = WEXITSTATUS(status);
	return true;
}

static void handler_child_on_exit(int fd, unsigned events, void *arg)
{
	struct handler_child *c = arg;
	handler_exit_fn fn = c->fn;
	void *fn_arg = c->arg;
	struct handler_exit e;

	(void)fd;
	(void)events;
	if (!handler_child_reap(c, &e))
		return;
	handler_child_free(c);
	if (fn != NULL)
		fn(&e, fn_arg);
}

/* Wait for all until end_us, and free those that have ended. */
static void handler_children_wait(struct handler_children *all, int64_t end_us)
{
	struct handler_child *c, *next;
	struct handler_exit e;
	struct pollfd pfd;
	int64_t left;

	for (c = LIST_FIRST(&all->list); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		pfd = (struct pollfd){ .fd = c->pidfd, .events = POLLIN };
		left = end_us - clock_now();
		if (poll(&pfd, 1, left > 0 ? (int)(left / US_PER_MS) : 0) !=
				1 ||
			!handler_child_reap(c, &e))
			continue;
		handler_child_free(c);
	}
}

void handler_children_free(struct handler_children *all)
{
	struct handler_child *c;

	if (all == NULL)
		return;
	handler_children_wait(all, clock_now() + CHILD_LEAVE_US);
	LIST_FOREACH(c, &all->list, entry)
		handler_child_signal(c, SIGKILL);
	handler_children_wait(all, clock_now() + CHILD_WAIT_US);
	while ((c = LIST_FIRST(&all->list)) != NULL)
		handler_child_free(c);
	free(all);
}

static void IN_CHILD handler_child_reset_signals(void)
{
	struct sigaction sa;
	int signo;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &sa, NULL);
}

/* fds become 0 to count - 1, and all others are closed. */
static int IN_CHILD handler_child_place_fds(struct handler_start *s)
{
	int copies[HANDLER_CHILD_FDS], i;

	for (i = 0; i < s->count; i++) {
		copies[i] = s->fds[i];
		if (copies[i] < s->count)
			copies[i] = fcntl(copies[i], F_DUPFD_CLOEXEC, s->count);
		if (copies[i] == -1)
			return -1;
	}
	for (i = 0; i < s->count; i++)
		if (dup2(copies[i], i) == -1)
			return -1;
	return close_range((unsigned)s->count, ~0U, 0);
}

/* The system calls themselves: the library's functions would tell the
 * threads of a process that is not this one. */
static int IN_CHILD handler_child_set_user(const struct handler_command *c)
{
	if (!c->has_user)
		return 0;
	if (syscall(SYS_setgroups, c->group_count, c->groups) == -1)
		return -1;
	if (syscall(SYS_setresgid, c->gid, c->gid, c->gid) == -1)
		return -1;
	return (int)syscall(SYS_setresuid, c->uid, c->uid, c->uid);
}

static bool IN_CHILD handler_child_join(
	char out[PATH_MAX], const char *dir, size_t dir_len, const char *name)
{
	size_t i, n = 0;

	if (dir_len + strlen(name) + 2 > PATH_MAX)
		return false;
	for (i = 0; i < dir_len; i++)
		out[n++] = dir[i];
	if (n > 0)
		out[n++] = '/';
	for (i = 0; name[i] != '\0'; i++)
		out[n++] = name[i];
	out[n] = '\0';
	return true;
}

/* As execvpe, but with the path of the environment that it will have. */
static void IN_CHILD handler_child_search(struct handler_start *s)
{
	const char *dir = s->path;
	int error = ENOENT;
	char file[PATH_MAX];
	size_t len;

	for (;; dir += len + 1) {
		len = strcspn(dir, ":");
		if (handler_child_join(file, dir, len, s->command->argv[0])) {
			execve(file, s->command->argv, s->env);
			if (errno != ENOENT && errno != ENOTDIR)
				error = errno;
		}
		if (dir[len] == '\0')
			break;
	}
	errno = error;
}

static int IN_CHILD handler_child_prepare(struct handler_start *s)
{
	handler_child_reset_signals();
	s->step = "process group";
	if (setpgid(0, 0) == -1)
		return -1;
	s->step = "descriptors";
	if (handler_child_place_fds(s) == -1)
		return -1;
	s->step = "user";
	if (handler_child_set_user(s->command) == -1)
		return -1;
	/* Forgotten by the kernel when the user changes, so it is set here;
	 * a worker that has died before is noticed by its number. */
	s->step = "worker";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return -1;
	errno = ECHILD;
	if (getppid() != s->parent)
		return -1;
	s->step = "directory";
	return chdir(s->command->directory);
}

static int IN_CHILD handler_child_main(void *arg)
{
	struct handler_start *s = arg;
	sigset_t none;

	if (handler_child_prepare(s) == 0) {
		s->step = NULL;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (s->path != NULL)
			handler_child_search(s);
		else
			execve(s->command->argv[0], s->command->argv, s->env);
	}
	s->error = errno;
	_exit(127);
}

/* vfork with a stack and a pidfd: nothing of the worker is copied, and the
 * child can say what went wrong. */
static pid_t handler_child_clone(struct handler_start *s, int *ret_pidfd)
{
	sigset_t all, old;
	pid_t pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = clone(handler_child_main,
		handler_child_stack + sizeof(handler_child_stack),
		CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, s, ret_pidfd);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

static void handler_child_tell_failure(
	const struct handler_start *s, bool *ret_is_exec, struct err *err)
{
	*ret_is_exec = s->step == NULL;
	if (s->step == NULL)
		err_set(err, s->error, "cannot run %s: %s", s->command->argv[0],
			strerror(s->error));
	else if (strcmp(s->step, "directory") == 0)
		err_set(err, s->error, "directory %s: %s",
			s->command->directory, strerror(s->error));
	else
		err_set(err, s->error, "cannot start a process: %s: %s",
			s->step, strerror(s->error));
}

struct handler_child *handler_child_start(struct handler_children *all,
	const struct handler_command *command, char *const *env, const int *fds,
	int count, handler_exit_fn fn, void *arg, bool *ret_is_exec,
	struct err *err)
{
	struct handler_start s = { .command = command,
		.fds = fds,
		.count = count,
		.parent = getpid() };
	struct handler_child *c;
	int pidfd = -1, status;
	pid_t pid;

	*ret_is_exec = false;
	if (strchr(command->argv[0], '/') == NULL)
		s.path = handler_env_value(&command->env, "PATH");
	s.env = handler_env_join(&command->env, env);
	pid = handler_child_clone(&s, &pidfd);
	free(s.env);
	if (pid == -1) {
		err_errno(err, "cannot start a process");
		return NULL;
	}
	if (s.error != 0) {
		(void)waitpid(pid, &status, 0);
		close(pidfd);
		handler_child_tell_failure(&s, ret_is_exec, err);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->all = all;
	c->pid = pid;
	c->pidfd = pidfd;
	c->fn = fn;
	c->arg = arg;
	c->watch = loop_fd_new(
		all->loop, pidfd, LOOP_READ, handler_child_on_exit, c);
	LIST_INSERT_HEAD(&all->list, c, entry);
	return c;
}

pid_t handler_child_pid(const struct handler_child *c)
{
	return c->pid;
}

void handler_child_signal(struct handler_child *c, int signo)
{
	/* It is not reaped yet, so the number is its own. */
	(void)kill(-c->pid, signo);
}

void handler_child_abandon(struct handler_child *c)
{
	c->fn = NULL;
	handler_child_signal(c, SIGKILL);
}

void handler_child_release(struct handler_child *c)
{
	c->fn = NULL;
}

static int handler_pipe(int fds[2], int ours)
{
	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	return fcntl(fds[ours], F_SETFL, O_NONBLOCK);
}

int handler_pipe_to(int *ret_ours, int *ret_childs)
{
	int fds[2];

	if (handler_pipe(fds, 1) == -1)
		return -1;
	*ret_ours = fds[1];
	*ret_childs = fds[0];
	return 0;
}

int handler_pipe_from(int *ret_ours, int *ret_childs)
{
	int fds[2];

	if (handler_pipe(fds, 0) == -1)
		return -1;
	*ret_ours = fds[0];
	*ret_childs = fds[1];
	return 0;
}
