/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/letter.h"
#include "task/keys.h"

/*
 * KEYS: stream, dead, and the unique key if the task has one.  ARGV: entry,
 * envelope, task id.  Returns the new entry's id, nil when the letter is gone,
 * or an array with the id of the task that holds the unique key.
 */
static struct redis_script letter_script = {
	.name = "revive",
	.text = "if #KEYS == 3 then\n"
		"  local held = redis.call('GET', KEYS[3])\n"
		"  if held and held ~= ARGV[3] then return {held} end\n"
		"end\n"
		"if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0"
		" then\n"
		"  return false\n"
		"end\n"
		"local id = redis.call('XADD', KEYS[1], '*', 'task', ARGV[2])\n"
		"if #KEYS == 3 then redis.call('SET', KEYS[3], ARGV[3]) end\n"
		"redis.call('XDEL', KEYS[2], ARGV[1])\n"
		"return id\n",
};

struct letter *letter_read(const char *id, const struct redis_reply *fields)
{
	struct letter *l = xcalloc(1, sizeof(*l));
	const char *text = lane_field(fields, "task", &l->len);

	snprintf(l->entry, sizeof(l->entry), "%s", id);
	l->text = xmalloc(l->len + 1);
	memcpy(l->text, text, l->len);
	l->text[l->len] = '\0';
	l->reason = xstrdup(lane_field(fields, "reason", NULL));
	l->worker = xstrdup(lane_field(fields, "worker", NULL));
	l->at_ms = strtoll(lane_field(fields, "at", NULL), NULL, 10);
	if (l->at_ms == 0)
		l->at_ms = lane_entry_ms(id);
	l->deliveries =
		strtoll(lane_field(fields, "deliveries", NULL), NULL, 10);
	l->task = task_parse(l->text, l->len, &l->err);
	return l;
}

void letter_free(struct letter *l)
{
	if (l == NULL)
		return;
	task_free(l->task);
	free(l->text);
	free(l->reason);
	free(l->worker);
	free(l);
}

const char *letter_task_id(const struct letter *l)
{
	return l->task != NULL ? l->task->id : "-";
}

const char *letter_handler(const struct letter *l)
{
	return l->task != NULL ? l->task->handler : "-";
}

static json_t *letter_errors(const struct task *t)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; t != NULL && i < t->error_count; i++)
		json_array_append_new(
			list, json_pack("{s:I, s:o}", "at",
				      (json_int_t)t->errors[i].at_ms, "text",
				      lane_json(t->errors[i].text,
					      strlen(t->errors[i].text))));
	return list;
}

json_t *letter_json(const struct letter *l, int64_t now_ms)
{
	const struct task *t = l->task;
	json_t *doc = json_pack("{s:s, s:I, s:I, s:o, s:o, s:I, s:o}", "entry",
		l->entry, "at", (json_int_t)l->at_ms, "age_ms",
		(json_int_t)(now_ms - l->at_ms), "reason",
		lane_json(l->reason, strlen(l->reason)), "worker",
		lane_json(l->worker, strlen(l->worker)), "deliveries",
		(json_int_t)l->deliveries, "envelope",
		lane_envelope(l->text, l->len));

	json_object_set_new(
		doc, "id", t != NULL ? json_string(t->id) : json_null());
	json_object_set_new(doc, "handler",
		t != NULL ? json_string(t->handler) : json_null());
	json_object_set_new(
		doc, "attempts", json_integer(t != NULL ? t->attempt : 0));
	json_object_set_new(doc, "errors", letter_errors(t));
	return doc;
}

struct letter_answer {
	char entry[LANE_ID_MAX];
	char held[TASK_ID_MAX + 1];
};

static void letter_on_revived(const struct redis_reply *reply, void *arg)
{
	struct letter_answer *a = arg;

	if (redis_type(reply) == REDIS_ARRAY)
		snprintf(a->held, sizeof(a->held), "%s",
			redis_text(redis_at(reply, 0), NULL));
	else if (redis_type(reply) == REDIS_STRING)
		snprintf(a->entry, sizeof(a->entry), "%s",
			redis_text(reply, NULL));
}

/* Would it only die again? */
static int letter_check(
	const struct lane *lane, const struct letter *l, struct err *err)
{
	const struct conf *conf = ask_conf(lane->ask);
	const struct task *t = l->task;
	int64_t now = 0;

	if (t == NULL)
		return err_set(
			err, 0, "its envelope can't be read: %s", l->err.text);
	if (conf_handler_find(conf, t->handler) == NULL)
		return err_set(err, 0, "%s has no handler called \"%s\"",
			conf->path, t->handler);
	if (t->deadline_ms > 0 &&
		(lane_now(lane->ask, &now) != EXIT_OK || t->deadline_ms <= now))
		return err_set(err, 0, "its deadline has passed");
	return 0;
}

static int letter_send(const struct lane *lane, const struct letter *l,
	struct letter_answer *ret)
{
	char *text, *unique = NULL;
	const char *argv[6] = { lane->stream, lane->dead };
	int keys = 2, rc;

	l->task->attempt = l->task->crashes = 0;
	text = task_print(l->task, NULL);
	if (l->task->unique != NULL) {
		unique = xasprintf(
			"%s:unique:%s", lane->stream, l->task->unique);
		argv[keys++] = unique;
	}
	argv[keys] = l->entry;
	argv[keys + 1] = text;
	argv[keys + 2] = l->task->id;
	rc = ask_script(lane->ask, letter_on_revived, ret, &letter_script, keys,
		keys + 3, argv);
	free(unique);
	free(text);
	return rc;
}

static void letter_on_count(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(reply, 0);
}

int letter_unmark(struct ask *a, const char *id)
{
	const char *prefix = ask_conf(a)->redis_prefix;
	char *key = keys_other(prefix, "cancels", "");
	char *channel = keys_other(prefix, "control", "");
	char *text = xasprintf("uncancel %s", id);
	const char *drop[3] = { "ZREM", key, id };
	const char *tell[3] = { "PUBLISH", channel, text };
	int64_t dropped = 0;
	int rc = ask_command(a, letter_on_count, &dropped, 3, drop, NULL);

	if (rc == EXIT_OK && dropped > 0)
		rc = ask_command(a, NULL, NULL, 3, tell, NULL);
	free(text);
	free(channel);
	free(key);
	return rc;
}

int letter_drop(const struct lane *lane, const struct letter *l)
{
	const char *argv[3] = { "XDEL", lane->dead, l->entry };

	return ask_command(lane->ask, NULL, NULL, 3, argv, NULL);
}

int letter_revive(const struct lane *lane, const struct letter *l,
	char ret_entry[LANE_ID_MAX], struct err *err)
{
	struct letter_answer a = { "", "" };
	int rc;

	if (letter_check(lane, l, err) != 0)
		return EXIT_CONFIG;
	rc = letter_unmark(lane->ask, l->task->id);
	if (rc == EXIT_OK)
		rc = letter_send(lane, l, &a);
	if (rc != EXIT_OK)
		(void)err_set(err, 0, "Redis did not carry it out");
	else if (a.held[0] != '\0')
		(void)err_set(err, 0, "task %s holds its key \"%s\"", a.held,
			l->task->unique);
	else if (a.entry[0] == '\0')
		(void)err_set(err, 0, "it is gone");
	else
		memcpy(ret_entry, a.entry, LANE_ID_MAX);
	if (rc == EXIT_OK && a.entry[0] == '\0')
		rc = EXIT_CONFIG;
	return rc;
}
