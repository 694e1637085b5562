/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonr.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/kept.h"
#include "ctl/lane.h"
#include "ctl/push.h"
#include "ctl/span.h"
#include "task/keys.h"
#include "task/task.h"

/* Commands on their way at most in a bulk push, and those of one write: the
 * next are made while the server works at the rest. */
#define PUSH_WINDOW 512
#define PUSH_PART   128
/* How often --wait looks. */
#define PUSH_LOOK_MS 50

struct push {
	struct ask *ask;
	const char *topic;
	const struct ctl *ctl;
	const char *params;
	char *stream, *delayed, *unique; /* keys; NULL: not a unique one */
	int64_t delay_ms;
	long sent, done, failed;
	char error[256];
	char id[TASK_ID_MAX + 1];   /* of the last one */
	char held[TASK_ID_MAX + 1]; /* who holds the unique key */
	char entry[64];
};

static void push_on_reply(const struct redis_reply *reply, void *arg)
{
	struct push *p = arg;

	if (reply == NULL || redis_type(reply) == REDIS_ERROR) {
		p->failed++;
		snprintf(p->error, sizeof(p->error), "%s",
			reply != NULL ? redis_text(reply, NULL)
				      : "the connection is lost");
	} else if (redis_type(reply) == REDIS_ARRAY) {
		snprintf(p->held, sizeof(p->held), "%s",
			redis_text(redis_at(reply, 0), NULL));
	} else {
		p->done++;
		snprintf(p->entry, sizeof(p->entry), "%s",
			redis_text(reply, NULL));
	}
	ask_answered(p->ask);
}

/* No script where none is needed: XADD alone is what bulk is made of. */
static int push_send(struct push *p, const struct task *t, const char *text)
{
	struct redis *r = ask_redis(p->ask);
	const char *xadd[5] = { "XADD", p->stream, "*", "task", text };
	char delay[24];
	const char *argv[6] = { p->stream, p->delayed, p->unique };
	int keys = p->unique != NULL ? 3 : 2;

	if (p->delay_ms == 0 && t->unique == NULL)
		return redis_command(r, push_on_reply, p, 5, xadd, NULL);
	snprintf(delay, sizeof(delay), "%" PRId64, p->delay_ms);
	argv[keys] = text;
	argv[keys + 1] = delay;
	argv[keys + 2] = t->id;
	return redis_script(
		r, push_on_reply, p, &keys_push, keys, keys + 3, argv, NULL);
}

static int push_one(struct push *p)
{
	struct task *t = task_new(p->ctl->argv[1], p->params);
	char *text;
	int rc;

	if (p->ctl->unique != NULL)
		t->unique = xstrdup(p->ctl->unique);
	t->reply = p->ctl->wait;
	memcpy(p->id, t->id, sizeof(p->id));
	text = task_print(t, NULL);
	rc = push_send(p, t, text);
	if (rc == 0) {
		p->sent++;
		ask_sent(p->ask);
	}
	free(text);
	task_free(t);
	return rc;
}

static void push_make_keys(struct push *p)
{
	const char *prefix = ask_conf(p->ask)->redis_prefix;

	p->stream = keys_topic(prefix, p->topic, "");
	p->delayed = keys_topic(prefix, p->topic, ":delayed");
	p->unique = p->ctl->unique == NULL ? NULL
					   : xasprintf("%s:unique:%s",
						     p->stream, p->ctl->unique);
}

static void push_free_keys(struct push *p)
{
	free(p->stream);
	free(p->delayed);
	free(p->unique);
}

static int push_all(struct push *p, long count)
{
	int rc = EXIT_OK;

	push_make_keys(p);
	while (rc == EXIT_OK && p->sent < count && p->failed == 0) {
		if (push_one(p) != 0)
			return ctl_fail(EXIT_SYSTEM, "Redis went away");
		if (p->sent == count)
			rc = ask_wait(p->ask);
		else if (p->sent % PUSH_PART == 0)
			rc = ask_wait_few(p->ask, PUSH_WINDOW - PUSH_PART);
	}
	if (rc == EXIT_OK && p->failed > 0)
		rc = ctl_fail(EXIT_CONFIG, "%ld of %ld not enqueued: %s",
			p->failed, p->sent, p->error);
	return rc;
}

struct push_outcome {
	char state[16];
	char *result, *error;
};

static void push_on_outcome(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *f = redis_field(reply, "state");
	struct push_outcome *o = arg;

	if (f == NULL)
		return;
	snprintf(o->state, sizeof(o->state), "%s", redis_text(f, NULL));
	free(o->result);
	free(o->error);
	f = redis_field(reply, "result");
	o->result = f != NULL ? xstrdup(redis_text(f, NULL)) : NULL;
	f = redis_field(reply, "error");
	o->error = f != NULL ? xstrdup(redis_text(f, NULL)) : NULL;
}

static int push_tell_outcome(const struct push *p, const struct push_outcome *o)
{
	const char *result = o->result != NULL ? o->result : "";
	const char *error = o->error != NULL ? o->error : "";
	bool is_good = strcmp(o->state, task_state_names[TASK_SUCCESS]) == 0;

	if (p->ctl->json)
		lane_print(json_pack("{s:s, s:s, s:o, s:o}", "id", p->id,
			"state", o->state, "result",
			lane_json(result, strlen(result)), "error",
			lane_json(error, strlen(error))));
	else if (is_good)
		printf("%s %s%s%s\n", p->id, o->state,
			result[0] != '\0' ? ": " : "", result);
	if (is_good)
		return EXIT_OK;
	return ctl_fail(EXIT_CONFIG, "task %s: %s%s%s", p->id, o->state,
		error[0] != '\0' ? ": " : "", error);
}

/* Until it has come to an end; the exit code tells which. */
static int push_wait(struct push *p)
{
	char *key = keys_other(ask_conf(p->ask)->redis_prefix, "task:", p->id);
	const char *argv[2] = { "HGETALL", key };
	struct push_outcome o = { "", NULL, NULL };
	int rc;

	do {
		ask_pause(p->ask, PUSH_LOOK_MS);
		rc = ask_command(p->ask, push_on_outcome, &o, 2, argv, NULL);
	} while (rc == EXIT_OK &&
		 (o.state[0] == '\0' ||
			 strcmp(o.state, task_state_names[TASK_PENDING]) == 0 ||
			 strcmp(o.state, task_state_names[TASK_RUNNING]) == 0));
	if (rc == EXIT_OK)
		rc = push_tell_outcome(p, &o);
	free(o.result);
	free(o.error);
	free(key);
	return rc;
}

static void push_tell_due(struct push *p)
{
	char *channel =
		keys_other(ask_conf(p->ask)->redis_prefix, "control", "");
	char text[128];
	const char *argv[3] = { "PUBLISH", channel, text };

	snprintf(text, sizeof(text), "delayed %s %" PRId64, p->topic,
		clock_wall() / US_PER_MS + p->delay_ms);
	(void)ask_command(p->ask, NULL, NULL, 3, argv, NULL);
	free(channel);
}

/* What a worker would refuse is not enqueued. */
static int push_check_envelope(const struct push *p)
{
	struct task *t = task_new(p->ctl->argv[1], p->params), *read;
	struct err err;
	size_t len;
	char *text;

	t->unique = p->ctl->unique != NULL ? xstrdup(p->ctl->unique) : NULL;
	text = task_print(t, &len);
	read = task_parse(text, len, &err);
	free(text);
	task_free(t);
	if (read == NULL)
		return ctl_fail(
			EXIT_USAGE, "no worker would take it: %s", err.text);
	task_free(read);
	return EXIT_OK;
}

static int push_check_params(const char *text)
{
	struct jsonr_value value;
	struct err err;

	if (jsonr_check(text, strlen(text), TASK_DEPTH_MAX, &value, &err) != 0)
		return ctl_fail(
			EXIT_USAGE, "the params are no JSON: %s", err.text);
	return EXIT_OK;
}

int push_read(
	const struct ctl *c, const char **ret_params, int64_t *ret_delay_ms)
{
	int rc;

	*ret_params = c->argc > 2 ? c->argv[2] : "{}";
	if (c->delay != NULL && c->at != NULL)
		return ctl_fail(
			EXIT_USAGE, "--delay and --at exclude each other");
	if (c->count > 1 && (c->wait || c->unique != NULL))
		return ctl_fail(EXIT_USAGE,
			"--count goes with neither --wait nor --unique");
	rc = push_check_params(*ret_params);
	if (rc == EXIT_OK && c->delay != NULL)
		rc = span_delay(c->delay, ret_delay_ms);
	if (rc == EXIT_OK && c->at != NULL)
		rc = span_at(c->at, ret_delay_ms);
	return rc;
}

static int push_check(struct ctl *c, struct push *p)
{
	const struct conf *conf = ask_conf(p->ask);

	p->topic = ask_topic(p->ask, c->argv[0]);
	if (p->topic == NULL)
		return EXIT_CONFIG;
	if (conf_handler_find(conf, c->argv[1]) == NULL)
		return ctl_fail(EXIT_CONFIG, "%s has no handler called \"%s\"",
			conf->path, c->argv[1]);
	return push_check_envelope(p);
}

static void push_tell_done(const struct push *p)
{
	if (p->ctl->json && p->ctl->count == 1)
		lane_print(json_pack("{s:s, s:s, s:s}", "id", p->id, "topic",
			p->topic, "entry", p->entry));
	else if (p->ctl->json)
		lane_print(json_pack("{s:I, s:s}", "enqueued",
			(json_int_t)p->done, "topic", p->topic));
	else if (p->ctl->count == 1)
		printf("%s\n", p->id);
	else
		printf("%ld enqueued\n", p->done);
}

int push_command(struct ctl *c)
{
	struct push p = { .ctl = c };
	int rc = push_read(c, &p.params, &p.delay_ms);

	if (rc == EXIT_OK)
		rc = ask_open(c, &p.ask);
	if (rc != EXIT_OK)
		return rc;
	rc = push_check(c, &p);
	if (c->track) {
		if (rc == EXIT_OK)
			rc = kept_push(c, p.topic, c->argv[1], p.params);
		ask_close(p.ask);
		return rc;
	}
	if (rc == EXIT_OK)
		rc = push_all(&p, c->count);
	if (rc == EXIT_OK && p.held[0] != '\0')
		rc = ctl_fail(EXIT_CONFIG,
			"not enqueued: task %s holds the key \"%s\"", p.held,
			c->unique);
	if (rc == EXIT_OK && p.delay_ms > 0)
		push_tell_due(&p);
	if (rc == EXIT_OK && c->wait)
		rc = push_wait(&p);
	else if (rc == EXIT_OK)
		push_tell_done(&p);
	push_free_keys(&p);
	ask_close(p.ask);
	return rc;
}
