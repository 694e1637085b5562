/* SPDX-License-Identifier: ISC */
/*
 * cron against a clock: expressions are made by chance, together with what
 * they mean, and a clock is then watched second by second (or minute by
 * minute) around the times at which it is changed.  What it shows is looked
 * up by the C library's calendar and by plain loops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "tap.h"
#include "when/cron.h"
#include "when/iso.h"
#include "when/zone.h"

#define EXPRESSIONS 40 /* for each window and way of looking */
#define RULES_MAX   16

/* Of so many moments, one is asked at where nothing fires. */
#define ASKED_BETWEEN 16

enum rule_kind {
	RULE_LAST = 0,    /* L-a */
	RULE_NEAREST = 1, /* aW */
	RULE_LAST_NEAREST = 2,
	RULE_NTH = 3, /* a#b */
	RULE_LAST_WEEKDAY = 4
};

struct field {
	bool set[64];
	bool is_star; /* begins with * or is ? */
	bool is_open; /* begins with *, or a/n */
};

struct model {
	enum cron_dialect dialect;
	struct buf text;
	struct field second, minute, hour, day, month, weekday;
	struct {
		enum rule_kind kind;
		int a, b;
	} rules[RULES_MAX];
	int rules_of_day, rules_of_week, rule_count;
};

static uint64_t chance_state = 20261122;

static int chance(int below)
{
	chance_state =
		chance_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (int)((chance_state >> 33) % (uint64_t)below);
}

static void add_rule(
	struct model *m, enum rule_kind kind, int a, int b, int *of_field)
{
	m->rules[m->rule_count].kind = kind;
	m->rules[m->rule_count].a = a;
	m->rules[m->rule_count++].b = b;
	(*of_field)++;
}

/* A rule for days as an item of the field: false when there is none. */
static bool make_rule(struct model *m, struct field *f)
{
	int a = 1 + chance(31), weekday = chance(7), k = 1 + chance(5);
	int first = m->dialect == CRON_QUARTZ ? 1 : 0;

	if (m->dialect == CRON_VIXIE || chance(2) != 0)
		return false;
	if (f == &m->weekday && chance(2) == 0) {
		buf_printf(&m->text, "%dL", weekday + first);
		add_rule(m, RULE_LAST_WEEKDAY, weekday, 0, &m->rules_of_week);
		return true;
	}
	if (f == &m->weekday) {
		buf_printf(&m->text, "%d#%d", weekday + first, k);
		add_rule(m, RULE_NTH, weekday, k, &m->rules_of_week);
		return true;
	}
	if (f != &m->day)
		return false;
	switch (chance(4)) {
	case 0:
		buf_printf(&m->text, "%dW", a);
		add_rule(m, RULE_NEAREST, a, 0, &m->rules_of_day);
		break;
	case 1:
		buf_puts(&m->text, "LW");
		add_rule(m, RULE_LAST_NEAREST, 0, 0, &m->rules_of_day);
		break;
	case 2:
		buf_puts(&m->text, "L");
		add_rule(m, RULE_LAST, 0, 0, &m->rules_of_day);
		break;
	default:
		buf_printf(&m->text, "L-%d", a - 1);
		add_rule(m, RULE_LAST, a - 1, 0, &m->rules_of_day);
		break;
	}
	return true;
}

static void make_item(
	struct model *m, struct field *f, int least, int most, bool is_first)
{
	int a = least + chance(most - least + 1), b = a, step = 1, v;
	int size = most - least + 1;
	bool is_range = chance(2) == 0;

	if (make_rule(m, f))
		return;
	buf_printf(&m->text, "%d", a);
	if (is_range) {
		b = m->dialect == CRON_QUARTZ ? least + chance(size)
					      : a + chance(most - a + 1);
		buf_printf(&m->text, "-%d", b);
	}
	if ((is_range || m->dialect != CRON_VIXIE) && chance(3) == 0) {
		step = 1 + chance(size - 1);
		buf_printf(&m->text, "/%d", step);
		if (!is_range) {
			b = most;
			f->is_open |= is_first;
		}
	}
	/* Step after step, round the end of the field if need be. */
	for (v = a; v <= (b < a ? b + size : b); v += step)
		f->set[v > most ? v - size : v] = true;
}

static void make_field(struct model *m, struct field *f, int least, int most)
{
	int kind = chance(10), items = 1 + chance(3), step = 1, v, i;

	if (m->text.len > 0)
		buf_putc(&m->text, ' ');
	if (kind < 5) {
		f->is_star = f->is_open = true;
		buf_putc(&m->text, '*');
		if (kind < 2) {
			step = 1 + chance(most - least);
			buf_printf(&m->text, "/%d", step);
		}
		for (v = least; v <= most; v += step)
			f->set[v] = true;
		return;
	}
	for (i = 0; i < items; i++) {
		if (i > 0)
			buf_putc(&m->text, ',');
		make_item(m, f, least, most, i == 0);
	}
}

static void make_question(struct model *m, struct field *f)
{
	int v;

	buf_puts(&m->text, " ?");
	f->is_star = true;
	for (v = 0; v < 64; v++)
		f->set[v] = true;
}

/* Numbers of weekdays to 0 to 6 from Sunday. */
static void turn_weekdays(struct model *m)
{
	bool set[7] = { false };
	int v;

	if (m->weekday.set[63])
		return; /* ? */
	for (v = 0; v <= 7; v++)
		if (m->weekday.set[v])
			set[(m->dialect == CRON_QUARTZ ? v + 6 : v) % 7] = true;
	memcpy(m->weekday.set, set, sizeof(set));
}

/* What lies below the step is 0. */
static void make_times(struct model *m, int step)
{
	m->second.set[0] = true;
	if (m->dialect != CRON_VIXIE && step == 1) {
		m->second.set[0] = false;
		make_field(m, &m->second, 0, 59);
	} else if (m->dialect != CRON_VIXIE) {
		buf_putc(&m->text, '0');
	}
	if (step <= 60) {
		make_field(m, &m->minute, 0, 59);
		make_field(m, &m->hour, 0, 23);
	} else {
		buf_puts(&m->text, m->text.len > 0 ? " 0 0" : "0 0");
		m->minute.set[0] = m->hour.set[0] = true;
	}
}

static void make(struct model *m, enum cron_dialect dialect, int step)
{
	int question = dialect == CRON_QUARTZ ? chance(2) : -1;

	memset(m, 0, sizeof(*m));
	m->dialect = dialect;
	make_times(m, step);
	if (question == 0)
		make_question(m, &m->day);
	else
		make_field(m, &m->day, 1, 31);
	make_field(m, &m->month, 1, 12);
	if (question == 1)
		make_question(m, &m->weekday);
	else
		make_field(m, &m->weekday, dialect == CRON_QUARTZ ? 1 : 0, 7);
	turn_weekdays(m);
}

static int month_length(const struct tm *tm)
{
	struct tm last = { .tm_year = tm->tm_year,
		.tm_mon = tm->tm_mon + 1,
		.tm_mday = 0,
		.tm_hour = 12 };

	(void)timegm(&last);
	return last.tm_mday;
}

/* Is this the day that the weekday nearest to `day` is? */
static bool is_nearest(const struct tm *tm, int day, int length)
{
	int far, sign, other, weekday;

	if (day > length)
		return false;
	for (far = 0; far < 3; far++) {
		for (sign = -1; sign <= 1; sign += 2) {
			other = day + sign * far;
			weekday = (tm->tm_wday + 70 + other - tm->tm_mday) % 7;
			if (other < 1 || other > length || weekday == 0 ||
				weekday == 6)
				continue;
			return other == tm->tm_mday;
		}
	}
	return false;
}

static bool rule_holds(const struct model *m, int i, const struct tm *tm)
{
	int a = m->rules[i].a, length = month_length(tm);

	switch (m->rules[i].kind) {
	case RULE_LAST: return tm->tm_mday == length - a;
	case RULE_NEAREST: return is_nearest(tm, a, length);
	case RULE_LAST_NEAREST: return is_nearest(tm, length - a, length);
	case RULE_NTH:
		return tm->tm_wday == a &&
		       (tm->tm_mday - 1) / 7 + 1 == m->rules[i].b;
	case RULE_LAST_WEEKDAY:
		return tm->tm_wday == a && tm->tm_mday + 7 > length;
	}
	return false;
}

static bool holds_at(const struct model *m, int64_t wall_s)
{
	time_t time = (time_t)wall_s;
	bool day, weekday;
	struct tm tm;
	int i;

	gmtime_r(&time, &tm);
	if (!m->second.set[tm.tm_sec] || !m->minute.set[tm.tm_min] ||
		!m->hour.set[tm.tm_hour] || !m->month.set[tm.tm_mon + 1])
		return false;
	day = m->day.set[tm.tm_mday];
	weekday = m->weekday.set[tm.tm_wday];
	for (i = 0; i < m->rule_count; i++) {
		if (!rule_holds(m, i, &tm))
			continue;
		if (m->rules[i].kind >= RULE_NTH)
			weekday = true;
		else
			day = true;
	}
	if (m->day.is_star || m->weekday.is_star)
		return day && weekday;
	return day || weekday;
}

struct window {
	const char *zone, *from, *until;
};

static int64_t seconds_of(const char *text)
{
	struct err err;
	int64_t us;

	if (iso_parse(text, strlen(text), zone_utc(), &us, &err) != 0)
		bail("%s", err.text);
	return us / US_PER_S;
}

/* Does the expression fire at `s`?  shown_s: the latest that the clock has
 * shown before; the caller's. */
static bool fires_at(const struct model *m, const struct zone *z, int64_t s,
	int step, int64_t *shown_s)
{
	int64_t wall_s = zone_wall(z, s);
	bool fires = false;

	if (m->second.is_open || m->minute.is_open || m->hour.is_open)
		return holds_at(m, wall_s);
	for (; *shown_s < wall_s; *shown_s += step)
		fires |= holds_at(m, *shown_s + step);
	return fires;
}

/* How often cron_next says another time than the clock. */
static int compare(struct model *m, const struct window *w, int step)
{
	int64_t from_s = seconds_of(w->from), until_s = seconds_of(w->until);
	int64_t s, shown_s, next_us = from_s * US_PER_S;
	struct err err;
	const struct zone *z = zone_get(w->zone, &err);
	const char *text = buf_str(&m->text);
	struct cron c;
	char iso[ISO_MAX];

	if (z == NULL ||
		cron_parse(text, m->text.len, m->dialect, &c, &err) != 0)
		bail("%s: %s", text, err.text);
	shown_s = zone_wall(z, from_s);
	next_us = cron_next(&c, z, next_us);
	for (s = from_s + step; s <= until_s; s += step) {
		bool fires = fires_at(m, z, s, step, &shown_s);

		if (fires == (next_us == s * US_PER_S)) {
			if (fires)
				next_us = cron_next(&c, z, next_us);
			/* Also asked in between it is the next. */
			if (fires || chance(ASKED_BETWEEN) != 0 ||
				cron_next(&c, z, s * US_PER_S) == next_us)
				continue;
		}
		note("%s in %s: at %s it %s", text, w->zone,
			iso_print(s * US_PER_S, z, iso),
			fires ? "should fire" : "should not");
		note("the next is %s", iso_print(next_us, z, iso));
		return 1;
	}
	return next_us <= until_s * US_PER_S;
}

static void test_window(const struct window *w, int step)
{
	static const enum cron_dialect dialects[] = { CRON_VIXIE, CRON_SECONDS,
		CRON_QUARTZ };
	struct model m;
	int i, wrong = 0;

	for (i = 0; i < EXPRESSIONS; i++) {
		make(&m, dialects[i % 3], step);
		wrong += compare(&m, w, step);
		buf_done(&m.text);
	}
	is_int(0, wrong, "%s, %s to %s: as a clock says", w->zone, w->from,
		w->until);
}

int main(void)
{
	static const struct window months[] = {
		{ "UTC", "2028-02-10T00:00Z", "2028-03-20T00:00Z" },
		{ "Europe/Berlin", "2026-03-15T00:00Z", "2026-04-05T00:00Z" },
		{ "Europe/Berlin", "2026-10-15T00:00Z", "2026-11-05T00:00Z" },
		{ "America/New_York", "2050-02-25T00:00Z",
			"2050-03-20T00:00Z" },
		{ "America/Sao_Paulo", "2018-10-25T00:00Z",
			"2018-11-10T00:00Z" },
		{ "Asia/Beirut", "2022-10-20T00:00Z", "2022-11-05T00:00Z" },
		{ "Pacific/Apia", "2011-12-20T00:00Z", "2012-01-10T00:00Z" },
		{ "Pacific/Kwajalein", "1969-09-20T00:00Z",
			"1969-10-10T00:00Z" },
	};
	static const struct window hours[] = {
		{ "Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T03:00Z" },
		{ "Australia/Lord_Howe", "2026-10-03T14:00Z",
			"2026-10-03T18:00Z" },
		{ "Australia/Lord_Howe", "2026-04-04T13:00Z",
			"2026-04-04T17:00Z" },
	};
	static const struct window years = { "UTC", "2023-12-31T00:00Z",
		"2033-01-01T00:00Z" };
	size_t i;

	for (i = 0; i < 4; i++)
		test_window(&years, 86400);
	for (i = 0; i < sizeof(months) / sizeof(*months); i++)
		test_window(&months[i], 60);
	for (i = 0; i < sizeof(hours) / sizeof(*hours); i++)
		test_window(&hours[i], 1);
	return tap_done();
}
