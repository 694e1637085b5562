/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "master/node.h"
#include "master/pool.h"
#include "master/reap.h"
#include "master/reload.h"
#include "master/shutdown.h"
#include "master/signals.h"
#include "master/upgrade.h"

#define SIGNALS_MAX 16

static struct loop_signal *watches[SIGNALS_MAX];

static void signals_reload(void)
{
	struct buf report = BUF_INIT;

	if (node.phase == NODE_RUNNING)
		(void)reload_request(RELOAD_CHANGED, &report);
	buf_done(&report);
}

static void signals_stop_graceful(void)
{
	/* The second one is impatient. */
	if (node.phase == NODE_RUNNING)
		shutdown_start(NODE_STOPPING, "signal");
	else
		shutdown_start(NODE_STOPPING_FAST, "second signal");
}

static void signals_stop_fast(void)
{
	shutdown_start(NODE_STOPPING_FAST, "signal");
}

static void signals_drain(void)
{
	log_info("draining the workers, SIGHUP brings them back");
	node.drained = true;
	node_publish();
	node_poke();
}

/* The pool that TTIN and TTOU are about. */
static struct pool *signals_pool(void)
{
	struct pool *p, *first = NULL;

	TAILQ_FOREACH(p, &node.pools, entry) {
		if (p->is_internal || p->is_removed)
			continue;
		if (p->role != NULL)
			return p;
		if (first == NULL)
			first = p;
	}
	return first;
}

static void signals_scale(int more, const char *source)
{
	struct pool *p = signals_pool();
	int count;

	if (p == NULL)
		return;
	count = p->desired + more;
	if (count < p->conf->min_count || count > p->conf->max_count) {
		log_warn("%s: the count of %s stays %d", source, p->name,
			p->desired);
		return;
	}
	log_info("%s: %s gets %d workers", source, p->name, count);
	pool_scale(p, count, source);
}

static void signals_more(void)
{
	signals_scale(1, "SIGTTIN");
}

static void signals_fewer(void)
{
	signals_scale(-1, "SIGTTOU");
}

const struct signal_row signal_rows[] = {
	{ SIGHUP, "HUP", "reload", "reload process.yaml", signals_reload },
	{ SIGTERM, "TERM", "stop", "stop gracefully; the second time fast",
		signals_stop_graceful },
	{ SIGQUIT, "QUIT", "quit", "stop gracefully; the second time fast",
		signals_stop_graceful },
	{ SIGINT, "INT", NULL, "stop fast", signals_stop_fast },
	{ SIGUSR1, "USR1", "reopen", "open the log files anew", node_reopen },
	{ SIGUSR2, "USR2", "upgrade", "execute the new binary in place",
		upgrade_request },
	{ SIGWINCH, "WINCH", NULL, "drain the workers but stay",
		signals_drain },
	{ SIGTTIN, "TTIN", NULL, "one worker more", signals_more },
	{ SIGTTOU, "TTOU", NULL, "one worker less", signals_fewer },
	{ SIGCHLD, "CHLD", NULL, "a child ended or stopped", reap_all },
	{ 0, NULL, NULL, NULL, NULL },
};

const struct signal_row *signals_find(const char *word)
{
	const struct signal_row *r;

	for (r = signal_rows; r->signo != 0; r++)
		if (r->word != NULL && strcmp(r->word, word) == 0)
			return r;
	return NULL;
}

static void signals_on(int signo, void *arg)
{
	const struct signal_row *r = arg;

	(void)signo;
	r->fn();
}

void signals_start(struct loop *l)
{
	const struct signal_row *r;
	int i = 0;

	for (r = signal_rows; r->signo != 0; r++)
		watches[i++] = loop_signal_new(
			l, r->signo, signals_on, (void *)(uintptr_t)r);
}

void signals_stop(void)
{
	int i;

	for (i = 0; i < SIGNALS_MAX; i++) {
		loop_signal_free(watches[i]);
		watches[i] = NULL;
	}
}
