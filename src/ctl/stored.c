/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/ask.h"
#include "ctl/lane.h"
#include "ctl/stored.h"

#define STORED_PAGE 200

/* One place under way. */
struct stored_walker {
	struct ask *ask;
	const struct stored *s;
	struct stored_place at;
	size_t page; /* members of the page of a sorted set */
};

static void stored_on_entry(
	const char *id, const struct redis_reply *fields, void *arg)
{
	const struct redis_reply *task = redis_field(fields, "task");
	struct stored_walker *w = arg;
	const char *text = NULL;
	size_t len = 0;

	if (task != NULL)
		text = redis_text(task, &len);
	w->at.where = id;
	w->s->envelope(&w->at, text, len, w->s->arg);
}

static void stored_on_delayed(const struct redis_reply *reply, void *arg)
{
	struct stored_walker *w = arg;
	const char *text;
	char where[64];
	size_t i, len;

	w->page = redis_count(reply);
	for (i = 0; i < w->page; i++) {
		text = redis_text(redis_at(reply, i), &len);
		snprintf(where, sizeof(where), "%.*s",
			(int)(len < 60 ? len : 60), text);
		w->at.where = where;
		w->s->envelope(&w->at, text, len, w->s->arg);
	}
}

static void stored_end(struct stored_walker *w)
{
	if (w->s->place_end != NULL)
		w->s->place_end(&w->at, w->s->arg);
}

static int stored_stream(
	struct stored_walker *w, const char *key, const char *place)
{
	char last[LANE_ID_MAX];
	int rc = lane_newest(w->ask, key, last);

	w->at.place = place;
	if (rc == EXIT_OK && last[0] != '\0')
		rc = lane_walk(w->ask, key, "-", last, INT64_MAX,
			stored_on_entry, w, NULL);
	stored_end(w);
	return rc;
}

static int stored_delayed(struct stored_walker *w, const char *key)
{
	char first[24], last[24];
	const char *argv[4] = { "ZRANGE", key, first, last };
	int64_t at = 0;
	int rc;

	w->at.place = "delayed";
	do {
		snprintf(first, sizeof(first), "%" PRId64, at);
		snprintf(last, sizeof(last), "%" PRId64, at + STORED_PAGE - 1);
		w->page = 0;
		rc = ask_command(w->ask, stored_on_delayed, w, 4, argv, NULL);
		at += STORED_PAGE;
	} while (rc == EXIT_OK && w->page == STORED_PAGE);
	stored_end(w);
	return rc;
}

static int stored_topic(struct stored_walker *w, const char *topic)
{
	struct lane lane;
	int rc;

	w->at.topic = topic;
	lane_init(&lane, w->ask, topic);
	rc = stored_stream(w, lane.stream, "in the queue");
	if (rc == EXIT_OK)
		rc = stored_delayed(w, lane.delayed);
	if (rc == EXIT_OK)
		rc = stored_stream(w, lane.dead, "dead");
	lane_done(&lane);
	return rc;
}

int stored_walk(struct ask *ask, const struct stored *s)
{
	struct stored_walker w = { .ask = ask, .s = s };
	const char *const *topic = ask_topics(ask);
	int rc;

	if (ask_conf(ask)->redis_url == NULL || *topic == NULL)
		return EXIT_OK;
	rc = ask_connect(ask);
	for (; rc == EXIT_OK && *topic != NULL; topic++)
		rc = stored_topic(&w, *topic);
	return rc;
}
