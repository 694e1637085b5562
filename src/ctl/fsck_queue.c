/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/fsck_queue.h"
#include "ctl/lane.h"
#include "task/keys.h"
#include "task/task.h"

/* Rows of one INSERT. */
#define FSCK_QUEUE_ROWS 2000
/* Entries of one reading. */
#define FSCK_QUEUE_PAGE     200
#define FSCK_QUEUE_PAGE_TXT "200"

/* A topic under way. */
struct fsck_queue {
	struct db *db;
	struct lane lane;
	const char *place;       /* "stream" or "delayed" */
	struct buf ids, entries; /* lists of an array each */
	struct buf tracked, stored;
	size_t count;
	int rc;                     /* of the database */
	char cursor[32];            /* of a sorted set */
	char last[LANE_ID_MAX];     /* of what is pending */
	const struct db_rows *gone; /* fsck_queue_remove; else NULL */
	int64_t removed;
	struct buf members; /* to be removed, a NUL after each */
};

/* A group or a stream that is not there has nothing pending. */
static struct redis_script fsck_queue_pending = {
	.name = "fsck_pending",
	.text = "local p = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2],"
		" '+', ARGV[3])\n"
		"if p.err then\n"
		"  if string.find(p.err, 'NOGROUP') then return {} end\n"
		"  return p\n"
		"end\n"
		"for i = 1, #p do p[i] = p[i][1] end\n"
		"return p\n",
};

static struct redis_script fsck_queue_drop = {
	.name = "fsck_drop",
	.text = "redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[2])\n"
		"return redis.call('XDEL', KEYS[1], ARGV[2])\n",
};

static void fsck_queue_item(struct buf *list, const char *text)
{
	buf_puts(list, list->len == 0 ? "{" : ",");
	buf_puts(list, text);
}

static void fsck_queue_flush(struct fsck_queue *q)
{
	struct buf *lists[4] = { &q->ids, &q->entries, &q->tracked,
		&q->stored };
	const char *values[6] = { q->lane.topic, q->place };
	size_t i;

	if (q->count > 0 && q->rc == EXIT_OK) {
		for (i = 0; i < 4; i++) {
			buf_putc(lists[i], '}');
			values[2 + i] = buf_str(lists[i]);
		}
		q->rc = db_query(q->db, NULL,
			"INSERT INTO pg_temp.fsck_queue (topic, place, id,"
			" entry, is_tracked, is_stored) "
			"SELECT $1, $2, u.* FROM unnest($3::uuid[], $4::text[],"
			" $5::boolean[], $6::boolean[]) u",
			6, values);
	}
	for (i = 0; i < 4; i++)
		buf_reset(lists[i]);
	q->count = 0;
}

/* What its producer did not name is called as its worker does. */
static bool fsck_queue_name(
	const struct fsck_queue *q, struct task *t, const char *entry)
{
	char *name;

	if (!t->is_named && entry != NULL) {
		name = xasprintf("%s/%s", q->lane.stream, entry);
		uuid_derive(lane_entry_ms(entry), name, strlen(name), t->id);
		free(name);
	}
	return uuid_is_v7(t->id);
}

/* entry: NULL for one that is delayed. */
static void fsck_queue_add(
	struct fsck_queue *q, const char *entry, const char *text, size_t len)
{
	struct task *t = task_parse(text, len, NULL);

	if (t == NULL)
		return;
	if (fsck_queue_name(q, t, entry)) {
		fsck_queue_item(&q->ids, t->id);
		fsck_queue_item(&q->entries, entry != NULL ? entry : t->id);
		fsck_queue_item(
			&q->tracked, t->tracked || t->stored ? "t" : "f");
		fsck_queue_item(&q->stored, t->stored ? "t" : "f");
		if (++q->count == FSCK_QUEUE_ROWS)
			fsck_queue_flush(q);
	}
	task_free(t);
}

static void fsck_queue_on_entry(
	const char *id, const struct redis_reply *fields, void *arg)
{
	size_t len;
	const char *text = lane_field(fields, "task", &len);

	fsck_queue_add(arg, id, text, len);
}

static int fsck_queue_stream(struct fsck_queue *q)
{
	char last[LANE_ID_MAX];
	int rc = lane_newest(q->lane.ask, q->lane.stream, last);

	q->place = "stream";
	if (rc == EXIT_OK && last[0] != '\0')
		rc = lane_walk(q->lane.ask, q->lane.stream, "-", last,
			INT64_MAX, fsck_queue_on_entry, q, NULL);
	fsck_queue_flush(q);
	return rc != EXIT_OK ? rc : q->rc;
}

static void fsck_queue_on_delayed(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *page = redis_at(reply, 1);
	struct fsck_queue *q = arg;
	const char *text;
	size_t i, len;

	snprintf(q->cursor, sizeof(q->cursor), "%s",
		redis_text(redis_at(reply, 0), NULL));
	for (i = 0; i + 1 < redis_count(page); i += 2) {
		text = redis_text(redis_at(page, i), &len);
		fsck_queue_add(q, NULL, text, len);
	}
}

/* With a cursor: places in the set move while it is read. */
static int fsck_queue_scan(struct fsck_queue *q, redis_reply_fn fn)
{
	const char *argv[5] = { "ZSCAN", q->lane.delayed, q->cursor, "COUNT",
		FSCK_QUEUE_PAGE_TXT };
	int rc;

	strcpy(q->cursor, "0");
	q->place = "delayed";
	do {
		rc = ask_command(q->lane.ask, fn, q, 5, argv, NULL);
	} while (rc == EXIT_OK && strcmp(q->cursor, "0") != 0);
	fsck_queue_flush(q);
	return rc != EXIT_OK ? rc : q->rc;
}

static void fsck_queue_on_pending(const struct redis_reply *reply, void *arg)
{
	struct fsck_queue *q = arg;
	const char *id;
	size_t i;

	q->count = redis_count(reply);
	for (i = 0; i < q->count; i++) {
		id = redis_text(redis_at(reply, i), NULL);
		fsck_queue_item(&q->entries, id);
		snprintf(q->last, sizeof(q->last), "%s", id);
	}
}

static void fsck_queue_hold(struct fsck_queue *q)
{
	const char *values[2] = { q->lane.topic, NULL };

	if (q->count == 0)
		return;
	buf_putc(&q->entries, '}');
	values[1] = buf_str(&q->entries);
	q->rc = db_query(q->db, NULL,
		"UPDATE pg_temp.fsck_queue SET is_held = true "
		"WHERE topic = $1 AND place = 'stream'"
		" AND entry = ANY ($2::text[])",
		2, values);
	buf_reset(&q->entries);
}

static int fsck_queue_held(struct fsck_queue *q)
{
	char start[LANE_ID_MAX + 1] = "-";
	const char *argv[4] = { q->lane.stream, KEYS_GROUP, start,
		FSCK_QUEUE_PAGE_TXT };
	size_t page;
	int rc;

	do {
		rc = ask_script(q->lane.ask, fsck_queue_on_pending, q,
			&fsck_queue_pending, 1, 4, argv);
		page = q->count;
		if (rc == EXIT_OK)
			fsck_queue_hold(q);
		q->count = 0;
		lane_after(q->last, start);
	} while (rc == EXIT_OK && q->rc == EXIT_OK && page == FSCK_QUEUE_PAGE);
	return rc != EXIT_OK ? rc : q->rc;
}

static void fsck_queue_done(struct fsck_queue *q)
{
	buf_done(&q->ids);
	buf_done(&q->entries);
	buf_done(&q->tracked);
	buf_done(&q->stored);
	buf_done(&q->members);
	lane_done(&q->lane);
}

/* What becomes due while the stream is read is in one of both, and what is put
 * off meanwhile in the second reading. */
static int fsck_queue_topic(struct ask *a, struct db *db, const char *topic)
{
	struct fsck_queue q = { .db = db };
	int rc;

	lane_init(&q.lane, a, topic);
	rc = fsck_queue_scan(&q, fsck_queue_on_delayed);
	if (rc == EXIT_OK)
		rc = fsck_queue_stream(&q);
	if (rc == EXIT_OK)
		rc = fsck_queue_scan(&q, fsck_queue_on_delayed);
	if (rc == EXIT_OK)
		rc = fsck_queue_held(&q);
	fsck_queue_done(&q);
	return rc;
}

static int fsck_queue_topics(
	struct ask *a, struct db *db, struct db_rows **ret_topics)
{
	const char *const *topic = ask_topics(a);
	struct buf list = BUF_INIT;
	const char *value;
	int rc;

	for (; *topic != NULL; topic++)
		fsck_queue_item(&list, *topic);
	buf_puts(&list, list.len == 0 ? "{}" : "}");
	value = buf_str(&list);
	rc = db_query(db, ret_topics,
		"SELECT unnest($1::text[]) UNION "
		"SELECT topic FROM reeve.task_definitions UNION "
		"SELECT topic FROM reeve.task_instances"
		" WHERE status IN ('PENDING', 'RUNNING')",
		1, &value);
	buf_done(&list);
	return rc;
}

int fsck_queue_read(struct ask *a, struct db *db)
{
	struct db_rows *topics;
	int i, rc;

	rc = db_run(db, "DROP TABLE IF EXISTS pg_temp.fsck_queue; "
			"CREATE TEMP TABLE fsck_queue (topic text, place text,"
			" id uuid, entry text, is_tracked boolean,"
			" is_stored boolean, is_held boolean DEFAULT false)");
	if (rc == EXIT_OK)
		rc = fsck_queue_topics(a, db, &topics);
	if (rc != EXIT_OK)
		return rc;
	for (i = 0; rc == EXIT_OK && i < db_count(topics); i++)
		rc = fsck_queue_topic(a, db, db_text(topics, i, 0));
	db_free(topics);
	if (rc == EXIT_OK)
		rc = db_run(db, "CREATE INDEX ON pg_temp.fsck_queue (id); "
				"ANALYZE pg_temp.fsck_queue");
	return rc;
}

static void fsck_queue_on_removed(const struct redis_reply *reply, void *arg)
{
	struct fsck_queue *q = arg;

	q->removed += redis_int(reply, 0);
}

static int fsck_queue_drop_entry(struct fsck_queue *q, const char *entry)
{
	const char *argv[3] = { q->lane.stream, KEYS_GROUP, entry };

	return ask_script(q->lane.ask, fsck_queue_on_removed, q,
		&fsck_queue_drop, 1, 3, argv);
}

/* Members of the sorted set whose id is to go: kept for the next step. */
static void fsck_queue_on_gone(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *page = redis_at(reply, 1);
	struct fsck_queue *q = arg;
	const char *text;
	struct task *t;
	size_t i, len;
	int row;

	snprintf(q->cursor, sizeof(q->cursor), "%s",
		redis_text(redis_at(reply, 0), NULL));
	for (i = 0; i + 1 < redis_count(page); i += 2) {
		text = redis_text(redis_at(page, i), &len);
		t = task_parse(text, len, NULL);
		for (row = 0; t != NULL && row < db_count(q->gone); row++) {
			if (strcmp(db_text(q->gone, row, 0), t->id) == 0) {
				/* No member has a NUL: it is JSON. */
				buf_add(&q->members, text, len);
				buf_putc(&q->members, '\0');
				break;
			}
		}
		task_free(t);
	}
}

static int fsck_queue_drop_delayed(struct fsck_queue *q)
{
	const char *argv[3] = { "ZREM", q->lane.delayed };
	const char *at, *end;
	int rc;

	rc = fsck_queue_scan(q, fsck_queue_on_gone);
	at = buf_str(&q->members);
	end = at + q->members.len;
	for (; rc == EXIT_OK && at < end; at += strlen(at) + 1) {
		argv[2] = at;
		rc = ask_command(
			q->lane.ask, fsck_queue_on_removed, q, 3, argv, NULL);
	}
	return rc;
}

static int fsck_queue_remove_topic(struct fsck_queue *q, const char *topic)
{
	const char *values[2] = { topic, "stream" };
	struct db_rows *r;
	int i, rc;

	rc = db_query(q->db, &r,
		"SELECT q.entry FROM pg_temp.fsck_queue q "
		"JOIN pg_temp.fsck_found f ON f.name = 'stale'"
		" AND f.key = q.topic || ' ' || q.entry "
		"WHERE q.topic = $1 AND q.place = $2",
		2, values);
	for (i = 0; rc == EXIT_OK && i < db_count(r); i++)
		rc = fsck_queue_drop_entry(q, db_text(r, i, 0));
	if (rc != EXIT_OK)
		return rc;
	db_free(r);
	values[1] = "delayed";
	rc = db_query(q->db, &r,
		"SELECT DISTINCT q.entry FROM pg_temp.fsck_queue q "
		"JOIN pg_temp.fsck_found f ON f.name = 'stale'"
		" AND f.key = q.topic || ' ' || q.entry "
		"WHERE q.topic = $1 AND q.place = $2",
		2, values);
	if (rc != EXIT_OK)
		return rc;
	q->gone = r;
	if (db_count(r) > 0)
		rc = fsck_queue_drop_delayed(q);
	db_free(r);
	return rc;
}

int fsck_queue_remove(struct ask *a, struct db *db, int64_t *ret_count)
{
	struct db_rows *topics;
	int i, rc;

	*ret_count = 0;
	rc = db_query(db, &topics,
		"SELECT DISTINCT split_part(key, ' ', 1)"
		" FROM pg_temp.fsck_found WHERE name = 'stale'",
		0, NULL);
	if (rc != EXIT_OK)
		return rc;
	for (i = 0; rc == EXIT_OK && i < db_count(topics); i++) {
		struct fsck_queue q = { .db = db };

		lane_init(&q.lane, a, db_text(topics, i, 0));
		rc = fsck_queue_remove_topic(&q, q.lane.topic);
		*ret_count += q.removed;
		fsck_queue_done(&q);
	}
	db_free(topics);
	return rc;
}
