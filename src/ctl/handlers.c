/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/faults.h"
#include "ctl/handlers.h"
#include "ctl/lane.h"
#include "task/task.h"

/* Different faults of one key that are told apart; the rest is counted. */
#define HANDLERS_KINDS_MAX 1000
#define HANDLERS_PAGE      200

/* The same fault of any number of stored tasks. */
struct handlers_fault {
	char *text;
	char *first; /* where it was seen first */
	int64_t count;
};

struct handlers_check {
	struct ctl *ctl;
	struct ask *ask;
	const struct conf *conf;
	json_t *problems;
	int64_t problem_count, envelopes;
	/* Of the key that is read now. */
	const char *topic, *place;
	struct handlers_fault *faults;
	size_t fault_count;
	size_t page; /* members of the page of a sorted set */
};

static void handlers_on_fault(
	const struct conf_handler *h, const char *text, void *arg)
{
	struct handlers_check *k = arg;

	k->problem_count++;
	json_array_append_new(
		k->problems, json_pack("{s:s, s:o}", "handler", h->name, "text",
				     lane_json(text, strlen(text))));
	if (!k->ctl->json)
		printf("handler %s: %s\n", h->name, text);
}

static void handlers_count(
	struct handlers_check *k, const char *where, const char *text)
{
	struct handlers_fault *f;
	size_t i;

	if (k->fault_count == HANDLERS_KINDS_MAX)
		text = "more faults of other kinds";
	for (i = 0; i < k->fault_count; i++) {
		if (strcmp(k->faults[i].text, text) != 0)
			continue;
		k->faults[i].count++;
		return;
	}
	k->faults = xreallocarray(
		k->faults, k->fault_count + 1, sizeof(*k->faults));
	f = &k->faults[k->fault_count++];
	f->text = xstrdup(text);
	f->first = xstrdup(where);
	f->count = 1;
}

static void handlers_read_envelope(struct handlers_check *k, const char *where,
	const char *text, size_t len)
{
	char why[ERR_TEXT_MAX + 64];
	struct err err;
	struct task *t = task_parse(text, len, &err);

	k->envelopes++;
	if (t == NULL) {
		snprintf(why, sizeof(why), "can't be read: %s", err.text);
		handlers_count(k, where, why);
	} else if (conf_handler_find(k->conf, t->handler) == NULL) {
		snprintf(why, sizeof(why), "no handler is called \"%s\"",
			t->handler);
		handlers_count(k, where, why);
	}
	task_free(t);
}

static void handlers_on_entry(
	const char *id, const struct redis_reply *fields, void *arg)
{
	const struct redis_reply *task = redis_field(fields, "task");
	struct handlers_check *k = arg;
	const char *text;
	size_t len;

	if (task == NULL) {
		k->envelopes++;
		handlers_count(k, id, "there is no field \"task\"");
		return;
	}
	text = redis_text(task, &len);
	handlers_read_envelope(k, id, text, len);
}

static void handlers_on_delayed(const struct redis_reply *reply, void *arg)
{
	struct handlers_check *k = arg;
	size_t i, len;

	k->page = redis_count(reply);
	for (i = 0; i < k->page; i++) {
		const char *text = redis_text(redis_at(reply, i), &len);
		char where[64];

		snprintf(where, sizeof(where), "%.*s",
			(int)(len < 60 ? len : 60), text);
		handlers_read_envelope(k, where, text, len);
	}
}

static void handlers_tell(struct handlers_check *k)
{
	size_t i;

	for (i = 0; i < k->fault_count; i++) {
		struct handlers_fault *f = &k->faults[i];
		char *text = lane_clean(f->text), *first = lane_clean(f->first);

		json_array_append_new(k->problems,
			json_pack("{s:s, s:s, s:I, s:o, s:o}", "topic",
				k->topic, "place", k->place, "count",
				(json_int_t)f->count, "first",
				lane_json(first, strlen(first)), "text",
				lane_json(text, strlen(text))));
		if (!k->ctl->json)
			printf("topic %s: %" PRId64 " %s: %s (the first: %s)\n",
				k->topic, f->count, k->place, text, first);
		k->problem_count++;
		free(first);
		free(text);
		free(f->text);
		free(f->first);
	}
	free(k->faults);
	k->faults = NULL;
	k->fault_count = 0;
}

static int handlers_check_stream(
	struct handlers_check *k, const char *key, const char *place)
{
	char last[LANE_ID_MAX];
	int rc = lane_newest(k->ask, key, last);

	k->place = place;
	if (rc == EXIT_OK && last[0] != '\0')
		rc = lane_walk(k->ask, key, "-", last, INT64_MAX,
			handlers_on_entry, k, NULL);
	handlers_tell(k);
	return rc;
}

static int handlers_check_delayed(struct handlers_check *k, const char *key)
{
	char first[24], last[24];
	const char *argv[4] = { "ZRANGE", key, first, last };
	int64_t at = 0;
	int rc = EXIT_OK;

	k->place = "delayed";
	do {
		snprintf(first, sizeof(first), "%" PRId64, at);
		snprintf(
			last, sizeof(last), "%" PRId64, at + HANDLERS_PAGE - 1);
		k->page = 0;
		rc = ask_command(k->ask, handlers_on_delayed, k, 4, argv, NULL);
		at += HANDLERS_PAGE;
	} while (rc == EXIT_OK && k->page == HANDLERS_PAGE);
	handlers_tell(k);
	return rc;
}

static int handlers_check_topic(struct handlers_check *k, const char *topic)
{
	struct lane lane;
	int rc;

	k->topic = topic;
	lane_init(&lane, k->ask, topic);
	rc = handlers_check_stream(k, lane.stream, "in the queue");
	if (rc == EXIT_OK)
		rc = handlers_check_delayed(k, lane.delayed);
	if (rc == EXIT_OK)
		rc = handlers_check_stream(k, lane.dead, "dead");
	lane_done(&lane);
	return rc;
}

static int handlers_check_stored(struct handlers_check *k)
{
	const char *const *topic = ask_topics(k->ask);
	int rc = EXIT_OK;

	if (k->conf->redis_url == NULL || *topic == NULL)
		return EXIT_OK;
	rc = ask_connect(k->ask);
	for (; rc == EXIT_OK && *topic != NULL; topic++)
		rc = handlers_check_topic(k, *topic);
	return rc;
}

static int handlers_finish(struct handlers_check *k, int rc)
{
	if (rc != EXIT_OK) {
		json_decref(k->problems);
		return rc;
	}
	if (k->ctl->json) {
		lane_print(json_pack("{s:b, s:I, s:I, s:o}", "ok",
			k->problem_count == 0, "handlers",
			(json_int_t)k->conf->handler_count, "envelopes",
			(json_int_t)k->envelopes, "problems", k->problems));
	} else {
		json_decref(k->problems);
		printf("%zu handlers and %" PRId64 " stored tasks: %" PRId64
		       " problems\n",
			k->conf->handler_count, k->envelopes, k->problem_count);
	}
	return k->problem_count == 0 ? EXIT_OK : EXIT_CONFIG;
}

int handlers_check(struct ctl *c)
{
	struct handlers_check k = { .ctl = c };
	size_t i;
	int rc = ask_new(c, &k.ask);

	if (rc != EXIT_OK)
		return rc;
	k.conf = ask_conf(k.ask);
	k.problems = json_array();
	for (i = 0; i < k.conf->handler_count; i++)
		faults_find(&k.conf->handlers[i], handlers_on_fault, &k);
	rc = handlers_check_stored(&k);
	rc = handlers_finish(&k, rc);
	ask_close(k.ask);
	return rc;
}
