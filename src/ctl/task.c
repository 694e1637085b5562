/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/kept.h"
#include "ctl/place.h"
#include "ctl/task.h"
#include "task/keys.h"

/*
 * End a delayed task.  KEYS: delayed, stats, and the unique key if it has one.
 * ARGV: envelope, task id.  Returns 1, or 0 when it is not there any more.
 */
static struct redis_script task_drop_delayed = {
	.name = "cancel-delayed",
	.text = "if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end\n"
		"redis.call('HINCRBY', KEYS[2], 'cancelled', 1)\n"
		"if #KEYS == 3 and redis.call('GET', KEYS[3]) == ARGV[2] then\n"
		"  redis.call('DEL', KEYS[3])\n"
		"end\n"
		"return 1\n",
};

/* KEYS: stream, delayed.  ARGV: envelope, the new one.  Returns the id of the
 * entry, or nil when it is not there any more. */
static struct redis_script task_move_delayed = {
	.name = "retry-delayed",
	.text = "if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then"
		" return false end\n"
		"local id = redis.call('XADD', KEYS[1], '*', 'task', ARGV[2])\n"
		"redis.call('ZREM', KEYS[2], ARGV[1])\n"
		"return id\n",
};

static int task_open(struct ctl *c, struct ask **ret_ask, struct places *ret)
{
	int rc = ask_open(c, ret_ask);

	if (rc != EXIT_OK)
		return rc;
	rc = places_find(*ret_ask, c->argv[0], ret);
	if (rc != EXIT_OK)
		ask_close(*ret_ask);
	return rc;
}

static void task_close(struct ask *a, struct places *p)
{
	places_done(p);
	ask_close(a);
}

static int task_unknown(const struct places *p)
{
	if (p->is_cut)
		return ctl_fail(EXIT_CONFIG,
			"task %s is not among the first %d entries of a topic, "
			"there are more",
			p->id, PLACE_SCAN_MAX);
	return ctl_fail(EXIT_CONFIG,
		"no task %s is known: it has ended, or never was", p->id);
}

static json_t *task_place_json(const struct place *at, int64_t now_ms)
{
	json_t *doc = json_pack("{s:s, s:s, s:o}", "place",
		place_kind_names[at->kind], "topic", at->topic, "envelope",
		lane_envelope(at->text, at->len));

	if (at->entry[0] != '\0') {
		json_object_set_new(doc, "entry", json_string(at->entry));
		json_object_set_new(doc, "age_ms",
			json_integer(now_ms - lane_entry_ms(at->entry)));
	}
	if (at->kind == PLACE_DELAYED)
		json_object_set_new(doc, "due", json_integer(at->due_ms));
	if (at->kind == PLACE_TAKEN) {
		json_object_set_new(doc, "consumer",
			lane_json(at->consumer, strlen(at->consumer)));
		json_object_set_new(doc, "idle_ms", json_integer(at->idle_ms));
		json_object_set_new(
			doc, "deliveries", json_integer(at->deliveries));
	}
	if (at->kind == PLACE_DEAD) {
		json_object_set_new(doc, "reason",
			lane_json(at->letter->reason,
				strlen(at->letter->reason)));
		json_object_set_new(doc, "at", json_integer(at->letter->at_ms));
	}
	return doc;
}

static void task_set_text(json_t *doc, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_set_new(doc, key, lane_json(text, strlen(text)));
}

static json_t *task_record_json(const struct place_record *r)
{
	json_t *doc;

	if (r->state[0] == '\0')
		return json_null();
	doc = json_pack("{s:s, s:I, s:I}", "state", r->state, "attempts",
		(json_int_t)r->attempts, "at", (json_int_t)r->at_ms);
	task_set_text(doc, "handler", r->handler);
	task_set_text(doc, "topic", r->topic);
	task_set_text(doc, "worker", r->worker);
	task_set_text(doc, "result", r->result);
	task_set_text(doc, "error", r->error);
	return doc;
}

static const char *task_state(const struct places *p)
{
	if (places_of(p, PLACE_TAKEN) != NULL)
		return task_state_names[TASK_RUNNING];
	if (places_of(p, PLACE_WAITING) != NULL ||
		places_of(p, PLACE_DELAYED) != NULL)
		return task_state_names[TASK_PENDING];
	if (p->record.state[0] != '\0')
		return p->record.state;
	return task_state_names[TASK_FAILED];
}

static json_t *task_json(const struct places *p)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < p->count; i++)
		json_array_append_new(
			list, task_place_json(&p->items[i], p->now_ms));
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:b}", "id", p->id, "state",
		task_state(p), "places", list, "record",
		task_record_json(&p->record), "is_cut", p->is_cut,
		"is_cancelled", p->is_cancelled);
}

static void task_line(const char *label, const char *text)
{
	char *clean;

	if (text == NULL || text[0] == '\0')
		return;
	clean = lane_clean(text);
	printf("%-12s%s\n", label, clean);
	free(clean);
}

/* is_kept: PostgreSQL tells the rest. */
static void task_show_place(
	const struct place *at, int64_t now_ms, bool is_kept)
{
	const struct task *t = at->task;
	char span[32], *clean;

	printf("%-12s%s in %s", "place", place_kind_names[at->kind], at->topic);
	if (at->kind == PLACE_TAKEN) {
		clean = lane_clean(at->consumer);
		printf(" by %s, who renewed it %s ago; delivered %" PRId64
		       " times",
			clean,
			clock_span(at->idle_ms * US_PER_MS, span, sizeof(span)),
			at->deliveries);
		free(clean);
	} else if (at->kind == PLACE_DELAYED) {
		printf(", due in %s",
			clock_span((at->due_ms - now_ms) * US_PER_MS, span,
				sizeof(span)));
	} else {
		printf(" for %s",
			clock_span(
				(now_ms - lane_entry_ms(at->entry)) * US_PER_MS,
				span, sizeof(span)));
	}
	putchar('\n');
	task_line("entry", at->entry);
	if (is_kept)
		return;
	task_line("handler", t->handler);
	printf("%-12s%" PRId64 "\n", "attempts", t->attempt);
	if (at->kind == PLACE_DEAD)
		task_line("reason", at->letter->reason);
	else if (t->error_count > 0)
		task_line("last error", t->errors[t->error_count - 1].text);
	task_line("params", t->params);
}

static void task_show_record(const struct place_record *r)
{
	char iso[CLOCK_ISO_MAX];

	if (r->state[0] == '\0')
		return;
	printf("%-12s%s at %s, attempts %" PRId64 "\n", "outcome", r->state,
		clock_iso(r->at_ms * US_PER_MS, iso), r->attempts);
	task_line("worker", r->worker);
	task_line("result", r->result);
	task_line("error", r->error);
}

static void task_show_all(const struct places *p, const struct kept *kept)
{
	size_t i;

	printf("%-12s%s\n%-12s%s\n", "task", p->id, "state",
		kept != NULL ? kept_state(kept) : task_state(p));
	if (kept != NULL)
		kept_show(kept);
	for (i = 0; i < p->count; i++)
		task_show_place(&p->items[i], p->now_ms, kept != NULL);
	if (p->is_cancelled && p->count > 0)
		task_line("cancelled", "it has a mark");
	if (kept == NULL)
		task_show_record(&p->record);
}

static void task_show_json(const struct places *p, const struct kept *kept)
{
	json_t *doc = task_json(p);

	if (kept != NULL) {
		json_object_set_new(
			doc, "state", json_string(kept_state(kept)));
		json_object_set_new(
			doc, "kept", json_deep_copy(kept_json(kept)));
	}
	lane_print(doc);
}

void task_tell_kept(const struct ctl *c, const char *id, const struct kept *k)
{
	const struct places nowhere = { .id = id };

	if (c->json)
		task_show_json(&nowhere, k);
	else
		task_show_all(&nowhere, k);
}

int task_show(struct ctl *c)
{
	struct kept *kept;
	struct places p;
	struct ask *a;
	int rc = task_open(c, &a, &p);

	if (rc != EXIT_OK)
		return rc;
	/* Without PostgreSQL, whose reason was printed, what Redis knows. */
	(void)kept_find(c, ask_conf(a), p.id, &kept);
	if (p.count == 0 && p.record.state[0] == '\0' && kept == NULL)
		rc = task_unknown(&p);
	else if (c->json)
		task_show_json(&p, kept);
	else
		task_show_all(&p, kept);
	kept_free(kept);
	task_close(a, &p);
	return rc;
}

static void task_on_int(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(reply, 0);
}

/* The mark outlives what is to be found by it. */
static int task_mark(struct places *p)
{
	const char *prefix = ask_conf(p->ask)->redis_prefix;
	const struct place *delayed = places_of(p, PLACE_DELAYED);
	int64_t from = p->now_ms;
	char *key = keys_other(prefix, "cancels", "");
	char *channel = keys_other(prefix, "control", "");
	char *text = xasprintf("cancel %s", p->id);
	char now[24], until[24];
	const char *trim[4] = { "ZREMRANGEBYSCORE", key, "-inf", now };
	const char *add[4] = { "ZADD", key, until, p->id };
	const char *tell[3] = { "PUBLISH", channel, text };
	int rc;

	if (delayed != NULL && delayed->due_ms > from)
		from = delayed->due_ms;
	snprintf(now, sizeof(now), "%" PRId64, p->now_ms);
	snprintf(until, sizeof(until), "%" PRId64,
		from + KEYS_KEEP_S * INT64_C(1000));
	rc = ask_command(p->ask, NULL, NULL, 4, trim, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(p->ask, NULL, NULL, 4, add, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(p->ask, NULL, NULL, 3, tell, NULL);
	free(text);
	free(channel);
	free(key);
	return rc;
}

/* Somebody waits for it: no worker will say how it ended. */
static int task_record_cancelled(struct places *p, const struct place *at)
{
	char *key = keys_other(ask_conf(p->ask)->redis_prefix, "task:", p->id);
	char now[24], life[24];
	const char *set[10] = { "HSET", key, "state",
		task_state_names[TASK_CANCELLED], "handler", at->task->handler,
		"topic", at->topic, "at", now };
	const char *expire[3] = { "EXPIRE", key, life };
	int rc;

	snprintf(now, sizeof(now), "%" PRId64, p->now_ms);
	snprintf(life, sizeof(life), "%d", KEYS_KEEP_S);
	rc = ask_command(p->ask, NULL, NULL, 10, set, NULL);
	if (rc == EXIT_OK)
		rc = ask_command(p->ask, NULL, NULL, 3, expire, NULL);
	free(key);
	return rc;
}

/* ret_gone: it was there, and no worker needs to be told. */
static int task_cancel_delayed(
	struct places *p, const struct place *at, int64_t *ret_gone)
{
	struct lane lane;
	char *unique = NULL;
	const char *argv[5];
	int keys = 2, rc;

	lane_init(&lane, p->ask, at->topic);
	argv[0] = lane.delayed;
	argv[1] = lane.stats;
	if (at->task->unique != NULL) {
		unique = xasprintf(
			"%s:unique:%s", lane.stream, at->task->unique);
		argv[keys++] = unique;
	}
	argv[keys] = at->text;
	argv[keys + 1] = p->id;
	rc = ask_script(p->ask, task_on_int, ret_gone, &task_drop_delayed, keys,
		keys + 2, argv);
	if (rc == EXIT_OK && *ret_gone == 1 && at->task->reply)
		rc = task_record_cancelled(p, at);
	free(unique);
	lane_done(&lane);
	return rc;
}

int task_tell(
	const struct ctl *c, const char *id, const char *what, const char *text)
{
	if (c->json)
		lane_print(json_pack(
			"{s:b, s:s, s:s}", "ok", 1, "id", id, what, text));
	else
		printf("task %s: %s\n", id, text);
	return EXIT_OK;
}

static int task_cancel_found(const struct ctl *c, struct places *p)
{
	const struct place *taken = places_of(p, PLACE_TAKEN);
	const struct place *delayed = places_of(p, PLACE_DELAYED);
	char text[256];
	int64_t gone = 0;
	int rc = EXIT_OK;

	if (delayed != NULL && p->count == 1)
		rc = task_cancel_delayed(p, delayed, &gone);
	if (rc == EXIT_OK && gone == 0)
		rc = task_mark(p);
	if (rc != EXIT_OK)
		return rc;
	if (gone == 1)
		snprintf(text, sizeof(text), "cancelled before it was due");
	else if (taken != NULL)
		snprintf(text, sizeof(text), "told to %s", taken->consumer);
	else
		snprintf(text, sizeof(text), "marked, nobody will run it");
	return task_tell(c, p->id, "cancel", text);
}

/* Its row says how it stands; Redis follows. */
static int task_cancel_kept(
	const struct ctl *c, struct places *p, struct kept *kept)
{
	const struct place *delayed = places_of(p, PLACE_DELAYED);
	char text[256];
	const char *was;
	int64_t gone = 0;
	int rc = kept_cancel(kept, &was);

	if (rc == EXIT_OK)
		rc = kept_refresh(kept);
	if (rc != EXIT_OK)
		return rc;
	if (strcmp(kept_state(kept), task_state_names[TASK_CANCELLED]) == 0 &&
		strcmp(was, kept_state(kept)) != 0) {
		if (delayed != NULL)
			rc = task_cancel_delayed(p, delayed, &gone);
		snprintf(text, sizeof(text), "cancelled before it began");
	} else if (strcmp(was, task_state_names[TASK_RUNNING]) == 0) {
		rc = task_mark(p);
		snprintf(text, sizeof(text), "told to %s",
			json_string_value(
				json_object_get(kept_json(kept), "worker")));
	} else {
		return ctl_fail(
			EXIT_CONFIG, "task %s has ended: it is %s", p->id, was);
	}
	return rc == EXIT_OK ? task_tell(c, p->id, "cancel", text) : rc;
}

static int task_cancel_any(const struct ctl *c, struct places *p)
{
	if (places_of(p, PLACE_TAKEN) != NULL ||
		places_of(p, PLACE_WAITING) != NULL ||
		places_of(p, PLACE_DELAYED) != NULL)
		return task_cancel_found(c, p);
	if (places_is_ended(p))
		return ctl_fail(EXIT_CONFIG, "task %s has ended: it is %s",
			p->id, p->record.state);
	if (places_of(p, PLACE_DEAD) != NULL)
		return ctl_fail(EXIT_CONFIG,
			"task %s has ended: it is a dead letter of %s", p->id,
			places_of(p, PLACE_DEAD)->topic);
	return task_unknown(p);
}

int task_cancel(struct ctl *c)
{
	struct kept *kept = NULL;
	struct places p;
	struct ask *a;
	int rc = task_open(c, &a, &p);

	if (rc != EXIT_OK)
		return rc;
	rc = kept_find(c, ask_conf(a), p.id, &kept);
	if (rc == EXIT_OK)
		rc = kept != NULL ? task_cancel_kept(c, &p, kept)
				  : task_cancel_any(c, &p);
	kept_free(kept);
	task_close(a, &p);
	return rc;
}

static void task_on_entry(const struct redis_reply *reply, void *arg)
{
	snprintf(arg, LANE_ID_MAX, "%s", redis_text(reply, NULL));
}

static int task_retry_delayed(
	struct places *p, const struct place *at, char ret_entry[LANE_ID_MAX])
{
	const char *argv[4];
	struct lane lane;
	char *text;
	int rc;

	at->task->at_ms = 0;
	text = task_print(at->task, NULL);
	lane_init(&lane, p->ask, at->topic);
	argv[0] = lane.stream;
	argv[1] = lane.delayed;
	argv[2] = at->text;
	argv[3] = text;
	rc = ask_script(p->ask, task_on_entry, ret_entry, &task_move_delayed, 2,
		4, argv);
	if (rc == EXIT_OK && ret_entry[0] == '\0')
		rc = ctl_fail(
			EXIT_CONFIG, "task %s has just become due", p->id);
	lane_done(&lane);
	free(text);
	return rc;
}

static int task_retry_dead(
	struct places *p, const struct place *at, char ret_entry[LANE_ID_MAX])
{
	struct lane lane;
	struct err err;
	int rc;

	lane_init(&lane, p->ask, at->topic);
	rc = letter_revive(&lane, at->letter, ret_entry, &err);
	if (rc != EXIT_OK)
		(void)ctl_fail(rc, "task %s stays dead: %s", p->id, err.text);
	lane_done(&lane);
	return rc;
}

static int task_retry_found(const struct ctl *c, struct places *p)
{
	char entry[LANE_ID_MAX] = "", text[128];
	const struct place *at;
	int rc;

	if ((at = places_of(p, PLACE_TAKEN)) != NULL)
		return ctl_fail(EXIT_CONFIG, "task %s is run by %s", p->id,
			at->consumer);
	if ((at = places_of(p, PLACE_WAITING)) != NULL)
		return ctl_fail(EXIT_CONFIG, "task %s waits already, in %s",
			p->id, at->topic);
	if ((at = places_of(p, PLACE_DELAYED)) != NULL) {
		rc = letter_unmark(p->ask, p->id);
		if (rc == EXIT_OK)
			rc = task_retry_delayed(p, at, entry);
	} else if ((at = places_of(p, PLACE_DEAD)) != NULL) {
		rc = task_retry_dead(p, at, entry);
	} else if (places_is_ended(p)) {
		return ctl_fail(EXIT_CONFIG,
			"task %s is %s, and nothing of it is kept to run again",
			p->id, p->record.state);
	} else {
		return task_unknown(p);
	}
	if (rc != EXIT_OK)
		return rc;
	snprintf(text, sizeof(text), "waits in %s as %s", at->topic, entry);
	return task_tell(c, p->id, "retry", text);
}

static int task_retry_kept(
	const struct ctl *c, struct places *p, struct kept *kept)
{
	const struct place *dead = places_of(p, PLACE_DEAD);
	struct lane lane;
	const char *was;
	int rc = letter_unmark(p->ask, p->id);

	if (rc == EXIT_OK)
		rc = kept_retry(kept, &was);
	if (rc == EXIT_OK && dead != NULL) {
		lane_init(&lane, p->ask, dead->topic);
		rc = letter_drop(&lane, dead->letter);
		lane_done(&lane);
	}
	return rc == EXIT_OK ? task_tell(c, p->id, "retry",
				       "waits in the outbox of PostgreSQL")
			     : rc;
}

int task_retry(struct ctl *c)
{
	struct kept *kept = NULL;
	struct places p;
	struct ask *a;
	int rc = task_open(c, &a, &p);

	if (rc != EXIT_OK)
		return rc;
	rc = kept_find(c, ask_conf(a), p.id, &kept);
	if (rc == EXIT_OK && kept != NULL && kept_is_over(kept))
		rc = task_retry_kept(c, &p, kept);
	else if (rc == EXIT_OK)
		rc = task_retry_found(c, &p);
	kept_free(kept);
	task_close(a, &p);
	return rc;
}
