/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "when/cron.h"
#include "when/cron_days.h"
#include "when/cron_field.h"

#define CRON_FIELDS_MAX 7

const char *const cron_dialect_names[CRON_DIALECT_COUNT] = {
	[CRON_AUTO] = "auto",
	[CRON_VIXIE] = "vixie",
	[CRON_SECONDS] = "seconds",
	[CRON_QUARTZ] = "quartz",
};

/* How many fields there are. */
static const struct {
	int least, most;
	const char *text;
} cron_shapes[CRON_DIALECT_COUNT] = {
	[CRON_AUTO] = { 5, 7,
		"an expression has 5 fields, 6 with seconds, 7 with years" },
	[CRON_VIXIE] = { 5, 5,
		"vixie has 5 fields: minute hour day month weekday" },
	[CRON_SECONDS] = { 6, 6,
		"seconds has 6 fields: second minute hour day month weekday" },
	[CRON_QUARTZ] = { 6, 7,
		"quartz has 6 or 7 fields: second minute hour day month "
		"weekday year" },
};

/* The words for whole expressions, of vixie. */
static const struct {
	const char *word, *text;
} cron_words[] = {
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
	{ "@monthly", "0 0 1 * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@hourly", "0 * * * *" },
};

#define CRON_WORDS (sizeof(cron_words) / sizeof(*cron_words))

/* Where the fields of an expression begin and end; one more than there may
 * be, to show the first that is too many. */
struct cron_split {
	int count;
	const char *begin[CRON_FIELDS_MAX + 1], *end[CRON_FIELDS_MAX + 1];
};

int cron_dialect_find(const char *name, enum cron_dialect *ret, struct err *err)
{
	int i;

	if (*name == '\0')
		name = cron_dialect_names[CRON_AUTO];
	for (i = 0; i < CRON_DIALECT_COUNT; i++) {
		if (strcmp(name, cron_dialect_names[i]) != 0)
			continue;
		*ret = (enum cron_dialect)i;
		return 0;
	}
	return err_set(err, 0,
		"there is no such dialect: write vixie, seconds, quartz or "
		"auto");
}

static bool cron_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void cron_split(const char *at, const char *end, struct cron_split *ret)
{
	ret->count = 0;
	while (ret->count <= CRON_FIELDS_MAX) {
		while (at < end && cron_is_blank(*at))
			at++;
		if (at == end)
			return;
		ret->begin[ret->count] = at;
		while (at < end && !cron_is_blank(*at))
			at++;
		ret->end[ret->count++] = at;
	}
}

static enum cron_dialect cron_detect(const char *text, size_t len, int fields)
{
	if (fields == 7)
		return CRON_QUARTZ;
	if (fields == 6)
		return memchr(text, '?', len) != NULL ? CRON_QUARTZ
						      : CRON_SECONDS;
	return CRON_VIXIE;
}

static int cron_check_count(struct cron_text *t, const struct cron_split *s,
	enum cron_dialect said, size_t len)
{
	int least = cron_shapes[said].least, most = cron_shapes[said].most;

	if (s->count < least)
		return cron_field_wrong(t, t->start + len,
			"%s; here it ends after %d", cron_shapes[said].text,
			s->count);
	if (s->count > most)
		return cron_field_wrong(t, s->begin[most],
			"%s; here begins one more", cron_shapes[said].text);
	return 0;
}

static int cron_parse_fields(struct cron_text *t, const struct cron_split *s)
{
	enum cron_field first =
		t->c->dialect == CRON_VIXIE ? CRON_MINUTE : CRON_SECOND;
	int i;

	if (first == CRON_MINUTE)
		t->c->seconds = 1;
	t->c->has_years = s->count == CRON_FIELD_COUNT;
	for (i = 0; i < s->count; i++) {
		t->field = (enum cron_field)((int)first + i);
		t->at = s->begin[i];
		t->end = s->end[i];
		if (cron_field_parse(t) != 0)
			return -1;
	}
	if (t->c->dialect != CRON_QUARTZ)
		return 0;
	if (t->is_question[CRON_DAY] && t->is_question[CRON_WEEKDAY])
		return cron_field_wrong(t, s->begin[CRON_WEEKDAY],
			"only one of the two days may be ?: write *");
	if (!t->is_question[CRON_DAY] && !t->is_question[CRON_WEEKDAY])
		return cron_field_wrong(t, s->begin[CRON_WEEKDAY],
			"one of the two days has to be ?, here or in the "
			"fourth field");
	return 0;
}

/* Is there a month with such a day, in any year? */
static bool cron_has_days(const struct cron *c)
{
	/* Bit 0: 28 days, … bit 3: 31 days. */
	unsigned lengths = 0;
	int length, first;

	if ((c->months & 1u << 2) != 0)
		lengths |= 3;
	if ((c->months & (1u << 4 | 1u << 6 | 1u << 9 | 1u << 11)) != 0)
		lengths |= 4;
	if ((c->months & (1u << 1 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 8 |
				 1u << 10 | 1u << 12)) != 0)
		lengths |= 8;
	for (length = 28; length <= 31; length++)
		for (first = 0; first < 7; first++)
			if ((lengths & 1u << (length - 28)) != 0 &&
				cron_days(c, length, first) != 0)
				return true;
	return false;
}

static void cron_finish(struct cron_text *t)
{
	struct cron *c = t->c;
	bool any_day = t->is_star[CRON_DAY] || t->is_question[CRON_DAY];
	bool any_weekday =
		t->is_star[CRON_WEEKDAY] || t->is_question[CRON_WEEKDAY];

	c->is_either = !any_day && !any_weekday;
	c->is_absolute = t->is_open[CRON_SECOND] || t->is_open[CRON_MINUTE] ||
			 t->is_open[CRON_HOUR];
	c->is_never = !cron_has_days(c);
}

static int cron_parse_word(
	struct cron_text *t, const char *end, enum cron_dialect dialect)
{
	const char *at = t->at;
	size_t i;

	if (dialect != CRON_AUTO && dialect != CRON_VIXIE)
		return cron_field_wrong(
			t, at, "words with @ are of the dialect vixie");
	for (i = 0; i < CRON_WORDS; i++) {
		const char *word = cron_words[i].word;

		if (strlen(word) == (size_t)(end - at) &&
			strncasecmp(word, at, strlen(word)) == 0)
			return cron_parse(cron_words[i].text,
				strlen(cron_words[i].text), CRON_VIXIE, t->c,
				t->err);
	}
	return cron_field_wrong(t, at,
		"the words are @yearly, @annually, @monthly, @weekly, @daily, "
		"@midnight and @hourly");
}

int cron_parse(const char *text, size_t len, enum cron_dialect dialect,
	struct cron *ret, struct err *err)
{
	struct cron c = { 0 };
	struct cron_text t = { .start = text, .c = &c, .err = err };
	struct cron_split s;

	if (len > CRON_TEXT_MAX)
		return cron_field_wrong(&t, text + CRON_TEXT_MAX,
			"an expression has at most %d bytes", CRON_TEXT_MAX);
	cron_split(text, text + len, &s);
	if (s.count == 0)
		return cron_field_wrong(&t, text,
			"the expression is empty: write it like 0 3 * * *");
	t.at = s.begin[0];
	if (s.count == 1 && *t.at == '@') {
		if (cron_parse_word(&t, s.end[0], dialect) != 0)
			return -1;
		*ret = c;
		return 0;
	}
	c.dialect = (uint8_t)(dialect != CRON_AUTO
				      ? dialect
				      : cron_detect(text, len, s.count));
	if (cron_check_count(&t, &s, dialect, len) != 0 ||
		cron_parse_fields(&t, &s) != 0)
		return -1;
	cron_finish(&t);
	*ret = c;
	return 0;
}
