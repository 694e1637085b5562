/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "when/civil.h"
#include "when/cron.h"
#include "when/iso.h"
#include "when/rule.h"
#include "when/zone.h"

#define RULE_DEPTH_MAX 4
#define RULE_NO_START  INT64_MIN
#define RULE_LAST_US   (CIVIL_SECOND_MAX * US_PER_S)

const char *const rule_type_names[RULE_TYPE_COUNT] = {
	[RULE_CRON] = "CRON",
	[RULE_FIXED_RATE] = "FIXED_RATE",
	[RULE_FIXED_DELAY] = "FIXED_DELAY",
	[RULE_ONCE] = "ONCE",
};

struct rule {
	enum rule_type type;
	enum cron_dialect dialect; /* as it was said; CRON */
	int count;                 /* expressions; CRON */
	char **texts;              /* of each */
	struct cron *crons;        /* each parsed */
	int64_t span_us;           /* FIXED_RATE, FIXED_DELAY */
	int64_t at_us;             /* ONCE */
	int64_t start_us, end_us;  /* RULE_NO_START, RULE_NEVER */
	const struct zone *zone;
};

/* The members as they stand in the text, whatever their order. */
enum rule_member {
	RULE_MEMBER_CRON = 0,
	RULE_MEMBER_EVERY = 1,
	RULE_MEMBER_DELAY = 2,
	RULE_MEMBER_AT = 3,
	RULE_MEMBER_DIALECT = 4,
	RULE_MEMBER_START = 5,
	RULE_MEMBER_END = 6,
	RULE_MEMBER_ZONE = 7,
	RULE_MEMBER_COUNT
};

/* The first four say the type. */
static const char *const rule_members[RULE_MEMBER_COUNT] = {
	[RULE_MEMBER_CRON] = "cron",
	[RULE_MEMBER_EVERY] = "every",
	[RULE_MEMBER_DELAY] = "delay",
	[RULE_MEMBER_AT] = "at",
	[RULE_MEMBER_DIALECT] = "dialect",
	[RULE_MEMBER_START] = "start",
	[RULE_MEMBER_END] = "end",
	[RULE_MEMBER_ZONE] = "timeZone",
};

struct rule_draft {
	struct jsonr_value values[RULE_MEMBER_COUNT];
	bool has[RULE_MEMBER_COUNT];
};

static int rule_find(const struct jsonr_value *name)
{
	int i;

	for (i = 0; i < RULE_MEMBER_COUNT; i++)
		if (jsonr_is(name, rule_members[i]))
			return i;
	return -1;
}

static int rule_collect(
	struct rule_draft *d, const char *json, size_t len, struct err *err)
{
	struct jsonr_value name, value;
	struct jsonr r;
	int i, more;

	if (jsonr_object(&r, json, len, RULE_DEPTH_MAX, err) != 0)
		return -1;
	while ((more = jsonr_member(&r, &name, &value)) == 1) {
		i = rule_find(&name);
		if (i == -1) {
			more = err_set(err, 0,
				"a rule has no member \"%.*s\": it has cron, "
				"every, delay, at, dialect, start, end and "
				"timeZone",
				(int)(name.len < 32 ? name.len : 32),
				name.text);
			break;
		}
		d->has[i] = value.type != JSONR_NULL;
		d->values[i] = value;
	}
	jsonr_done(&r);
	return more;
}

/* The member as a text; NULL with err. */
static char *rule_string(
	const struct rule_draft *d, enum rule_member m, struct err *err)
{
	const struct jsonr_value *v = &d->values[m];

	if (v->type == JSONR_STRING)
		return jsonr_string(v, NULL);
	(void)err_set(err, 0, "%s is %s, not a string", rule_members[m],
		jsonr_type_names[v->type]);
	return NULL;
}

/* Puts the member's name before what is wrong with it. */
static int rule_wrong(struct err *err, const char *name, const struct err *why)
{
	return err_set(err, why->code, "%s: %s", name, why->text);
}

static int rule_read_time(const struct rule *r, const struct rule_draft *d,
	enum rule_member m, int64_t *ret_us, struct err *err)
{
	struct err why;
	char *text;
	int rc = 0;

	if (!d->has[m])
		return 0;
	text = rule_string(d, m, err);
	if (text == NULL)
		return -1;
	if (iso_parse(text, strlen(text), r->zone, ret_us, &why) != 0)
		rc = rule_wrong(err, rule_members[m], &why);
	free(text);
	return rc;
}

/* "1h30m", or milliseconds as a number. */
static int rule_read_span(const struct rule_draft *d, enum rule_member m,
	int64_t *ret_us, struct err *err)
{
	const struct jsonr_value *v = &d->values[m];
	char *text;
	bool held;

	if (v->type == JSONR_INT) {
		held = !__builtin_mul_overflow(
			v->number, (int64_t)US_PER_MS, ret_us);
	} else {
		text = rule_string(d, m, err);
		if (text == NULL)
			return -1;
		held = number_duration(text, ret_us);
		free(text);
	}
	if (held && *ret_us >= RULE_SPAN_MIN_US && *ret_us <= RULE_SPAN_MAX_US)
		return 0;
	return err_set(err, 0,
		"%s: this is no span from 10ms to 3650d, like 500ms, 10s or "
		"1h30m",
		rule_members[m]);
}

static int rule_add_cron(
	struct rule *r, const struct jsonr_value *v, struct err *err)
{
	struct err why;
	char name[32];
	size_t len;

	snprintf(name, sizeof(name), "cron[%d]", r->count);
	if (v->type != JSONR_STRING)
		return err_set(err, 0, "%s is %s, not a string", name,
			jsonr_type_names[v->type]);
	if (r->count == RULE_CRONS_MAX)
		return err_set(err, 0,
			"cron: a rule has at most %d expressions",
			RULE_CRONS_MAX);
	r->texts[r->count] = jsonr_string(v, &len);
	if (cron_parse(r->texts[r->count], len, r->dialect, &r->crons[r->count],
		    &why) != 0) {
		free(r->texts[r->count]);
		return rule_wrong(err, name, &why);
	}
	r->count++;
	return 0;
}

static int rule_read_crons(
	struct rule *r, const struct jsonr_value *v, struct err *err)
{
	struct jsonr_value item;
	struct jsonr a;
	int more;

	r->texts = xcalloc(RULE_CRONS_MAX, sizeof(*r->texts));
	r->crons = xcalloc(RULE_CRONS_MAX, sizeof(*r->crons));
	if (v->type != JSONR_ARRAY)
		return rule_add_cron(r, v, err);
	if (jsonr_array(&a, v->text, v->len, RULE_DEPTH_MAX, err) != 0)
		return -1;
	while ((more = jsonr_item(&a, &item)) == 1) {
		if (rule_add_cron(r, &item, err) != 0) {
			more = -1;
			break;
		}
	}
	jsonr_done(&a);
	if (more == 0 && r->count == 0)
		return err_set(err, 0, "cron: there is no expression in it");
	return more;
}

/* Rules are many: what is left over is given back. */
static void rule_shrink(struct rule *r)
{
	size_t count = (size_t)r->count;

	r->texts = xreallocarray(r->texts, count, sizeof(*r->texts));
	r->crons = xreallocarray(r->crons, count, sizeof(*r->crons));
}

static int rule_read_zone(
	struct rule *r, const struct rule_draft *d, struct err *err)
{
	struct err why;
	char *name;

	r->zone = zone_utc();
	if (!d->has[RULE_MEMBER_ZONE])
		return 0;
	name = rule_string(d, RULE_MEMBER_ZONE, err);
	if (name == NULL)
		return -1;
	r->zone = zone_get(name, &why);
	free(name);
	return r->zone != NULL ? 0 : rule_wrong(err, "timeZone", &why);
}

static int rule_read_dialect(
	struct rule *r, const struct rule_draft *d, struct err *err)
{
	struct err why;
	char *name;
	int rc = 0;

	if (!d->has[RULE_MEMBER_DIALECT])
		return 0;
	if (r->type != RULE_CRON)
		return err_set(err, 0, "dialect goes with cron only");
	name = rule_string(d, RULE_MEMBER_DIALECT, err);
	if (name == NULL)
		return -1;
	if (cron_dialect_find(name, &r->dialect, &why) != 0)
		rc = rule_wrong(err, "dialect", &why);
	free(name);
	return rc;
}

/* The one of the first four members that there is. */
static int rule_read_type(
	struct rule *r, const struct rule_draft *d, struct err *err)
{
	int i, count = 0;

	for (i = 0; i < RULE_TYPE_COUNT; i++) {
		if (!d->has[i])
			continue;
		r->type = (enum rule_type)i;
		count++;
	}
	if (count == 1)
		return 0;
	return err_set(err, 0,
		"a rule has one of cron, every, delay and at, not %d", count);
}

static int rule_read_what(
	struct rule *r, const struct rule_draft *d, struct err *err)
{
	switch (r->type) {
	case RULE_CRON:
		return rule_read_crons(r, &d->values[RULE_MEMBER_CRON], err);
	case RULE_FIXED_RATE:
		return rule_read_span(d, RULE_MEMBER_EVERY, &r->span_us, err);
	case RULE_FIXED_DELAY:
		return rule_read_span(d, RULE_MEMBER_DELAY, &r->span_us, err);
	case RULE_ONCE:
		if (r->start_us != RULE_NO_START || r->end_us != RULE_NEVER)
			return err_set(err, 0, "at goes without start and end");
		return rule_read_time(r, d, RULE_MEMBER_AT, &r->at_us, err);
	case RULE_TYPE_COUNT: break;
	}
	return -1;
}

static int rule_read(
	struct rule *r, const struct rule_draft *d, struct err *err)
{
	if (rule_read_type(r, d, err) != 0 || rule_read_zone(r, d, err) != 0 ||
		rule_read_dialect(r, d, err) != 0 ||
		rule_read_time(r, d, RULE_MEMBER_START, &r->start_us, err) !=
			0 ||
		rule_read_time(r, d, RULE_MEMBER_END, &r->end_us, err) != 0)
		return -1;
	if (r->end_us < r->start_us)
		return err_set(err, 0, "end is before start");
	return rule_read_what(r, d, err);
}

struct rule *rule_parse(const char *json, size_t len, struct err *err)
{
	struct rule_draft d = { 0 };
	struct rule *r;

	if (len > RULE_TEXT_MAX) {
		(void)err_set(
			err, 0, "a rule has at most %d bytes", RULE_TEXT_MAX);
		return NULL;
	}
	if (rule_collect(&d, json, len, err) != 0)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->start_us = RULE_NO_START;
	r->end_us = RULE_NEVER;
	if (rule_read(r, &d, err) != 0) {
		rule_free(r);
		return NULL;
	}
	if (r->type == RULE_CRON)
		rule_shrink(r);
	return r;
}

void rule_free(struct rule *r)
{
	int i;

	if (r == NULL)
		return;
	for (i = 0; i < r->count; i++)
		free(r->texts[i]);
	free(r->texts);
	free(r->crons);
	free(r);
}

enum rule_type rule_type(const struct rule *r)
{
	return r->type;
}

const struct zone *rule_zone(const struct rule *r)
{
	return r->zone;
}

int64_t rule_start(const struct rule *r)
{
	return r->start_us;
}

int64_t rule_end(const struct rule *r)
{
	return r->end_us;
}

static int64_t rule_next_cron(const struct rule *r, int64_t after_us)
{
	int64_t least = RULE_NEVER, next;
	int i;

	if (r->start_us > after_us)
		after_us = r->start_us - 1;
	for (i = 0; i < r->count; i++) {
		next = cron_next(&r->crons[i], r->zone, after_us);
		if (next < least)
			least = next;
	}
	return least;
}

static int64_t rule_next_rate(const struct rule *r, int64_t after_us)
{
	int64_t anchor_us = r->start_us, since_us;

	if (anchor_us == RULE_NO_START)
		anchor_us = 0;
	else if (anchor_us > after_us)
		return anchor_us;
	if (__builtin_sub_overflow(after_us, anchor_us, &since_us))
		return RULE_NEVER;
	return anchor_us + (civil_floor(since_us, r->span_us) + 1) * r->span_us;
}

static int64_t rule_next_delay(
	const struct rule *r, int64_t after_us, int64_t last_end_us)
{
	int64_t next_us;

	if (r->start_us > after_us)
		return r->start_us;
	if (last_end_us == RULE_NO_END || last_end_us > RULE_LAST_US)
		return after_us + r->span_us;
	next_us = last_end_us + r->span_us;
	return next_us > after_us ? next_us : after_us + 1;
}

int64_t rule_next(const struct rule *r, int64_t after_us, int64_t last_end_us)
{
	int64_t next_us = RULE_NEVER;

	if (after_us >= RULE_LAST_US)
		return RULE_NEVER;
	switch (r->type) {
	case RULE_CRON: next_us = rule_next_cron(r, after_us); break;
	case RULE_FIXED_RATE: next_us = rule_next_rate(r, after_us); break;
	case RULE_FIXED_DELAY:
		next_us = rule_next_delay(r, after_us, last_end_us);
		break;
	case RULE_ONCE:
		if (r->at_us > after_us)
			next_us = r->at_us;
		break;
	case RULE_TYPE_COUNT: break;
	}
	return next_us <= r->end_us && next_us <= RULE_LAST_US ? next_us
							       : RULE_NEVER;
}

static void rule_print_crons(const struct rule *r, struct jsonw *j)
{
	int i;

	jsonw_array(j, rule_members[RULE_MEMBER_CRON]);
	for (i = 0; i < r->count; i++)
		jsonw_str(j, NULL, r->texts[i]);
	jsonw_end_array(j);
	if (r->dialect != CRON_AUTO)
		jsonw_str(j, rule_members[RULE_MEMBER_DIALECT],
			cron_dialect_names[r->dialect]);
}

static void rule_print_span(
	const struct rule *r, enum rule_member m, struct jsonw *j)
{
	struct buf text = BUF_INIT;

	number_print_duration(r->span_us, &text);
	jsonw_str(j, rule_members[m], buf_str(&text));
	buf_done(&text);
}

static void rule_print_time(
	const struct rule *r, enum rule_member m, int64_t us, struct jsonw *j)
{
	char text[ISO_MAX];

	jsonw_str(j, rule_members[m], iso_print(us, r->zone, text));
}

char *rule_print(const struct rule *r)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	switch (r->type) {
	case RULE_CRON: rule_print_crons(r, &j); break;
	case RULE_FIXED_RATE: rule_print_span(r, RULE_MEMBER_EVERY, &j); break;
	case RULE_FIXED_DELAY: rule_print_span(r, RULE_MEMBER_DELAY, &j); break;
	case RULE_ONCE: rule_print_time(r, RULE_MEMBER_AT, r->at_us, &j); break;
	case RULE_TYPE_COUNT: break;
	}
	if (r->start_us != RULE_NO_START)
		rule_print_time(r, RULE_MEMBER_START, r->start_us, &j);
	if (r->end_us != RULE_NEVER)
		rule_print_time(r, RULE_MEMBER_END, r->end_us, &j);
	if (r->zone != zone_utc())
		jsonw_str(
			&j, rule_members[RULE_MEMBER_ZONE], zone_name(r->zone));
	jsonw_end_object(&j);
	return buf_take(&out);
}
