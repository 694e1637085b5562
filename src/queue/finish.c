/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/args.h"
#include "queue/finish.h"
#include "queue/flight.h"
#include "queue/lease.h"
#include "queue/mark.h"
#include "queue/record.h"
#include "queue/scripts.h"
#include "queue/topic.h"
#include "queue/track.h"

/* The pause before outcomes are sent again that the server refused. */
#define FINISH_AGAIN_US (1 * US_PER_S)

static_assert((int)END_FENCED == (int)SERIES_FENCED &&
		      (int)END_SUCCESS == (int)SERIES_SUCCESS,
	"ends are counted by number");

static const char *const end_words[END_COUNT] = {
	[END_SUCCESS] = "success",
	[END_RETRY] = "retry",
	[END_DEAD] = "dead",
	[END_CANCELLED] = "cancelled",
	[END_DUPLICATE] = "duplicate",
	[END_FENCED] = "fenced",
};

/* Flights whose outcome is in one command. */
struct finish_batch {
	struct topic *topic;
	size_t count;
	struct flight *flights[];
};

char *finish_unique_key(const struct flight *f)
{
	return xasprintf("%s:unique:%s", f->topic->stream, f->task->unique);
}

void finish_keep_payload(struct flight *f, const char *text, size_t len)
{
	if (text == NULL)
		return;
	f->payload = xmalloc(len + 1);
	memcpy(f->payload, text, len);
	f->payload[len] = '\0';
	f->payload_len = len;
}

static void finish_queue(struct flight *f)
{
	struct topic *t = f->topic;
	bool plain = f->end == END_SUCCESS && !f->is_resent &&
		     f->task->unique == NULL &&
		     lease_is_young(f, f->ended_at_us);

	flight_set_state(f, FLIGHT_FINISHING);
	if (plain) {
		TAILQ_INSERT_TAIL(&t->landing, f, ending);
		t->landing_count++;
	} else {
		TAILQ_INSERT_TAIL(&t->ending, f, ending);
		t->ending_count++;
	}
	consumer_poke(t->consumer);
}

void finish_end(struct flight *f, enum flight_end end, const char *reason)
{
	f->end = end;
	free(f->reason);
	f->reason = reason != NULL ? xstrdup(reason) : NULL;
	if (end == END_DEAD)
		log_warn("task %s (%s) to the dead letters of %s: %s",
			f->task != NULL ? f->task->id : "?", f->id,
			f->topic->name, reason);
	if (f->payload == NULL && f->task != NULL &&
		(end == END_DEAD || end == END_RETRY))
		f->payload = task_print(f->task, &f->payload_len);
	record_keep(f);
	if (!track_end(f))
		finish_queue(f);
}

void finish_kept(struct flight *f)
{
	finish_queue(f);
}

void finish_postpone(struct flight *f, int64_t left_ms)
{
	f->pause_ms = left_ms;
	finish_end(f, END_RETRY, NULL);
}

static int64_t finish_retry_max(const struct flight *f)
{
	return f->task->retry_max >= 0 ? f->task->retry_max
				       : f->handler->retry_max;
}

static void finish_retry(struct flight *f, const struct handler_result *r)
{
	const struct conf_handler *h = f->handler;
	struct task_retry policy = { finish_retry_max(f) + 1, h->retry_base_us,
		h->retry_cap_us };
	int64_t pause = r->pause_us >= 0
				? r->pause_us
				: task_retry_pause(&policy, f->task->attempt);

	f->pause_ms = pause / US_PER_MS;
	if (r->outcome != HANDLER_SNOOZE)
		f->task->attempt++;
	finish_end(f, END_RETRY, NULL);
}

static void finish_failure(struct flight *f, const struct handler_result *r)
{
	char why[512];
	int n;

	n = snprintf(why, sizeof(why), "%s", handler_outcome_names[r->outcome]);
	if (r->text != NULL && r->text_len > 0)
		snprintf(why + n, sizeof(why) - (size_t)n, ": %.*s",
			(int)(r->text_len < 400 ? r->text_len : 400), r->text);
	task_add_error(f->task, consumer_now_ms(f->topic->consumer), why);
	log_debug("task %s attempt %lld: %s", f->task->id,
		(long long)f->task->attempt, why);
	if (r->outcome != HANDLER_FATAL &&
		f->task->attempt < finish_retry_max(f)) {
		finish_retry(f, r);
		return;
	}
	f->task->attempt++;
	finish_end(f, END_DEAD, why);
}

void finish_result(struct flight *f, const struct handler_result *r)
{
	f->result = r;
	switch (r->outcome) {
	case HANDLER_SUCCESS: finish_end(f, END_SUCCESS, NULL); break;
	case HANDLER_SNOOZE: finish_retry(f, r); break;
	case HANDLER_CANCELLED: finish_end(f, END_CANCELLED, NULL); break;
	default:
		if (f->is_cancelled)
			finish_end(f, END_CANCELLED, NULL);
		else
			finish_failure(f, r);
		break;
	}
	f->result = NULL;
}

static struct finish_batch *finish_take(
	struct topic *t, struct flights *from, unsigned *count)
{
	struct finish_batch *b =
		xcalloc(1, sizeof(*b) + *count * sizeof(b->flights[0]));
	struct flight *f;

	b->topic = t;
	while ((f = TAILQ_FIRST(from)) != NULL) {
		TAILQ_REMOVE(from, f, ending);
		b->flights[b->count++] = f;
	}
	*count = 0;
	return b;
}

void finish_unstored(struct flight *f)
{
	flight_set_state(f, FLIGHT_UNSTORED);
	if (!loop_timer_is_set(f->topic->mend))
		loop_timer_start(f->topic->mend, FINISH_AGAIN_US);
}

/* Whether it was stored is not known, or it was not: again, later. */
static void finish_batch_unstored(struct finish_batch *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		finish_unstored(b->flights[i]);
}

/* The queue is done with it; who waits for it is told. */
static void finish_settle(struct flight *f, enum record_trust trust)
{
	if (f->task != NULL && f->task->reply)
		record_outcome(f, trust);
	else
		flight_land(f);
}

static void finish_on_landed(const struct redis_reply *reply, void *arg)
{
	struct finish_batch *b = arg;
	struct consumer *c = b->topic->consumer;
	size_t i;

	if (reply == NULL || redis_type(reply) == REDIS_ERROR)
		finish_batch_unstored(b);
	else
		for (i = 0; i < b->count; i++)
			finish_settle(b->flights[i], RECORD_SURE);
	free(b);
	consumer_poke(c);
}

static void finish_send_landing(struct topic *t, struct redis *r)
{
	struct finish_batch *b = finish_take(t, &t->landing, &t->landing_count);
	struct args a = ARGS_INIT;
	size_t i;

	/* First the entry, then the pending mark: a crash in between leaves a
	 * mark without an entry, which the next claim drops, and not an entry
	 * that nobody would ever look at. */
	args_add(&a, "XDEL");
	args_add(&a, t->stream);
	for (i = 0; i < b->count; i++)
		args_add(&a, b->flights[i]->id);
	(void)redis_command(r, NULL, NULL, (int)a.count, a.items, a.lens);
	args_reset(&a);
	args_add(&a, "HINCRBY");
	args_add(&a, t->stats);
	args_add(&a, end_words[END_SUCCESS]);
	args_add_number(&a, (int64_t)b->count);
	(void)redis_command(r, NULL, NULL, (int)a.count, a.items, a.lens);
	args_reset(&a);
	args_add(&a, "XACK");
	args_add(&a, t->stream);
	args_add(&a, CONSUMER_GROUP);
	for (i = 0; i < b->count; i++)
		args_add(&a, b->flights[i]->id);
	if (redis_command(
		    r, finish_on_landed, b, (int)a.count, a.items, a.lens) != 0)
		finish_on_landed(NULL, b);
	args_done(&a);
}

/* What the script says of an entry that it left alone. */
enum finish_verdict { FINISH_STORED, FINISH_GONE, FINISH_TAKEN };

static enum finish_verdict finish_verdict(
	const struct redis_reply *lost, const char *id)
{
	size_t i, n = redis_count(lost);

	for (i = 0; i + 1 < n; i += 2)
		if (strcmp(redis_text(redis_at(lost, i), NULL), id) == 0)
			return redis_int(redis_at(lost, i + 1), 1) == 1
				       ? FINISH_TAKEN
				       : FINISH_GONE;
	return FINISH_STORED;
}

static void finish_note_due(struct topic *t, int64_t pause_ms)
{
	topic_note_due(t, consumer_now_ms(t->consumer) + pause_ms);
	/* Who goes leaves it to the others. */
	if (t->consumer->draining)
		mark_publish_due(t->consumer, t);
}

static void finish_stored(struct flight *f, const struct redis_reply *lost)
{
	enum finish_verdict v = finish_verdict(lost, f->id);

	/* Sent twice and gone: the first time has stored it, as far as can be
	 * known. */
	if (v == FINISH_GONE && f->is_resent) {
		finish_settle(f, RECORD_IN_DOUBT);
		return;
	}
	if (v != FINISH_STORED) {
		flight_fence(f);
		return;
	}
	if (f->end == END_RETRY)
		finish_note_due(f->topic, f->pause_ms);
	finish_settle(f, RECORD_SURE);
}

static void finish_on_ended(const struct redis_reply *reply, void *arg)
{
	struct finish_batch *b = arg;
	struct consumer *c = b->topic->consumer;
	size_t i;

	if (reply == NULL) {
		finish_batch_unstored(b);
	} else if (redis_type(reply) == REDIS_ERROR) {
		log_warn("topic %s: storing outcomes: %s, trying again in 1 s",
			b->topic->name, redis_text(reply, NULL));
		finish_batch_unstored(b);
	} else {
		for (i = 0; i < b->count; i++)
			finish_stored(b->flights[i], reply);
	}
	free(b);
	consumer_poke(c);
}

static void finish_add(struct args *a, const struct flight *f, char *number,
	size_t size, const char *unique)
{
	snprintf(number, size, "%lld", (long long)f->pause_ms);
	args_add(a, f->id);
	args_add(a, end_words[f->end]);
	args_add_bytes(a, f->payload != NULL ? f->payload : "", f->payload_len);
	args_add(a, number);
	args_add(a, f->reason != NULL ? f->reason : "");
	args_add(a, unique);
	args_add(a, f->task != NULL ? f->task->id : "");
}

/* The key is another's, unless the task was over when it came again. */
static bool finish_frees_key(const struct flight *f)
{
	if (f->task == NULL || f->task->unique == NULL)
		return false;
	return (f->end != END_DUPLICATE && f->end != END_FENCED) || f->is_over;
}

static void finish_send_ending(struct topic *t, struct redis *r)
{
	struct finish_batch *b = finish_take(t, &t->ending, &t->ending_count);
	char(*numbers)[24] = xcalloc(b->count, sizeof(*numbers));
	char **keys = xcalloc(b->count, sizeof(*keys));
	struct args a = ARGS_INIT;
	size_t i;

	args_add(&a, t->stream);
	args_add(&a, t->delayed);
	args_add(&a, t->dead);
	args_add(&a, t->stats);
	args_add(&a, CONSUMER_GROUP);
	args_add(&a, t->consumer->name);
	for (i = 0; i < b->count; i++) {
		const struct flight *f = b->flights[i];

		keys[i] = finish_frees_key(f) ? finish_unique_key(f)
					      : xstrdup("");
		finish_add(&a, f, numbers[i], sizeof(numbers[i]), keys[i]);
	}
	if (redis_script(r, finish_on_ended, b, &script_finish, 4, (int)a.count,
		    a.items, a.lens) != 0)
		finish_on_ended(NULL, b);
	for (i = 0; i < (size_t)(a.count - 6) / 7; i++)
		free(keys[i]);
	free(keys);
	free(numbers);
	args_done(&a);
}

/* What waited too long for a connection may be another's by now. */
static void finish_doubt_old(struct topic *t)
{
	int64_t now_us = clock_now();
	struct flight *f, *next;

	for (f = TAILQ_FIRST(&t->landing); f != NULL; f = next) {
		next = TAILQ_NEXT(f, ending);
		if (lease_is_young(f, now_us))
			continue;
		TAILQ_REMOVE(&t->landing, f, ending);
		t->landing_count--;
		TAILQ_INSERT_TAIL(&t->ending, f, ending);
		t->ending_count++;
	}
}

void finish_flush(struct topic *t, struct redis *r)
{
	struct redis *commands = t->consumer->commands;

	if (t->landing_count > 0)
		finish_doubt_old(t);
	if (t->landing_count > 0 && redis_is_up(r))
		finish_send_landing(t, r);
	/* A script that the server does not know is sent once more, and would
	 * come behind a read that waits. */
	if (t->ending_count > 0 && redis_is_up(commands))
		finish_send_ending(t, commands);
}

void finish_resend(struct topic *t)
{
	struct flight *f;

	TAILQ_FOREACH(f, &t->consumer->flights, entry) {
		if (f->topic != t || f->state != FLIGHT_UNSTORED)
			continue;
		f->is_resent = true;
		finish_queue(f);
	}
}
