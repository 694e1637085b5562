/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/log.h"
#include "master/cgroup.h"
#include "master/helper.h"
#include "master/node.h"
#include "master/orphan.h"
#include "master/proc.h"
#include "master/reap.h"

/* What the dead may have left to be cleared away. */
struct reap_left {
	bool orphans, groups;
};

/* The dead first stay as they are, so that pid and process group are still
 * their own while the rest of the group is killed. */
static bool reap_dead(struct reap_left *left)
{
	struct rusage used;
	siginfo_t si;
	struct proc *pr;
	int status;

	memset(&si, 0, sizeof(si));
	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		si.si_pid == 0)
		return false;
	pr = node_proc(si.si_pid);
	if (pr != NULL || helper_is(si.si_pid))
		(void)kill(-si.si_pid, SIGKILL);
	if (wait4(si.si_pid, &status, 0, &used) != si.si_pid)
		return false;
	/* A worker of ours has no children to leave behind. */
	left->orphans |= pr == NULL || pr->pool->role == NULL;
	left->groups |= pr == NULL;
	if (pr != NULL)
		proc_on_exit(pr, status, used.ru_maxrss);
	else if (!helper_on_exit(si.si_pid, status))
		log_debug("reaped %d, a stranger", (int)si.si_pid);
	return true;
}

static bool reap_stopped(void)
{
	siginfo_t si;
	struct proc *pr;

	memset(&si, 0, sizeof(si));
	if (waitid(P_ALL, 0, &si, WSTOPPED | WCONTINUED | WNOHANG) != 0 ||
		si.si_pid == 0)
		return false;
	pr = node_proc(si.si_pid);
	if (pr != NULL && si.si_code == CLD_CONTINUED)
		proc_on_continue(pr);
	else if (pr != NULL)
		proc_on_stop(pr);
	return true;
}

void reap_all(void)
{
	struct reap_left left = { false, false };

	while (reap_stopped())
		;
	while (reap_dead(&left))
		;
	if (left.orphans)
		orphan_sweep();
	if (left.groups)
		cgroup_sweep();
	if (left.orphans || left.groups)
		node_poke();
}
