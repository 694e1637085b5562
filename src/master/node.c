/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/order.h"
#include "master/daemonize.h"
#include "master/dirs.h"
#include "master/listen.h"
#include "master/node.h"
#include "master/notify.h"
#include "master/orphan.h"
#include "master/pool.h"
#include "master/reload.h"
#include "master/shutdown.h"
#include "master/stream.h"
#include "master/upgrade.h"

struct node node;

struct node_old_conf {
	LIST_ENTRY(node_old_conf) entry;
	struct conf *conf;
};

static LIST_HEAD(, node_old_conf) old_confs = LIST_HEAD_INITIALIZER(old_confs);
static bool poked;

/* A storm of deaths asks for thousands of them in a turn. */
#define NODE_HASH_SIZE 1024

LIST_HEAD(node_hash, proc);
static struct node_hash by_pid[NODE_HASH_SIZE];

struct pool *node_pool(const char *name)
{
	struct pool *p;

	TAILQ_FOREACH(p, &node.pools, entry)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static struct node_hash *node_bucket(pid_t pid)
{
	return &by_pid[(unsigned)pid % NODE_HASH_SIZE];
}

void node_join(struct proc *pr)
{
	TAILQ_INSERT_TAIL(&node.procs, pr, in_node);
	LIST_INSERT_HEAD(node_bucket(pr->pid), pr, same_hash);
}

void node_leave(struct proc *pr)
{
	TAILQ_REMOVE(&node.procs, pr, in_node);
	LIST_REMOVE(pr, same_hash);
}

struct proc *node_proc(pid_t pid)
{
	struct proc *pr;

	LIST_FOREACH(pr, node_bucket(pid), same_hash)
		if (pr->pid == pid)
			return pr;
	return NULL;
}

struct proc *node_proc_at(int board_slot)
{
	struct proc *pr;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		if (pr->board_slot == board_slot)
			return pr;
	return NULL;
}

int node_proc_count(void)
{
	struct proc *pr;
	int n = 0;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		n++;
	return n;
}

static enum board_node_state node_state(void)
{
	if (node.phase != NODE_RUNNING)
		return BOARD_NODE_STOPPING;
	if (node.upgrade_wanted)
		return BOARD_NODE_UPGRADING;
	if (node.reload != NULL)
		return BOARD_NODE_RELOADING;
	if (node.drained)
		return BOARD_NODE_DRAINED;
	return node.settled ? BOARD_NODE_RUNNING : BOARD_NODE_STARTING;
}

void node_publish(void)
{
	struct board_header *h = &node.board.map->header;

	board_write_begin(&h->version);
	h->state = node_state();
	h->pid = node.pid;
	h->generation = node.generation;
	snprintf(h->node, sizeof(h->node), "%s", node.conf->node);
	snprintf(h->config, sizeof(h->config), "%s", node.conf->path);
	snprintf(h->software, sizeof(h->software), "%s", node.params->version);
	if (h->started_us == 0) {
		h->started_us = clock_now();
		h->started_wall = clock_wall();
	}
	board_write_end(&h->version);
}

void node_reconcile(void)
{
	struct pool *p;

	TAILQ_FOREACH(p, &node.pools, entry)
		pool_reconcile(p);
}

static bool node_uses_address(const char *text)
{
	const struct pool *p;
	size_t i;

	TAILQ_FOREACH(p, &node.pools, entry) {
		const struct conf_pool *both[2] = { p->conf, p->old_conf };
		int k;

		if (p->is_removed && pool_is_empty(p))
			continue;
		for (k = 0; k < 2; k++)
			for (i = 0; both[k] && i < both[k]->listen.count; i++)
				if (strcmp(both[k]->listen.items[i].text,
					    text) == 0)
					return true;
	}
	return false;
}

static bool node_uses_conf(const struct conf *c)
{
	const struct pool *p;

	if (c == node.conf || reload_holds(c))
		return true;
	TAILQ_FOREACH(p, &node.pools, entry)
		if (p->owner == c)
			return true;
	return false;
}

void node_retire_conf(struct conf *c)
{
	struct node_old_conf *o = xcalloc(1, sizeof(*o));

	o->conf = c;
	LIST_INSERT_HEAD(&old_confs, o, entry);
}

void node_release(void)
{
	struct node_old_conf *o, *next_old;
	struct pool *p, *next;

	for (p = TAILQ_FIRST(&node.pools); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->is_removed && !p->in_reload && pool_is_empty(p)) {
			log_info("pool %s is gone", p->name);
			pool_free(p);
		}
	}
	if (node.reload == NULL)
		listen_sweep(node_uses_address);
	for (o = LIST_FIRST(&old_confs); o != NULL; o = next_old) {
		next_old = LIST_NEXT(o, entry);
		if (node_uses_conf(o->conf))
			continue;
		LIST_REMOVE(o, entry);
		conf_free(o->conf);
		free(o);
	}
}

/* Told once, when every pool has come to where it is going. */
static void node_settle(void)
{
	const struct pool *p;

	if (node.settled || node.phase != NODE_RUNNING)
		return;
	TAILQ_FOREACH(p, &node.pools, entry) {
		bool well = p->conf->required ? pool_is_complete(p)
					      : pool_is_settled(p);

		if (!p->is_stopped && !well)
			return;
	}
	node.settled = true;
	log_info("ready");
	notify_send("READY=1\nSTATUS=running");
	daemonize_tell(EXIT_OK);
	node_publish();
}

static void node_on_poke(void *arg)
{
	(void)arg;
	poked = false;
	orphan_step();
	node_reconcile();
	reload_step();
	order_step();
	node_settle();
	shutdown_step();
	upgrade_step();
	node_release();
}

void node_poke(void)
{
	if (poked)
		return;
	poked = true;
	loop_defer(node.loop, node_on_poke, NULL);
}

/* The master is root where the directory's owner is not: it follows no link
 * and takes no file with a second name. */
static int node_open_log(const char *path)
{
	int fd = open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			O_NONBLOCK | O_NOCTTY,
		0640);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

static void node_reopen_log(void)
{
	int fd, old = log_fd();
	char *path;

	if (node.conf->log_dir == NULL)
		return;
	path = xasprintf("%s/reeved.log", node.conf->log_dir);
	fd = node_open_log(path);
	if (fd == -1) {
		log_error("cannot open %s: %s", path, strerror(errno));
	} else {
		log_to(fd, LOG_FULL);
		if (old > 2)
			close(old);
	}
	free(path);
}

void node_apply_conf(void)
{
	int level = node.conf->log_level + node.params->verbose;

	if (node.params->quiet && level > LOG_LEVEL_WARN)
		level = LOG_LEVEL_WARN;
	if (level > LOG_LEVEL_DEBUG)
		level = LOG_LEVEL_DEBUG;
	log_set_level((enum log_level)level);
	node_reopen_log();
}

void node_reopen(void)
{
	struct err err;

	/* They may have been cleared away. */
	if (dirs_make(node.conf, &err) != 0)
		log_error("%s", err.text);
	node_reopen_log();
	log_info("logs are opened anew");
	stream_reopen();
}

void node_clear_board(void)
{
	struct board_map *m = node.board.map;
	struct pool *p;
	struct slot *s;
	int i, k;

	for (i = 0; i < BOARD_POOLS_MAX; i++) {
		bool used = false;

		TAILQ_FOREACH(p, &node.pools, entry)
			used |= p->board_pool == i;
		if (!used && m->pools[i].state != BOARD_POOL_UNUSED)
			board_pool_give(&node.board, i);
	}
	for (i = 0; i < BOARD_SLOTS_MAX; i++) {
		bool used = node_proc_at(i) != NULL;

		TAILQ_FOREACH(p, &node.pools, entry)
			for (k = 0; k < p->slot_count; k++) {
				s = p->slots[k];
				used |= s->board_slot == i;
			}
		if (!used && m->slots[i].state != BOARD_EMPTY)
			board_slot_give(&node.board, i);
	}
}
