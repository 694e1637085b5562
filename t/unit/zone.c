/* SPDX-License-Identifier: ISC */
/* zone: what clocks show; iso: instants as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "tap.h"
#include "when/civil.h"
#include "when/iso.h"
#include "when/zone.h"

static struct err err;

static const struct zone *get(const char *name)
{
	const struct zone *z = zone_get(name, &err);

	if (z == NULL)
		bail("%s", err.text);
	return z;
}

static int64_t at(const char *text)
{
	int64_t us;

	if (iso_parse(text, strlen(text), zone_utc(), &us, &err) != 0)
		bail("%s", err.text);
	return us / US_PER_S;
}

static int offset(const char *zone, const char *when)
{
	struct zone_span span;

	zone_at(get(zone), at(when), &span);
	return span.offset_s;
}

static void test_civil(void)
{
	int64_t day, wrong = 0;
	struct civil c, before = civil_from_days(-800001);

	for (day = -800000; day <= 3000000; day++) {
		c = civil_from_days(day);
		if (civil_to_days(c.year, c.month, c.day) != day)
			wrong++;
		if (c.day == 1 ? before.day != civil_month_days(before.year,
						       before.month)
			       : c.day != before.day + 1)
			wrong++;
		before = c;
	}
	is_int(0, wrong, "dates are counted right over ten thousand years");
	is_int(4, civil_weekday(0), "1970 began on a Thursday");
	is_int(6, civil_weekday(-5), "five days earlier it was Saturday");
	is_int(INT64_C(253402300799), at("9999-12-31T23:59:59Z"),
		"the last second of four digits");
}

static void test_offsets(void)
{
	is_int(0, offset("UTC", "2026-01-01"), "UTC is UTC");
	is_int(3600, offset("Europe/Berlin", "2026-03-29T00:59:59Z"),
		"Berlin has an hour in winter");
	is_int(7200, offset("Europe/Berlin", "2026-03-29T01:00:00Z"),
		"two from the change on");
	is_int(3208, offset("Europe/Berlin", "1890-01-01"),
		"before there were zones it has its own time");
	is_int(7200, offset("Europe/Berlin", "2090-07-01"),
		"and summer time in the far future");
	is_int(3600, offset("Europe/Berlin", "2090-10-29T01:00:00Z"),
		"which ends on the last Sunday of October");
	is_int(-14400, offset("America/New_York", "2500-03-14T07:00:00Z"),
		"the rule of New York holds in centuries");
	is_int(37800, offset("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
		"Lord Howe goes back by half an hour");
	is_int(39600, offset("Australia/Lord_Howe", "2050-01-01"),
		"in summer, which is in January");
	is_int(-36000, offset("Pacific/Apia", "2011-12-30T09:59:59Z"),
		"Apia was the last");
	is_int(50400, offset("Pacific/Apia", "2011-12-30T10:00:00Z"),
		"and became the first, a day later at once");
	is_int(0, offset("Europe/Dublin", "2060-01-01"),
		"Dublin, whose rule is written the other way round, in winter");
	is_int(3600, offset("Europe/Dublin", "2060-06-01"), "and in summer");
	is_int(-7200, offset("America/Nuuk", "2023-03-26T01:00:00Z"),
		"Nuuk stays on summer time");
	is_int(-3600, offset("America/Nuuk", "2060-06-01"),
		"then has changes before midnight");
	is_int(20700, offset("Asia/Kathmandu", "2026-01-01"),
		"a zone of a quarter");
	is_int(34200, offset("Australia/Adelaide", "2045-04-02T16:30:00Z"),
		"the south has summer over the new year");
}

static void test_walls(void)
{
	const struct zone *z = get("Europe/Berlin");
	const struct zone *apia = get("Pacific/Apia");

	is_int(at("2026-03-29T01:00:00Z"),
		zone_first(z, at("2026-03-29T02:30:00Z")),
		"a time in the gap is at its end");
	is_int(at("2026-03-29T01:00:00Z"),
		zone_first(z, at("2026-03-29T03:00:00Z")),
		"and so is the end itself");
	is_int(at("2026-10-25T00:30:00Z"),
		zone_first(z, at("2026-10-25T02:30:00Z")),
		"a time that comes twice is the first");
	is_int(at("2026-10-25T02:00:00Z"),
		zone_first(z, at("2026-10-25T03:00:00Z")),
		"the time after both is in winter");
	is_int(at("2026-10-25T03:00:00Z") - 1,
		zone_wall_max(z, at("2026-10-25T01:30:00Z")),
		"clocks set back have shown more");
	is_int(at("2026-10-25T03:00:00Z"),
		zone_wall_max(z, at("2026-10-25T02:00:00Z")),
		"until they are there again");
	is_int(at("2011-12-30T10:00:00Z"),
		zone_first(apia, at("2011-12-30T12:00:00Z")),
		"a whole day may be missing");
}

/* Nothing shown for the first time is shown before what it follows. */
static void test_order(const char *name)
{
	const struct zone *z = get(name);
	int64_t from = at("1990-01-01"), until = at("2060-01-01"), wall;
	int64_t before = INT64_MIN, first;
	int wrong = 0;

	for (wall = from; wall < until; wall += 1800) {
		first = zone_first(z, wall);
		if (first < before || zone_wall(z, first) < wall ||
			zone_wall_max(z, first - 1) >= wall)
			wrong++;
		before = first;
	}
	is_int(0, wrong, "the clocks of %s go on", name);
}

static void test_names(void)
{
	static const char *const bad[] = { "", "/etc/localtime",
		"../../../etc/passwd", "Europe/../../../../etc/localtime",
		"Europe//Berlin", "Europe/Berlin/", "Europe/", "Euro pe",
		"Europe/Berlin\n", "." };
	char text[100];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(zone_get(bad[i], &err) == NULL, "no zone: \"%.20s\"",
			i == 8 ? "with a newline" : bad[i]);
	ok(zone_get("Europe/Atlantis", &err) == NULL, "there is no Atlantis");
	has_str("no time zone \"Europe/Atlantis\"", err.text, "as is said");
	ok(zone_get("Europe", &err) == NULL, "a directory is none");
	ok(zone_get("tzdata.zi", &err) == NULL, "nor is another file");
	ok(zone_get("leapseconds", &err) == NULL, "even one without a dot");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ok(zone_get(text, &err) == NULL, "nor is a long name");
	ok(get("Europe/Berlin") == get("Europe/Berlin"), "zones are kept");
	is_str("Europe/Berlin", zone_name(get("Europe/Berlin")), "by name");
}

/* A version 2 file with an empty first block. */
static void put_word(struct buf *b, uint32_t v)
{
	buf_putc(b, (char)(v >> 24));
	buf_putc(b, (char)(v >> 16));
	buf_putc(b, (char)(v >> 8));
	buf_putc(b, (char)v);
}

static void put_header(struct buf *b, int leaps, int times, int types)
{
	int i;

	buf_add(b, "TZif2", 5);
	for (i = 0; i < 15; i++)
		buf_putc(b, 0);
	put_word(b, 0);
	put_word(b, 0);
	put_word(b, (uint32_t)leaps);
	put_word(b, (uint32_t)times);
	put_word(b, (uint32_t)types);
	put_word(b, 0);
}

/* Two changes, at 0 and at `second`, between offsets 0 and `offset_s`. */
static struct zone *make(int leaps, int second, int type, int offset_s,
	const char *footer, size_t cut)
{
	struct buf b = BUF_INIT;
	struct zone *z;
	int i;

	put_header(&b, 0, 0, 0);
	put_header(&b, leaps, 2, 2);
	put_word(&b, 0);
	put_word(&b, 0);
	put_word(&b, 0);
	put_word(&b, (uint32_t)second);
	buf_putc(&b, 1);
	buf_putc(&b, (char)type);
	for (i = 0; i < 2; i++) {
		put_word(&b, i == 0 ? 0 : (uint32_t)offset_s);
		buf_putc(&b, 0);
		buf_putc(&b, 0);
	}
	for (i = 0; i < leaps * 12; i++)
		buf_putc(&b, 0);
	buf_puts(&b, footer);
	err.text[0] = '\0';
	z = zone_parse("Test/Zone", buf_str(&b), b.len - cut, &err);
	buf_done(&b);
	return z;
}

static void test_files(void)
{
	static const char *const rules[] = { "EST5EDT,M3.2.0", "EST", "5",
		"EST5EDT", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
		"EST5EDT,J0,J1", "EST5EDT,366,1", "EST5EDT,M3.2.7,M11.1.0",
		"<EST5", "EST5EDT,M3.2.0/168,M11.1.0", "E5", "EST25",
		"EST5EDT,M3.2.0,M11.1.0x", "EST5EDT,M3.2.0/2:60,M11.1.0" };
	struct zone *z = make(0, 1000, 0, 3600, "\n\n", 0);
	char footer[64];
	size_t i;

	ok(z != NULL, "a small file is taken: %s", err.text);
	is_int(3600, zone_wall(z, 0), "its first change is there");
	is_int(2000, zone_wall(z, 2000), "and its last");
	zone_free(z);
	z = make(0, 1000, 0, 3600, "\nXXX3EDT4,0/0,J365/23\n", 0);
	ok(z != NULL, "summer time for ever is a rule: %s", err.text);
	if (z != NULL) {
		is_int(-14400,
			zone_wall(z, at("2030-06-01")) - at("2030-06-01"),
			"in summer");
		is_int(-14400,
			zone_wall(z, at("2030-01-01T03:59:59Z")) -
				at("2030-01-01T03:59:59Z"),
			"and over the new year");
	}
	zone_free(z);
	ok(make(0, 0, 0, 3600, "\n\n", 0) == NULL, "no two changes at once");
	has_str("out of order", err.text, "as is said");
	ok(make(0, 1000, 2, 3600, "\n\n", 0) == NULL, "no change to nothing");
	ok(make(0, 1000, 0, 93600, "\n\n", 0) == NULL, "no offset of a day");
	ok(make(1, 1000, 0, 3600, "\n\n", 0) == NULL, "no leap seconds");
	has_str("leap seconds", err.text, "as is said");
	ok(make(0, 1000, 0, 3600, "", 0) == NULL, "no footer left out");
	ok(make(0, 1000, 0, 3600, "\nUTC0", 0) == NULL, "or cut off");
	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		snprintf(footer, sizeof(footer), "\n%s\n", rules[i]);
		ok(make(0, 1000, 0, 3600, footer, 0) == NULL, "no rule: %s",
			rules[i]);
	}
	for (i = 1; i <= 124; i++)
		if (make(0, 1000, 0, 3600, "\n\n", i) != NULL)
			break;
	is_int(125, (int64_t)i, "a file that is cut off anywhere is refused");
}

static const char *again(const char *text, const char *zone)
{
	static char out[ISO_MAX];
	int64_t us;

	if (iso_parse(text, strlen(text), get(zone), &us, &err) != 0)
		return err.text;
	return iso_print(us, get(zone), out);
}

static void test_iso(void)
{
	static const char *const bad[] = { "", "2026", "2026-13-01",
		"2026-02-29", "2026-11-22T", "2026-11-22T24:00",
		"2026-11-22T10:00:60Z", "2026-11-22T10:00:00.Z",
		"2026-11-22T10:00Zx", "0000-01-01", "2026-11-22T10:00+1",
		"2026-11-22T10:00:00.1234567890Z", "2026-11-22T10:00+24:00" };
	size_t i;
	char out[ISO_MAX];

	is_str("2026-11-22T10:00:00+00:00",
		again("2026-11-22T10:00:00Z", "UTC"), "a time in UTC");
	is_str("2026-11-22T10:00:00.500+00:00",
		again("2026-11-22t11:00:00.5+01", "UTC"), "with an offset");
	is_str("2026-11-22T10:00:00.000001+00:00",
		again("2026-11-22 10:00:00.0000019Z", "UTC"),
		"with microseconds");
	is_str("2026-07-01T00:00:00+02:00",
		again("2026-07-01", "Europe/Berlin"), "a date of a zone");
	is_str("2026-03-29T03:00:00+02:00",
		again("2026-03-29T02:15", "Europe/Berlin"), "a time in a gap");
	is_str("2026-01-01T00:00:00-03:30",
		again("2026-01-01T03:30Z", "America/St_Johns"),
		"an offset to the west");
	is_str("1880-01-01T00:00:00+00:53:28",
		again("1880-01-01", "Europe/Berlin"), "an offset with seconds");
	is_str("1880-01-01T00:00:00+00:53:28",
		again("1880-01-01T00:00:00+00:53:28", "Europe/Berlin"),
		"reads back");
	is_str("1969-12-31T23:59:59.999999+00:00",
		iso_print(-1, zone_utc(), out), "before 1970");
	is_str("never", iso_print(INT64_MAX, zone_utc(), out), "too late");
	is_str("never", iso_print(INT64_MIN, zone_utc(), out), "too early");
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		has_str("is no time", again(bad[i], "UTC"), "not a time: %s",
			bad[i]);
}

int main(void)
{
	test_civil();
	test_offsets();
	test_walls();
	test_order("Europe/Berlin");
	test_order("Australia/Lord_Howe");
	test_order("Pacific/Apia");
	test_order("Africa/Casablanca");
	test_names();
	test_files();
	test_iso();
	return tap_done();
}
