/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/place.h"
#include "task/keys.h"

/* Entries of one call of a script: a few milliseconds of the server. */
#define PLACE_PAGE 2000

const char *const place_kind_names[PLACE_KIND_COUNT] = {
	[PLACE_WAITING] = "waiting",
	[PLACE_TAKEN] = "taken",
	[PLACE_DELAYED] = "delayed",
	[PLACE_DEAD] = "dead",
};

/* KEYS: a stream.  ARGV: first id, how many, pattern.  Returns how many there
 * were, the last id, and the ids of those whose envelope may be the one. */
static struct redis_script place_in_stream = {
	.name = "search",
	.text = "local rows = redis.call('XRANGE', KEYS[1], ARGV[1], '+',"
		" 'COUNT', ARGV[2])\n"
		"local out = {#rows, #rows > 0 and rows[#rows][1] or ''}\n"
		"for _, row in ipairs(rows) do\n"
		"  for i = 1, #row[2], 2 do\n"
		"    if row[2][i] == 'task' and"
		" string.find(row[2][i + 1], ARGV[3]) then\n"
		"      out[#out + 1] = row[1]\n"
		"    end\n"
		"  end\n"
		"end\n"
		"return out\n",
};

/* KEYS: the delayed set.  ARGV: first rank, last rank, pattern.  Returns how
 * many there were, and envelope and score of those that may be the one. */
static struct redis_script place_in_delayed = {
	.name = "search-delayed",
	.text = "local rows = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2],"
		" 'WITHSCORES')\n"
		"local out = {#rows / 2}\n"
		"for i = 1, #rows, 2 do\n"
		"  if string.find(rows[i], ARGV[3]) then\n"
		"    out[#out + 1] = rows[i]\n"
		"    out[#out + 1] = string.format('%d', rows[i + 1])\n"
		"  end\n"
		"end\n"
		"return out\n",
};

/* KEYS: stream.  ARGV: group, entry.  Returns consumer, idle, deliveries; or
 * nothing. */
static struct redis_script place_pending = {
	.name = "pending",
	.text = "local r = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2],"
		" ARGV[2], 1)\n"
		"if r.err or #r == 0 then return {} end\n"
		"return {r[1][2], r[1][3], r[1][4]}\n",
};

struct place_search {
	struct places *places;
	struct lane lane;
	enum place_kind kind;
	char *pattern;
	int64_t seen;           /* in the page */
	char last[LANE_ID_MAX]; /* of the page */
	char (*hits)[LANE_ID_MAX];
	size_t hit_count;
};

/* `"id" : "ID"` for Lua, as an envelope of any writer may have it. */
static char *place_pattern(const char *id)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "\"id\"%s*:%s*\"");
	for (; *id != '\0'; id++) {
		if (strchr("^$()%.[]*+-?", *id) != NULL)
			buf_putc(&out, '%');
		buf_putc(&out, *id);
	}
	buf_putc(&out, '"');
	return buf_take(&out);
}

static struct place *place_add(struct place_search *s, enum place_kind kind)
{
	struct places *p = s->places;
	struct place *at;

	p->items = xreallocarray(p->items, p->count + 1, sizeof(*p->items));
	at = &p->items[p->count++];
	memset(at, 0, sizeof(*at));
	at->kind = kind;
	at->topic = s->lane.topic;
	return at;
}

static void place_on_ids(const struct redis_reply *reply, void *arg)
{
	struct place_search *s = arg;
	size_t i, n = redis_count(reply);

	s->seen = redis_int(redis_at(reply, 0), 0);
	snprintf(s->last, sizeof(s->last), "%s",
		redis_text(redis_at(reply, 1), NULL));
	for (i = 2; i < n; i++) {
		s->hits = xreallocarray(
			s->hits, s->hit_count + 1, sizeof(*s->hits));
		snprintf(s->hits[s->hit_count++], LANE_ID_MAX, "%s",
			redis_text(redis_at(reply, i), NULL));
	}
}

static void place_on_entry(
	const char *id, const struct redis_reply *fields, void *arg)
{
	struct letter *l = letter_read(id, fields);
	struct place_search *s = arg;
	struct place *at;

	if (strcmp(letter_task_id(l), s->places->id) != 0) {
		letter_free(l);
		return;
	}
	at = place_add(s, s->kind);
	snprintf(at->entry, sizeof(at->entry), "%s", id);
	at->text = xstrndup(l->text, l->len);
	at->len = l->len;
	at->task = l->task;
	at->letter = l;
}

static void place_on_pending(const struct redis_reply *reply, void *arg)
{
	struct place *at = arg;

	if (redis_count(reply) < 3)
		return;
	at->kind = PLACE_TAKEN;
	at->consumer = xstrdup(redis_text(redis_at(reply, 0), NULL));
	at->idle_ms = redis_int(redis_at(reply, 1), 0);
	at->deliveries = redis_int(redis_at(reply, 2), 0);
}

static void place_on_paused(const struct redis_reply *reply, void *arg)
{
	struct place *at = arg;

	at->is_paused = redis_int(reply, 0) == 1;
}

/* Whether a worker has it, which only the group knows. */
static int place_judge(struct place_search *s, size_t from)
{
	const char *exists[2] = { "EXISTS", s->lane.paused };
	struct places *p = s->places;
	int rc = EXIT_OK;

	for (; rc == EXIT_OK && from < p->count; from++) {
		const char *argv[3] = { s->lane.stream, KEYS_GROUP,
			p->items[from].entry };

		rc = ask_script(p->ask, place_on_pending, &p->items[from],
			&place_pending, 1, 3, argv);
		if (rc == EXIT_OK)
			rc = ask_command(p->ask, place_on_paused,
				&p->items[from], 2, exists, NULL);
	}
	return rc;
}

static int place_look(struct place_search *s, const char *key)
{
	size_t i, from = s->places->count;
	int rc = EXIT_OK;

	for (i = 0; rc == EXIT_OK && i < s->hit_count; i++)
		rc = lane_entry(
			s->places->ask, key, s->hits[i], place_on_entry, s);
	s->hit_count = 0;
	if (rc == EXIT_OK && s->kind != PLACE_DEAD)
		rc = place_judge(s, from);
	return rc;
}

static int place_scan_stream(
	struct place_search *s, const char *key, enum place_kind kind)
{
	char start[LANE_ID_MAX + 1] = "-", count[24];
	const char *argv[4] = { key, start, count, s->pattern };
	int64_t seen = 0;
	int rc = EXIT_OK;

	s->kind = kind;
	snprintf(count, sizeof(count), "%d", PLACE_PAGE);
	do {
		if (seen >= PLACE_SCAN_MAX) {
			s->places->is_cut = true;
			break;
		}
		rc = ask_script(s->places->ask, place_on_ids, s,
			&place_in_stream, 1, 4, argv);
		if (rc == EXIT_OK)
			rc = place_look(s, key);
		seen += s->seen;
		lane_after(s->last, start);
	} while (rc == EXIT_OK && s->seen == PLACE_PAGE);
	return rc;
}

static void place_on_delayed(const struct redis_reply *reply, void *arg)
{
	struct place_search *s = arg;
	size_t i, len, n = redis_count(reply);

	s->seen = redis_int(redis_at(reply, 0), 0);
	for (i = 1; i + 1 < n; i += 2) {
		const char *text = redis_text(redis_at(reply, i), &len);
		struct task *t = task_parse(text, len, NULL);
		struct place *at;

		if (t == NULL || strcmp(t->id, s->places->id) != 0) {
			task_free(t);
			continue;
		}
		at = place_add(s, PLACE_DELAYED);
		at->task = t;
		at->text = xstrndup(text, len);
		at->len = len;
		at->due_ms = redis_int(redis_at(reply, i + 1), 0);
	}
}

static int place_scan_delayed(struct place_search *s)
{
	char first[24], last[24];
	const char *argv[4] = { s->lane.delayed, first, last, s->pattern };
	int64_t seen = 0;
	int rc = EXIT_OK;

	do {
		if (seen >= PLACE_SCAN_MAX) {
			s->places->is_cut = true;
			break;
		}
		snprintf(first, sizeof(first), "%" PRId64, seen);
		snprintf(last, sizeof(last), "%" PRId64, seen + PLACE_PAGE - 1);
		rc = ask_script(s->places->ask, place_on_delayed, s,
			&place_in_delayed, 1, 4, argv);
		seen += s->seen;
	} while (rc == EXIT_OK && s->seen == PLACE_PAGE);
	return rc;
}

/* From where a task comes to where it goes: what moves on meanwhile is rather
 * seen twice than not at all. */
static int place_scan(struct places *p, const char *topic, char *pattern)
{
	struct place_search s = { .places = p, .pattern = pattern };
	int rc;

	lane_init(&s.lane, p->ask, topic);
	rc = place_scan_delayed(&s);
	if (rc == EXIT_OK)
		rc = place_scan_stream(&s, s.lane.stream, PLACE_WAITING);
	if (rc == EXIT_OK)
		rc = place_scan_stream(&s, s.lane.dead, PLACE_DEAD);
	free(s.hits);
	lane_done(&s.lane);
	return rc;
}

static char *place_text(const struct redis_reply *reply, const char *name)
{
	return xstrdup(lane_field(reply, name, NULL));
}

static void place_on_record(const struct redis_reply *reply, void *arg)
{
	struct place_record *r = arg;

	snprintf(r->state, sizeof(r->state), "%s",
		lane_field(reply, "state", NULL));
	r->handler = place_text(reply, "handler");
	r->topic = place_text(reply, "topic");
	r->worker = place_text(reply, "worker");
	r->result = place_text(reply, "result");
	r->error = place_text(reply, "error");
	r->attempts = strtoll(lane_field(reply, "attempts", NULL), NULL, 10);
	r->at_ms = strtoll(lane_field(reply, "at", NULL), NULL, 10);
}

static int place_read_record(struct places *p)
{
	char *key = keys_other(ask_conf(p->ask)->redis_prefix, "task:", p->id);
	const char *argv[2] = { "HGETALL", key };
	int rc =
		ask_command(p->ask, place_on_record, &p->record, 2, argv, NULL);

	free(key);
	return rc;
}

static void place_on_mark(const struct redis_reply *reply, void *arg)
{
	struct places *p = arg;

	p->is_cancelled = redis_int(reply, 0) > p->now_ms;
}

static int place_read_mark(struct places *p)
{
	char *key = keys_other(ask_conf(p->ask)->redis_prefix, "cancels", "");
	const char *argv[3] = { "ZSCORE", key, p->id };
	int rc = ask_command(p->ask, place_on_mark, p, 3, argv, NULL);

	free(key);
	return rc;
}

int places_find(struct ask *a, const char *id, struct places *ret)
{
	struct places p = { .ask = a, .id = id };
	const char *const *topic;
	char *pattern = place_pattern(id);
	int rc;

	rc = lane_now(a, &p.now_ms);
	for (topic = ask_topics(a); rc == EXIT_OK && *topic != NULL; topic++)
		rc = place_scan(&p, *topic, pattern);
	if (rc == EXIT_OK)
		rc = place_read_mark(&p);
	/* Last: an end that came while we looked is seen. */
	if (rc == EXIT_OK)
		rc = place_read_record(&p);
	free(pattern);
	if (rc != EXIT_OK)
		places_done(&p);
	else
		*ret = p;
	return rc;
}

void places_done(struct places *p)
{
	struct place_record *r = &p->record;
	size_t i;

	for (i = 0; i < p->count; i++) {
		/* A letter owns its task. */
		if (p->items[i].letter != NULL)
			letter_free(p->items[i].letter);
		else
			task_free(p->items[i].task);
		free(p->items[i].text);
		free(p->items[i].consumer);
	}
	free(p->items);
	free(r->handler);
	free(r->topic);
	free(r->worker);
	free(r->result);
	free(r->error);
	memset(p, 0, sizeof(*p));
}

const struct place *places_of(const struct places *p, enum place_kind kind)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (p->items[i].kind == kind)
			return &p->items[i];
	return NULL;
}

bool places_is_ended(const struct places *p)
{
	return p->record.state[0] != '\0' &&
	       strcmp(p->record.state, task_state_names[TASK_PENDING]) != 0 &&
	       strcmp(p->record.state, task_state_names[TASK_RUNNING]) != 0;
}
