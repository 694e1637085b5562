/* SPDX-License-Identifier: ISC */
/* table: columns for people; tail: the end of a file that is rotated. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "ctl/table.h"
#include "ctl/tail.h"
#include "tap.h"

static const struct table_column columns[] = {
	{ "NAME", TABLE_LEFT, TABLE_FIXED },
	{ "N", TABLE_RIGHT, TABLE_FIXED },
	{ "CPU", TABLE_LEFT, TABLE_OPTIONAL },
	{ "WHY", TABLE_LEFT, TABLE_ELASTIC },
};

static void add_row(struct table *t, const char *name, int n, const char *cpu,
	const char *why)
{
	table_cell(t, SCREEN_GOOD, "%s", name);
	table_cell(t, SCREEN_PLAIN, "%d", n);
	table_cell(t, SCREEN_PLAIN, "%s", cpu);
	table_cell(t, SCREEN_PLAIN, "%s", why);
}

static const char *print(const struct table *t, int width, bool colour)
{
	static struct buf out;
	struct screen s = { .width = width, .colour = colour };

	buf_reset(&out);
	table_print(t, &s, 0, 0, &out);
	return buf_str(&out);
}

static void test_table(void)
{
	struct table *t = table_new(columns, 4);

	add_row(t, "a", 5, "", "");
	add_row(t, "l\xc3\xa4nger", 12345, "", "");
	is_str("NAME        N\n"
	       "a           5\n"
	       "l\xc3\xa4nger  12345\n",
		print(t, 0, false),
		"columns are aligned by characters, empty ones left out");
	add_row(t, "b", 1, "0-3", "because of\nthat and of more");
	is_str("NAME        N  CPU  WHY\n"
	       "a           5  -    -\n"
	       "l\xc3\xa4nger  12345  -    -\n"
	       "b           1  0-3  because of?that and of more\n",
		print(t, 0, false), "control bytes are not passed on");
	has_str("\nb           1  0-3  because of?tha~\n", print(t, 35, false),
		"an elastic column is cut to the screen");
	has_str("\nb           1  0~\n", print(t, 17, false),
		"a fixed one at its edge");
	has_str("\n\033[32mb\033[0m           1  0-3", print(t, 0, true),
		"colours take no room");
	is_int(3, (int64_t)table_rows(t), "rows are counted");
	table_free(t);
}

static char seen[65536];

static void on_line(const char *line, size_t len, void *arg)
{
	size_t at = strlen(seen);

	(void)arg;
	snprintf(seen + at, sizeof(seen) - at, "%.*s|", (int)len, line);
}

static const char *seen_now(void)
{
	static char copy[sizeof(seen)];

	memcpy(copy, seen, sizeof(seen));
	seen[0] = '\0';
	return copy;
}

static void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "ae");

	fputs(text, f);
	fclose(f);
}

static void test_tail(const char *path, const char *old)
{
	struct tail t;
	int i;

	tail_init(&t, path);
	tail_last(&t, 5, on_line, NULL);
	is_str("", seen_now(), "a file that is not there has no lines");
	append(path, "one\n");
	tail_more(&t, on_line, NULL);
	is_str("one|", seen_now(), "but is read once it comes");
	append(path, "tw");
	tail_more(&t, on_line, NULL);
	is_str("", seen_now(), "half a line is kept");
	append(path, "o\nthree\n");
	tail_more(&t, on_line, NULL);
	is_str("two|three|", seen_now(), "until its end is there");

	if (rename(path, old) == -1)
		bail("rename");
	append(path, "");
	append(old, "four\n");
	tail_more(&t, on_line, NULL);
	is_str("four|", seen_now(), "a renamed file is read on");
	append(old, "five\n");
	append(path, "six\n");
	tail_more(&t, on_line, NULL);
	is_str("five|six|", seen_now(), "to its end, then the new one");
	if (truncate(path, 0) == -1)
		bail("truncate");
	tail_more(&t, on_line, NULL);
	append(path, "7\n");
	tail_more(&t, on_line, NULL);
	is_str("7|", seen_now(), "a file cut to nothing is read anew");
	tail_done(&t);

	for (i = 0; i < 30000; i++)
		append(path, i % 1000 == 999 ? "x\n" : "abcdefgh");
	tail_init(&t, path);
	tail_last(&t, 2, on_line, NULL);
	is_int(2 * (999 * 8 + 2), (int64_t)strlen(seen_now()),
		"the last lines are found over many blocks");
	tail_done(&t);
	tail_init(&t, path);
	tail_last(&t, 1000, on_line, NULL);
	has_str("7|abc", seen_now(), "more than there are is all of them");
	tail_done(&t);
}

int main(void)
{
	char dir[] = "/tmp/reeve-tail-XXXXXX", path[64], old[64];

	test_table();
	if (mkdtemp(dir) == NULL)
		bail("no directory");
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(old, sizeof(old), "%s/log.1", dir);
	test_tail(path, old);
	unlink(path);
	unlink(old);
	rmdir(dir);
	return tap_done();
}
