/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/socket.h"
#include "kinds.h"
#include "loop/loop.h"
#include "queue/options.h"
#include "task/keys.h"

/* How long a connection may take to come about. */
#define ASK_CONNECT_US (5 * US_PER_S)

struct ask {
	struct conf *conf;
	struct loop *loop;
	struct redis *redis;
	struct loop_timer *timer;
	bool is_up, is_late;
	bool is_lost;    /* before the answer to ask_command came */
	unsigned open;   /* commands without an answer */
	unsigned enough; /* waiting ends when so many are open */
	char why[256];   /* of the last loss */
	const char **topics;
	redis_reply_fn fn; /* of ask_command */
	void *arg;
	int rc;
};

static void ask_on_state(enum redis_state state, const char *why, void *arg)
{
	struct ask *a = arg;

	a->is_up = state == REDIS_UP;
	if (!a->is_up)
		snprintf(a->why, sizeof(a->why), "%s", why);
	loop_stop(a->loop);
}

static void ask_on_timer(void *arg)
{
	struct ask *a = arg;

	a->is_late = true;
	loop_stop(a->loop);
}

int ask_read(const struct ctl *c, struct conf **ret_conf)
{
	return ask_read_source(
		&(struct conf_source){ .path = socket_config(c) }, ret_conf);
}

int ask_read_source(const struct conf_source *source, struct conf **ret_conf)
{
	struct conf_source src = *source;
	struct conf_report report;
	struct conf *conf;
	struct buf text = BUF_INIT;

	src.kinds = kinds;
	conf = conf_read(&src, &report);
	conf_report_print(&report, &text);
	if (conf == NULL)
		fputs(buf_str(&text), stderr);
	else
		*ret_conf = conf;
	buf_done(&text);
	conf_report_done(&report);
	return conf == NULL ? EXIT_CONFIG : EXIT_OK;
}

int ask_connect(struct ask *a)
{
	struct redis_options o = { .url = a->conf->redis_url,
		.sentinel_master = a->conf->redis_sentinel_master,
		.sentinel_nodes = &a->conf->redis_sentinel_nodes,
		.name = "reevectl",
		.connect_timeout_us = ASK_CONNECT_US,
		.command_timeout_us = 4 * ASK_CONNECT_US };
	int64_t until = clock_now() + ASK_CONNECT_US;
	struct err err;

	if (a->conf->redis_url == NULL)
		return ctl_fail(
			EXIT_CONFIG, "%s has no redis.url", a->conf->path);
	a->redis = redis_open(a->loop, &o, ask_on_state, a, &err);
	if (a->redis == NULL)
		return ctl_fail(EXIT_CONFIG, "%s", err.text);
	while (!a->is_up && clock_now() < until) {
		loop_timer_start(a->timer, until - clock_now());
		if (loop_run(a->loop) != 0)
			break;
	}
	loop_timer_stop(a->timer);
	if (!a->is_up)
		return ctl_fail(EXIT_SYSTEM, "cannot reach Redis: %s",
			a->why[0] ? a->why : "no answer in 5 s");
	return EXIT_OK;
}

int ask_new(const struct ctl *c, struct ask **ret_ask)
{
	struct ask *a = xcalloc(1, sizeof(*a));
	int rc;

	log_set_level(LOG_LEVEL_ERROR);
	log_title("reevectl");
	rc = ask_read(c, &a->conf);
	if (rc != EXIT_OK) {
		ask_close(a);
		return rc;
	}
	a->loop = loop_new();
	a->timer = loop_timer_new(a->loop, ask_on_timer, a);
	*ret_ask = a;
	return EXIT_OK;
}

int ask_open(const struct ctl *c, struct ask **ret_ask)
{
	struct ask *a;
	int rc = ask_new(c, &a);

	if (rc != EXIT_OK)
		return rc;
	rc = ask_connect(a);
	if (rc != EXIT_OK)
		ask_close(a);
	else
		*ret_ask = a;
	return rc;
}

void ask_close(struct ask *a)
{
	if (a == NULL)
		return;
	redis_close(a->redis);
	loop_timer_free(a->timer);
	loop_free(a->loop);
	conf_free(a->conf);
	free(a->topics);
	free(a);
}

const struct conf *ask_conf(const struct ask *a)
{
	return a->conf;
}

struct loop *ask_loop(struct ask *a)
{
	return a->loop;
}

struct redis *ask_redis(struct ask *a)
{
	return a->redis;
}

void ask_sent(struct ask *a)
{
	a->open++;
}

void ask_answered(struct ask *a)
{
	if (a->open > 0 && --a->open == a->enough)
		loop_stop(a->loop);
}

int ask_wait_few(struct ask *a, unsigned enough)
{
	a->enough = enough;
	while (a->open > enough && a->is_up)
		if (loop_run(a->loop) != 0)
			return ctl_fail(EXIT_SYSTEM, "waiting failed");
	if (a->open > enough)
		return ctl_fail(EXIT_SYSTEM,
			"the connection to Redis is "
			"lost: %s",
			a->why);
	return EXIT_OK;
}

int ask_wait(struct ask *a)
{
	return ask_wait_few(a, 0);
}

void ask_pause(struct ask *a, int64_t ms)
{
	a->is_late = false;
	loop_timer_start(a->timer, ms * US_PER_MS);
	while (!a->is_late)
		if (loop_run(a->loop) != 0)
			return;
}

static void ask_on_reply(const struct redis_reply *reply, void *arg)
{
	struct ask *a = arg;

	if (reply == NULL) {
		a->rc = EXIT_SYSTEM;
		a->is_lost = true;
	} else if (redis_type(reply) == REDIS_ERROR) {
		a->rc = ctl_fail(
			EXIT_CONFIG, "Redis says: %s", redis_text(reply, NULL));
	} else {
		a->rc = EXIT_OK;
		if (a->fn != NULL)
			a->fn(reply, a->arg);
	}
	ask_answered(a);
}

static int ask_finish(struct ask *a, int sent)
{
	int rc;

	if (sent != 0)
		return ctl_fail(EXIT_SYSTEM, "cannot reach Redis: %s", a->why);
	a->is_lost = false;
	ask_sent(a);
	rc = ask_wait(a);
	if (rc == EXIT_OK && a->is_lost)
		return ctl_fail(EXIT_SYSTEM,
			"the connection to Redis was lost before it answered");
	return rc != EXIT_OK ? rc : a->rc;
}

int ask_command(struct ask *a, redis_reply_fn fn, void *arg, int argc,
	const char *const *argv, const size_t *lens)
{
	a->fn = fn;
	a->arg = arg;
	return ask_finish(
		a, redis_command(a->redis, ask_on_reply, a, argc, argv, lens));
}

int ask_script(struct ask *a, redis_reply_fn fn, void *arg,
	struct redis_script *s, int keys, int argc, const char *const *argv)
{
	a->fn = fn;
	a->arg = arg;
	return ask_finish(a, redis_script(a->redis, ask_on_reply, a, s, keys,
				     argc, argv, NULL));
}

static void ask_add_topic(struct ask *a, size_t *count, const char *name)
{
	size_t i;

	for (i = 0; i < *count; i++)
		if (strcmp(a->topics[i], name) == 0)
			return;
	a->topics = xreallocarray(a->topics, *count + 2, sizeof(*a->topics));
	a->topics[(*count)++] = name;
	a->topics[*count] = NULL;
}

const char *const *ask_topics(struct ask *a)
{
	size_t i, k, count = 0;

	if (a->topics != NULL)
		return a->topics;
	a->topics = xcalloc(1, sizeof(*a->topics));
	for (i = 0; i < a->conf->pool_count; i++) {
		const struct conf_pool *p = &a->conf->pools[i];
		const struct queue_options *o = p->own;

		if (strcmp(p->kind->name, "queue") != 0)
			continue;
		for (k = 0; k < o->topics.count; k++)
			ask_add_topic(a, &count, o->topics.items[k].name);
	}
	return a->topics;
}

const char *ask_topic(struct ask *a, const char *topic)
{
	const char *const *t;

	topic = keys_alias(topic);
	for (t = ask_topics(a); *t != NULL; t++)
		if (strcmp(*t, topic) == 0)
			return *t;
	(void)ctl_fail(EXIT_CONFIG,
		"no queue pool of %s serves the topic \"%s\"", a->conf->path,
		topic);
	return NULL;
}
