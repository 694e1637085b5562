/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/kept.h"
#include "ctl/lane.h"
#include "ctl/letter.h"
#include "ctl/table.h"

/* Letters held at a time. */
#define DEAD_PAGE 100

/* One command on the letters of one topic. */
struct dead {
	struct ctl *ctl;
	struct ask *ask;
	struct lane lane;
	int64_t now_ms;
	struct table *table;
	json_t *list;
	struct letter *page[DEAD_PAGE];
	size_t count; /* in the page */
	int64_t done, failed;
};

/* What is done with one letter. */
typedef int (*dead_fn)(struct dead *d, struct letter *l);

static int dead_open(struct dead *d, struct ctl *c)
{
	const char *topic;
	int rc;

	memset(d, 0, sizeof(*d));
	d->ctl = c;
	rc = ask_open(c, &d->ask);
	if (rc != EXIT_OK)
		return rc;
	topic = ask_topic(d->ask, c->argv[0]);
	rc = topic != NULL ? lane_now(d->ask, &d->now_ms) : EXIT_CONFIG;
	if (rc != EXIT_OK) {
		ask_close(d->ask);
		return rc;
	}
	lane_init(&d->lane, d->ask, topic);
	d->list = json_array();
	return EXIT_OK;
}

int dead_check_words(const struct ctl *c)
{
	if (c->all == (c->argc == 1))
		return EXIT_OK;
	return ctl_fail(
		EXIT_USAGE, "name the dead letters, or all of them by --all");
}

/* The same for the commands that want to be told which. */
static int dead_open_some(struct dead *d, struct ctl *c)
{
	int rc = dead_check_words(c);

	return rc == EXIT_OK ? dead_open(d, c) : rc;
}

static void dead_drop_page(struct dead *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		letter_free(d->page[i]);
	d->count = 0;
}

static void dead_close(struct dead *d)
{
	dead_drop_page(d);
	table_free(d->table);
	json_decref(d->list);
	lane_done(&d->lane);
	ask_close(d->ask);
}

static const struct table_column dead_columns[] = {
	{ "ENTRY", TABLE_LEFT, TABLE_FIXED },
	{ "TASK", TABLE_LEFT, TABLE_FIXED },
	{ "HANDLER", TABLE_LEFT, TABLE_FIXED },
	{ "ATTEMPTS", TABLE_RIGHT, TABLE_FIXED },
	{ "AGE", TABLE_RIGHT, TABLE_FIXED },
	{ "REASON", TABLE_LEFT, TABLE_ELASTIC },
};

struct table *dead_table(void)
{
	return table_new(
		dead_columns, sizeof(dead_columns) / sizeof(*dead_columns));
}

void dead_row(struct table *t, const struct letter *l, int64_t now_ms)
{
	char age[32];

	table_cell(t, SCREEN_PLAIN, "%s", l->entry);
	table_cell(t, SCREEN_PLAIN, "%s", letter_task_id(l));
	table_cell(t, SCREEN_PLAIN, "%s", letter_handler(l));
	table_cell(t, SCREEN_PLAIN, "%" PRId64,
		l->task != NULL ? l->task->attempt : 0);
	table_cell(t, SCREEN_PLAIN, "%s",
		clock_span((now_ms - l->at_ms) * US_PER_MS, age, sizeof(age)));
	table_cell(t, SCREEN_BAD, "%s", l->reason);
}

static void dead_on_listed(
	const char *id, const struct redis_reply *fields, void *arg)
{
	struct letter *l = letter_read(id, fields);
	struct dead *d = arg;

	if (d->ctl->json)
		json_array_append_new(d->list, letter_json(l, d->now_ms));
	else
		dead_row(d->table, l, d->now_ms);
	letter_free(l);
}

void dead_print_table(const struct table *t)
{
	struct buf out = BUF_INIT;
	struct screen screen;

	screen_init(&screen);
	table_print(t, &screen, 0, 0, &out);
	fputs(buf_str(&out), stdout);
	buf_done(&out);
}

static void dead_on_length(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(reply, 0);
}

/* Whoever sees a part has to know that it is one. */
static int dead_tell_rest(struct dead *d, int64_t seen)
{
	const char *argv[2] = { "XLEN", d->lane.dead };
	int64_t length = 0;
	int rc = ask_command(d->ask, dead_on_length, &length, 2, argv, NULL);

	if (rc == EXIT_OK && length > seen)
		fprintf(stderr,
			"reevectl: %" PRId64 " of %" PRId64
			" dead letters are shown, see -n\n",
			seen, length);
	return rc;
}

int dead_list(struct ctl *c)
{
	int64_t seen = 0;
	struct dead d;
	int rc = dead_open(&d, c);

	if (rc != EXIT_OK)
		return rc;
	d.table = dead_table();
	rc = lane_walk(d.ask, d.lane.dead, "-", "+", c->lines, dead_on_listed,
		&d, &seen);
	if (rc == EXIT_OK && c->json)
		lane_print(json_incref(d.list));
	else if (rc == EXIT_OK)
		dead_print_table(d.table);
	if (rc == EXIT_OK)
		rc = dead_tell_rest(&d, seen);
	dead_close(&d);
	return rc;
}

static void dead_on_paged(
	const char *id, const struct redis_reply *fields, void *arg)
{
	struct dead *d = arg;

	if (d->count < DEAD_PAGE)
		d->page[d->count++] = letter_read(id, fields);
}

/* All there are now, and none that come meanwhile. */
static int dead_each_of_all(struct dead *d, dead_fn fn)
{
	char next[LANE_ID_MAX + 1] = "-", last[LANE_ID_MAX] = "";
	int64_t seen = DEAD_PAGE;
	size_t i;
	int rc = lane_newest(d->ask, d->lane.dead, last);

	while (rc == EXIT_OK && last[0] != '\0' && seen == DEAD_PAGE) {
		rc = lane_walk(d->ask, d->lane.dead, next, last, DEAD_PAGE,
			dead_on_paged, d, &seen);
		if (d->count > 0)
			lane_after(d->page[d->count - 1]->entry, next);
		for (i = 0; rc == EXIT_OK && i < d->count; i++)
			rc = fn(d, d->page[i]);
		dead_drop_page(d);
	}
	return rc;
}

struct dead_search {
	struct dead *dead;
	const char *id;
};

static void dead_on_searched(
	const char *id, const struct redis_reply *fields, void *arg)
{
	struct letter *l = letter_read(id, fields);
	struct dead_search *s = arg;

	if (strcmp(letter_task_id(l), s->id) == 0 && s->dead->count < DEAD_PAGE)
		s->dead->page[s->dead->count++] = l;
	else
		letter_free(l);
}

/* `id` is that of the entry, or else of the task. */
static int dead_each_of_one(struct dead *d, const char *id, dead_fn fn)
{
	struct dead_search s = { d, id };
	int rc = EXIT_OK;
	size_t i;

	if (lane_is_entry(id))
		rc = lane_entry(d->ask, d->lane.dead, id, dead_on_paged, d);
	if (rc == EXIT_OK && d->count == 0)
		rc = lane_walk(d->ask, d->lane.dead, "-", "+", INT64_MAX,
			dead_on_searched, &s, NULL);
	if (rc == EXIT_OK && d->count == 0) {
		d->failed++;
		(void)ctl_fail(EXIT_CONFIG,
			"%s: no such dead letter of the topic %s", id,
			d->lane.topic);
	}
	for (i = 0; rc == EXIT_OK && i < d->count; i++)
		rc = fn(d, d->page[i]);
	dead_drop_page(d);
	return rc;
}

static int dead_each(struct dead *d, dead_fn fn)
{
	struct ctl *c = d->ctl;
	int i, rc = EXIT_OK;

	if (c->all)
		return dead_each_of_all(d, fn);
	for (i = 1; rc == EXIT_OK && i < c->argc; i++)
		rc = dead_each_of_one(d, c->argv[i], fn);
	return rc;
}

/* The count of what was done, once all of it was tried. */
static int dead_finish(struct dead *d, int rc, const char *done)
{
	if (rc == EXIT_OK && d->ctl->json)
		lane_print(json_pack("{s:b, s:s, s:I, s:I, s:O}", "ok",
			d->failed == 0, "topic", d->lane.topic, done,
			(json_int_t)d->done, "failed", (json_int_t)d->failed,
			"letters", d->list));
	else if (rc == EXIT_OK)
		printf("%" PRId64 " %s\n", d->done, done);
	if (rc == EXIT_OK && d->failed > 0)
		rc = EXIT_CONFIG;
	dead_close(d);
	return rc;
}

static void dead_show_line(const char *label, const char *text)
{
	char *clean = lane_clean(text);

	printf("%-12s%s\n", label, clean);
	free(clean);
}

static void dead_show_time(const char *label, int64_t at_ms, int64_t now_ms)
{
	char iso[CLOCK_ISO_MAX], span[32];

	printf("%-12s%s (%s ago)\n", label, clock_iso(at_ms * US_PER_MS, iso),
		clock_span((now_ms - at_ms) * US_PER_MS, span, sizeof(span)));
}

static void dead_show_task(const struct task *t)
{
	char iso[CLOCK_ISO_MAX];
	size_t i;

	printf("%-12s%" PRId64 "\n", "attempts", t->attempt);
	if (t->crashes > 0)
		printf("%-12s%" PRId64 "\n", "crashes", t->crashes);
	if (t->unique != NULL)
		dead_show_line("unique", t->unique);
	if (t->created_ms > 0)
		dead_show_line(
			"created", clock_iso(t->created_ms * US_PER_MS, iso));
	for (i = 0; i < t->error_count; i++) {
		char *clean = lane_clean(t->errors[i].text);

		printf("%-12s%s %s\n", i == 0 ? "errors" : "",
			clock_iso(t->errors[i].at_ms * US_PER_MS, iso), clean);
		free(clean);
	}
	dead_show_line("params", t->params);
}

void dead_show_letter(const struct letter *l, int64_t now_ms)
{
	dead_show_line("entry", l->entry);
	dead_show_line("task", letter_task_id(l));
	dead_show_line("handler", letter_handler(l));
	dead_show_line("reason", l->reason);
	dead_show_time("died", l->at_ms, now_ms);
	dead_show_line("worker", l->worker);
	printf("%-12s%" PRId64 "\n", "deliveries", l->deliveries);
	if (l->task != NULL)
		dead_show_task(l->task);
	else
		dead_show_line("envelope", l->text);
}

static int dead_show_one(struct dead *d, struct letter *l)
{
	if (d->ctl->json) {
		json_array_append_new(d->list, letter_json(l, d->now_ms));
		return EXIT_OK;
	}
	if (d->done++ > 0)
		putchar('\n');
	dead_show_letter(l, d->now_ms);
	return EXIT_OK;
}

int dead_show(struct ctl *c)
{
	struct dead d;
	int rc = dead_open_some(&d, c);

	if (rc != EXIT_OK)
		return rc;
	rc = dead_each(&d, dead_show_one);
	if (rc == EXIT_OK && c->json)
		lane_print(json_incref(d.list));
	if (rc == EXIT_OK && d.failed > 0)
		rc = EXIT_CONFIG;
	dead_close(&d);
	return rc;
}

/* One that PostgreSQL keeps goes the way of all that is born there. */
static int dead_revive_kept(struct dead *d, struct letter *l, struct kept *kept,
	char ret_entry[LANE_ID_MAX], struct err *err)
{
	const char *was;
	int rc = letter_unmark(d->ask, l->task->id);

	if (rc == EXIT_OK)
		rc = kept_retry(kept, &was);
	if (rc == EXIT_OK)
		rc = letter_drop(&d->lane, l);
	if (rc != EXIT_OK)
		(void)err_set(err, 0, "PostgreSQL did not carry it out");
	snprintf(ret_entry, LANE_ID_MAX, "outbox");
	return rc;
}

static int dead_revive(struct dead *d, struct letter *l,
	char ret_entry[LANE_ID_MAX], struct err *err)
{
	struct kept *kept = NULL;
	int rc = EXIT_OK;

	if (l->task != NULL && l->task->tracked)
		rc = kept_find(d->ctl, ask_conf(d->ask), l->task->id, &kept);
	if (rc != EXIT_OK)
		(void)err_set(err, 0, "PostgreSQL does not answer");
	else if (kept != NULL && kept_is_over(kept))
		rc = dead_revive_kept(d, l, kept, ret_entry, err);
	else
		rc = letter_revive(&d->lane, l, ret_entry, err);
	kept_free(kept);
	return rc;
}

static int dead_retry_one(struct dead *d, struct letter *l)
{
	char entry[LANE_ID_MAX] = "";
	struct err err;
	int rc = dead_revive(d, l, entry, &err);

	if (rc == EXIT_OK) {
		d->done++;
		json_array_append_new(d->list,
			json_pack("{s:s, s:s, s:s}", "entry", l->entry, "id",
				letter_task_id(l), "enqueued", entry));
		return EXIT_OK;
	}
	d->failed++;
	json_array_append_new(
		d->list, json_pack("{s:s, s:s, s:s}", "entry", l->entry, "id",
				 letter_task_id(l), "error", err.text));
	(void)ctl_fail(rc, "%s (task %s) stays dead: %s", l->entry,
		letter_task_id(l), err.text);
	/* The next one may be well; a Redis that is gone is not. */
	return rc == EXIT_SYSTEM ? rc : EXIT_OK;
}

int dead_retry(struct ctl *c)
{
	struct dead d;
	int rc = dead_open_some(&d, c);

	if (rc != EXIT_OK)
		return rc;
	rc = dead_each(&d, dead_retry_one);
	return dead_finish(&d, rc, "enqueued");
}

static int dead_purge_one(struct dead *d, struct letter *l)
{
	const char *argv[3] = { "XDEL", d->lane.dead, l->entry };
	int64_t gone = 0;
	int rc = ask_command(d->ask, dead_on_length, &gone, 3, argv, NULL);

	d->done += gone;
	if (rc == EXIT_OK)
		json_array_append_new(
			d->list, json_pack("{s:s, s:s}", "entry", l->entry,
					 "id", letter_task_id(l)));
	return rc;
}

int dead_purge(struct ctl *c)
{
	struct dead d;
	int rc = dead_open_some(&d, c);

	if (rc != EXIT_OK)
		return rc;
	rc = dead_each(&d, dead_purge_one);
	return dead_finish(&d, rc, "deleted");
}
