/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "queue/args.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/record.h"
#include "queue/scripts.h"

static const char *record_state(const struct flight *f)
{
	const struct handler_result *r = f->result;

	if (f->end == END_SUCCESS)
		return task_state_names[TASK_SUCCESS];
	if (f->end == END_CANCELLED)
		return task_state_names[TASK_CANCELLED];
	if (f->end == END_RETRY)
		return task_state_names[TASK_PENDING];
	return task_state_names[r != NULL && r->outcome == HANDLER_TIMEOUT
					? TASK_TIMEOUT
					: TASK_FAILED];
}

void record_keep(struct flight *f)
{
	const struct handler_result *r = f->result;

	if (f->task == NULL || !f->task->reply)
		return;
	f->answer_state = record_state(f);
	if (r == NULL || r->text == NULL)
		return;
	free(f->answer);
	f->answer = xmalloc(r->text_len + 1);
	memcpy(f->answer, r->text, r->text_len);
	f->answer_len = r->text_len;
}

/* The key, and what stands before the fields. */
static char *record_begin(
	struct args *a, const struct flight *f, enum record_trust trust)
{
	const char *prefix = f->topic->consumer->conf->redis_prefix;
	char *key = keys_other(prefix, "task:", f->task->id);

	args_add(a, key);
	args_add_number(a, f->task->epoch);
	args_add_number(a, trust == RECORD_IN_DOUBT);
	args_add_number(a, KEYS_KEEP_S);
	return key;
}

static void record_on_told(const struct redis_reply *reply, void *arg)
{
	struct flight *f = arg;
	struct consumer *c = f->topic->consumer;
	bool is_useless = reply != NULL && redis_is_error(reply, "WRONGTYPE");

	if (is_useless)
		log_warn("task %s: its outcome can't be told: %s", f->task->id,
			redis_text(reply, NULL));
	if (reply == NULL || (redis_type(reply) == REDIS_ERROR && !is_useless))
		finish_unstored(f);
	else
		flight_land(f);
	consumer_poke(c);
}

void record_outcome(struct flight *f, enum record_trust trust)
{
	struct consumer *c = f->topic->consumer;
	struct args a = ARGS_INIT;
	char *key = record_begin(&a, f, trust);

	args_add(&a, "state");
	args_add(&a, f->answer_state);
	args_add(&a, "handler");
	args_add(&a, f->task->handler);
	args_add(&a, "topic");
	args_add(&a, f->topic->name);
	args_add(&a, "worker");
	args_add(&a, c->name);
	args_add(&a, "attempts");
	args_add_number(&a, f->task->attempt + (f->end == END_SUCCESS));
	args_add(&a, "at");
	args_add_number(&a, consumer_now_ms(c));
	args_add(&a, f->end == END_SUCCESS ? "result" : "error");
	if (f->answer != NULL)
		args_add_bytes(&a, f->answer, f->answer_len);
	else
		args_add(&a, f->reason != NULL ? f->reason : "");
	if (redis_script(c->commands, record_on_told, f, &script_record, 1,
		    (int)a.count, a.items, a.lens) != 0)
		finish_unstored(f);
	args_done(&a);
	free(key);
}

void record_progress(struct flight *f, int percent, const char *text)
{
	struct consumer *c = f->topic->consumer;
	struct args a = ARGS_INIT;
	char *key = record_begin(&a, f, RECORD_IN_DOUBT);

	args_add(&a, "state");
	args_add(&a, task_state_names[TASK_RUNNING]);
	args_add(&a, "progress");
	args_add_number(&a, percent);
	args_add(&a, "progress_text");
	args_add(&a, text != NULL ? text : "");
	(void)redis_script(c->commands, NULL, NULL, &script_record, 1,
		(int)a.count, a.items, a.lens);
	args_done(&a);
	free(key);
}
