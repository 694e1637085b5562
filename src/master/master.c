/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/title.h"
#include "master/cgroup.h"
#include "master/daemonize.h"
#include "master/dirs.h"
#include "master/internal.h"
#include "master/listen.h"
#include "master/master.h"
#include "master/node.h"
#include "master/notify.h"
#include "master/order.h"
#include "master/pidfile.h"
#include "master/pool.h"
#include "master/reap.h"
#include "master/reload.h"
#include "master/shutdown.h"
#include "master/signals.h"
#include "master/stream.h"
#include "master/upgrade.h"

static struct loop_timer *watchdog;

/* Each child costs a channel, a pidfd and up to two pipes. */
static void master_raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	if (node.nofile == 0)
		node.nofile = (int64_t)rl.rlim_cur;
	if (rl.rlim_cur == rl.rlim_max)
		return;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
		log_warn("cannot raise the descriptor limit: %s",
			strerror(errno));
}

/* WATCHDOG=1 stands for the loop, and a worker of each required pool. */
static void master_on_watchdog(void *arg)
{
	const struct pool *p;

	(void)arg;
	loop_timer_start(watchdog, notify_watchdog_us() / 2);
	TAILQ_FOREACH(p, &node.pools, entry)
		if (p->conf->required && p->desired > 0 && !p->is_stopped &&
			node.settled && node.phase == NODE_RUNNING &&
			!pool_is_up(p))
			return;
	notify_send("WATCHDOG=1");
}

static void master_start_watchdog(void)
{
	if (notify_watchdog_us() == 0)
		return;
	watchdog = loop_timer_new(node.loop, master_on_watchdog, NULL);
	loop_timer_start(watchdog, notify_watchdog_us() / 2);
}

static int master_open_sockets(struct err *err)
{
	char *path = xasprintf("%s/notify.sock", node.conf->run_dir);
	int rc = notify_listen(path, err);
	size_t i;

	free(path);
	if (rc != 0)
		return -1;
	for (i = 0; i < node.conf->pool_count; i++)
		if (listen_open(&node.conf->pools[i], LISTEN_PATIENT, err) != 0)
			return -1;
	return 0;
}

static int master_make_pools(struct err *err)
{
	size_t i;

	if (internal_start(err) != 0)
		return -1;
	for (i = 0; i < node.conf->pool_count; i++)
		if (pool_new(&node.conf->pools[i], node.conf, node.generation,
			    err) == NULL)
			return -1;
	return 0;
}

static const char *master_pid_path(void)
{
	return node.params->pid_file != NULL ? node.params->pid_file
					     : node.conf->pid_file;
}

/* Everything that can fail for a reason of this machine, before the first
 * child.  -1 with the exit code in ret_exit. */
static int master_set_up(int *ret_exit, struct err *err)
{
	bool upgraded = upgrade_is_due();

	*ret_exit = EXIT_SYSTEM;
	node.pid = getpid();
	node.pid_path = master_pid_path();
	node.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	node.loop = loop_new();
	if (node.null_fd == -1 || node.loop == NULL)
		return err_errno(err, "cannot begin");
	/* From here on a signal waits for the loop: one that kills would
	 * leave the pid file and sockets behind. */
	signals_start(node.loop);
	if (dirs_make(node.conf, err) != 0)
		return -1;
	if (upgraded ? upgrade_adopt(err) != 0
		     : board_open(&node.board, err) != 0)
		return -1;
	if (pidfile_fd() == -1 && pidfile_open(node.pid_path, err) != 0) {
		if (err->code == EAGAIN)
			*ret_exit = EXIT_RUNNING;
		return -1;
	}
	node_apply_conf();
	/* $LISTEN_* is read before notify_init drops it. */
	listen_init();
	notify_init();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	master_raise_nofile();
	cgroup_init();
	signal(SIGPIPE, SIG_IGN);
	/* Ignored by who started us, no child's end would be told. */
	signal(SIGCHLD, SIG_DFL);
	if (master_open_sockets(err) != 0 || master_make_pools(err) != 0)
		return -1;
	if (upgraded)
		upgrade_adopt_procs();
	return 0;
}

static void master_clean_up(void)
{
	struct pool *p;

	while ((p = TAILQ_FIRST(&node.pools)) != NULL)
		pool_free(p);
	stream_done();
	cgroup_sweep();
	listen_done();
	signals_stop();
	loop_timer_free(watchdog);
	loop_timer_free(node.stop_timer);
	notify_close();
	pidfile_close();
	loop_free(node.loop);
	board_close(&node.board);
	conf_free(node.conf);
	if (node.null_fd != -1)
		close(node.null_fd);
}

int master_run(const struct master_params *params, struct conf *conf)
{
	bool upgraded = upgrade_is_due();
	struct err err = { 0 };
	int exit_code;

	TAILQ_INIT(&node.pools);
	TAILQ_INIT(&node.procs);
	node.params = params;
	node.conf = conf;
	node.generation = node.last_generation = 1;
	node.null_fd = -1;
	node.board = (struct board){ -1, -1, -1, NULL };
	log_title("master");
	if (params->daemonize && !upgraded && daemonize(&err) != 0)
		fatal(EXIT_SYSTEM, "%s", err.text);
	if (master_set_up(&exit_code, &err) != 0) {
		log_error("%s", err.text);
		daemonize_tell(exit_code);
		master_clean_up();
		return exit_code;
	}
	title_set("master %s", conf->path);
	log_info("reeve %s starts with %s", params->version, conf->path);
	node_publish();
	master_start_watchdog();
	/* A new binary: what happened during the exec comes first. */
	loop_signal_mask(node.loop);
	reap_all();
	if (upgraded) {
		struct buf report = BUF_INIT;

		if (reload_request(RELOAD_ROLES, &report) != 0)
			order_on_upgrade(buf_str(&report));
		buf_done(&report);
	}
	node_reconcile();
	node_poke();
	malloc_trim(0);
	if (loop_run(node.loop) != 0)
		log_error("waiting for events failed: %s", strerror(errno));
	exit_code = node.exit_code;
	log_info("stopped");
	daemonize_tell(EXIT_SYSTEM); /* it never came to be ready */
	master_clean_up();
	return exit_code;
}
