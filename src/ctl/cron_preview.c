/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/cron_preview.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/table.h"
#include "when/rule.h"

/* Fires at most; what comes later is left out, and that is told. */
#define CRON_PREVIEW_MAX 1000000
#define CRON_MINUTE_US   (60 * (int64_t)US_PER_S)

struct cron_previewed {
	char *name;
	struct rule *rule;
	int64_t next_us;
	long count; /* in the minute under way */
};

struct cron_preview {
	struct cron_previewed *items;
	struct cron_previewed **heap; /* the first fires next */
	size_t item_count, count;     /* of the heap */
	struct cron_previewed **hit;  /* those of the minute, in order */
	size_t hit_count;
	int64_t from_us, until_us, minute_us;
	long load; /* of the minute */
	long total, peak;
	int64_t peak_us;
	json_t *minutes;
};

static bool cron_preview_is_before(
	const struct cron_previewed *a, const struct cron_previewed *b)
{
	if (a->next_us != b->next_us)
		return a->next_us < b->next_us;
	return strcmp(a->name, b->name) < 0;
}

/* The one at `at` may be later than those below it. */
static void cron_preview_sink(struct cron_preview *p, size_t at)
{
	for (;;) {
		size_t least = at, child = 2 * at + 1, end = child + 2;
		struct cron_previewed *swap = p->heap[at];

		for (; child < end && child < p->count; child++)
			if (cron_preview_is_before(
				    p->heap[child], p->heap[least]))
				least = child;
		if (least == at)
			return;
		p->heap[at] = p->heap[least];
		p->heap[least] = swap;
		at = least;
	}
}

/* The minute is over: it becomes a line. */
static void cron_preview_close(struct cron_preview *p)
{
	json_t *names = json_array();
	char text[CLOCK_ISO_MAX];
	size_t i;

	if (p->load > p->peak) {
		p->peak = p->load;
		p->peak_us = p->minute_us;
	}
	for (i = 0; i < p->hit_count; i++) {
		json_array_append_new(
			names, json_pack("{s:s, s:I}", "name", p->hit[i]->name,
				       "count", (json_int_t)p->hit[i]->count));
		p->hit[i]->count = 0;
	}
	if (p->load > 0)
		json_array_append_new(p->minutes,
			json_pack("{s:s, s:I, s:O}", "minute",
				definition_iso(p->minute_us, text), "load",
				(json_int_t)p->load, "definitions", names));
	json_decref(names);
	p->hit_count = 0;
	p->load = 0;
}

static void cron_preview_fire(struct cron_preview *p, struct cron_previewed *d)
{
	int64_t minute_us = d->next_us - d->next_us % CRON_MINUTE_US;

	if (minute_us != p->minute_us) {
		cron_preview_close(p);
		p->minute_us = minute_us;
	}
	if (d->count++ == 0)
		p->hit[p->hit_count++] = d;
	p->load++;
	p->total++;
}

/* In the order of time; a fixed delay as if its runs took no time. */
static void cron_preview_walk(struct cron_preview *p)
{
	while (p->count > 0 && p->total < CRON_PREVIEW_MAX) {
		struct cron_previewed *d = p->heap[0];

		if (d->next_us > p->until_us)
			break;
		cron_preview_fire(p, d);
		d->next_us = rule_next(d->rule, d->next_us, d->next_us);
		if (d->next_us == RULE_NEVER)
			p->heap[0] = p->heap[--p->count];
		if (p->count > 0)
			cron_preview_sink(p, 0);
	}
	cron_preview_close(p);
}

static int cron_preview_take(
	struct cron_preview *p, const struct db_rows *r, int row)
{
	struct cron_previewed *d = &p->items[p->item_count++];
	const char *text = db_text(r, row, 1);
	struct err err;

	d->name = xstrdup(db_text(r, row, 0));
	d->next_us = db_int(r, row, 2);
	d->rule = rule_parse(text, strlen(text), &err);
	if (d->rule == NULL)
		return ctl_fail(EXIT_CONFIG,
			"the rule of \"%s\" cannot be read: %s", d->name,
			err.text);
	/* What is overdue fires now. */
	if (d->next_us < p->from_us)
		d->next_us = p->from_us;
	p->heap[p->count++] = d;
	return EXIT_OK;
}

static int cron_preview_read(
	const struct ctl *c, struct db *db, struct cron_preview *p)
{
	const char *values[] = { definition_tenant(c),
		c->argc > 0 ? c->argv[0] : NULL };
	struct db_rows *r;
	size_t count;
	int i, rc = db_query(db, &r,
		       "SELECT task_name, rule, (extract(epoch FROM next_fire) * "
		       "1000000)::bigint FROM reeve.task_definitions "
		       "WHERE tenant_id = $1 AND ($2::text IS NULL OR task_name = $2 "
		       "OR id::text = lower($2)) "
		       "AND status = 'ENABLED' AND next_fire IS NOT NULL",
		       2, values);

	if (rc != EXIT_OK)
		return rc;
	count = (size_t)db_count(r);
	p->items = xcalloc(count + 1, sizeof(*p->items));
	p->heap = xcalloc(count + 1, sizeof(struct cron_previewed *));
	p->hit = xcalloc(count + 1, sizeof(struct cron_previewed *));
	for (i = 0; rc == EXIT_OK && i < (int)count; i++)
		rc = cron_preview_take(p, r, i);
	for (count = p->count; count-- > 0;)
		cron_preview_sink(p, count);
	db_free(r);
	return rc;
}

static void cron_preview_names(const json_t *list, struct buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_int_t n =
			json_integer_value(json_object_get(one, "count"));

		buf_printf(out, "%s%s", i > 0 ? ", " : "",
			json_string_value(json_object_get(one, "name")));
		if (n > 1)
			buf_printf(out, " x%" JSON_INTEGER_FORMAT, n);
	}
}

static const struct table_column cron_preview_columns[] = {
	{ "MINUTE", TABLE_LEFT, TABLE_FIXED },
	{ "FIRES", TABLE_RIGHT, TABLE_FIXED },
	{ "DEFINITIONS", TABLE_LEFT, TABLE_ELASTIC },
};

static void cron_preview_print(const struct cron_preview *p, bool is_cut)
{
	struct table *t = table_new(cron_preview_columns, 3);
	struct buf out = BUF_INIT, names = BUF_INIT;
	const json_t *minute;
	char text[CLOCK_ISO_MAX];
	struct screen s;
	size_t i;

	json_array_foreach(p->minutes, i, minute)
	{
		buf_reset(&names);
		cron_preview_names(
			json_object_get(minute, "definitions"), &names);
		table_cell(t, SCREEN_PLAIN, "%s",
			json_string_value(json_object_get(minute, "minute")));
		table_cell(t, SCREEN_PLAIN, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(minute, "load")));
		table_cell(t, SCREEN_PLAIN, "%s", buf_str(&names));
	}
	screen_init(&s);
	if (table_rows(t) > 0)
		table_print(t, &s, 0, 0, &out);
	buf_printf(&out, "%ld fires until %s%s", p->total,
		definition_iso(p->until_us, text),
		is_cut ? ", more are left out" : "");
	if (p->peak > 0)
		buf_printf(&out, "; at most %ld in a minute, at %s", p->peak,
			definition_iso(p->peak_us, text));
	buf_putc(&out, '\n');
	fputs(buf_str(&out), stdout);
	buf_done(&names);
	buf_done(&out);
	table_free(t);
}

static void cron_preview_print_json(const struct cron_preview *p, bool is_cut)
{
	char from[CLOCK_ISO_MAX], until[CLOCK_ISO_MAX], peak[CLOCK_ISO_MAX];

	lane_print(json_pack("{s:s, s:s, s:I, s:b, s:{s:o, s:I}, s:O}", "from",
		definition_iso(p->from_us, from), "until",
		definition_iso(p->until_us, until), "fires",
		(json_int_t)p->total, "is_cut", is_cut, "peak", "minute",
		p->peak > 0 ? json_string(definition_iso(p->peak_us, peak))
			    : json_null(),
		"load", (json_int_t)p->peak, "minutes", p->minutes));
}

static void cron_preview_done(struct cron_preview *p)
{
	size_t i;

	for (i = 0; i < p->item_count; i++) {
		free(p->items[i].name);
		rule_free(p->items[i].rule);
	}
	free(p->items);
	free(p->heap);
	free(p->hit);
	json_decref(p->minutes);
}

int cron_preview_command(struct ctl *c)
{
	struct cron_preview p = { .minutes = json_array() };
	struct definition d = { .rule = NULL };
	struct db *db = NULL;
	int rc = db_open(c, &db);

	if (rc == EXIT_OK && c->argc > 0)
		rc = definition_find(c, db, c->argv[0], &d);
	if (rc == EXIT_OK)
		rc = definition_now(db, &p.from_us);
	p.until_us = p.from_us + c->cron.hours * 60 * CRON_MINUTE_US;
	if (rc == EXIT_OK)
		rc = cron_preview_read(c, db, &p);
	if (rc == EXIT_OK) {
		bool is_cut;

		cron_preview_walk(&p);
		is_cut = p.total == CRON_PREVIEW_MAX;
		if (c->json)
			cron_preview_print_json(&p, is_cut);
		else
			cron_preview_print(&p, is_cut);
	}
	definition_done(&d);
	db_close(db);
	cron_preview_done(&p);
	return rc;
}
