/* SPDX-License-Identifier: ISC */
/* cron: what expressions mean, and what is wrong with some. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tap.h"
#include "when/cron.h"
#include "when/iso.h"
#include "when/zone.h"

#define STEPS_MANY 20000

static int most_steps;

/* The next times, with commas between; "never", or what is wrong. */
static const char *fires(const char *text, enum cron_dialect dialect,
	const char *zone, const char *from, int count)
{
	static struct buf out;
	static struct err err;
	const struct zone *z = zone_get(zone, &err);
	char iso[ISO_MAX];
	struct cron c;
	int64_t us;
	int steps;

	buf_reset(&out);
	if (z == NULL || cron_parse(text, strlen(text), dialect, &c, &err) != 0)
		return err.text;
	if (iso_parse(from, strlen(from), z, &us, &err) != 0)
		return err.text;
	for (; count > 0; count--) {
		us = cron_next_counted(&c, z, us, &steps);
		if (steps > most_steps)
			most_steps = steps;
		if (us == CRON_NEVER)
			break;
		buf_printf(&out, "%s%s", out.len > 0 ? "," : "",
			iso_print(us, z, iso));
	}
	return out.len > 0 ? buf_str(&out) : "never";
}

struct row {
	const char *title, *text;
	const char *from;
	int count;
	const char *wanted; /* without the seconds and the offset */
};

/* Keeps "2026-11-22T10:00" of each time, or with seconds. */
static const char *shorten(const char *times, size_t len)
{
	static struct buf out;
	size_t n;

	buf_reset(&out);
	if (*times < '0' || *times > '9')
		return times;
	for (;; times += n + 1) {
		n = strcspn(times, ",");
		buf_add(&out, times, n < len ? n : len);
		if (times[n] == '\0')
			return buf_str(&out);
		buf_putc(&out, ' ');
	}
}

static void check_rows(const struct row *rows, size_t count,
	enum cron_dialect dialect, size_t len)
{
	size_t i;

	for (i = 0; i < count; i++)
		is_str(rows[i].wanted,
			shorten(fires(rows[i].text, dialect, "UTC",
					rows[i].from, rows[i].count),
				len),
			"%s: %s", rows[i].text, rows[i].title);
}

#define ROWS(r) r, sizeof(r) / sizeof(*(r))

static void test_vixie(void)
{
	static const struct row rows[] = {
		{ "every minute", "* * * * *", "2026-11-22T10:59:30Z", 2,
			"2026-11-22T11:00 2026-11-22T11:01" },
		{ "after, not at", "0 3 * * *", "2026-11-22T03:00Z", 1,
			"2026-11-23T03:00" },
		{ "over the new year", "30 4 1 * *", "2026-12-01T05:00Z", 1,
			"2027-01-01T04:30" },
		{ "a leap day", "0 0 29 2 *", "2026-01-01Z", 1,
			"\"2026-01-01Z\" is no time: write it like "
			"2026-11-22T10:00:00+01:00" },
		{ "leap days", "0 0 29 2 *", "2096-03-01", 2,
			"2104-02-29T00:00 2108-02-29T00:00" },
		{ "no such day", "0 0 30 2 *", "2026-01-01", 1, "never" },
		{ "no such day of either", "0 0 31 2,4,6,9,11 *", "2026-01-01",
			1, "never" },
		{ "either day", "0 0 13 * FRI", "2026-11-01", 4,
			"2026-11-06T00:00 2026-11-13T00:00 2026-11-20T00:00 "
			"2026-11-27T00:00" },
		{ "either day, the date first", "0 0 1,15 * 3", "2026-11-05", 3,
			"2026-11-11T00:00 2026-11-15T00:00 2026-11-18T00:00" },
		{ "a field that begins with * is no restriction",
			"0 0 */2 * MON", "2026-11-01", 3,
			"2026-11-09T00:00 2026-11-23T00:00 2026-12-07T00:00" },
		{ "nor is such a weekday", "0 0 13 * */2", "2026-11-01", 2,
			"2026-12-13T00:00 2027-02-13T00:00" },
		{ "but one that ends with it is", "0 0 13 * 1,*", "2026-11-01",
			2, "2026-11-02T00:00 2026-11-03T00:00" },
		{ "Sunday is 0", "0 0 * * 0", "2026-11-01", 1,
			"2026-11-08T00:00" },
		{ "and 7", "0 0 * * 7", "2026-11-01", 1, "2026-11-08T00:00" },
		{ "and ends a range", "0 0 * * 5-7", "2026-11-01", 3,
			"2026-11-06T00:00 2026-11-07T00:00 2026-11-08T00:00" },
		{ "also by name", "0 0 * * fri-sun", "2026-11-01", 3,
			"2026-11-06T00:00 2026-11-07T00:00 2026-11-08T00:00" },
		{ "names", "0 0 * Jan,dEC mon", "2026-11-01", 2,
			"2026-12-07T00:00 2026-12-14T00:00" },
		{ "steps of a range", "5-59/20 9-17/4 * * *",
			"2026-11-22T09:20Z", 4,
			"2026-11-22T09:25 2026-11-22T09:45 2026-11-22T13:05 "
			"2026-11-22T13:25" },
		{ "a step beyond the field", "*/90 * * * *", "2026-11-22", 2,
			"2026-11-22T01:00 2026-11-22T02:00" },
		{ "a leap day on a Sunday", "0 0 29 2 */7", "2026-11-22", 2,
			"2032-02-29T00:00 2060-02-29T00:00" },
		{ "which can take 40 years", "0 0 29 2 */7", "2088-03-01", 1,
			"2128-02-29T00:00" },
		{ "both days at once", "0 0 */28 2 1", "2088-03-01", 3,
			"2094-02-01T00:00 2100-02-01T00:00 2106-02-01T00:00" },
		{ "blanks around", "  0\t3  * * *  ", "2026-11-22", 1,
			"2026-11-22T03:00" },
		{ "a word", "@hourly", "2026-11-22", 1, "2026-11-22T01:00" },
		{ "a word", "@daily", "2026-11-22", 1, "2026-11-23T00:00" },
		{ "a word", "@midnight", "2026-11-22", 1, "2026-11-23T00:00" },
		{ "a word", "@weekly", "2026-11-22", 1, "2026-11-29T00:00" },
		{ "a word", "@monthly", "2026-11-22", 1, "2026-12-01T00:00" },
		{ "a word", "@Yearly", "2026-11-22", 1, "2027-01-01T00:00" },
		{ "a word", " @annually ", "2026-11-22", 1,
			"2027-01-01T00:00" },
		{ "the last minute of the calendar", "59 23 31 12 *",
			"9998-12-31T23:59Z", 2, "9999-12-31T23:59" },
		{ "and nothing after", "59 23 31 12 *", "9999-12-31T23:59Z", 1,
			"never" },
		{ "long ago", "0 0 1 1 *", "0001-01-05", 1,
			"0002-01-01T00:00" },
	};

	check_rows(ROWS(rows), CRON_AUTO, 16);
}

static void test_seconds(void)
{
	static const struct row rows[] = {
		{ "seconds", "*/20 * * * * *", "2026-11-22T10:00:45Z", 2,
			"2026-11-22T10:01:00 2026-11-22T10:01:20" },
		{ "a step from a start", "50/5 59 23 * * *", "2026-11-22", 3,
			"2026-11-22T23:59:50 2026-11-22T23:59:55 "
			"2026-11-23T23:59:50" },
		{ "either day", "0 0 0 13 * 5", "2026-11-01", 3,
			"2026-11-06T00:00:00 2026-11-13T00:00:00 "
			"2026-11-20T00:00:00" },
		{ "? is *", "0 0 0 ? * 5", "2026-11-01", 2,
			"2026-11-06T00:00:00 2026-11-13T00:00:00" },
		{ "? is * twice", "0 0 0 ? * ?", "2026-11-01", 1,
			"2026-11-02T00:00:00" },
		{ "the last day", "0 0 0 L * *", "2027-01-31", 3,
			"2027-02-28T00:00:00 2027-03-31T00:00:00 "
			"2027-04-30T00:00:00" },
		{ "days before it", "0 0 0 L-3 2 *", "2027-01-01", 2,
			"2027-02-25T00:00:00 2028-02-26T00:00:00" },
		{ "so many that few months have them", "0 0 0 l-30 * *",
			"2027-01-02", 2,
			"2027-03-01T00:00:00 2027-05-01T00:00:00" },
		{ "the last weekday", "0 0 0 LW * *", "2026-04-30", 3,
			"2026-05-29T00:00:00 2026-06-30T00:00:00 "
			"2026-07-31T00:00:00" },
		{ "the nearest weekday, back", "0 0 0 15W * *", "2026-08-01", 1,
			"2026-08-14T00:00:00" },
		{ "on", "0 0 0 15W 11 *", "2026-11-01", 1,
			"2026-11-16T00:00:00" },
		{ "never over the first", "0 0 0 1W * *", "2026-07-15", 1,
			"2026-08-03T00:00:00" },
		{ "or the last of the month", "0 0 0 31W 5 *", "2026-05-01", 1,
			"2026-05-29T00:00:00" },
		{ "a month without that day has none", "0 0 0 31W * *",
			"2026-06-01", 2,
			"2026-07-31T00:00:00 2026-08-31T00:00:00" },
		{ "several", "0 0 0 1W,L * *", "2026-11-01", 3,
			"2026-11-02T00:00:00 2026-11-30T00:00:00 "
			"2026-12-01T00:00:00" },
		{ "the last Friday", "0 0 0 * * 5L", "2026-11-22", 2,
			"2026-11-27T00:00:00 2026-12-25T00:00:00" },
		{ "by name", "0 0 0 * * FRIL", "2026-11-22", 1,
			"2026-11-27T00:00:00" },
		{ "the last Sunday", "0 0 0 * * 7L", "2026-11-22", 1,
			"2026-11-29T00:00:00" },
		{ "the second Tuesday", "0 0 0 * * 2#2", "2026-11-22", 2,
			"2026-12-08T00:00:00 2027-01-12T00:00:00" },
		{ "the fifth Friday", "0 0 0 * * 5#5", "2026-11-22", 2,
			"2027-01-29T00:00:00 2027-04-30T00:00:00" },
		{ "one of February", "0 0 0 ? 2 mon#5", "2026-11-22", 2,
			"2044-02-29T00:00:00 2072-02-29T00:00:00" },
		{ "the 13th or the last Friday", "0 0 0 13 * 5L", "2026-11-01",
			2, "2026-11-13T00:00:00 2026-11-27T00:00:00" },
		{ "no such day", "0 0 0 30W 2 *", "2026-11-22", 1, "never" },
		{ "nor so many before the last", "0 0 0 L-30 4 *", "2026-11-22",
			1, "never" },
	};

	check_rows(ROWS(rows), CRON_SECONDS, 19);
	is_str("2026-11-22T00:00:01",
		shorten(fires("* * * * * *", CRON_AUTO, "UTC", "2026-11-22", 1),
			19),
		"six fields without ? have seconds");
}

static void test_quartz(void)
{
	static const struct row rows[] = {
		{ "Sunday is 1", "0 0 12 ? * 1", "2026-11-22T12:00Z", 1,
			"2026-11-29T12:00:00" },
		{ "Saturday is 7", "0 0 12 ? * 7", "2026-11-22T12:00Z", 1,
			"2026-11-28T12:00:00" },
		{ "and L", "0 0 12 ? * L", "2026-11-22T12:00Z", 1,
			"2026-11-28T12:00:00" },
		{ "names", "0 0 12 ? * mon-fri", "2026-11-27T12:00Z", 1,
			"2026-11-30T12:00:00" },
		{ "a range over the end of the week", "0 0 0 ? * FRI-MON",
			"2026-11-19", 5,
			"2026-11-20T00:00:00 2026-11-21T00:00:00 "
			"2026-11-22T00:00:00 2026-11-23T00:00:00 "
			"2026-11-27T00:00:00" },
		{ "of the day", "0 0 22-2 * * ?", "2026-11-22T21:00Z", 6,
			"2026-11-22T22:00:00 2026-11-22T23:00:00 "
			"2026-11-23T00:00:00 2026-11-23T01:00:00 "
			"2026-11-23T02:00:00 2026-11-23T22:00:00" },
		{ "with a step", "0 0 22-2/2 * * ?", "2026-11-22T21:00Z", 4,
			"2026-11-22T22:00:00 2026-11-23T00:00:00 "
			"2026-11-23T02:00:00 2026-11-23T22:00:00" },
		{ "of the month", "0 0 0 30-2 * ?", "2026-11-22", 4,
			"2026-11-30T00:00:00 2026-12-01T00:00:00 "
			"2026-12-02T00:00:00 2026-12-30T00:00:00" },
		{ "of the year", "0 0 0 1 NOV-FEB ?", "2026-11-22", 4,
			"2026-12-01T00:00:00 2027-01-01T00:00:00 "
			"2027-02-01T00:00:00 2027-11-01T00:00:00" },
		{ "the third Friday", "0 15 10 ? * 6#3", "2026-11-22", 1,
			"2026-12-18T10:15:00" },
		{ "the last Friday", "0 15 10 ? * 6L", "2026-11-22", 1,
			"2026-11-27T10:15:00" },
		{ "before the last weekday", "0 0 0 L-2W * ?", "2026-11-22", 1,
			"2026-11-27T00:00:00" },
		{ "years", "0 0 0 1 1 ? 2027-2031/2", "2026-11-22", 4,
			"2027-01-01T00:00:00 2029-01-01T00:00:00 "
			"2031-01-01T00:00:00" },
		{ "years past", "0 0 0 1 1 ? 2025", "2026-11-22", 1, "never" },
		{ "from before them", "0 0 0 1 1 ? *", "0800-01-01", 1,
			"1970-01-01T00:00:00" },
		{ "to the last", "0 0 0 1 1 ? *", "2198-06-01", 2,
			"2199-01-01T00:00:00" },
		{ "a leap day of no leap year", "0 0 0 29 2 ? 2026-2027",
			"2020-01-01", 1, "never" },
		{ "a leap day on a Sunday, far", "0 0 0 29 2 ? 2100/100",
			"2026-01-01", 1, "never" },
		{ "one second of two centuries", "59 59 23 31 12 ? 2199",
			"1970-01-01", 2, "2199-12-31T23:59:59" },
	};

	check_rows(ROWS(rows), CRON_AUTO, 19);
}

struct fault {
	const char *text;
	const char *wanted;
};

static void check_faults(
	const struct fault *f, size_t count, enum cron_dialect dialect)
{
	struct cron c;
	struct err err;
	size_t i;

	for (i = 0; i < count; i++) {
		if (cron_parse(f[i].text, strlen(f[i].text), dialect, &c,
			    &err) == 0)
			strcpy(err.text, "no error");
		is_str(f[i].wanted, err.text, "wrong: %s", f[i].text);
	}
}

static void test_vixie_faults(void)
{
	static const struct fault faults[] = {
		{ "", "column 1: the expression is empty: write it like "
		      "0 3 * * *" },
		{ "* * * *",
			"column 8: an expression has 5 fields, 6 with seconds, "
			"7 with years; here it ends after 4" },
		{ "* * * * * * * 1",
			"column 15: an expression has 5 fields, 6 with "
			"seconds, 7 with years; here begins one more" },
		{ "60 * * * *", "column 1: the minute is 0 to 59, not \"60\"" },
		{ "* 24 * * *", "column 3: the hour is 0 to 23, not \"24\"" },
		{ "* * 0 * *", "column 5: the day of the month is 1 to 31, not "
			       "\"0\"" },
		{ "* * 1,32 * *",
			"column 7: the day of the month is 1 to 31, not "
			"\"32\"" },
		{ "* * * 13 *",
			"column 7: the month is 1 to 12 or JAN to DEC, not "
			"\"13\"" },
		{ "* * * * 8",
			"column 9: the day of the week is 0 to 7 or SUN to "
			"SAT, not \"8\"" },
		{ "* * * * MONDAY",
			"column 9: the day of the week is 0 to 7 or SUN to "
			"SAT, not \"MONDAY\"" },
		{ "* * * FOO *",
			"column 7: the month is 1 to 12 or JAN to DEC, not "
			"\"FOO\"" },
		{ "99999999999999999999 * * * *",
			"column 1: the minute is 0 to 59, not "
			"\"99999999999999999999\"" },
		{ "-1 * * * *", "column 1: the minute is 0 to 59, not \"-1\"" },
		{ "1, * * * *",
			"column 3: here the minute is missing, 0 to 59" },
		{ ",1 * * * *",
			"column 1: here the minute is missing, 0 to 59" },
		{ "1- * * * *",
			"column 3: here the minute is missing, 0 to 59" },
		{ "10-5 * * * *", "column 4: the range goes backwards: write "
				  "10-59,0-5" },
		{ "* 22-2 * * *", "column 6: the range goes backwards: write "
				  "22-23,0-2" },
		{ "* * * * FRI-MON",
			"column 13: the range goes backwards: write "
			"5-7,0-1" },
		{ "*/0 * * * *",
			"column 3: a step of the minute is a number from 1 to "
			"999999, not \"0\"" },
		{ "*/ * * * *",
			"column 3: a step of the minute is a number from 1 to "
			"999999, not \"\"" },
		{ "5/15 * * * *",
			"column 2: a step needs a range: write 5-59/..." },
		{ "*5 * * * *",
			"column 2: a comma or a blank was expected, not "
			"\"5\"" },
		{ "1-5-7 * * * *",
			"column 4: a comma or a blank was expected, not "
			"\"-7\"" },
		{ "* * ? * *",
			"column 5: ? is of the dialects seconds and quartz: "
			"write *" },
		{ "* * L * *", "column 5: the day of the month is 1 to 31, not "
			       "\"L\"" },
		{ "* * 15W * *",
			"column 7: W is of the dialects seconds and quartz" },
		{ "* * * * 5L",
			"column 10: L is of the dialects seconds and quartz" },
		{ "* * * * 5#2",
			"column 10: # is of the dialects seconds and quartz" },
		{ "@reboot",
			"column 1: the words are @yearly, @annually, "
			"@monthly, @weekly, @daily, @midnight and @hourly" },
		{ " @", "column 2: the words are @yearly, @annually, "
			"@monthly, @weekly, @daily, @midnight and @hourly" },
		{ "\xc3\xa4\x01 * * * *",
			"column 1: the minute is 0 to 59, not \"???\"" },
	};

	check_faults(ROWS(faults), CRON_AUTO);
}

static void test_other_faults(void)
{
	static const struct fault vixie[] = {
		{ "* * * * * *",
			"column 11: vixie has 5 fields: minute hour day month "
			"weekday; here begins one more" },
	};
	static const struct fault seconds[] = {
		{ "* * * * *",
			"column 10: seconds has 6 fields: second minute hour "
			"day month weekday; here it ends after 5" },
		{ "@daily", "column 1: words with @ are of the dialect vixie" },
		{ "? * * * * *", "column 1: ? is for the days only: write *" },
		{ "* * * ?,1 * *", "column 7: ? stands alone in its field" },
		{ "* * * 1,? * *", "column 9: ? stands alone in its field" },
		{ "* * * * * L",
			"column 11: the last of which weekday? write 5L for "
			"Friday" },
		{ "* * * L-31 * *",
			"column 9: behind L- there is a number from 0 to "
			"30" },
		{ "* * * 1-5W * *",
			"column 10: W goes with a single day of the month" },
		{ "* * * 32W * *",
			"column 7: the day of the month is 1 to 31, not "
			"\"32W\"" },
		{ "* * * * * 5#6",
			"column 13: behind # there is a number from 1 to 5" },
		{ "* * * * * 5#0",
			"column 13: behind # there is a number from 1 to 5" },
		{ "* * * * * 1-5#2",
			"column 14: # goes with a single day of the week" },
		{ "* * * * 3L *",
			"column 10: L goes with a single day of the week" },
		{ "* * * * * 5W",
			"column 12: W goes with a single day of the month" },
		{ "* * * * * FRI-MON",
			"column 15: the range goes backwards: write "
			"5-7,0-1" },
	};
	static const struct fault quartz[] = {
		{ "* * * * *",
			"column 10: quartz has 6 or 7 fields: second minute "
			"hour day month weekday year; here it ends after 5" },
		{ "0 0 0 * * *",
			"column 11: one of the two days has to be ?, here or "
			"in the fourth field" },
		{ "0 0 0 ? * ?",
			"column 11: only one of the two days may be ?: write "
			"*" },
		{ "0 0 0 ? * 0",
			"column 11: the day of the week is 1 (Sunday) to 7 or "
			"SUN to SAT, not \"0\"" },
		{ "0 0 0 ? * 8",
			"column 11: the day of the week is 1 (Sunday) to 7 or "
			"SUN to SAT, not \"8\"" },
		{ "0 */60 0 ? * 1",
			"column 5: a step of the minute is a number from 1 to "
			"59, not \"60\"" },
		{ "0 0 0 1 1 ? 1969",
			"column 13: the year is 1970 to 2199, not \"1969\"" },
		{ "0 0 0 1 1 ? 2200",
			"column 13: the year is 1970 to 2199, not \"2200\"" },
		{ "0 0 0 1 1 ? 2030-2020",
			"column 18: the range goes backwards: write the "
			"earlier year first" },
	};
	struct cron c;
	struct err err;
	static char text[CRON_TEXT_MAX + 2];

	check_faults(ROWS(vixie), CRON_VIXIE);
	check_faults(ROWS(seconds), CRON_SECONDS);
	check_faults(ROWS(quartz), CRON_QUARTZ);
	memset(text, '*', CRON_TEXT_MAX + 1);
	ok(cron_parse(text, CRON_TEXT_MAX + 1, CRON_AUTO, &c, &err) != 0,
		"an endless expression is refused");
	has_str("column 2049: ", err.text, "with the column");
}

static void test_dialects(void)
{
	enum cron_dialect d = CRON_DIALECT_COUNT;
	struct err err;

	ok(cron_dialect_find("", &d, &err) == 0 && d == CRON_AUTO,
		"no dialect is auto");
	ok(cron_dialect_find("quartz", &d, &err) == 0 && d == CRON_QUARTZ,
		"a dialect has its name");
	ok(cron_dialect_find("cron", &d, &err) == -1, "no other has");
}

struct change {
	const char *title, *text, *zone, *from;
	int count;
	const char *wanted;
};

static void test_clock_changes(void)
{
	static const struct change rows[] = {
		{ "in the gap: once, at its end", "30 2 * * *", "Europe/Berlin",
			"2026-03-28T12:00:00+01:00", 2,
			"2026-03-29T03:00:00+02:00,2026-03-30T02:30:00+02:00" },
		{ "several in the gap: still once", "0,15,45 2 * * *",
			"Europe/Berlin", "2026-03-28T12:00:00+01:00", 2,
			"2026-03-29T03:00:00+02:00,2026-03-30T02:00:00+02:00" },
		{ "with one at its end: still once", "0,30 2-3 * * *",
			"Europe/Berlin", "2026-03-29T00:00:00+01:00", 3,
			"2026-03-29T03:00:00+02:00,2026-03-29T03:30:00+02:00,"
			"2026-03-30T02:00:00+02:00" },
		{ "in the hour that comes twice: the first", "30 2 * * *",
			"Europe/Berlin", "2026-10-24T12:00:00+02:00", 2,
			"2026-10-25T02:30:00+02:00,2026-10-26T02:30:00+01:00" },
		{ "also asked for in the second", "45 2 * * *", "Europe/Berlin",
			"2026-10-25T02:10:00+01:00", 1,
			"2026-10-26T02:45:00+01:00" },
		{ "steps go on through both", "*/30 * * * *", "Europe/Berlin",
			"2026-10-25T01:30:00+02:00", 5,
			"2026-10-25T02:00:00+02:00,2026-10-25T02:30:00+02:00,"
			"2026-10-25T02:00:00+01:00,2026-10-25T02:30:00+01:00,"
			"2026-10-25T03:00:00+01:00" },
		{ "and over the gap", "*/30 * * * *", "Europe/Berlin",
			"2026-03-29T01:30:00+01:00", 2,
			"2026-03-29T03:00:00+02:00,2026-03-29T03:30:00+02:00" },
		{ "hours too", "5 * * * *", "America/New_York",
			"2026-11-01T00:10:00-04:00", 3,
			"2026-11-01T01:05:00-04:00,2026-11-01T01:05:00-05:00,"
			"2026-11-01T02:05:00-05:00" },
		{ "what a step leaves out is left out", "0 */2 * * *",
			"America/New_York", "2026-03-08T00:00:00-05:00", 2,
			"2026-03-08T04:00:00-04:00,2026-03-08T06:00:00-04:00" },
		{ "a/n is such a step", "0 0 0/2 * * ?", "America/New_York",
			"2026-03-08T00:00:00-05:00", 1,
			"2026-03-08T04:00:00-04:00" },
		{ "an hour of steps that is left out", "*/20 2 * * *",
			"America/New_York", "2026-03-07T02:40:00-05:00", 1,
			"2026-03-09T02:00:00-04:00" },
		{ "half an hour's gap", "15 2 * * *", "Australia/Lord_Howe",
			"2026-10-03T12:00:00+10:30", 2,
			"2026-10-04T02:30:00+11:00,2026-10-05T02:15:00+11:00" },
		{ "half an hour twice", "45 1 * * *", "Australia/Lord_Howe",
			"2026-04-04T12:00:00+11:00", 2,
			"2026-04-05T01:45:00+11:00,2026-04-06T01:45:00+10:30" },
		{ "in steps", "*/15 * * * *", "Australia/Lord_Howe",
			"2026-04-05T01:30:00+11:00", 4,
			"2026-04-05T01:45:00+11:00,2026-04-05T01:30:00+10:30,"
			"2026-04-05T01:45:00+10:30,2026-04-05T02:00:00+10:30" },
		{ "a gap at midnight", "@daily", "America/Sao_Paulo",
			"2018-11-03T12:00:00-03:00", 2,
			"2018-11-04T01:00:00-02:00,2018-11-05T00:00:00-02:00" },
		{ "and another", "0 0 * * *", "Asia/Beirut",
			"2022-03-26T12:00:00+02:00", 2,
			"2022-03-27T01:00:00+03:00,2022-03-28T00:00:00+03:00" },
		{ "midnight twice", "30 23 * * *", "Asia/Beirut",
			"2022-10-29T12:00:00+03:00", 2,
			"2022-10-29T23:30:00+03:00,2022-10-30T23:30:00+02:00" },
		{ "a day that was none", "0 12 * * *", "Pacific/Apia",
			"2011-12-28T13:00:00-10:00", 3,
			"2011-12-29T12:00:00-10:00,2011-12-31T00:00:00+14:00,"
			"2011-12-31T12:00:00+14:00" },
		{ "steps know nothing of it", "0 */12 * * *", "Pacific/Apia",
			"2011-12-29T12:00:00-10:00", 2,
			"2011-12-31T00:00:00+14:00,2011-12-31T12:00:00+14:00" },
		{ "a day that was twice", "0 12 * * *", "Pacific/Kwajalein",
			"1969-09-29T13:00:00+11:00", 3,
			"1969-09-30T12:00:00+11:00,1969-10-01T12:00:00-12:00,"
			"1969-10-02T12:00:00-12:00" },
		{ "far ahead, by the rule of the zone", "30 2 * 3 0",
			"Europe/Berlin", "2090-03-20T00:00:00+01:00", 1,
			"2090-03-26T03:00:00+02:00" },
		{ "the last of the years, twice", "0 */30 2 25 10 ? 2026",
			"Europe/Berlin", "2026-10-25T02:15:00+02:00", 4,
			"2026-10-25T02:30:00+02:00,2026-10-25T02:00:00+01:00,"
			"2026-10-25T02:30:00+01:00" },
		{ "always in the gap", "0 */15 2 ? 3 1L", "Europe/Berlin",
			"2026-01-01", 1, "never" },
		{ "without steps at its end", "0 15 2 ? 3 1L", "Europe/Berlin",
			"2026-01-01", 2,
			"2026-03-29T03:00:00+02:00,2027-03-28T03:00:00+02:00" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		is_str(rows[i].wanted,
			fires(rows[i].text, CRON_AUTO, rows[i].zone,
				rows[i].from, rows[i].count),
			"%s, %s: %s", rows[i].text, rows[i].zone,
			rows[i].title);
}

/* Expressions that are seldom or never due, in a zone of many changes. */
static void test_bounds(void)
{
	static const char *const texts[] = {
		"* * 30 2 *",
		"* * 29 2 *",
		"*/7 */7 */28 2 1",
		"* * * 31 2,4,6 ?",
		"* * 2 ? 3 1L",
		"* * 2 ? 10 1L 2199",
		"* * * 29 2 ? 1971,1973,2101-2103",
		"* * * 29 2 ? 2100",
		"59 59 23 31 12 ? 2199",
		"* * 2 L-28W 2 *",
		"* * 2 29W 2 ?",
		"* * * ? 2 7#5",
	};
	size_t i;

	most_steps = 0;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		(void)fires(texts[i], CRON_AUTO, "Africa/Casablanca",
			"1900-01-01", 50);
		(void)fires(
			texts[i], CRON_AUTO, "Europe/Berlin", "2026-01-01", 50);
	}
	ok(most_steps > 0 && most_steps < STEPS_MANY,
		"no search takes many steps: %d", most_steps);
}

static void test_extremes(void)
{
	struct cron c;
	struct err err;

	ok(cron_parse("* * * * *", 9, CRON_AUTO, &c, &err) == 0 &&
			cron_next(&c, zone_utc(), INT64_MAX) == CRON_NEVER,
		"nothing comes after the end of time");
	ok(cron_next(&c, zone_utc(), INT64_MIN) > INT64_MIN,
		"something after its beginning");
	is_int(0, cron_next(&c, zone_utc(), -1), "a microsecond before");
	is_int(60000000, cron_next(&c, zone_utc(), 0), "at the very time");
}

int main(void)
{
	test_vixie();
	test_seconds();
	test_quartz();
	test_vixie_faults();
	test_other_faults();
	test_dialects();
	test_clock_changes();
	test_bounds();
	test_extremes();
	return tap_done();
}
