/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/order.h"
#include "master/dirs.h"
#include "master/internal.h"
#include "master/listen.h"
#include "master/notify.h"
#include "master/pool.h"
#include "master/reload.h"

enum reload_phase { RELOAD_PROVE = 0, RELOAD_ROLL = 1 };

struct reload {
	struct conf *conf; /* the candidate; owned until the end */
	unsigned generation;
	enum reload_scope scope;
	enum reload_phase phase;
	int64_t started_us;
	struct loop_timer *deadline;
	bool failed;
	char error[1024];
};

static const char reload_replaced[] = "replaced by a newer reload";

/* This binary is new and its workers are still those of the one before: until
 * a reload has rolled them, each one is to. */
static bool roles_due;

static void reload_end(const char *error);

static struct conf *reload_read(struct buf *report)
{
	struct conf_report r;
	struct conf *c = conf_read(&node.params->source, &r);

	conf_report_print(&r, report);
	conf_report_done(&r);
	return c;
}

/* Settings that only a start can change, and kinds. */
static int reload_check(const struct conf *c, struct buf *report)
{
	struct buf restart = BUF_INIT;
	size_t i;
	int rc = 0;

	(void)conf_global_diff(node.conf, c, NULL, &restart);
	if (restart.len > 0) {
		buf_printf(report,
			"%s: error: %s can't change in a reload: restart the "
			"daemon\n",
			c->path, restart.data);
		rc = -1;
	}
	for (i = 0; i < c->pool_count; i++) {
		const struct conf_pool *cp = &c->pools[i];
		const struct pool *p = node_pool(cp->name);

		if (p == NULL || p->conf->kind == cp->kind)
			continue;
		buf_printf(report,
			"%s:%d:%d: error: pool '%s' can't change its kind "
			"from %s to %s in a reload: give it another name\n",
			cp->mark.file, cp->mark.line, cp->mark.column, cp->name,
			p->conf->kind->name, cp->kind->name);
		rc = -1;
	}
	buf_done(&restart);
	return rc;
}

static void reload_log(enum log_level level, const char *text)
{
	const char *end;

	for (; *text != '\0'; text = *end != '\0' ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		log_at(level, "%.*s", (int)(end - text), text);
	}
}

static void reload_publish(const char *error)
{
	struct board_header *h = &node.board.map->header;

	board_write_begin(&h->version);
	h->reloads++;
	h->reloads_failed += error != NULL;
	h->reload_ok = error == NULL;
	h->reload_at_wall = clock_wall();
	snprintf(h->reload_error, sizeof(h->reload_error), "%s",
		error != NULL ? error : "");
	board_write_end(&h->version);
	node_publish();
}

static void reload_notify_failure(const char *error)
{
	notify_send("READY=1\nSTATUS=running; the last reload failed: %.200s",
		error);
}

/* Tell everybody who may want to know how it ended. */
static void reload_tell(const struct reload *r, const char *error)
{
	reload_publish(error);
	if (error != NULL) {
		log_error("reload failed, nothing has changed: %s", error);
		reload_notify_failure(error);
	} else {
		notify_send("READY=1\nSTATUS=running");
	}
	order_on_reload(error);
	/* What replaces the second half of an upgrade finishes it too. */
	if (r->scope == RELOAD_ROLES && error != reload_replaced)
		order_on_upgrade(error);
}

/* The file is wrong: that is the answer to who asked now, and no verdict on a
 * reload that is under way. */
static void reload_refuse(const char *error)
{
	reload_publish(error);
	if (node.reload == NULL)
		reload_notify_failure(error);
}

/* Does an unfinished reload already go where this one wants to go? */
static bool reload_is_same(const struct conf *a, const struct conf *b)
{
	size_t i;

	if (a->pool_count != b->pool_count ||
		conf_global_diff(a, b, NULL, NULL) != CONF_SAME)
		return false;
	for (i = 0; i < a->pool_count; i++) {
		const struct conf_pool *p = conf_pool_find(b, a->pools[i].name);

		if (p == NULL ||
			conf_pool_diff(&a->pools[i], p, NULL) != CONF_SAME)
			return false;
	}
	return true;
}

static void reload_keep_old(struct pool *p)
{
	p->old_conf = p->conf;
	p->old_owner = p->owner;
	p->old_generation = p->generation;
	p->old_override = p->override;
	p->old_removed = p->is_removed;
	p->in_reload = true;
}

static void reload_forget_old(struct pool *p)
{
	p->old_conf = NULL;
	p->old_owner = NULL;
	p->in_reload = false;
	p->is_new = false;
}

static void reload_roll_pool(
	struct reload *r, struct pool *p, const struct conf_pool *cp)
{
	reload_keep_old(p);
	p->is_removed = false;
	pool_set_conf(p, cp, r->conf, r->generation);
	pool_forgive(p);
}

static bool reload_is_rolled(const struct pool *p, const struct conf_pool *cp,
	enum reload_scope scope)
{
	if (p->is_removed ||
		conf_pool_diff(p->conf, cp, NULL) == CONF_CHANGED_ROLL)
		return true;
	return scope == RELOAD_ROLES && p->role != NULL;
}

/* Point the pools that change at the candidate.  -1 with err: the caller
 * rolls back. */
static int reload_apply(struct reload *r, struct err *err)
{
	const struct conf_pool *governor = internal_governor(r->conf);
	size_t i;

	if (dirs_make(r->conf, err) != 0 ||
		listen_open(governor, LISTEN_NOW, err) != 0)
		return -1;
	if (strcmp(r->conf->control_path, node.conf->control_path) != 0 &&
		internal_guard(r->conf, err) != 0)
		return -1;
	for (i = 0; i < r->conf->pool_count; i++) {
		const struct conf_pool *cp = &r->conf->pools[i];
		struct pool *p = node_pool(cp->name);

		if (listen_open(cp, LISTEN_NOW, err) != 0)
			return -1;
		if (p == NULL) {
			p = pool_new(cp, r->conf, r->generation, err);
			if (p == NULL)
				return -1;
			p->is_new = p->in_reload = true;
		} else if (reload_is_rolled(p, cp, r->scope)) {
			reload_roll_pool(r, p, cp);
		}
	}
	if (r->scope == RELOAD_ROLES)
		reload_roll_pool(r, node.governor, governor);
	return 0;
}

static void reload_on_deadline(void *arg)
{
	struct reload *r = arg;

	r->failed = true;
	snprintf(r->error, sizeof(r->error),
		"not finished within reload_timeout");
	node_poke();
}

static void reload_begin(struct conf *c, enum reload_scope scope)
{
	struct reload *r = xcalloc(1, sizeof(*r));
	struct pool *p;
	struct err err;

	r->conf = c;
	r->scope = scope;
	r->generation = ++node.last_generation;
	r->started_us = clock_now();
	r->deadline = loop_timer_new(node.loop, reload_on_deadline, r);
	if (c->reload_timeout_us > 0)
		loop_timer_start(r->deadline, c->reload_timeout_us);
	node.reload = r;
	node.drained = false;
	if (reload_apply(r, &err) != 0) {
		r->failed = true;
		snprintf(r->error, sizeof(r->error), "%s", err.text);
	}
	TAILQ_FOREACH(p, &node.pools, entry)
		pool_forgive(p);
	node_publish();
	node_reconcile();
	node_poke();
}

int reload_request(enum reload_scope scope, struct buf *report)
{
	struct conf *c;

	notify_reloading();
	log_info("reloading %s", node.conf->path);
	if (scope == RELOAD_ROLES)
		roles_due = true;
	c = reload_read(report);
	if (c == NULL || reload_check(c, report) != 0) {
		conf_free(c);
		reload_log(LOG_LEVEL_ERROR, buf_str(report));
		reload_refuse(buf_str(report));
		return -1;
	}
	reload_log(LOG_LEVEL_WARN, buf_str(report));
	if (node.reload != NULL && scope == RELOAD_CHANGED &&
		!node.reload->failed && reload_is_same(node.reload->conf, c)) {
		conf_free(c);
		return 0;
	}
	if (node.reload != NULL)
		reload_end(reload_replaced);
	reload_begin(c, roles_due ? RELOAD_ROLES : scope);
	return 0;
}

static void reload_plan_pool(const struct conf_pool *cp, struct buf *out)
{
	const struct pool *p = node_pool(cp->name);
	struct buf what = BUF_INIT;
	int64_t workers = cp->workers;
	enum conf_change change;

	if (p == NULL || p->is_removed) {
		buf_printf(
			out, "start\t%s\t%" PRId64 "\t\n", cp->name, workers);
		return;
	}
	change = conf_pool_diff(p->conf, cp, &what);
	if (change == CONF_CHANGED_ROLL)
		buf_printf(out, "roll\t%s\t%" PRId64 "\t%s\n", cp->name,
			workers, buf_str(&what));
	else if (change == CONF_CHANGED_HOT && p->conf->workers != workers)
		buf_printf(out, "scale\t%s\t%" PRId64 "\t%s\n", cp->name,
			workers, buf_str(&what));
	else if (change == CONF_CHANGED_HOT)
		buf_printf(out, "set\t%s\t%" PRId64 "\t%s\n", cp->name, workers,
			buf_str(&what));
	buf_done(&what);
}

int reload_plan(struct buf *out)
{
	struct buf report = BUF_INIT;
	struct conf *c = reload_read(&report);
	struct pool *p;
	size_t i;

	if (c == NULL || reload_check(c, &report) != 0) {
		buf_puts(out, buf_str(&report));
		buf_done(&report);
		conf_free(c);
		return -1;
	}
	for (i = 0; i < c->pool_count; i++)
		reload_plan_pool(&c->pools[i], out);
	TAILQ_FOREACH(p, &node.pools, entry)
		if (!p->is_internal && !p->is_removed &&
			conf_pool_find(c, p->name) == NULL)
			buf_printf(
				out, "stop\t%s\t%d\t\n", p->name, p->desired);
	buf_done(&report);
	conf_free(c);
	return 0;
}

bool reload_may_drain(const struct pool *p)
{
	if (node.reload == NULL || !p->in_reload)
		return true;
	return node.reload->phase == RELOAD_ROLL && pool_surge(p) < p->desired;
}

bool reload_is_failing(const struct pool *p)
{
	return node.reload != NULL && node.reload->failed && p->in_reload;
}

void reload_on_pool_failure(const struct pool *p, const char *why)
{
	struct reload *r = node.reload;

	if (r == NULL || !p->in_reload || r->failed ||
		p->generation != r->generation)
		return;
	r->failed = true;
	snprintf(r->error, sizeof(r->error), "pool %s: a new worker failed: %s",
		p->name, why);
	node_poke();
}

void reload_on_failure(const struct proc *pr, const char *why)
{
	if (node.reload != NULL && pr->generation == node.reload->generation)
		reload_on_pool_failure(pr->pool, why);
}

static bool reload_is_proven(const struct pool *p)
{
	int need = pool_surge(p);

	if (p->is_stopped)
		return true;
	if (p->is_new || p->conf->oneshot)
		return pool_is_complete(p);
	return pool_ready_of(p, p->generation) >= need;
}

/* Nothing of another generation serves any more, and all new ones are there.
 */
static bool reload_is_rolled_out(const struct pool *p)
{
	if (p->is_stopped || p->is_new || pool_surge(p) >= p->desired)
		return true;
	return pool_is_complete(p) && pool_serving(p) <= p->desired;
}

static bool reload_all(bool (*is)(const struct pool *p))
{
	const struct pool *p;

	TAILQ_FOREACH(p, &node.pools, entry)
		if (p->in_reload && !is(p))
			return false;
	return true;
}

static void reload_give_back(struct pool *p)
{
	if (p->is_new) {
		p->is_removed = true;
	} else {
		pool_set_conf(p, p->old_conf, p->old_owner, p->old_generation);
		p->override = p->old_override;
		p->is_removed = p->old_removed;
		pool_resize(p);
	}
	pool_forgive(p);
	reload_forget_old(p);
}

/* The candidate is the configuration: all others follow it too. */
static void reload_take(struct reload *r)
{
	struct pool *p;
	struct err err;

	TAILQ_FOREACH(p, &node.pools, entry) {
		const struct conf_pool *cp = conf_pool_find(r->conf, p->name);

		if (p->is_internal)
			internal_take(p, r->conf, r->generation,
				r->scope == RELOAD_ROLES);
		else if (cp == NULL)
			p->is_removed = true;
		else if (!p->in_reload)
			pool_set_conf(p, cp, r->conf, p->generation);
		reload_forget_old(p);
	}
	node_retire_conf(node.conf);
	node.conf = r->conf;
	node.generation = r->generation;
	if (internal_guard(node.conf, &err) != 0)
		log_error("%s", err.text);
}

/* The end of the one under way: error NULL is the commit. */
static void reload_end(const char *error)
{
	struct reload *r = node.reload;
	char span[32];
	struct pool *p;

	node.reload = NULL;
	if (error == NULL) {
		if (r->scope == RELOAD_ROLES)
			roles_due = false;
		reload_take(r);
		log_info("reloaded: generation %u after %s", r->generation,
			clock_span(clock_now() - r->started_us, span,
				sizeof(span)));
	} else {
		TAILQ_FOREACH(p, &node.pools, entry)
			if (p->in_reload)
				reload_give_back(p);
		node_retire_conf(r->conf);
	}
	loop_timer_free(r->deadline);
	node_apply_conf();
	/* First the deed: who hears the verdict finds the old ones draining. */
	node_reconcile();
	reload_tell(r, error);
	free(r);
	node_poke();
}

void reload_step(void)
{
	struct reload *r = node.reload;

	if (r == NULL)
		return;
	if (r->failed) {
		char error[sizeof(r->error)];

		memcpy(error, r->error, sizeof(error));
		reload_end(error);
		return;
	}
	if (r->phase == RELOAD_PROVE && reload_all(reload_is_proven)) {
		r->phase = RELOAD_ROLL;
		node_reconcile();
	}
	if (r->phase == RELOAD_ROLL && reload_all(reload_is_rolled_out))
		reload_end(NULL);
}

void reload_abandon(const char *why)
{
	if (node.reload != NULL)
		reload_end(why);
}

bool reload_holds(const struct conf *c)
{
	const struct pool *p;

	if (node.reload != NULL && node.reload->conf == c)
		return true;
	TAILQ_FOREACH(p, &node.pools, entry)
		if (p->old_owner == c)
			return true;
	return false;
}
