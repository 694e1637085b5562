/* SPDX-License-Identifier: ISC */
/* conf: numbers, names, quotas, and printing of single values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/number.h"
#include "conf/cpus.h"
#include "conf/near.h"
#include "conf_help.h"
#include "tap.h"

static void is_duration(int64_t wanted, const char *text)
{
	int64_t us = -1;

	number_duration(text, &us);
	is_int(wanted, us, "the duration %s", text);
}

static void is_size(int64_t wanted, const char *text)
{
	int64_t bytes = -1;

	number_size(text, &bytes);
	is_int(wanted, bytes, "the size \"%s\"", text);
}

static void test_numbers(void)
{
	struct buf b = BUF_INIT;
	int64_t v = 7;

	is_duration(500000, "500ms");
	is_duration(1500000, "1.5s");
	is_duration(5400000000, "1h30m");
	is_duration(2, "2us");
	is_duration(0, "0");
	is_duration(-1, "10");
	is_duration(-1, "s");
	is_duration(-1, "5 s");
	is_duration(-1, "-1s");
	is_duration(-1, "99999999999999999999d");
	is_duration(-1, "106751992d");
	is_duration(-1, "0.0000001s");
	is_size(65536, "64K");
	is_size(134217728, "128MiB");
	is_size(1610612736, "1.5G");
	is_size(10, "10");
	is_size(10, "10B");
	is_size(-1, "10X");
	is_size(-1, "");
	is_size(-1, "1.");
	is_size(-1, "9999999999999T");
	ok(!number_int("12a", &v) && !number_int("", &v) &&
			!number_int("99999999999999999999", &v) && v == 7,
		"what is no number leaves the result alone");
	ok(number_mode("0660", &v) && v == 0660, "modes are octal");
	ok(!number_mode("0680", &v), "and nothing else");
	number_print_duration(90000000, &b);
	buf_putc(&b, ' ');
	number_print_duration(60000000, &b);
	buf_putc(&b, ' ');
	number_print_duration(1, &b);
	buf_putc(&b, ' ');
	number_print_size(3 << 20, &b);
	buf_putc(&b, ' ');
	number_print_size(1025, &b);
	is_str("90s 1m 1us 3M 1025", buf_str(&b),
		"they are printed in the largest unit that divides");
	buf_done(&b);
}

static void test_distance(void)
{
	is_int(0, (int64_t)near_distance("count", "count"), "equal names");
	is_int(1, (int64_t)near_distance("cuont", "count"), "a swap is one");
	is_int(3, (int64_t)near_distance("kitten", "sitting"),
		"kitten and sitting are 3 apart");
	is_int(5, (int64_t)near_distance("", "count"), "nothing and 5 letters");
}

static void test_quota(void)
{
	char root[512], self[512];

	snprintf(root, sizeof(root), "%s", help_path(""));
	mkdir(help_path("a"), 0700);
	mkdir(help_path("a/b"), 0700);
	mkdir(help_path("cpu"), 0700);
	help_file("self", "0::/a/b\n");
	snprintf(self, sizeof(self), "%s", help_path("self"));
	is_int(0, cpus_quota(root, self), "no cpu.max is no quota");
	help_file("a/b/cpu.max", "max 100000\n");
	is_int(0, cpus_quota(root, self), "\"max\" is no quota");
	help_file("a/cpu.max", "150000 100000\n");
	is_int(150, cpus_quota(root, self), "a quota further up counts");
	help_file("a/b/cpu.max", "50000 100000\n");
	is_int(50, cpus_quota(root, self), "the least one does");
	help_file("self", "4:memory:/x\n3:cpu,cpuacct:/gone/deeper\n");
	help_file("cpu/cpu.cfs_quota_us", "-1\n");
	help_file("cpu/cpu.cfs_period_us", "100000\n");
	is_int(0, cpus_quota(root, self), "-1 is no quota in version 1");
	help_file("cpu/cpu.cfs_quota_us", "320000\n");
	is_int(320, cpus_quota(root, self), "version 1 has quotas too");
	is_int(0, cpus_quota(root, "/nonexistent"), "no cgroups, no quota");
}

struct one {
	const char *text;
	struct conf_map map;
};

static void test_print(void)
{
	static const struct opt text = { .name = "text",
		.type = OPT_STRING,
		.offset = offsetof(struct one, text) };
	static const struct opt map = { .name = "map",
		.type = OPT_MAP,
		.offset = offsetof(struct one, map) };
	char name[] = "a$b", value[] = "c$d: \"\\";
	struct conf_pair pairs[] = { { name, value } };
	struct one a = { .text = "on" }, b = { .text = NULL };
	struct buf out = BUF_INIT;

	opt_print(&text, &a, &out);
	is_str("\"on\"", buf_str(&out), "a word that YAML knows is quoted");
	buf_reset(&out);
	opt_print(&text, &b, &out);
	is_str("~", buf_str(&out), "an unset text is null");
	ok(!opt_equal(&text, &a, &b), "and differs from a set one");
	a.text = "x\n\t\x01\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xff\xc3\xa4";
	buf_reset(&out);
	opt_print(&text, &a, &out);
	is_str("\"x\\n\\t\\u0001\\u0085\\u2028\\ufeff\\xff\xc3\xa4\"",
		buf_str(&out), "odd characters are escaped");
	a.map = (struct conf_map){ pairs, 1 };
	buf_reset(&out);
	opt_print(&map, &a, &out);
	is_str("{ \"a$b\": \"c$$d: \\\"\\\\\" }", buf_str(&out),
		"dollars are doubled in values only");
	buf_done(&out);
}

int main(void)
{
	test_numbers();
	test_distance();
	test_quota();
	test_print();
	return tap_done();
}
