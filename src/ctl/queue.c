/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/queue.h"
#include "ctl/span.h"
#include "ctl/table.h"
#include "task/keys.h"
#include "task/task.h"

/* Commands on their way at a time in a bulk push. */
#define QUEUE_WINDOW 1000
/* How often push --wait looks. */
#define QUEUE_LOOK_MS 50

struct queue_lengths {
	int64_t waiting, pending, delayed, dead, oldest_ms, consumers;
};

static void queue_on_lengths(const struct redis_reply *reply, void *arg)
{
	struct queue_lengths *l = arg;

	l->waiting = redis_int(redis_at(reply, 0), 0);
	l->pending = redis_int(redis_at(reply, 1), 0);
	l->delayed = redis_int(redis_at(reply, 2), 0);
	l->dead = redis_int(redis_at(reply, 3), 0);
	l->oldest_ms = redis_int(redis_at(reply, 4), 0);
	l->consumers = redis_int(redis_at(reply, 5), 0);
}

static void queue_on_int(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(reply, 0);
}

static int queue_read(struct ask *a, const char *topic,
	struct queue_lengths *ret, int64_t *ret_done, int64_t *ret_paused)
{
	const char *prefix = ask_conf(a)->redis_prefix;
	char *stream = keys_topic(prefix, topic, "");
	char *delayed = keys_topic(prefix, topic, ":delayed");
	char *dead = keys_topic(prefix, topic, ":dead");
	char *stats = keys_topic(prefix, topic, ":stats");
	char *paused = keys_topic(prefix, topic, ":paused");
	const char *argv[4] = { stream, delayed, dead, KEYS_GROUP };
	const char *hget[3] = { "HGET", stats, "success" };
	const char *exists[2] = { "EXISTS", paused };
	int rc;

	rc = ask_script(a, queue_on_lengths, ret, &keys_lengths, 3, 4, argv);
	if (rc == EXIT_OK)
		rc = ask_command(a, queue_on_int, ret_done, 3, hget, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(a, queue_on_int, ret_paused, 2, exists, NULL);
	free(paused);
	free(stats);
	free(dead);
	free(delayed);
	free(stream);
	return rc;
}

static const struct table_column queue_columns[] = {
	{ "TOPIC", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "WAITING", TABLE_RIGHT, TABLE_FIXED },
	{ "PENDING", TABLE_RIGHT, TABLE_FIXED },
	{ "DELAYED", TABLE_RIGHT, TABLE_FIXED },
	{ "DEAD", TABLE_RIGHT, TABLE_FIXED },
	{ "CONSUMERS", TABLE_RIGHT, TABLE_FIXED },
	{ "DONE", TABLE_RIGHT, TABLE_FIXED },
	{ "RATE", TABLE_RIGHT, TABLE_FIXED },
	{ "OLDEST", TABLE_RIGHT, TABLE_FIXED },
};

static void queue_row(struct table *t, const char *topic,
	const struct queue_lengths *l, int64_t done, int64_t before,
	bool paused)
{
	char oldest[32];

	table_cell(t, SCREEN_PLAIN, "%s", topic);
	table_cell(t, paused ? SCREEN_CHANGING : SCREEN_GOOD, "%s",
		paused ? "paused" : "open");
	table_cell(t, SCREEN_PLAIN, "%" PRId64, l->waiting);
	table_cell(t, SCREEN_PLAIN, "%" PRId64, l->pending);
	table_cell(t, SCREEN_PLAIN, "%" PRId64, l->delayed);
	table_cell(t, l->dead > 0 ? SCREEN_BAD : SCREEN_PLAIN, "%" PRId64,
		l->dead);
	table_cell(t, SCREEN_PLAIN, "%" PRId64, l->consumers);
	table_cell(t, SCREEN_PLAIN, "%" PRId64, done);
	table_cell(t, SCREEN_PLAIN, "%" PRId64 "/s", done - before);
	table_cell(t, SCREEN_PLAIN, "%s",
		l->waiting == 0 ? "-"
				: clock_span(l->oldest_ms * US_PER_MS, oldest,
					  sizeof(oldest)));
}

static json_t *queue_json(const char *topic, const struct queue_lengths *l,
	int64_t done, int64_t before, bool paused)
{
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"topic", topic, "paused", paused ? 1 : 0, "waiting",
		(json_int_t)l->waiting, "pending", (json_int_t)l->pending,
		"delayed", (json_int_t)l->delayed, "dead", (json_int_t)l->dead,
		"consumers", (json_int_t)l->consumers, "done", (json_int_t)done,
		"rate", (json_int_t)(done - before), "oldest_ms",
		(json_int_t)l->oldest_ms);
}

/* Two readings a second apart make a rate. */
static int queue_list_all(struct ctl *c, struct ask *a, size_t count,
	struct table *t, json_t *list)
{
	const char *const *topics = ask_topics(a);
	int64_t *before = xcalloc(count, sizeof(*before)), done, paused;
	struct queue_lengths l;
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < count; i++)
		rc = queue_read(a, topics[i], &l, &before[i], &paused);
	if (rc == EXIT_OK)
		ask_pause(a, 1000);
	for (i = 0; rc == EXIT_OK && i < count; i++) {
		rc = queue_read(a, topics[i], &l, &done, &paused);
		if (rc != EXIT_OK)
			break;
		if (c->json)
			json_array_append_new(
				list, queue_json(topics[i], &l, done, before[i],
					      paused == 1));
		else
			queue_row(
				t, topics[i], &l, done, before[i], paused == 1);
	}
	free(before);
	return rc;
}

int queue_list(struct ctl *c)
{
	json_t *list = json_pack("[]");
	struct buf out = BUF_INIT;
	struct screen screen;
	struct table *t;
	struct ask *a;
	size_t count = 0;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK) {
		json_decref(list);
		return rc;
	}
	while (ask_topics(a)[count] != NULL)
		count++;
	screen_init(&screen);
	t = table_new(
		queue_columns, sizeof(queue_columns) / sizeof(*queue_columns));
	rc = queue_list_all(c, a, count, t, list);
	if (rc == EXIT_OK && c->json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (rc == EXIT_OK) {
		table_print(t, &screen, 0, 0, &out);
		fputs(buf_str(&out), stdout);
	}
	buf_done(&out);
	table_free(t);
	json_decref(list);
	ask_close(a);
	return rc;
}

struct queue_pushing {
	struct ask *ask;
	const char *topic;
	const struct ctl *ctl;
	const char *params;
	int64_t delay_ms;
	long sent, done, failed;
	char error[256];
	char id[TASK_ID_MAX + 1];   /* of the last one */
	char held[TASK_ID_MAX + 1]; /* who holds the unique key */
	char entry[64];
};

static void queue_on_pushed(const struct redis_reply *reply, void *arg)
{
	struct queue_pushing *p = arg;

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

static int queue_push_one(struct queue_pushing *p)
{
	const char *prefix = ask_conf(p->ask)->redis_prefix;
	struct task *t = task_new(p->ctl->argv[1], p->params);
	char *stream = keys_topic(prefix, p->topic, "");
	char *delayed = keys_topic(prefix, p->topic, ":delayed");
	char *unique = xstrdup(""), *text, delay[24];
	size_t len;
	int rc;

	if (p->ctl->unique != NULL) {
		free(unique);
		t->unique = xstrdup(p->ctl->unique);
		unique = xasprintf("%s:unique:%s", stream, p->ctl->unique);
	}
	t->reply = p->ctl->wait;
	snprintf(p->id, sizeof(p->id), "%s", t->id);
	snprintf(delay, sizeof(delay), "%" PRId64, p->delay_ms);
	text = task_print(t, &len);
	if (p->delay_ms == 0 && t->unique == NULL) {
		const char *argv[5] = { "XADD", stream, "*", "task", text };

		rc = redis_command(
			ask_redis(p->ask), queue_on_pushed, p, 5, argv, NULL);
	} else {
		const char *argv[6] = { stream, delayed, unique, text, delay,
			t->id };

		rc = redis_script(ask_redis(p->ask), queue_on_pushed, p,
			&keys_push, 3, 6, argv, NULL);
	}
	if (rc == 0) {
		p->sent++;
		ask_sent(p->ask);
	}
	free(text);
	free(unique);
	free(delayed);
	free(stream);
	task_free(t);
	return rc;
}

static int queue_push_all(struct queue_pushing *p, long count)
{
	int rc = EXIT_OK;

	while (rc == EXIT_OK && p->sent < count && p->failed == 0) {
		if (queue_push_one(p) != 0)
			return ctl_fail(EXIT_SYSTEM, "Redis went away");
		if (p->sent % QUEUE_WINDOW == 0 || p->sent == count)
			rc = ask_wait(p->ask);
	}
	if (rc == EXIT_OK && p->failed > 0)
		rc = ctl_fail(EXIT_CONFIG, "%ld of %ld not enqueued: %s",
			p->failed, p->sent, p->error);
	return rc;
}

struct queue_outcome {
	char state[16];
	char *result, *error;
};

static void queue_on_outcome(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *f = redis_field(reply, "state");
	struct queue_outcome *o = arg;

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

/* Until it has come to an end; the exit code tells which. */
static int queue_wait(struct queue_pushing *p)
{
	char *key = keys_other(ask_conf(p->ask)->redis_prefix, "task:", p->id);
	const char *argv[2] = { "HGETALL", key };
	struct queue_outcome o = { "", NULL, NULL };
	int rc;

	do {
		ask_pause(p->ask, QUEUE_LOOK_MS);
		rc = ask_command(p->ask, queue_on_outcome, &o, 2, argv, NULL);
	} while (rc == EXIT_OK &&
		 (o.state[0] == '\0' || strcmp(o.state, "PENDING") == 0));
	if (rc == EXIT_OK && p->ctl->json)
		printf("{\"id\":\"%s\",\"state\":\"%s\"}\n", p->id, o.state);
	else if (rc == EXIT_OK)
		printf("%s %s%s%s\n", p->id, o.state,
			o.result != NULL && *o.result ? ": " : "",
			o.result != NULL ? o.result : "");
	if (rc == EXIT_OK && strcmp(o.state, "SUCCESS") != 0)
		rc = ctl_fail(EXIT_CONFIG, "task %s: %s%s%s", p->id, o.state,
			o.error != NULL && *o.error ? ": " : "",
			o.error != NULL ? o.error : "");
	free(o.result);
	free(o.error);
	free(key);
	return rc;
}

static void queue_tell_due(struct queue_pushing *p)
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

static int queue_check_params(const char *text)
{
	json_error_t e;
	json_t *j =
		json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);

	if (j == NULL)
		return ctl_fail(EXIT_USAGE, "params are no JSON: column %d: %s",
			e.column, e.text);
	json_decref(j);
	return EXIT_OK;
}

static int queue_check_push(struct ctl *c, struct queue_pushing *p)
{
	const struct conf *conf = ask_conf(p->ask);
	int rc = EXIT_OK;

	p->params = c->argc > 2 ? c->argv[2] : "{}";
	p->topic = ask_topic(p->ask, c->argv[0]);
	if (p->topic == NULL)
		return EXIT_CONFIG;
	if (conf_handler_find(conf, c->argv[1]) == NULL)
		return ctl_fail(EXIT_CONFIG, "%s has no handler called \"%s\"",
			conf->path, c->argv[1]);
	rc = queue_check_params(p->params);
	if (rc == EXIT_OK && c->delay != NULL)
		rc = span_delay(c->delay, &p->delay_ms);
	if (rc == EXIT_OK && c->at != NULL)
		rc = span_at(c->at, &p->delay_ms);
	return rc;
}

int queue_push(struct ctl *c)
{
	struct queue_pushing p = { .ctl = c };
	int rc = ask_open(c, &p.ask);

	if (rc != EXIT_OK)
		return rc;
	rc = queue_check_push(c, &p);
	if (rc == EXIT_OK)
		rc = queue_push_all(&p, c->count);
	if (rc == EXIT_OK && p.held[0] != '\0')
		rc = ctl_fail(EXIT_CONFIG,
			"not enqueued: task %s holds the key \"%s\"", p.held,
			c->unique);
	if (rc == EXIT_OK && p.delay_ms > 0)
		queue_tell_due(&p);
	if (rc == EXIT_OK && c->wait)
		rc = queue_wait(&p);
	else if (rc == EXIT_OK && c->count == 1)
		printf("%s\n", p.id);
	else if (rc == EXIT_OK)
		printf("%ld enqueued\n", p.done);
	ask_close(p.ask);
	return rc;
}

static void queue_on_entries(const struct redis_reply *reply, void *arg)
{
	size_t i, n = redis_count(reply);

	(void)arg;
	for (i = 0; i < n; i++) {
		const struct redis_reply *e = redis_at(reply, i);
		const struct redis_reply *task =
			redis_field(redis_at(e, 1), "task");

		printf("%s %s\n", redis_text(redis_at(e, 0), NULL),
			task != NULL ? redis_text(task, NULL) : "-");
	}
}

int queue_peek(struct ctl *c)
{
	const char *topic;
	struct ask *a;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	topic = ask_topic(a, c->argv[0]);
	rc = EXIT_CONFIG;
	if (topic != NULL) {
		char *stream = keys_topic(ask_conf(a)->redis_prefix, topic, "");
		char count[24];
		const char *argv[6] = { "XRANGE", stream, "-", "+", "COUNT",
			count };

		snprintf(count, sizeof(count), "%ld", c->lines);
		rc = ask_command(a, queue_on_entries, NULL, 6, argv, NULL);
		free(stream);
	}
	ask_close(a);
	return rc;
}

static int queue_set_paused(struct ctl *c, const char *word)
{
	const char *topic, *prefix;
	struct ask *a;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	prefix = ask_conf(a)->redis_prefix;
	topic = ask_topic(a, c->argv[0]);
	rc = EXIT_CONFIG;
	if (topic != NULL) {
		bool pause = strcmp(word, "pause") == 0;
		char *key = keys_topic(prefix, topic, ":paused");
		char *channel = keys_other(prefix, "control", "");
		char *text = xasprintf("%s %s", word, topic);
		const char *set[3] = { pause ? "SET" : "DEL", key, "1" };
		const char *tell[3] = { "PUBLISH", channel, text };

		rc = ask_command(a, NULL, NULL, pause ? 3 : 2, set, NULL);
		if (rc == EXIT_OK)
			rc = ask_command(a, NULL, NULL, 3, tell, NULL);
		free(text);
		free(channel);
		free(key);
	}
	ask_close(a);
	return rc;
}

int queue_pause(struct ctl *c)
{
	return queue_set_paused(c, "pause");
}

int queue_resume(struct ctl *c)
{
	return queue_set_paused(c, "resume");
}
