/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "when/civil.h"
#include "when/zone_data.h"

#define ZONE_RULE_HOURS_MAX  167 /* of a change (RFC 8536, 3.3.1) */
#define ZONE_RULE_OFFSET_MAX 24
#define ZONE_RULE_CHANGE_S   7200 /* where none is said */
#define ZONE_RULE_SUMMER_S   3600
#define ZONE_RULE_YEARS      3
#define ZONE_RULE_NAME_LEAST 3

struct zone_text {
	const char *at, *end;
};

static bool zone_text_take(struct zone_text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* Digits of a number up to `most`. */
static int zone_text_number(struct zone_text *t, int most, int *ret)
{
	int n = 0;

	if (t->at == t->end || !isdigit((unsigned char)*t->at))
		return -1;
	for (; t->at < t->end && isdigit((unsigned char)*t->at); t->at++) {
		n = n * 10 + *t->at - '0';
		if (n > most)
			return -1;
	}
	*ret = n;
	return 0;
}

/* "EST" or "<+0330>". */
static int zone_text_name(struct zone_text *t)
{
	const char *begin = t->at;

	if (!zone_text_take(t, '<')) {
		while (t->at < t->end && isalpha((unsigned char)*t->at))
			t->at++;
		return t->at - begin < ZONE_RULE_NAME_LEAST ? -1 : 0;
	}
	while (t->at < t->end && (isalnum((unsigned char)*t->at) ||
					 *t->at == '+' || *t->at == '-'))
		t->at++;
	return zone_text_take(t, '>') ? 0 : -1;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static int zone_text_time(struct zone_text *t, int hours_max, int32_t *ret)
{
	int sign = zone_text_take(t, '-') ? -1 : 1;
	int hours, minutes = 0, seconds = 0;

	if (sign == 1)
		(void)zone_text_take(t, '+');
	if (zone_text_number(t, hours_max, &hours) != 0)
		return -1;
	if (zone_text_take(t, ':')) {
		if (zone_text_number(t, 59, &minutes) != 0)
			return -1;
		if (zone_text_take(t, ':') &&
			zone_text_number(t, 59, &seconds) != 0)
			return -1;
	}
	*ret = sign * (hours * 3600 + minutes * 60 + seconds);
	return 0;
}

static int zone_text_day(struct zone_text *t, struct zone_change *ret)
{
	if (zone_text_take(t, 'M')) {
		ret->kind = ZONE_DAY_OF_WEEK;
		if (zone_text_number(t, 12, &ret->month) != 0 ||
			!zone_text_take(t, '.') ||
			zone_text_number(t, 5, &ret->week) != 0 ||
			!zone_text_take(t, '.') ||
			zone_text_number(t, 6, &ret->day) != 0)
			return -1;
		return ret->month > 0 && ret->week > 0 ? 0 : -1;
	}
	if (zone_text_take(t, 'J')) {
		ret->kind = ZONE_DAY_JULIAN;
		return zone_text_number(t, 365, &ret->day) == 0 && ret->day > 0
			       ? 0
			       : -1;
	}
	ret->kind = ZONE_DAY_OF_YEAR;
	return zone_text_number(t, 365, &ret->day);
}

static int zone_text_change(struct zone_text *t, struct zone_change *ret)
{
	ret->time_s = ZONE_RULE_CHANGE_S;
	if (!zone_text_take(t, ',') || zone_text_day(t, ret) != 0)
		return -1;
	if (zone_text_take(t, '/'))
		return zone_text_time(t, ZONE_RULE_HOURS_MAX, &ret->time_s);
	return 0;
}

int zone_rule_parse(const char *text, size_t len, struct zone_rule *ret)
{
	struct zone_text t = { text, text + len };
	struct zone_rule r = { 0 };

	/* POSIX counts offsets to the west. */
	if (zone_text_name(&t) != 0 ||
		zone_text_time(&t, ZONE_RULE_OFFSET_MAX, &r.offset_s) != 0)
		return -1;
	r.offset_s = -r.offset_s;
	r.summer_s = r.offset_s + ZONE_RULE_SUMMER_S;
	if (t.at < t.end) {
		r.has_summer = true;
		if (zone_text_name(&t) != 0)
			return -1;
		if (t.at < t.end && *t.at != ',') {
			if (zone_text_time(
				    &t, ZONE_RULE_OFFSET_MAX, &r.summer_s) != 0)
				return -1;
			r.summer_s = -r.summer_s;
		}
		if (zone_text_change(&t, &r.begin) != 0 ||
			zone_text_change(&t, &r.end) != 0 || t.at != t.end)
			return -1;
	}
	*ret = r;
	return 0;
}

/* Of the clocks, before the change. */
static int64_t zone_rule_wall(const struct zone_change *c, int year)
{
	int64_t days = civil_to_days(
		year, c->kind == ZONE_DAY_OF_WEEK ? c->month : 1, 1);
	int day;

	switch (c->kind) {
	case ZONE_DAY_JULIAN:
		days += c->day - 1 + (c->day >= 60 && civil_is_leap(year));
		break;
	case ZONE_DAY_OF_YEAR: days += c->day; break;
	case ZONE_DAY_OF_WEEK:
		day = (c->day - civil_weekday(days) + 7) % 7 +
		      (c->week - 1) * 7;
		if (day >= civil_month_days(year, c->month))
			day -= 7;
		days += day;
		break;
	}
	return days * CIVIL_DAY_S + c->time_s;
}

struct zone_rule_step {
	int64_t at_s;
	int32_t offset_s;
};

/* The changes around the year, in their order.  Of two at one time, that of
 * the later year counts: so is summer time written that never ends. */
static int zone_rule_steps(
	const struct zone_rule *r, int year, struct zone_rule_step *ret)
{
	struct zone_rule_step step;
	int y, i, k, n = 0;

	for (y = year - 1; y <= year + 1; y++) {
		for (i = 0; i < 2; i++) {
			step.at_s = i == 0 ? zone_rule_wall(&r->begin, y) -
						     r->offset_s
					   : zone_rule_wall(&r->end, y) -
						     r->summer_s;
			step.offset_s = i == 0 ? r->summer_s : r->offset_s;
			for (k = n++; k > 0 && ret[k - 1].at_s > step.at_s; k--)
				ret[k] = ret[k - 1];
			ret[k] = step;
		}
	}
	return n;
}

void zone_rule_at(
	const struct zone_rule *r, int64_t s, struct zone_span *ret_span)
{
	struct zone_rule_step steps[2 * ZONE_RULE_YEARS];
	int i, n;

	ret_span->from_s = INT64_MIN;
	ret_span->until_s = INT64_MAX;
	ret_span->offset_s = r->offset_s;
	if (!r->has_summer)
		return;
	n = zone_rule_steps(r,
		civil_from_days(civil_floor(s + r->offset_s, CIVIL_DAY_S)).year,
		steps);
	for (i = 0; i < n && steps[i].at_s <= s; i++) {
		ret_span->from_s = steps[i].at_s;
		ret_span->offset_s = steps[i].offset_s;
	}
	if (i < n)
		ret_span->until_s = steps[i].at_s;
}
