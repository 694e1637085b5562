/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/order.h"
#include "master/listen.h"
#include "master/pool.h"
#include "master/proc.h"
#include "master/reload.h"
#include "master/slot.h"
#include "master/filewatch.h"
#include "master/generation.h"

static int pool_count_of(const struct pool *p)
{
	return p->override >= 0 ? p->override : (int)p->conf->workers;
}

void pool_reserve(struct pool *p, int slots)
{
	int i;

	if (slots <= p->slot_count)
		return;
	p->slots = xreallocarray(p->slots, (size_t)slots, sizeof(*p->slots));
	for (i = p->slot_count; i < slots; i++)
		p->slots[i] = slot_new(p, i);
	p->slot_count = slots;
}

void pool_resize(struct pool *p)
{
	p->desired = pool_count_of(p);
	if (p->override < 0)
		snprintf(p->source, sizeof(p->source), "process.yaml");
	pool_reserve(p, p->desired);
}

/* A record of that name is one that an older master left. */
static int pool_record(const char *name)
{
	const struct board_pool *b = node.board.map->pools;
	int i;

	for (i = 0; i < BOARD_POOLS_MAX; i++)
		if (b[i].state != BOARD_POOL_UNUSED &&
			strcmp(b[i].name, name) == 0)
			return i;
	return board_pool_take(&node.board);
}

static void pool_publish(struct pool *p);

struct pool *pool_new(const struct conf_pool *conf, const struct conf *owner,
	unsigned generation, struct err *err)
{
	int record = pool_record(conf->name);
	struct pool *p;

	if (record == -1) {
		(void)err_set(err, 0, "more than %d pools", BOARD_POOLS_MAX);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", conf->name);
	p->board_pool = record;
	p->override = -1;
	p->is_internal = conf->kind->is_internal;
	pool_set_conf(p, conf, owner, generation);
	TAILQ_INSERT_TAIL(&node.pools, p, entry);
	return p;
}

void pool_free(struct pool *p)
{
	int i;

	TAILQ_REMOVE(&node.pools, p, entry);
	filewatch_free(p->watch);
	for (i = 0; i < p->slot_count; i++)
		slot_free(p->slots[i]);
	free(p->slots);
	free(p->listeners);
	board_pool_give(&node.board, p->board_pool);
	free(p);
}

bool pool_is_empty(const struct pool *p)
{
	return pool_serving(p) + p->by_state[BOARD_DRAINING] == 0;
}

static const struct role *pool_role(const struct conf_kind *kind)
{
	const struct role *const *r;

	if (kind == node.params->governor->kind)
		return node.params->governor;
	if (kind == node.params->logger->kind)
		return node.params->logger;
	for (r = node.params->roles; *r != NULL; r++)
		if ((*r)->kind == kind)
			return *r;
	return NULL;
}

void pool_set_conf(struct pool *p, const struct conf_pool *conf,
	const struct conf *owner, unsigned generation)
{
	int i;

	if (p->conf != NULL && p->conf->workers != conf->workers)
		p->override = -1;
	p->conf = conf;
	p->owner = owner;
	p->role = pool_role(conf->kind);
	p->generation = generation;
	free(p->listeners);
	p->listeners = listen_table(conf, &p->listener_count);
	pool_resize(p);
	for (i = 0; i < p->slot_count; i++) {
		slot_set_limits(p->slots[i]);
		slot_on_generation(p->slots[i]);
	}
	filewatch_free(p->watch);
	p->watch = NULL;
	if (conf->watch.count > 0)
		p->watch = filewatch_new(p);
	/* The logger reads a pool's file from the board. */
	pool_publish(p);
}

int pool_serving(const struct pool *p)
{
	return p->by_state[BOARD_STARTING] + p->by_state[BOARD_READY];
}

int pool_ready(const struct pool *p)
{
	return p->by_state[BOARD_READY];
}

int pool_ready_of(const struct pool *p, unsigned generation)
{
	struct proc *pr;
	int i, n = 0;

	for (i = 0; i < p->slot_count; i++)
		TAILQ_FOREACH(pr, &p->slots[i]->procs, in_slot)
			n += pr->state == BOARD_READY &&
			     pr->generation == generation;
	return n;
}

int pool_surge(const struct pool *p)
{
	const struct conf_share *s = &p->conf->max_surge;
	int64_t n = s->value;

	if (s->is_percent)
		n = ((int64_t)p->desired * s->value + 99) / 100;
	if (n > p->desired)
		n = p->desired;
	return (int)n;
}

bool pool_is_up(const struct pool *p)
{
	int i;

	if (p->is_removed)
		return false;
	if (pool_ready(p) > 0 || p->desired == 0)
		return true;
	for (i = 0; i < p->desired; i++)
		if (p->slots[i]->rest != BOARD_DONE)
			return false;
	return true;
}

/* The first pool of `after:` that is not up; NULL: go. */
static const char *pool_waits_for(const struct pool *p)
{
	size_t i;

	for (i = 0; i < p->conf->after.count; i++) {
		const struct pool *q = node_pool(p->conf->after.items[i]);

		if (q == NULL || !pool_is_up(q))
			return p->conf->after.items[i];
	}
	return NULL;
}

static bool pool_needs(const struct pool *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->conf->after.count; i++)
		if (strcmp(p->conf->after.items[i], name) == 0)
			return true;
	return false;
}

/* Stopping goes the other way round: first those that came after it, then it;
 * the governor after all the others.  The logger is ended by shutdown_step,
 * when it has been given the last words of all. */
static bool pool_may_stop(const struct pool *p)
{
	const struct pool *q;

	if (p == node.logger)
		return false;
	if (node.phase == NODE_STOPPING_FAST)
		return true;
	TAILQ_FOREACH(q, &node.pools, entry) {
		if (q == p || pool_is_empty(q))
			continue;
		if (p == node.governor && q != node.logger)
			return false;
		if (!q->is_internal && !p->is_internal &&
			pool_needs(q, p->name) &&
			(node.phase != NODE_RUNNING || q->is_removed))
			return false;
	}
	return true;
}

/* The reason why none should run; NULL: they should. */
static const char *pool_stop_reason(const struct pool *p)
{
	if (node.phase != NODE_RUNNING)
		return "shutting down";
	if (p->is_removed)
		return "no longer configured";
	if (p->is_stopped)
		return "stopped by an operator";
	if (node.drained && p->role != NULL && !p->is_internal)
		return "workers drained by SIGWINCH";
	return NULL;
}

/* The newest process of a slot that is what new ones would be. */
static struct proc *pool_current(const struct pool *p, const struct slot *s)
{
	struct proc *pr;

	TAILQ_FOREACH(pr, &s->procs, in_slot)
		if (pr->generation == p->generation && !pr->retiring &&
			pr->state != BOARD_DRAINING)
			return pr;
	return NULL;
}

static bool pool_slot_serves(const struct slot *s)
{
	struct proc *pr;

	TAILQ_FOREACH(pr, &s->procs, in_slot)
		if (pr->state != BOARD_DRAINING)
			return true;
	return false;
}

static void pool_drain_slot(
	struct slot *s, const struct proc *keep, const char *why)
{
	struct proc *pr, *next;

	for (pr = TAILQ_FIRST(&s->procs); pr != NULL; pr = next) {
		next = TAILQ_NEXT(pr, in_slot);
		if (pr != keep && pr->state != BOARD_DRAINING)
			proc_drain(pr, pr->why[0] != '\0' ? NULL : why);
	}
}

static void pool_spawn(struct pool *p, struct slot *s)
{
	struct err err;

	if (proc_start(s, &err) == NULL) {
		log_error("%s.%d: %s", p->name, s->index, err.text);
		slot_on_failure(s, err.text);
		reload_on_pool_failure(p, err.text);
	} else {
		slot_clear_rest(s);
	}
}

/* No process of it is on its way in or out. */
static bool pool_is_still(const struct pool *p)
{
	return p->by_state[BOARD_STARTING] + p->by_state[BOARD_DRAINING] == 0;
}

/* What is started in a pass is of the pool's own generation, so the answer
 * holds for all of its slots. */
static bool pool_has_room(struct pool *p)
{
	if (!p->room_known)
		p->has_room = generation_has_room(p);
	p->room_known = true;
	return p->has_room;
}

/* A slot whose process should be replaced, or that has none. */
static void pool_fill_slot(struct pool *p, struct slot *s)
{
	int surge = pool_surge(p);
	const char *wait;

	if (slot_is_resting(s) || reload_is_failing(p))
		return;
	if (pool_slot_serves(s)) {
		if (!pool_has_room(p))
			return;
		if (surge > 0) {
			if (pool_serving(p) - p->desired < surge)
				pool_spawn(p, s);
			return;
		}
		/* One leaves and is replaced before the next one leaves. */
		if (reload_may_drain(p) && pool_is_still(p))
			pool_drain_slot(s, NULL, "replaced");
		return;
	}
	if (!pool_has_room(p) || (surge == 0 && !TAILQ_EMPTY(&s->procs)))
		return;
	wait = pool_waits_for(p);
	if (wait != NULL) {
		slot_wait(s, wait);
		return;
	}
	pool_spawn(p, s);
}

/* A process that is not what is wanted and never served helps nobody. */
static void pool_drop_starting(struct slot *s, const struct proc *current)
{
	struct proc *pr, *next;

	for (pr = TAILQ_FIRST(&s->procs); pr != NULL; pr = next) {
		next = TAILQ_NEXT(pr, in_slot);
		if (pr != current && pr->state == BOARD_STARTING)
			proc_drain(pr, "replaced");
	}
}

static void pool_reconcile_slot(
	struct pool *p, struct slot *s, const char *reason, bool may_stop)
{
	struct proc *current;

	if (reason == NULL && s->index >= p->desired)
		reason = "fewer are wanted";
	if (reason != NULL) {
		if (may_stop)
			pool_drain_slot(s, NULL, reason);
		slot_stop(s, s->index < p->desired ? reason : NULL);
		return;
	}
	current = pool_current(p, s);
	if (reload_may_drain(p))
		pool_drop_starting(s, current);
	if (current == NULL)
		pool_fill_slot(p, s);
	else if (current->state == BOARD_READY && reload_may_drain(p))
		pool_drain_slot(s, current, "replaced");
}

bool pool_is_complete(const struct pool *p)
{
	int i;

	for (i = 0; i < p->desired; i++) {
		struct proc *pr = pool_current(p, p->slots[i]);

		if ((pr == NULL || pr->state != BOARD_READY) &&
			!(pr == NULL && p->slots[i]->rest == BOARD_DONE))
			return false;
	}
	return true;
}

/* What it waits for has settled and is not up. */
static bool pool_waits_in_vain(const struct pool *p)
{
	const char *name = pool_waits_for(p);
	const struct pool *q = name != NULL ? node_pool(name) : NULL;

	return name != NULL && (q == NULL || pool_is_settled(q));
}

bool pool_is_settled(const struct pool *p)
{
	int i;

	for (i = 0; i < p->desired; i++) {
		const struct slot *s = p->slots[i];
		struct proc *pr = pool_current(p, s);

		if (pr != NULL && pr->state == BOARD_READY)
			continue;
		if (pr == NULL && s->rest == BOARD_WAITING &&
			pool_waits_in_vain(p))
			continue;
		if (pr == NULL &&
			(s->rest == BOARD_DONE || s->rest == BOARD_FAILED ||
				s->rest == BOARD_STOPPED ||
				(s->rest == BOARD_BACKOFF && s->deaths > 1)))
			continue;
		return false;
	}
	return true;
}

static enum board_pool_state pool_state(const struct pool *p)
{
	int ready = pool_ready(p), bad = 0, done = 0, i;

	if (pool_stop_reason(p) != NULL)
		return BOARD_POOL_STOPPED;
	for (i = 0; i < p->desired; i++) {
		bad += p->slots[i]->rest == BOARD_FAILED ||
		       p->slots[i]->rest == BOARD_BACKOFF;
		done += p->slots[i]->rest == BOARD_DONE;
	}
	if (p->desired > 0 && done == p->desired)
		return BOARD_POOL_DONE;
	if (bad > 0)
		return ready > 0 ? BOARD_POOL_DEGRADED : BOARD_POOL_FAILED;
	if (pool_is_complete(p))
		return BOARD_POOL_RUNNING;
	return ready > 0 ? BOARD_POOL_ROLLING : BOARD_POOL_STARTING;
}

static void pool_publish(struct pool *p)
{
	struct board_pool *b = &node.board.map->pools[p->board_pool];
	size_t i, n = 0;

	board_write_begin(&b->version);
	b->state = pool_state(p);
	b->desired = pool_stop_reason(p) != NULL ? 0 : p->desired;
	b->ready = pool_ready(p);
	b->is_internal = p->is_internal;
	b->generation = p->generation;
	b->hang_timeout_us = p->conf->hang_timeout_us;
	b->memory_soft = p->conf->memory_soft;
	b->memory_hard = p->conf->memory_hard;
	snprintf(b->name, sizeof(b->name), "%s", p->name);
	snprintf(b->kind, sizeof(b->kind), "%s", p->conf->kind->name);
	snprintf(b->source, sizeof(b->source), "%s", p->source);
	b->log_path[0] = b->listen[0] = '\0';
	if (p->conf->log_file != NULL)
		snprintf(b->log_path, sizeof(b->log_path), "%s",
			p->conf->log_file);
	else if (p->owner->log_dir != NULL)
		snprintf(b->log_path, sizeof(b->log_path), "%s/%s.log",
			p->owner->log_dir, p->name);
	for (i = 0; i < p->conf->listen.count && n < sizeof(b->listen); i++)
		n += (size_t)snprintf(b->listen + n, sizeof(b->listen) - n,
			"%s%s", i ? ", " : "", p->conf->listen.items[i].text);
	board_write_end(&b->version);
}

void pool_reconcile(struct pool *p)
{
	int i;

	/* A step taken here may call back: then the loop goes round again
	 * instead of into itself. */
	p->again = true;
	if (p->reconciling)
		return;
	p->reconciling = true;
	while (p->again) {
		const char *reason = pool_stop_reason(p);
		bool may_stop = pool_may_stop(p);

		p->again = p->room_known = false;
		for (i = 0; i < p->slot_count; i++)
			pool_reconcile_slot(p, p->slots[i], reason, may_stop);
	}
	p->reconciling = false;
	pool_publish(p);
}

void pool_forgive(struct pool *p)
{
	int i;

	for (i = 0; i < p->slot_count; i++)
		slot_forgive(p->slots[i]);
}

void pool_forgive_all(struct pool *p)
{
	int i;

	pool_forgive(p);
	for (i = 0; i < p->slot_count; i++)
		slot_undo(p->slots[i]);
}

void pool_scale(struct pool *p, int count, const char *source)
{
	p->override = count;
	/* A reload that fails gives back what was before it, but not this. */
	if (p->old_conf != NULL &&
		(count < 0 || (count >= p->old_conf->min_count &&
				      count <= p->old_conf->max_count)))
		p->old_override = count;
	if (count >= 0)
		snprintf(p->source, sizeof(p->source), "%s", source);
	pool_resize(p);
	pool_reconcile(p);
	node_poke();
}

void pool_retire_all(struct pool *p, const char *why)
{
	struct proc *pr;
	int i;

	for (i = 0; i < p->slot_count; i++)
		TAILQ_FOREACH(pr, &p->slots[i]->procs, in_slot) {
			if (pr->retiring || pr->state == BOARD_DRAINING)
				continue;
			pr->retiring = true;
			snprintf(pr->why, sizeof(pr->why), "%s", why);
		}
}

const char *pool_why(const struct pool *p)
{
	int i;

	for (i = 0; i < p->slot_count; i++)
		if (p->slots[i]->rest != BOARD_EMPTY &&
			p->slots[i]->why[0] != '\0')
			return p->slots[i]->why;
	return "";
}

static bool pool_exit_is_done(
	const struct pool *p, const struct proc *pr, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (pr->doomed)
		return false;
	if (p->conf->oneshot)
		return well;
	return p->conf->restart == CONF_RESTART_NEVER ||
	       (p->conf->restart == CONF_RESTART_ON_FAILURE && well);
}

void pool_on_exit(struct proc *pr, int status, const char *text)
{
	struct pool *p = pr->pool;
	struct slot *s = pr->slot;
	char ended[NODE_WHY_MAX * 2], span[32];

	snprintf(ended, sizeof(ended), "%s%s%s%s", text, pr->why[0] ? " (" : "",
		pr->why, pr->why[0] ? ")" : "");
	snprintf(s->last_exit, sizeof(s->last_exit), "%.*s", NODE_WHY_MAX - 1,
		ended);
	if (pr->wished || node.phase != NODE_RUNNING) {
		log_info("%s.%d[%d] ended: %s", p->name, s->index, (int)pr->pid,
			ended);
		return;
	}
	clock_span(clock_now() - pr->started_at_us, span, sizeof(span));
	if (pool_exit_is_done(p, pr, status)) {
		log_info("%s.%d[%d] is done after %s: %s", p->name, s->index,
			(int)pr->pid, span, ended);
		slot_done(s, text);
		return;
	}
	log_warn("%s.%d[%d] died after %s: %s", p->name, s->index, (int)pr->pid,
		span, ended);
	reload_on_failure(pr, ended);
	if (p->conf->oneshot && p->conf->restart == CONF_RESTART_NEVER)
		slot_fail(s, ended);
	else
		slot_on_death(s, pr, status, ended);
}
