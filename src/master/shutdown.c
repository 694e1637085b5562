/* SPDX-License-Identifier: ISC */
#include "base/clock.h"
#include "base/log.h"
#include "master/helper.h"
#include "master/order.h"
#include "master/notify.h"
#include "master/orphan.h"
#include "master/pool.h"
#include "master/proc.h"
#include "master/reload.h"
#include "master/shutdown.h"
#include "master/stream.h"

/* What a fast stop gives each process before SIGKILL. */
#define SHUTDOWN_FAST_US (3 * US_PER_S)

static void shutdown_hurry(void)
{
	struct proc *pr, *next;

	for (pr = TAILQ_FIRST(&node.procs); pr != NULL; pr = next) {
		next = TAILQ_NEXT(pr, in_node);
		if (pr->pool != node.logger)
			proc_hurry(pr, SHUTDOWN_FAST_US);
	}
}

static void shutdown_on_deadline(void *arg)
{
	(void)arg;
	log_warn("shutdown_timeout is over, stopping fast");
	shutdown_start(NODE_STOPPING_FAST, "shutdown_timeout");
}

void shutdown_start(enum node_phase phase, const char *why)
{
	if (phase <= node.phase)
		return;
	log_info("stopping%s: %s", phase == NODE_STOPPING_FAST ? " fast" : "",
		why);
	if (node.phase == NODE_RUNNING) {
		reload_abandon("the daemon is stopping");
		notify_send("STOPPING=1\nSTATUS=stopping");
	}
	node.phase = phase;
	node_publish();
	order_step();
	if (phase == NODE_STOPPING && node.conf->shutdown_timeout_us > 0) {
		node.stop_timer =
			loop_timer_new(node.loop, shutdown_on_deadline, NULL);
		loop_timer_start(
			node.stop_timer, node.conf->shutdown_timeout_us);
	}
	if (phase == NODE_STOPPING_FAST)
		shutdown_hurry();
	node_poke();
}

/* All but the logger are gone: it may write down the rest and go. */
static bool shutdown_is_logger_left(void)
{
	struct proc *pr;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		if (pr->pool != node.logger)
			return false;
	return true;
}

void shutdown_step(void)
{
	struct proc *pr;

	if (node.phase == NODE_RUNNING)
		return;
	/* What a helper leaves comes to the master only when it is reaped. */
	if (shutdown_is_logger_left() &&
		(!helper_is_none() || !orphan_kill_all()))
		return; /* looked at again when one is reaped */
	if (TAILQ_EMPTY(&node.procs)) {
		log_info("every process is gone");
		loop_stop(node.loop);
		return;
	}
	if (!shutdown_is_logger_left() || !stream_is_handed_on())
		return;
	TAILQ_FOREACH(pr, &node.procs, in_node) {
		proc_drain(pr, "shutting down");
		if (node.phase == NODE_STOPPING_FAST && !pr->killed)
			loop_timer_start(pr->timer, SHUTDOWN_FAST_US);
	}
}
