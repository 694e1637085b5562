/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/lane.h"
#include "ctl/queue.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "task/keys.h"
#include "task/task.h"

/* Between the two readings that make a rate. */
#define QUEUE_RATE_MS 1000

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

/* One topic as it is shown. */
struct queue_topic {
	const char *name;
	struct queue_lengths lengths;
	int64_t before, done; /* successes, earlier and now */
	int64_t paused;
	double rate; /* per second */
};

static int queue_read(struct ask *a, struct queue_topic *q)
{
	const char *argv[4] = { NULL, NULL, NULL, KEYS_GROUP };
	const char *hget[3] = { "HGET", NULL, "success" };
	const char *exists[2] = { "EXISTS" };
	struct lane l;
	int rc;

	lane_init(&l, a, q->name);
	argv[0] = l.stream;
	argv[1] = l.delayed;
	argv[2] = l.dead;
	hget[1] = l.stats;
	exists[1] = l.paused;
	rc = ask_script(
		a, queue_on_lengths, &q->lengths, &keys_lengths, 3, 4, argv);
	if (rc == EXIT_OK)
		rc = ask_command(a, queue_on_int, &q->done, 3, hget, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(a, queue_on_int, &q->paused, 2, exists, NULL);
	lane_done(&l);
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

static void queue_cell(struct table *t, const json_t *q, const char *key,
	const char *unit, enum screen_colour some)
{
	const json_t *value = json_object_get(q, key);
	double n = json_number_value(value);

	if (json_is_number(value))
		table_cell(t, n > 0 ? some : SCREEN_PLAIN, "%.0f%s", n, unit);
	else
		table_cell(t, SCREEN_PLAIN, "-");
}

static void queue_row(struct table *t, const json_t *q)
{
	const json_t *paused = json_object_get(q, "paused");
	bool is_paused = json_is_true(paused);
	char oldest[32];

	table_cell(t, SCREEN_PLAIN, "%s", status_text(q, "topic"));
	if (json_is_boolean(paused))
		table_cell(t, is_paused ? SCREEN_CHANGING : SCREEN_GOOD, "%s",
			is_paused ? "paused" : "open");
	else
		table_cell(t, SCREEN_PLAIN, "-");
	queue_cell(t, q, "waiting", "", SCREEN_PLAIN);
	queue_cell(t, q, "pending", "", SCREEN_PLAIN);
	queue_cell(t, q, "delayed", "", SCREEN_PLAIN);
	queue_cell(t, q, "dead", "", SCREEN_BAD);
	queue_cell(t, q, "consumers", "", SCREEN_PLAIN);
	queue_cell(t, q, "done", "", SCREEN_PLAIN);
	queue_cell(t, q, "rate", "/s", SCREEN_PLAIN);
	table_cell(t, SCREEN_PLAIN, "%s",
		status_number(q, "waiting") == 0
			? "-"
			: clock_span((int64_t)status_number(q, "oldest_ms") *
					     US_PER_MS,
				  oldest, sizeof(oldest)));
}

static json_t *queue_json(const struct queue_topic *q)
{
	const struct queue_lengths *l = &q->lengths;

	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}",
		"topic", q->name, "paused", q->paused == 1, "waiting",
		(json_int_t)l->waiting, "pending", (json_int_t)l->pending,
		"delayed", (json_int_t)l->delayed, "dead", (json_int_t)l->dead,
		"consumers", (json_int_t)l->consumers, "done",
		(json_int_t)q->done, "rate", q->rate, "oldest_ms",
		(json_int_t)l->oldest_ms);
}

/* Two readings make a rate. */
static int queue_measure(struct ask *a, struct queue_topic *q, size_t count)
{
	int64_t began = clock_now();
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; rc == EXIT_OK && i < count; i++) {
		q[i].name = ask_topics(a)[i];
		rc = queue_read(a, &q[i]);
		q[i].before = q[i].done;
	}
	if (rc == EXIT_OK)
		ask_pause(a, QUEUE_RATE_MS);
	for (i = 0; rc == EXIT_OK && i < count; i++) {
		rc = queue_read(a, &q[i]);
		/* They begin anew where Redis has lost them. */
		if (q[i].done > q[i].before)
			q[i].rate = (double)(q[i].done - q[i].before) *
				    US_PER_S / (double)(clock_now() - began);
	}
	return rc;
}

static void queue_print_table(const struct table *t)
{
	struct buf out = BUF_INIT;
	struct screen screen;

	screen_init(&screen);
	table_print(t, &screen, 0, 0, &out);
	fputs(buf_str(&out), stdout);
	buf_done(&out);
}

void queue_tell(const struct ctl *c, json_t *list)
{
	struct table *t = table_new(
		queue_columns, sizeof(queue_columns) / sizeof(*queue_columns));
	const json_t *q;
	size_t i;

	json_array_foreach(list, i, q) queue_row(t, q);
	if (c->json)
		lane_print(json_incref(list));
	else
		queue_print_table(t);
	json_decref(list);
	table_free(t);
}

static void queue_print(
	const struct ctl *c, const struct queue_topic *q, size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(list, queue_json(&q[i]));
	queue_tell(c, list);
}

int queue_list(struct ctl *c)
{
	struct queue_topic *topics;
	struct ask *a;
	size_t count = 0;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	while (ask_topics(a)[count] != NULL)
		count++;
	topics = xcalloc(count + 1, sizeof(*topics));
	if (count == 0)
		rc = ctl_fail(EXIT_CONFIG, "no pool of %s serves a topic",
			ask_conf(a)->path);
	else
		rc = queue_measure(a, topics, count);
	if (rc == EXIT_OK)
		queue_print(c, topics, count);
	free(topics);
	ask_close(a);
	return rc;
}

static const struct table_column queue_peek_columns[] = {
	{ "ENTRY", TABLE_LEFT, TABLE_FIXED },
	{ "AGE", TABLE_RIGHT, TABLE_FIXED },
	{ "TASK", TABLE_LEFT, TABLE_FIXED },
	{ "HANDLER", TABLE_LEFT, TABLE_FIXED },
	{ "ATTEMPTS", TABLE_RIGHT, TABLE_FIXED },
	{ "PARAMS", TABLE_LEFT, TABLE_ELASTIC },
};

struct queue_peeking {
	struct table *table;
	json_t *list;
	int64_t now_ms;
};

static void queue_peek_row(struct queue_peeking *p, const char *id,
	const struct task *task, const char *text)
{
	int64_t age_ms = p->now_ms - lane_entry_ms(id);
	char age[32];

	table_cell(p->table, SCREEN_PLAIN, "%s", id);
	table_cell(p->table, SCREEN_PLAIN, "%s",
		clock_span(age_ms * US_PER_MS, age, sizeof(age)));
	if (task == NULL) {
		table_cell(p->table, SCREEN_PLAIN, "-");
		table_cell(p->table, SCREEN_PLAIN, "-");
		table_cell(p->table, SCREEN_PLAIN, "-");
		table_cell(p->table, SCREEN_BAD, "%s", text);
		return;
	}
	table_cell(p->table, SCREEN_PLAIN, "%s", task->id);
	table_cell(p->table, SCREEN_PLAIN, "%s", task->handler);
	table_cell(p->table, SCREEN_PLAIN, "%" PRId64, task->attempt);
	table_cell(p->table, SCREEN_PLAIN, "%s", task->params);
}

static void queue_on_peeked(
	const char *id, const struct redis_reply *fields, void *arg)
{
	struct queue_peeking *p = arg;
	size_t len;
	const char *text = lane_field(fields, "task", &len);
	struct task *task = task_parse(text, len, NULL);

	json_array_append_new(
		p->list, json_pack("{s:s, s:I, s:o}", "entry", id, "age_ms",
				 (json_int_t)(p->now_ms - lane_entry_ms(id)),
				 "task", lane_envelope(text, len)));
	queue_peek_row(p, id, task, text);
	task_free(task);
}

static int queue_peek_topic(struct ctl *c, struct ask *a, const char *topic)
{
	struct queue_peeking p = { .list = json_array() };
	struct lane l;
	int rc = lane_now(a, &p.now_ms);

	lane_init(&l, a, topic);
	p.table = table_new(queue_peek_columns,
		sizeof(queue_peek_columns) / sizeof(*queue_peek_columns));
	if (rc == EXIT_OK)
		rc = lane_walk(a, l.stream, "-", "+", c->lines, queue_on_peeked,
			&p, NULL);
	if (rc == EXIT_OK && c->json)
		lane_print(json_incref(p.list));
	else if (rc == EXIT_OK)
		queue_print_table(p.table);
	table_free(p.table);
	json_decref(p.list);
	lane_done(&l);
	return rc;
}

int queue_peek(struct ctl *c)
{
	const char *topic;
	struct ask *a;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	topic = ask_topic(a, c->argv[0]);
	rc = topic != NULL ? queue_peek_topic(c, a, topic) : EXIT_CONFIG;
	ask_close(a);
	return rc;
}

/* Kept in its key, and told to those who wait for tasks. */
static int queue_mark_paused(struct ask *a, const char *topic, const char *word)
{
	bool pause = strcmp(word, "pause") == 0;
	const char *prefix = ask_conf(a)->redis_prefix;
	char *key = keys_topic(prefix, topic, ":paused");
	char *channel = keys_other(prefix, "control", "");
	char *text = xasprintf("%s %s", word, topic);
	const char *set[3] = { pause ? "SET" : "DEL", key, "1" };
	const char *tell[3] = { "PUBLISH", channel, text };
	int rc;

	rc = ask_command(a, NULL, NULL, pause ? 3 : 2, set, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(a, NULL, NULL, 3, tell, NULL);
	free(text);
	free(channel);
	free(key);
	return rc;
}

static int queue_set_paused(struct ctl *c, const char *word)
{
	bool pause = strcmp(word, "pause") == 0;
	const char *topic;
	struct ask *a;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	topic = ask_topic(a, c->argv[0]);
	rc = topic != NULL ? queue_mark_paused(a, topic, word) : EXIT_CONFIG;
	if (rc == EXIT_OK && c->json)
		lane_print(json_pack("{s:b, s:s, s:b}", "ok", 1, "topic", topic,
			"paused", pause));
	else if (rc == EXIT_OK)
		printf("%s: %s\n", topic, pause ? "paused" : "open");
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
