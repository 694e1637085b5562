/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/lane.h"
#include "task/keys.h"

/* Entries of one reading: a large envelope has a megabyte. */
#define LANE_PAGE 200

void lane_init(struct lane *l, struct ask *a, const char *topic)
{
	const char *prefix = ask_conf(a)->redis_prefix;

	l->ask = a;
	l->topic = topic;
	l->stream = keys_topic(prefix, topic, "");
	l->delayed = keys_topic(prefix, topic, ":delayed");
	l->dead = keys_topic(prefix, topic, ":dead");
	l->stats = keys_topic(prefix, topic, ":stats");
	l->paused = keys_topic(prefix, topic, ":paused");
}

void lane_done(struct lane *l)
{
	free(l->stream);
	free(l->delayed);
	free(l->dead);
	free(l->stats);
	free(l->paused);
	memset(l, 0, sizeof(*l));
}

/* What a page said. */
struct lane_page {
	lane_entry_fn fn;
	void *arg;
	size_t count;
	char last[LANE_ID_MAX]; /* the id of its last entry */
};

static void lane_on_page(const struct redis_reply *reply, void *arg)
{
	struct lane_page *p = arg;
	size_t i;

	p->count = redis_count(reply);
	for (i = 0; i < p->count; i++) {
		const struct redis_reply *e = redis_at(reply, i);
		const char *id = redis_text(redis_at(e, 0), NULL);

		snprintf(p->last, sizeof(p->last), "%s", id);
		if (p->fn != NULL)
			p->fn(id, redis_at(e, 1), p->arg);
	}
}

void lane_after(const char *id, char ret_id[LANE_ID_MAX + 1])
{
	snprintf(ret_id, LANE_ID_MAX + 1, "(%s", id);
}

int lane_walk(struct ask *a, const char *key, const char *first,
	const char *last, int64_t most, lane_entry_fn fn, void *arg,
	int64_t *ret_seen)
{
	char start[LANE_ID_MAX + 1], count[24];
	struct lane_page p = { .fn = fn, .arg = arg };
	const char *argv[6] = { "XRANGE", key, start, last, "COUNT", count };
	int64_t seen = 0, want;
	int rc = EXIT_OK;

	snprintf(start, sizeof(start), "%s", first);
	while (rc == EXIT_OK && seen < most) {
		want = most - seen < LANE_PAGE ? most - seen : LANE_PAGE;
		snprintf(count, sizeof(count), "%" PRId64, want);
		p.count = 0;
		rc = ask_command(a, lane_on_page, &p, 6, argv, NULL);
		seen += (int64_t)p.count;
		if ((int64_t)p.count < want)
			break;
		lane_after(p.last, start);
	}
	if (ret_seen != NULL)
		*ret_seen = seen;
	return rc;
}

int lane_newest(struct ask *a, const char *key, char ret_id[LANE_ID_MAX])
{
	const char *argv[6] = { "XREVRANGE", key, "+", "-", "COUNT", "1" };
	struct lane_page p = { .last = "" };
	int rc = ask_command(a, lane_on_page, &p, 6, argv, NULL);

	memcpy(ret_id, p.last, LANE_ID_MAX);
	return rc;
}

int lane_entry(struct ask *a, const char *key, const char *id, lane_entry_fn fn,
	void *arg)
{
	const char *argv[4] = { "XRANGE", key, id, id };
	struct lane_page p = { .fn = fn, .arg = arg };

	return ask_command(a, lane_on_page, &p, 4, argv, NULL);
}

bool lane_is_entry(const char *text)
{
	size_t first = strspn(text, "0123456789"), second;

	if (first == 0 || first > 20 || text[first] != '-')
		return false;
	second = strspn(text + first + 1, "0123456789");
	return second > 0 && second <= 20 && text[first + 1 + second] == '\0';
}

int64_t lane_entry_ms(const char *id)
{
	return strtoll(id, NULL, 10);
}

static void lane_on_time(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(redis_at(reply, 0), 0) * 1000 +
			  redis_int(redis_at(reply, 1), 0) / US_PER_MS;
}

int lane_now(struct ask *a, int64_t *ret_ms)
{
	const char *argv[1] = { "TIME" };

	return ask_command(a, lane_on_time, ret_ms, 1, argv, NULL);
}

char *lane_clean(const char *text)
{
	char *clean = xstrdup(text), *c;
	size_t at = 0, len = strlen(clean);

	for (c = clean; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	while ((at += utf8_valid(clean + at, len - at)) < len)
		clean[at++] = '?';
	return clean;
}

const char *lane_field(
	const struct redis_reply *fields, const char *name, size_t *ret_len)
{
	const struct redis_reply *f = redis_field(fields, name);

	if (ret_len != NULL)
		*ret_len = 0;
	return f != NULL ? redis_text(f, ret_len) : "";
}

json_t *lane_json(const char *text, size_t len)
{
	char *clean = xstrndup(text, len);
	json_t *j;
	size_t at = 0;

	/* xstrndup ends at a NUL, which is no text either. */
	len = strlen(clean);
	while ((at += utf8_valid(clean + at, len - at)) < len)
		clean[at++] = '?';
	j = json_stringn(clean, len);
	free(clean);
	return j;
}

json_t *lane_envelope(const char *text, size_t len)
{
	json_t *j = json_loadb(text, len, 0, NULL);

	return j != NULL ? j : lane_json(text, len);
}

void lane_print(json_t *doc)
{
	json_dumpf(doc, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(doc);
}
