/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/internal.h"
#include "master/listen.h"
#include "master/pool.h"

#define INTERNAL_HANG_US (10 * US_PER_S)

const struct conf_pool *internal_governor(struct conf *c)
{
	struct conf_pool *cp =
		conf_pool_internal(c, node.params->governor->kind, "governor");
	struct conf_listen *l;

	/* A governor that stands still is an operator who gets no answer. */
	cp->hang_timeout_us = INTERNAL_HANG_US;
	if (cp->listen.count > 0)
		return cp;
	l = arena_alloc(c->arena, sizeof(*l));
	l->family = LISTEN_UNIX;
	l->host = arena_strdup(c->arena, c->control_path);
	l->text = arena_printf(c->arena, "unix:%s", c->control_path);
	cp->listen.items = l;
	cp->listen.count = 1;
	return cp;
}

const struct conf_pool *internal_logger(struct conf *c)
{
	struct conf_pool *cp =
		conf_pool_internal(c, node.params->logger->kind, "logger");

	/* Two would share every pipe, and tear lines apart: the old one goes
	 * first, the pipes hold what is said meanwhile. */
	cp->max_surge = (struct conf_share){ 0, false };
	return cp;
}

int internal_guard(const struct conf *c, struct err *err)
{
	struct conf_listen l = { .family = LISTEN_UNIX };

	l.host = (char *)(uintptr_t)c->control_path;
	return listen_guard(&l, (mode_t)c->control_mode, c->control_gid, err);
}

int internal_start(struct err *err)
{
	const struct conf_pool *logger = internal_logger(node.conf);
	const struct conf_pool *governor = internal_governor(node.conf);

	if (listen_open(governor, LISTEN_PATIENT, err) != 0 ||
		internal_guard(node.conf, err) != 0)
		return -1;
	node.logger = pool_new(logger, node.conf, node.generation, err);
	node.governor = pool_new(governor, node.conf, node.generation, err);
	return node.logger != NULL && node.governor != NULL ? 0 : -1;
}

static bool internal_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What the logger knows of a configuration; the pools' own files it reads from
 * the board. */
static bool internal_same_logs(const struct conf *a, const struct conf *b)
{
	return internal_same_text(a->log_dir, b->log_dir) && a->uid == b->uid &&
	       a->gid == b->gid;
}

/* What the governor knows of one: it scales the queues. */
static bool internal_same_watch(const struct conf *a, const struct conf *b)
{
	return conf_global_diff(a, b, NULL, NULL) == CONF_SAME &&
	       conf_queues_same(a, b);
}

void internal_take(
	struct pool *p, struct conf *c, unsigned generation, bool anyway)
{
	bool logger = p == node.logger;
	bool same = logger ? internal_same_logs(node.conf, c)
			   : internal_same_watch(node.conf, c);

	/* A pool of the reload itself has been rolled already. */
	if (p->in_reload && !logger)
		return;
	pool_set_conf(p, logger ? internal_logger(c) : internal_governor(c), c,
		same && !anyway ? p->generation : generation);
}
