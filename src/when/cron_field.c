/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "when/cron.h"
#include "when/cron_field.h"

#define CRON_FIELD_DIGITS_MAX 6
#define CRON_FIELD_BACK_MAX   30 /* L-30 */
#define CRON_FIELD_NTH_MAX    5
#define CRON_FIELD_NAME_LEN   3
#define CRON_FIELD_WORD_MAX   24 /* of the text, in an error */
#define CRON_FIELD_ERROR_MAX  256

struct cron_field_row {
	const char *name;
	int least, most;
	const char *values;
	const char *names; /* three letters each, of the values from `first` */
	int first;
};

static const char cron_field_months[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
static const char cron_field_weekdays[] = "SUNMONTUEWEDTHUFRISAT";

static const struct cron_field_row cron_field_rows[CRON_FIELD_COUNT] = {
	[CRON_SECOND] = { "second", 0, 59, "0 to 59", NULL, 0 },
	[CRON_MINUTE] = { "minute", 0, 59, "0 to 59", NULL, 0 },
	[CRON_HOUR] = { "hour", 0, 23, "0 to 23", NULL, 0 },
	[CRON_DAY] = { "day of the month", 1, 31, "1 to 31", NULL, 0 },
	[CRON_MONTH] = { "month", 1, 12, "1 to 12 or JAN to DEC",
		cron_field_months, 1 },
	[CRON_WEEKDAY] = { "day of the week", 0, 7, "0 to 7 or SUN to SAT",
		cron_field_weekdays, 0 },
	[CRON_YEAR] = { "year", CRON_YEAR_MIN, CRON_YEAR_MAX, "1970 to 2199",
		NULL, 0 },
};

/* Quartz counts from 1, Sunday. */
static const struct cron_field_row cron_field_quartz_weekday = {
	"day of the week", 1, 7, "1 (Sunday) to 7 or SUN to SAT",
	cron_field_weekdays, 1
};

static const struct cron_field_row *cron_field_row(const struct cron_text *t)
{
	if (t->field == CRON_WEEKDAY && t->c->dialect == CRON_QUARTZ)
		return &cron_field_quartz_weekday;
	return &cron_field_rows[t->field];
}

int cron_field_wrong(struct cron_text *t, const char *at, const char *fmt, ...)
{
	char text[CRON_FIELD_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(
		t->err, 0, "column %d: %s", (int)(at - t->start) + 1, text);
}

/* What stands there, up to the end of the item; no other bytes than those of
 * ASCII characters. */
static const char *cron_field_word(const struct cron_text *t, const char *at,
	char ret[CRON_FIELD_WORD_MAX + 1])
{
	int n = 0;

	for (; at < t->end && *at != ',' && n < CRON_FIELD_WORD_MAX; at++)
		ret[n++] = isascii(*at) && isprint(*at) ? *at : '?';
	ret[n] = '\0';
	return ret;
}

static char cron_field_peek(const struct cron_text *t)
{
	return t->at < t->end ? (char)toupper((unsigned char)*t->at) : '\0';
}

static bool cron_field_take(struct cron_text *t, char c)
{
	if (t->at == t->end || cron_field_peek(t) != c)
		return false;
	t->at++;
	return true;
}

static bool cron_field_is_digit(const struct cron_text *t)
{
	return t->at < t->end && *t->at >= '0' && *t->at <= '9';
}

static int cron_field_out(struct cron_text *t, const char *at)
{
	const struct cron_field_row *row = cron_field_row(t);
	char word[CRON_FIELD_WORD_MAX + 1];

	if (at == t->end || *at == ',')
		return cron_field_wrong(t, at, "here the %s is missing, %s",
			row->name, row->values);
	return cron_field_wrong(t, at, "the %s is %s, not \"%s\"", row->name,
		row->values, cron_field_word(t, at, word));
}

/* Digits, from least to most: 0 and the number, or -1 and nothing said. */
static int cron_field_digits(struct cron_text *t, int least, int most, int *ret)
{
	int n = 0, digits = 0;

	for (; cron_field_is_digit(t); t->at++, digits++)
		if (digits < CRON_FIELD_DIGITS_MAX)
			n = n * 10 + *t->at - '0';
	if (digits == 0 || digits > CRON_FIELD_DIGITS_MAX || n < least ||
		n > most)
		return -1;
	*ret = n;
	return 0;
}

/* "MON": three letters, and a fourth only where a rule may follow. */
static int cron_field_name(
	struct cron_text *t, const struct cron_field_row *row, int *ret)
{
	const char *at = t->at;
	size_t i, len = 0;

	while (at + len < t->end && isalpha((unsigned char)at[len]))
		len++;
	if (row->names == NULL || len < CRON_FIELD_NAME_LEN ||
		len > CRON_FIELD_NAME_LEN + 1 ||
		(len > CRON_FIELD_NAME_LEN &&
			toupper((unsigned char)at[CRON_FIELD_NAME_LEN]) != 'L'))
		return -1;
	for (i = 0; row->names[i] != '\0'; i += CRON_FIELD_NAME_LEN) {
		if (strncasecmp(at, row->names + i, CRON_FIELD_NAME_LEN) != 0)
			continue;
		*ret = row->first + (int)(i / CRON_FIELD_NAME_LEN);
		t->at += CRON_FIELD_NAME_LEN;
		return 0;
	}
	return -1;
}

static int cron_field_value(struct cron_text *t, int *ret)
{
	const struct cron_field_row *row = cron_field_row(t);
	const char *at = t->at;
	int rc;

	if (cron_field_is_digit(t))
		rc = cron_field_digits(t, row->least, row->most, ret);
	else
		rc = cron_field_name(t, row, ret);
	return rc == 0 ? 0 : cron_field_out(t, at);
}

static void cron_field_set(struct cron_text *t, int value)
{
	struct cron *c = t->c;

	switch (t->field) {
	case CRON_SECOND: c->seconds |= UINT64_C(1) << value; break;
	case CRON_MINUTE: c->minutes |= UINT64_C(1) << value; break;
	case CRON_HOUR: c->hours |= 1u << value; break;
	case CRON_DAY: c->days |= 1u << value; break;
	case CRON_MONTH: c->months |= (uint16_t)(1u << value); break;
	case CRON_WEEKDAY:
		value -= cron_field_row(t)->first;
		c->weekdays |= (uint8_t)(1u << value % 7);
		break;
	case CRON_YEAR:
		value -= CRON_YEAR_MIN;
		c->years[value / 64] |= UINT64_C(1) << value % 64;
		break;
	case CRON_FIELD_COUNT: break;
	}
}

static void cron_field_set_range(
	struct cron_text *t, int first, int last, int step)
{
	const struct cron_field_row *row = cron_field_row(t);
	int size = row->most - row->least + 1, v;

	if (last < first)
		last += size;
	for (v = first; v <= last; v += step)
		cron_field_set(t, v > row->most ? v - size : v);
}

static bool cron_field_is_vixie(const struct cron_text *t)
{
	return t->c->dialect == CRON_VIXIE;
}

/* "-5" behind a first value. */
static int cron_field_last(struct cron_text *t, int first, int *ret_last)
{
	const struct cron_field_row *row = cron_field_row(t);
	const char *at = t->at;
	bool wraps = t->c->dialect == CRON_QUARTZ && t->field != CRON_YEAR;

	if (cron_field_value(t, ret_last) != 0)
		return -1;
	/* Sunday ends a week as well. */
	if (t->field == CRON_WEEKDAY && row->least == 0 && *ret_last == 0 &&
		first > 0)
		*ret_last = 7;
	if (*ret_last >= first || wraps)
		return 0;
	if (t->field == CRON_YEAR)
		return cron_field_wrong(t, at,
			"the range goes backwards: write the earlier year "
			"first");
	return cron_field_wrong(t, at,
		"the range goes backwards: write %d-%d,%d-%d", first, row->most,
		row->least, *ret_last);
}

/* "/15", if it is there. */
static int cron_field_step(struct cron_text *t, int *ret_step)
{
	const struct cron_field_row *row = cron_field_row(t);
	bool is_quartz = t->c->dialect == CRON_QUARTZ;
	int most = is_quartz && t->field != CRON_YEAR ? row->most : 999999;
	const char *at = ++t->at;
	char word[CRON_FIELD_WORD_MAX + 1];

	if (cron_field_digits(t, 1, most, ret_step) == 0)
		return 0;
	return cron_field_wrong(t, at,
		"a step of the %s is a number from 1 to %d, not \"%s\"",
		row->name, most, cron_field_word(t, at, word));
}

/* Behind the first value: a range, a step, or neither. */
static int cron_field_range(struct cron_text *t, int first, bool is_first)
{
	const struct cron_field_row *row = cron_field_row(t);
	int last = first, step = 1;
	bool is_range = cron_field_take(t, '-');

	if (is_range && cron_field_last(t, first, &last) != 0)
		return -1;
	if (cron_field_peek(t) == '/') {
		if (!is_range && cron_field_is_vixie(t))
			return cron_field_wrong(t, t->at,
				"a step needs a range: write %d-%d/...", first,
				row->most);
		if (cron_field_step(t, &step) != 0)
			return -1;
		if (!is_range) {
			last = row->most;
			t->is_open[t->field] |= is_first;
		}
	}
	cron_field_set_range(t, first, last, step);
	return 0;
}

static int cron_field_star(struct cron_text *t, bool is_first)
{
	const struct cron_field_row *row = cron_field_row(t);
	int step = 1;

	t->at++;
	t->is_star[t->field] |= is_first;
	t->is_open[t->field] |= is_first;
	if (cron_field_peek(t) == '/' && cron_field_step(t, &step) != 0)
		return -1;
	cron_field_set_range(t, row->least, row->most, step);
	return 0;
}

static int cron_field_question(struct cron_text *t, bool is_first)
{
	const struct cron_field_row *row = cron_field_row(t);

	if (cron_field_is_vixie(t))
		return cron_field_wrong(t, t->at,
			"? is of the dialects seconds and quartz: write *");
	if (t->field != CRON_DAY && t->field != CRON_WEEKDAY)
		return cron_field_wrong(
			t, t->at, "? is for the days only: write *");
	if (!is_first || t->at + 1 != t->end)
		return cron_field_wrong(
			t, t->at, "? stands alone in its field");
	t->at++;
	t->is_question[t->field] = true;
	cron_field_set_range(t, row->least, row->most, 1);
	return 0;
}

/* L, L-3, LW, L-3W: the last day of the month and what goes with it. */
static int cron_field_last_day(struct cron_text *t)
{
	const char *at = ++t->at;
	int back = 0;

	if (cron_field_take(t, '-') &&
		cron_field_digits(t, 0, CRON_FIELD_BACK_MAX, &back) != 0)
		return cron_field_wrong(t, at + 1,
			"behind L- there is a number from 0 to %d",
			CRON_FIELD_BACK_MAX);
	if (cron_field_take(t, 'W'))
		t->c->last_nearest |= 1u << back;
	else
		t->c->last |= 1u << back;
	return 0;
}

/* L as a day of the week: Saturday, in Quartz. */
static int cron_field_last_weekday(struct cron_text *t)
{
	if (t->c->dialect != CRON_QUARTZ)
		return cron_field_wrong(t, t->at,
			"the last of which weekday? write 5L for Friday");
	t->at++;
	cron_field_set(t, 7);
	return 0;
}

/* "#2" behind a weekday. */
static int cron_field_nth(struct cron_text *t, unsigned weekday)
{
	const char *at = t->at;
	int k;

	if (cron_field_digits(t, 1, CRON_FIELD_NTH_MAX, &k) != 0)
		return cron_field_wrong(t, at,
			"behind # there is a number from 1 to %d",
			CRON_FIELD_NTH_MAX);
	t->c->nth[k - 1] |= (uint8_t)(1u << weekday);
	t->c->has_nth = true;
	return 0;
}

/* What may stand behind a day: 1 when it did, 0 when not, -1 with err. */
static int cron_field_rule(struct cron_text *t, int value)
{
	unsigned weekday;

	if (cron_field_is_vixie(t))
		return 0;
	if (t->field == CRON_DAY && cron_field_take(t, 'W')) {
		t->c->nearest |= 1u << value;
		return 1;
	}
	if (t->field != CRON_WEEKDAY)
		return 0;
	weekday = (unsigned)(value - cron_field_row(t)->first) % 7;
	if (cron_field_take(t, 'L')) {
		t->c->last_weekdays |= (uint8_t)(1u << weekday);
		t->c->has_nth = true;
		return 1;
	}
	if (cron_field_take(t, '#'))
		return cron_field_nth(t, weekday) == 0 ? 1 : -1;
	return 0;
}

static bool cron_field_has_rules(const struct cron_text *t)
{
	return !cron_field_is_vixie(t) &&
	       (t->field == CRON_DAY || t->field == CRON_WEEKDAY);
}

static int cron_field_item(struct cron_text *t, bool is_first)
{
	int value, rc;

	switch (cron_field_peek(t)) {
	case '*': return cron_field_star(t, is_first);
	case '?': return cron_field_question(t, is_first);
	case 'L':
		if (!cron_field_has_rules(t))
			break;
		if (t->field == CRON_DAY)
			return cron_field_last_day(t);
		return cron_field_last_weekday(t);
	default: break;
	}
	if (cron_field_value(t, &value) != 0)
		return -1;
	rc = cron_field_rule(t, value);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return cron_field_range(t, value, is_first);
}

/* An item has ended, but its field goes on without a comma. */
static int cron_field_rest(struct cron_text *t)
{
	char c = cron_field_peek(t);
	char word[CRON_FIELD_WORD_MAX + 1];

	if (strchr("LW#", c) != NULL && cron_field_is_vixie(t))
		return cron_field_wrong(t, t->at,
			"%c is of the dialects seconds and quartz", c);
	if (strchr("LW#", c) != NULL)
		return cron_field_wrong(t, t->at,
			c == 'W' ? "%c goes with a single day of the month"
				 : "%c goes with a single day of the week",
			c);
	return cron_field_wrong(t, t->at,
		"a comma or a blank was expected, not \"%s\"",
		cron_field_word(t, t->at, word));
}

int cron_field_parse(struct cron_text *t)
{
	bool is_first = true;

	do {
		if (cron_field_item(t, is_first) != 0)
			return -1;
		if (t->at < t->end && *t->at != ',')
			return cron_field_rest(t);
		is_first = false;
	} while (cron_field_take(t, ','));
	return 0;
}
