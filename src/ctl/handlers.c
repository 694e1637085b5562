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
#include "ctl/stored.h"
#include "task/task.h"

/* Different faults of one key that are told apart; the rest is counted. */
#define HANDLERS_KINDS_MAX 1000

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
	struct handlers_fault *faults;
	size_t fault_count;
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

static void handlers_read_envelope(
	const struct stored_place *at, const char *text, size_t len, void *arg)
{
	struct handlers_check *k = arg;
	char why[ERR_TEXT_MAX + 64];
	struct err err;
	struct task *t;

	k->envelopes++;
	if (text == NULL) {
		handlers_count(k, at->where, "there is no field \"task\"");
		return;
	}
	t = task_parse(text, len, &err);
	if (t == NULL) {
		snprintf(why, sizeof(why), "can't be read: %s", err.text);
		handlers_count(k, at->where, why);
	} else if (conf_handler_find(k->conf, t->handler) == NULL) {
		snprintf(why, sizeof(why), "no handler is called \"%s\"",
			t->handler);
		handlers_count(k, at->where, why);
	}
	task_free(t);
}

static void handlers_tell(const struct stored_place *at, void *arg)
{
	struct handlers_check *k = arg;
	size_t i;

	for (i = 0; i < k->fault_count; i++) {
		struct handlers_fault *f = &k->faults[i];
		char *text = lane_clean(f->text), *first = lane_clean(f->first);

		json_array_append_new(k->problems,
			json_pack("{s:s, s:s, s:I, s:o, s:o}", "topic",
				at->topic, "place", at->place, "count",
				(json_int_t)f->count, "first",
				lane_json(first, strlen(first)), "text",
				lane_json(text, strlen(text))));
		if (!k->ctl->json)
			printf("topic %s: %" PRId64 " %s: %s (the first: %s)\n",
				at->topic, f->count, at->place, text, first);
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
	rc = stored_walk(
		k.ask, &(struct stored){ .envelope = handlers_read_envelope,
			       .place_end = handlers_tell,
			       .arg = &k });
	rc = handlers_finish(&k, rc);
	ask_close(k.ask);
	return rc;
}
