/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/cgroup.h"
#include "master/env.h"
#include "master/notify.h"
#include "master/spawn.h"

#define SPAWN_KEEP_MAX 64

/* Exit codes of a shell for what could not be run (POSIX sh, 2.8.2). */
#define SPAWN_EXIT_CANNOT  126
#define SPAWN_EXIT_MISSING 127

/* In the child: say why and end.  Descriptor 2 is the pool's log by now. */
static void spawn_die(int exit_code, const char *what)
	__attribute__((noreturn));

static void spawn_die(int exit_code, const char *what)
{
	dprintf(2, "reeve: %s: %s\n", what, strerror(errno));
	_exit(exit_code);
}

static void spawn_reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	int signo;

	sigemptyset(&sa.sa_mask);
	for (signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &sa, NULL);
}

static int spawn_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close all from 3 on but the ones in keep (which is sorted here). */
static void spawn_close_others(int *keep, size_t count)
{
	unsigned from = 3;
	size_t i;

	qsort(keep, count, sizeof(*keep), spawn_compare);
	for (i = 0; i < count; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static void spawn_set_streams(const struct spawn *sp)
{
	if (dup2(node.null_fd, 0) == -1)
		spawn_die(EXIT_SYSTEM, "standard input");
	if (sp->output[0] != -1 && dup2(sp->output[0], 1) == -1)
		_exit(EXIT_SYSTEM);
	if (sp->output[1] != -1 && dup2(sp->output[1], 2) == -1)
		_exit(EXIT_SYSTEM);
}

static void spawn_limit(int resource, int64_t value)
{
	struct rlimit rl;

	if (value == CONF_RLIMIT_UNSET)
		return;
	rl.rlim_cur =
		value == CONF_RLIMIT_INFINITY ? RLIM_INFINITY : (rlim_t)value;
	rl.rlim_max = rl.rlim_cur;
	if (setrlimit(resource, &rl) == 0)
		return;
	/* Without privilege the hard limit can't rise: take what there is. */
	if (errno != EPERM || getrlimit(resource, &rl) != 0)
		spawn_die(EXIT_SYSTEM, "resource limit");
	dprintf(2, "reeve: resource limit %d: hard limit kept\n", resource);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(resource, &rl);
}

/* What was raised for the master is no good for a program that uses select(2)
 * or closes all there could be. */
static void spawn_lower_nofile(void)
{
	struct rlimit rl;

	if (node.nofile <= 0 || getrlimit(RLIMIT_NOFILE, &rl) != 0 ||
		rl.rlim_max < (rlim_t)node.nofile)
		return;
	rl.rlim_cur = (rlim_t)node.nofile;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static void spawn_set_limits(const struct conf_pool *c)
{
	spawn_limit(RLIMIT_NOFILE, c->rlimit.nofile);
	spawn_limit(RLIMIT_CORE, c->rlimit.core);
	spawn_limit(RLIMIT_NPROC, c->rlimit.nproc);
	spawn_limit(RLIMIT_AS, c->rlimit.as);
	spawn_limit(RLIMIT_DATA, c->rlimit.data);
	spawn_limit(RLIMIT_STACK, c->rlimit.stack);
	spawn_limit(RLIMIT_FSIZE, c->rlimit.fsize);
	spawn_limit(RLIMIT_MEMLOCK, c->rlimit.memlock);
	spawn_limit(RLIMIT_CPU, c->rlimit.cpu);
}

static void spawn_set_oom(int64_t value)
{
	char text[24];
	int fd, n;

	if (value == 0)
		return;
	n = snprintf(text, sizeof(text), "%d", (int)value);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, text, (size_t)n) != n)
		dprintf(2, "reeve: oom_score_adj %s: %s\n", text,
			strerror(errno));
	if (fd != -1)
		close(fd);
}

static void spawn_set_cpus(const struct conf_pool *c, int index)
{
	int cpus[CONF_CPU_MAX];
	size_t n = conf_pool_cpus(c, index, cpus), i;
	cpu_set_t set;

	if (n == 0)
		return;
	CPU_ZERO(&set);
	for (i = 0; i < n; i++)
		CPU_SET((size_t)cpus[i], &set);
	if (sched_setaffinity(0, sizeof(set), &set) == -1)
		dprintf(2, "reeve: cpu affinity: %s\n", strerror(errno));
}

/* A master that is not root may have been given single capabilities (ambient
 * ones, by systemd): they are its own and not its children's. */
static void spawn_drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == -1)
		spawn_die(EXIT_SYSTEM, "dropping capabilities");
}

static void spawn_set_user(const struct conf_pool *c)
{
	struct passwd *pw = NULL;

	if (c->uid != (uid_t)-1 && geteuid() == 0) {
		pw = getpwuid(c->uid);
		if (pw != NULL) {
			if (initgroups(pw->pw_name, c->gid) == -1)
				spawn_die(EXIT_SYSTEM, "initgroups");
		} else if (setgroups(0, NULL) == -1) {
			spawn_die(EXIT_SYSTEM, "setgroups");
		}
	}
	if (geteuid() != 0) {
		spawn_drop_capabilities();
		return;
	}
	if (c->gid != (gid_t)-1 && setresgid(c->gid, c->gid, c->gid) == -1)
		spawn_die(EXIT_SYSTEM, "setgid");
	if (c->uid != (uid_t)-1 && setresuid(c->uid, c->uid, c->uid) == -1)
		spawn_die(EXIT_SYSTEM, "setuid");
	if (geteuid() != 0)
		spawn_drop_capabilities();
	/* A change of user clears the flag, and with it core dumps and the
	 * right of the same user to read /proc/PID. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* The kernel forgets the signal at setuid, so it is set after it; a master
 * that died before this line is noticed by its pid. */
static void spawn_tie_to_master(pid_t master)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(EXIT_SYSTEM);
}

static void spawn_settle(const struct conf_pool *c, int index)
{
	spawn_set_limits(c);
	spawn_set_oom(c->oom_score_adj);
	spawn_set_cpus(c, index);
	if (c->nice != 0 && setpriority(PRIO_PROCESS, 0, (int)c->nice) == -1)
		dprintf(2, "reeve: nice: %s\n", strerror(errno));
	if (c->umask >= 0)
		umask((mode_t)c->umask);
}

/* Listening sockets as systemd hands them on: from 3 up, sd_listen_fds(3). */
static void spawn_place_listeners(const struct spawn *sp)
{
	int copies[SPAWN_KEEP_MAX];
	size_t i, n = sp->listener_count;

	for (i = 0; i < n; i++) {
		copies[i] = fcntl(sp->listeners[i], F_DUPFD, (int)(3 + n));
		if (copies[i] == -1)
			spawn_die(EXIT_SYSTEM, "listening socket");
	}
	for (i = 0; i < n; i++)
		if (dup2(copies[i], (int)(3 + i)) == -1)
			spawn_die(EXIT_SYSTEM, "listening socket");
	close_range((unsigned)(3 + n), ~0U, 0);
}

int spawn_exec(const struct conf_strings *command, char *const *env)
{
	sigset_t none;
	int saved;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = (char **)(uintptr_t)env;
	execvp(command->items[0], command->items);
	saved = errno;
	dprintf(2, "reeve: cannot run %s: %s\n", command->items[0],
		strerror(saved));
	return saved == ENOENT ? SPAWN_EXIT_MISSING : SPAWN_EXIT_CANNOT;
}

static void spawn_program(const struct spawn *sp, pid_t master)
	__attribute__((noreturn));

static void spawn_program(const struct spawn *sp, pid_t master)
{
	const struct conf_pool *c = sp->conf;
	const char *dir = c->directory != NULL ? c->directory : "/";
	char **env;

	spawn_place_listeners(sp);
	if (cgroup_enter(sp->token) == -1)
		dprintf(2, "reeve: control group: %s\n", strerror(errno));
	spawn_lower_nofile();
	spawn_settle(c, sp->index);
	spawn_set_user(c);
	spawn_tie_to_master(master);
	if (chdir(dir) == -1)
		spawn_die(SPAWN_EXIT_CANNOT, dir);
	env = env_for_child(&(struct env_child){ .conf = c,
		.index = sp->index,
		.generation = sp->generation,
		.node = sp->owner->node,
		.token = sp->token,
		.notify_path = c->ready_notify ? notify_path() : NULL,
		.listener_count = sp->listener_count });
	_exit(spawn_exec(&c->command, env));
}

static void spawn_role(const struct spawn *sp, pid_t master)
	__attribute__((noreturn));

static void spawn_role(const struct spawn *sp, pid_t master)
{
	int keep[SPAWN_KEEP_MAX];
	size_t n = 0, i;
	struct child child = { .role = sp->role,
		.conf = sp->owner,
		.pool = sp->conf,
		.board = &node.board,
		.slot = sp->board_slot,
		.index = sp->index,
		.generation = sp->generation,
		.channel = sp->channel,
		.listener_count = sp->listener_count,
		.argc = node.params->argc,
		.argv = node.params->argv };

	if (board_confine(&node.board) != 0)
		spawn_die(EXIT_SYSTEM, "scoreboard");
	child.listeners = (int *)(uintptr_t)sp->listeners;
	keep[n++] = sp->channel;
	for (i = 0; i < sp->listener_count; i++)
		keep[n++] = sp->listeners[i];
	spawn_close_others(keep, n);
	loop_forget(node.loop);
	spawn_settle(sp->conf, sp->index);
	spawn_set_user(sp->conf);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	spawn_tie_to_master(master);
	if (sp->output[1] != -1)
		log_to(2, LOG_PLAIN);
	else
		log_to(2, LOG_FULL);
	_exit(node.params->role_main(&child));
}

static pid_t spawn_blocked_fork(sigset_t *ret_old)
{
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, ret_old);
	pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, ret_old, NULL);
	return pid;
}

pid_t spawn_fork(const struct spawn *sp, struct err *err)
{
	pid_t master = node.pid, pid;
	sigset_t old;

	assert(sp->listener_count + 1 < SPAWN_KEEP_MAX);
	pid = spawn_blocked_fork(&old);
	if (pid == -1)
		return err_errno(err, "cannot fork");
	if (pid > 0) {
		/* Both sides do it, so neither has to wait for the other. */
		if (sp->role != NULL)
			(void)setpgid(pid, pid);
		return pid;
	}
	spawn_reset_signals();
	if (sp->role != NULL)
		(void)setpgid(0, 0);
	else
		(void)setsid();
	spawn_set_streams(sp);
	if (sp->role != NULL)
		spawn_role(sp, master);
	spawn_program(sp, master);
}

pid_t spawn_helper(const struct conf_pool *conf, int keep_fd,
	int (*fn)(void *arg), void *arg, struct err *err)
{
	pid_t master = node.pid, pid;
	sigset_t old, none;
	int keep[1] = { keep_fd };

	pid = spawn_blocked_fork(&old);
	if (pid == -1)
		return err_errno(err, "cannot fork");
	if (pid > 0) {
		(void)setpgid(pid, pid);
		return pid;
	}
	spawn_reset_signals();
	(void)setpgid(0, 0);
	(void)dup2(node.null_fd, 0);
	(void)dup2(node.null_fd, 1);
	spawn_close_others(keep, keep_fd == -1 ? 0 : 1);
	if (conf != NULL)
		spawn_set_user(conf);
	spawn_tie_to_master(master);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(fn(arg));
}
