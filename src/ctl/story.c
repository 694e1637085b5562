/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/kept.h"
#include "ctl/place.h"
#include "ctl/story.h"

struct story_event {
	int64_t at_ms;
	size_t order; /* as told, among those of one moment */
	char *text;
};

struct story {
	int64_t now_ms;
	bool is_kept; /* by PostgreSQL */
	struct story_event *events;
	size_t count;
};

static void story_add(struct story *s, int64_t at_ms, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void story_add(struct story *s, int64_t at_ms, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	s->events = xreallocarray(s->events, s->count + 1, sizeof(*s->events));
	s->events[s->count] = (struct story_event){ at_ms, s->count,
		lane_clean(buf_str(&text)) };
	s->count++;
	buf_done(&text);
}

static int story_compare(const void *a, const void *b)
{
	const struct story_event *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static const char *story_span(int64_t ms, char *text, size_t size)
{
	return clock_span((ms > 0 ? ms : 0) * US_PER_MS, text, size);
}

static int64_t story_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* latest: when it came to where it is.  What is told of before is by another
 * clock, and a producer that does not say when it was created would have it
 * created now. */
static void story_of_task(
	struct story *s, const struct task *t, int64_t latest_ms)
{
	int64_t created = story_earlier(t->created_ms, latest_ms);
	char about[64] = "";
	size_t i;

	if (t->at_ms > t->created_ms) {
		char span[32];

		snprintf(about, sizeof(about), ", not to run for %s",
			story_span(
				t->at_ms - t->created_ms, span, sizeof(span)));
	}
	story_add(
		s, created, "created for the handler %s%s", t->handler, about);
	for (i = 0; i < t->error_count; i++) {
		int64_t number = t->attempt - (int64_t)(t->error_count - i) + 1;
		int64_t at = story_earlier(t->errors[i].at_ms, latest_ms);

		if (number > 0)
			story_add(s, at, "attempt %" PRId64 " failed: %s",
				number, t->errors[i].text);
		else
			story_add(s, at,
				"failed, before it was retried by hand: %s",
				t->errors[i].text);
	}
	if (t->crashes > 0)
		story_add(s, s->now_ms, "has taken %" PRId64 " workers with it",
			t->crashes);
}

static void story_of_waiting(struct story *s, const struct place *at)
{
	int64_t came = lane_entry_ms(at->entry), taken;
	char span[32];

	story_add(s, came, "enqueued%s in %s as %s",
		at->task->attempt > 0 ? " again" : "", at->topic, at->entry);
	if (at->kind == PLACE_WAITING) {
		story_add(s, s->now_ms, "has waited for a worker for %s%s",
			story_span(s->now_ms - came, span, sizeof(span)),
			at->is_paused ? ": the topic is paused" : "");
		return;
	}
	taken = s->now_ms - at->idle_ms;
	/* The two are measured one after the other. */
	story_add(s, taken > came ? taken : came,
		"held by %s, which renewed it last; delivered %" PRId64 " %s",
		at->consumer, at->deliveries,
		at->deliveries == 1 ? "time" : "times");
	if (at->deliveries > 1)
		story_add(s, s->now_ms,
			"taken over from a worker that died or was silent");
}

static void story_of_delayed(struct story *s, const struct place *at)
{
	const struct task *t = at->task;
	char span[32];
	int64_t left = at->due_ms - s->now_ms;

	if (t->attempt > 0)
		story_add(s, at->due_ms,
			"due for attempt %" PRId64 "%s%s in %s", t->attempt + 1,
			left > 0 ? ", in " : "",
			left > 0 ? story_span(left, span, sizeof(span)) : "",
			at->topic);
	else
		story_add(s, at->due_ms, "due%s%s in %s",
			left > 0 ? ", in " : "",
			left > 0 ? story_span(left, span, sizeof(span)) : "",
			at->topic);
}

static void story_of_place(struct story *s, const struct place *at)
{
	if (!s->is_kept)
		story_of_task(s, at->task,
			at->entry[0] != '\0' ? lane_entry_ms(at->entry)
					     : s->now_ms);
	if (at->kind == PLACE_DELAYED)
		story_of_delayed(s, at);
	else if (at->kind == PLACE_DEAD)
		story_add(s, at->letter->at_ms,
			"to the dead letters of %s, by %s: %s", at->topic,
			at->letter->worker, at->letter->reason);
	else
		story_of_waiting(s, at);
}

static void story_of_record(struct story *s, const struct place_record *r)
{
	const char *text;

	if (r->state[0] == '\0')
		return;
	text = r->result[0] != '\0' ? r->result : r->error;
	story_add(s, r->at_ms, "%s after %" PRId64 " attempts%s%s%s%s",
		r->state, r->attempts, r->worker[0] != '\0' ? ", by " : "",
		r->worker, text[0] != '\0' ? ": " : "", text);
}

static int64_t story_time(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static const char *story_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

static void story_of_end(struct story *s, const json_t *row)
{
	const char *text = story_text(row, "error");

	if (text[0] == '\0')
		text = story_text(row, "result");
	if (story_time(row, "ended") != 0)
		story_add(s, story_time(row, "ended"),
			"%s after %" PRId64 " attempts%s%s",
			story_text(row, "state"), story_time(row, "attempts"),
			text[0] != '\0' ? ": " : "", text);
}

/* What PostgreSQL keeps is all there is to say of its attempts. */
static void story_of_kept(struct story *s, const json_t *row)
{
	const char *definition = story_text(row, "definition");
	const json_t *e;
	size_t i;

	story_add(s, story_time(row, "created"),
		"created for the handler %s%s%s", story_text(row, "handler"),
		definition[0] != '\0' ? " by " : "", definition);
	json_array_foreach(json_object_get(row, "errors"), i, e) story_add(s,
		story_time(e, "at"), "attempt %" PRId64 " failed: %s",
		story_time(e, "attempt"), story_text(e, "error"));
	if (story_time(row, "started") != 0)
		story_add(s, story_time(row, "started"),
			"begun by %s, under epoch %" PRId64,
			story_text(row, "worker"), story_time(row, "epoch"));
	if (json_is_true(json_object_get(row, "is_held")))
		story_add(s, s->now_ms,
			"held back: another run has to end before it");
	if (json_object_get(row, "progress") != NULL)
		story_add(s, s->now_ms, "%" PRId64 " %% done %s",
			story_time(row, "progress"),
			story_text(row, "progress_text"));
	story_of_end(s, row);
}

static void story_print(const struct story *s, const struct places *p)
{
	char iso[CLOCK_ISO_MAX], span[32];
	size_t i;

	printf("task %s\n", p->id);
	for (i = 0; i < s->count; i++) {
		int64_t before =
			i > 0 ? s->events[i - 1].at_ms : s->events[i].at_ms;

		printf("%s %9s  %s\n",
			clock_iso(s->events[i].at_ms * US_PER_MS, iso),
			i > 0 ? story_span(s->events[i].at_ms - before, span,
					sizeof(span))
			      : "",
			s->events[i].text);
	}
}

static void story_print_json(const struct story *s, const struct places *p)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->count; i++)
		json_array_append_new(
			list, json_pack("{s:I, s:o}", "at",
				      (json_int_t)s->events[i].at_ms, "text",
				      lane_json(s->events[i].text,
					      strlen(s->events[i].text))));
	lane_print(json_pack("{s:s, s:o}", "id", p->id, "events", list));
}

static int story_tell(
	const struct ctl *c, const struct places *p, const struct kept *kept)
{
	struct story s = { .now_ms = p->now_ms, .is_kept = kept != NULL };
	size_t i;

	if (kept != NULL)
		story_of_kept(&s, kept_json(kept));
	for (i = 0; i < p->count; i++)
		story_of_place(&s, &p->items[i]);
	if (p->is_cancelled && p->count > 0)
		story_add(&s, p->now_ms, "marked as cancelled");
	if (kept == NULL && (p->count == 0 || places_is_ended(p)))
		story_of_record(&s, &p->record);
	if (s.count == 0)
		return ctl_fail(EXIT_CONFIG,
			"nothing is known of task %s: it has ended and nobody "
			"asked for its outcome, or it never was%s",
			p->id, p->is_cut ? "; not every entry was read" : "");
	qsort(s.events, s.count, sizeof(*s.events), story_compare);
	if (c->json)
		story_print_json(&s, p);
	else
		story_print(&s, p);
	for (i = 0; i < s.count; i++)
		free(s.events[i].text);
	free(s.events);
	return EXIT_OK;
}

int story_explain(struct ctl *c)
{
	struct kept *kept;
	struct places p;
	struct ask *a;
	int rc = ask_open(c, &a);

	if (rc != EXIT_OK)
		return rc;
	rc = places_find(a, c->argv[0], &p);
	if (rc == EXIT_OK) {
		(void)kept_find(c, ask_conf(a), p.id, &kept);
		rc = story_tell(c, &p, kept);
		kept_free(kept);
		places_done(&p);
	}
	ask_close(a);
	return rc;
}
