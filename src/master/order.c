/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/order.h"
#include "master/hang.h"
#include "master/pool.h"
#include "master/proc.h"
#include "master/reload.h"
#include "master/shutdown.h"
#include "master/stream.h"
#include "master/upgrade.h"

struct order {
	TAILQ_ENTRY(order) entry;
	struct proc *asker; /* NULL: gone */
	uint32_t token;
	enum msg_command what;
	char pool[CONF_NAME_MAX + 1];
};

static TAILQ_HEAD(order_list, order) orders = TAILQ_HEAD_INITIALIZER(orders);

static void order_send(const struct order *c, const struct msg *m, int fd)
{
	if (c->asker == NULL || c->asker->channel == -1)
		return;
	if (msg_send(c->asker->channel, m, fd) != 0)
		log_warn("an answer to the governor is lost: %s",
			strerror(errno));
}

/* Answer and forget: `text` in pieces, then the verdict. */
static void order_answer(struct order *c, bool well, const char *text)
{
	struct msg m = { .type = MSG_MASTER_TEXT, .token = c->token };
	size_t left = strlen(text), n;

	while (left >= sizeof(m.text)) {
		n = sizeof(m.text) - 1;
		memcpy(m.text, text, n);
		m.text[n] = '\0';
		order_send(c, &m, -1);
		text += n;
		left -= n;
	}
	m.type = MSG_MASTER_DONE;
	m.value = well ? 0 : 1;
	snprintf(m.text, sizeof(m.text), "%s", text);
	order_send(c, &m, -1);
	TAILQ_REMOVE(&orders, c, entry);
	free(c);
}

/* The effective configuration is too long for messages: a memfd. */
static void order_config(struct order *c)
{
	struct msg m = { .type = MSG_MASTER_DONE, .token = c->token };
	int fd = memfd_create("reeve-config", MFD_CLOEXEC);
	struct buf text = BUF_INIT;

	conf_print(node.conf, &text);
	if (fd == -1 || write(fd, text.data, text.len) != (ssize_t)text.len) {
		order_answer(c, false, "no memory for the answer");
	} else {
		(void)lseek(fd, 0, SEEK_SET);
		order_send(c, &m, fd);
		TAILQ_REMOVE(&orders, c, entry);
		free(c);
	}
	if (fd != -1)
		close(fd);
	buf_done(&text);
}

static void order_reload(struct order *c)
{
	struct buf report = BUF_INIT;
	int rc;

	/* The verdict on the reload that this one replaces is not for it; once
	 * begun, the next one reaches all who wait. */
	TAILQ_REMOVE(&orders, c, entry);
	rc = reload_request(RELOAD_CHANGED, &report);
	TAILQ_INSERT_TAIL(&orders, c, entry);
	if (rc != 0)
		order_answer(c, false, buf_str(&report));
	buf_done(&report);
}

static void order_plan(struct order *c)
{
	struct buf text = BUF_INIT;
	bool well = reload_plan(&text) == 0;

	order_answer(c, well, buf_str(&text));
	buf_done(&text);
}

static void order_pool(struct order *c, struct pool *p)
{
	switch (c->what) {
	case MSG_COMMAND_STOP: p->is_stopped = true; break;
	case MSG_COMMAND_RESTART:
		p->is_stopped = false;
		pool_forgive_all(p);
		pool_retire_all(p, "restart");
		break;
	default:
		p->is_stopped = false;
		pool_forgive_all(p);
		break;
	}
	pool_reconcile(p);
	node_poke();
}

static void order_scale(struct order *c, struct pool *p, const char *text)
{
	char *end, why[NODE_WHY_MAX];
	long n = strtol(text, &end, 10);

	if (strcmp(text, "file") == 0) {
		pool_scale(p, -1, NULL);
		return;
	}
	if (*text == '\0' || *end != '\0' || n < p->conf->min_count ||
		n > p->conf->max_count) {
		snprintf(why, sizeof(why),
			"the count of %s must be from %lld to %lld", p->name,
			(long long)p->conf->min_count,
			(long long)p->conf->max_count);
		order_answer(c, false, why);
		return;
	}
	pool_scale(p, (int)n, "reevectl scale");
}

static void order_reopen(struct order *c)
{
	(void)c;
	node_reopen();
}

static void order_shutdown(struct order *c)
{
	bool now = c->what == MSG_COMMAND_SHUTDOWN_NOW;

	order_answer(c, true, "stopping");
	shutdown_start(
		now ? NODE_STOPPING_FAST : NODE_STOPPING, "reevectl shutdown");
}

static bool order_is_for_pool(enum msg_command what)
{
	return what == MSG_COMMAND_START || what == MSG_COMMAND_STOP ||
	       what == MSG_COMMAND_RESTART || what == MSG_COMMAND_SCALE;
}

static void order_carry_out(struct order *c, const char *text)
{
	struct pool *p = node_pool(c->pool);

	if (node.phase != NODE_RUNNING) {
		order_answer(c, false, "the daemon is stopping");
		return;
	}
	if (order_is_for_pool(c->what) &&
		(p == NULL || p->is_internal || p->is_removed)) {
		order_answer(c, false, "no such pool");
		return;
	}
	switch (c->what) {
	case MSG_COMMAND_RELOAD: order_reload(c); break;
	case MSG_COMMAND_PLAN: order_plan(c); break;
	case MSG_COMMAND_START:
	case MSG_COMMAND_STOP:
	case MSG_COMMAND_RESTART: order_pool(c, p); break;
	case MSG_COMMAND_SCALE: order_scale(c, p, text); break;
	case MSG_COMMAND_REOPEN: order_reopen(c); break;
	case MSG_COMMAND_UPGRADE: upgrade_request(); break;
	case MSG_COMMAND_SHUTDOWN:
	case MSG_COMMAND_SHUTDOWN_NOW: order_shutdown(c); break;
	case MSG_COMMAND_CONFIG: order_config(c); break;
	default: order_answer(c, false, "an unknown command"); break;
	}
}

static struct order *order_new(struct proc *from, uint32_t token,
	enum msg_command what, const char *pool)
{
	struct order *c = xcalloc(1, sizeof(*c));

	c->asker = from;
	c->token = token;
	c->what = what;
	snprintf(c->pool, sizeof(c->pool), "%.*s", CONF_NAME_MAX, pool);
	TAILQ_INSERT_TAIL(&orders, c, entry);
	return c;
}

static void order_on_reopened(void)
{
	struct order *c, *next;

	for (c = TAILQ_FIRST(&orders); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->what == MSG_COMMAND_REOPEN)
			order_answer(c, true, "logs are open anew");
	}
}

/* A count from outside (the key in Redis, autoscaling); the same again is no
 * news. */
static void order_count(const struct msg *m)
{
	struct pool *p = node_pool(m->name);

	if (p == NULL || p->is_internal || p->is_removed ||
		node.phase != NODE_RUNNING)
		return;
	if (m->value < 0) {
		if (p->override >= 0 && strcmp(p->source, m->text) == 0)
			pool_scale(p, -1, NULL);
		return;
	}
	if (m->value < p->conf->min_count || m->value > p->conf->max_count ||
		(p->override == m->value && strcmp(p->source, m->text) == 0))
		return;
	log_info("%s: %lld workers wanted by %s", p->name, (long long)m->value,
		m->text);
	pool_scale(p, (int)m->value, m->text);
}

static void order_note(const struct msg *m)
{
	struct board_header *h = &node.board.map->header;

	board_write_begin(&h->version);
	snprintf(h->counts_error, sizeof(h->counts_error), "%.*s",
		(int)sizeof(h->counts_error) - 1, m->text);
	board_write_end(&h->version);
}

void order_on_msg(struct proc *from, const struct msg *m)
{
	struct proc *suspect;

	if (from->pool == node.logger && m->type == MSG_LOGGER_REOPENED) {
		order_on_reopened();
		return;
	}
	if (from->pool == node.governor && m->type == MSG_GOVERN_COMMAND) {
		order_carry_out(order_new(from, m->token,
					(enum msg_command)m->value, m->name),
			m->text);
		return;
	}
	if (from->pool == node.governor && m->type == MSG_GOVERN_COUNT) {
		order_count(m);
		return;
	}
	if (from->pool == node.governor && m->type == MSG_GOVERN_NOTE) {
		order_note(m);
		return;
	}
	if (from->pool == node.governor && m->type == MSG_GOVERN_SUSPECT) {
		suspect = node_proc_at((int)m->value);
		if (suspect != NULL)
			hang_on_suspect(suspect, (enum msg_suspicion)m->token);
		return;
	}
	proc_distrust(from, "sent a message that is not its to send");
}

void order_on_exit(const struct proc *pr)
{
	struct order *c;

	TAILQ_FOREACH(c, &orders, entry)
		if (c->asker == pr)
			c->asker = NULL;
	if (pr->pool == node.logger)
		order_on_reopened();
}

static bool pool_has_retiring(const struct pool *p)
{
	struct proc *pr;
	int i;

	for (i = 0; i < p->slot_count; i++)
		TAILQ_FOREACH(pr, &p->slots[i]->procs, in_slot)
			if (pr->retiring && pr->state != BOARD_DRAINING)
				return true;
	return false;
}

/* Answer a command about a pool once it is carried out, or can't be. */
static void order_look(struct order *c)
{
	struct pool *p = node_pool(c->pool);
	char text[NODE_WHY_MAX * 2];

	if (p == NULL || p->is_removed) {
		order_answer(c, false, "the pool is no longer configured");
		return;
	}
	if (c->what == MSG_COMMAND_STOP) {
		if (!p->is_stopped)
			order_answer(c, false, "it was started again");
		else if (pool_is_empty(p))
			order_answer(c, true, "stopped");
		return;
	}
	if (p->is_stopped) {
		order_answer(c, false, "it was stopped");
		return;
	}
	if (pool_is_complete(p) && !pool_has_retiring(p) &&
		pool_serving(p) <= p->desired) {
		snprintf(text, sizeof(text), "%d ready", pool_ready(p));
		order_answer(c, true, text);
	} else if (pool_is_settled(p) && !pool_is_complete(p)) {
		snprintf(text, sizeof(text), "%d of %d ready: %s",
			pool_ready(p), p->desired, pool_why(p));
		order_answer(c, false, text);
	}
}

void order_step(void)
{
	struct order *c, *next;

	for (c = TAILQ_FIRST(&orders); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (node.phase != NODE_RUNNING)
			order_answer(c, false, "the daemon is stopping");
		else if (order_is_for_pool(c->what))
			order_look(c);
	}
}

static void order_verdict(
	enum msg_command what, const char *error, const char *well)
{
	struct order *c, *next;

	for (c = TAILQ_FIRST(&orders); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->what == what)
			order_answer(
				c, error == NULL, error != NULL ? error : well);
	}
}

void order_on_reload(const char *error)
{
	order_verdict(MSG_COMMAND_RELOAD, error, "reloaded");
}

void order_on_upgrade(const char *error)
{
	order_verdict(MSG_COMMAND_UPGRADE, error, "upgraded");
}

void order_before_upgrade(void)
{
	struct order *c, *next;

	for (c = TAILQ_FIRST(&orders); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->what != MSG_COMMAND_UPGRADE)
			order_answer(c, false,
				"the daemon is upgraded meanwhile: look at "
				"its status");
	}
}

void order_each_upgrade(
	void (*fn)(pid_t asker, uint32_t token, void *arg), void *arg)
{
	struct order *c;

	TAILQ_FOREACH(c, &orders, entry)
		if (c->what == MSG_COMMAND_UPGRADE && c->asker != NULL)
			fn(c->asker->pid, c->token, arg);
}

void order_adopt_upgrade(struct proc *asker, uint32_t token)
{
	(void)order_new(asker, token, MSG_COMMAND_UPGRADE, "");
}
