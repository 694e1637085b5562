/* SPDX-License-Identifier: ISC */
/*
 * conf: hostile files end in a clear error, within a second and 64 MiB.
 * Each is read in a child of its own, whose time and memory are measured.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "conf_help.h"
#include "tap.h"

/* A sanitized build takes its time and its shadow memory. */
#if defined(WITH_SANITIZERS) || defined(__SANITIZE_ADDRESS__)
#define SLOWER 20
#else
#define SLOWER 1
#endif
#define TIME_MAX_US  (1000000 * SLOWER)
#define MEMORY_MAX_K (65536 * SLOWER)

/* What the child found: 0 an error with `part` in it. */
static int read_in_child(const char *name, const char *part)
{
	struct conf *c = help_read(name, NULL);

	if (c != NULL) {
		printf("# it was read\n");
		return 1;
	}
	if (strstr(help_text(), part) == NULL) {
		printf("# seen: %.2000s\n", help_text());
		return 2;
	}
	printf("# %.*s\n", (int)strcspn(help_text(), "\n"), help_text());
	return 0;
}

/* Time on the CPU: what else the machine does is not this file's fault. */
static int64_t used_us(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * US_PER_S + tv->tv_usec;
}

static void is_hostile_file(
	const char *name, const char *part, const char *title)
{
	struct rusage usage;
	int64_t taken;
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		status = read_in_child(name, part);
		fflush(stdout);
		_exit(status);
	}
	wait4(pid, &status, 0, &usage);
	taken = used_us(&usage.ru_utime) + used_us(&usage.ru_stime);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"%s: the error says \"%s\"", title, part);
	ok(taken < TIME_MAX_US && usage.ru_maxrss < MEMORY_MAX_K,
		"%s: it cost little", title);
	note("%lld ms, %ld KiB", (long long)taken / 1000, usage.ru_maxrss);
}

static void is_hostile(
	const char *text, size_t len, const char *part, const char *title)
{
	help_bytes("hostile.yaml", text, len);
	is_hostile_file("hostile.yaml", part, title);
}

static void is_hostile_buf(struct buf *b, const char *part, const char *title)
{
	is_hostile(buf_str(b), b->len, part, title);
	buf_done(b);
}

static void repeat(struct buf *b, const char *text, int count)
{
	while (count-- > 0)
		buf_puts(b, text);
}

/* Each level ten times the one before. */
static void test_bombs(void)
{
	struct buf b = BUF_INIT;
	int i, j;

	buf_puts(&b, "x-0: &a0 [lol]\n");
	for (i = 1; i < 30; i++) {
		buf_printf(&b, "x-%d: &a%d [", i, i);
		for (j = 0; j < 10; j++)
			buf_printf(&b, "*a%d,", i - 1);
		buf_puts(&b, "]\n");
	}
	buf_puts(&b, "processes: {a: {kind: role, tags: *a29, cpu: *a29, "
		     "listen: *a29}}\nnode: *a29\n");
	is_hostile_buf(&b, "error: ", "lists of aliases");

	buf_puts(&b, "x-0: &a0 {k0: 1}\n");
	for (i = 1; i < 30; i++) {
		buf_printf(&b, "x-%d: &a%d {", i, i);
		for (j = 0; j < 10; j++)
			buf_printf(&b, "k%d: *a%d,", j, i - 1);
		buf_puts(&b, "}\n");
	}
	buf_puts(&b, "templates: {t: *a29, u: {extends: t, k1: *a28}}\n"
		     "processes: {a: {kind: role, extends: [t, u], "
		     "<<: *a29, environment: *a29}}\n");
	is_hostile_buf(&b, "error: ", "maps of aliases, merged");

	buf_puts(&b, "x-0: &a0 {k: &v {x: 1}}\n");
	for (i = 1; i < 2000; i++)
		buf_printf(&b, "x-%d: &a%d {k: *a%d}\n", i, i, i - 1);
	buf_puts(&b, "templates: {t: {memory: *a1999}, "
		     "u: {extends: t, memory: *a1998}}\nprocesses: {}\n");
	is_hostile_buf(&b, "nested more than 32 deep", "aliases nest");
}

static void test_merge_bombs(void)
{
	struct buf b = BUF_INIT;
	int i;

	buf_puts(&b, "x-a: &a {");
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "k%d: 1,", i);
	buf_puts(&b, "}\nx-b: {<<: [");
	repeat(&b, "*a,", 100000);
	buf_puts(&b, "]}\nprocesses: {}\n");
	is_hostile_buf(&b, "more than 100000 values", "a long merge key");

	buf_puts(&b, "x-a: &a {");
	for (i = 0; i < 9000; i++)
		buf_printf(&b, "k%d: 1,", i);
	buf_puts(&b, "}\ntemplates:\n");
	for (i = 0; i < 200; i++)
		buf_printf(&b, "  t%d: {<<: *a}\n", i);
	buf_puts(&b, "processes: {}\n");
	is_hostile_buf(&b, "more than 100000 values", "many merge keys");
}

static void test_template_bombs(void)
{
	struct buf b = BUF_INIT;
	int i;

	buf_puts(&b, "templates:\n  t0: {nice: 1}\n");
	for (i = 1; i < 30; i++)
		buf_printf(&b,
			"  t%d: {extends: [t%d,t%d,t%d,t%d,t%d,t%d,t%d]}\n", i,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	buf_puts(&b, "processes: {a: {kind: role, extends: t29}}\n");
	is_hostile_buf(&b, "more than 100000 values", "templates of templates");

	buf_puts(&b, "x-l: &l [");
	repeat(&b, "t0,", 40000);
	buf_puts(&b, "]\ntemplates:\n  t0: {}\n  t1: {extends: *l}\n"
		     "processes: {a: {kind: role, extends: [t1, t1, t1]}}\n");
	is_hostile_buf(&b, "more than 100000 values", "a long list of them");

	buf_puts(&b, "templates:\n  t0: {nice: 1}\n");
	for (i = 1; i < 20000; i++)
		buf_printf(&b, "  t%d: {extends: t%d}\n", i, i - 1);
	buf_puts(&b, "processes: {}\n");
	is_hostile_buf(&b, "error: ", "a long chain of them");
}

static void test_names(void)
{
	struct buf b = BUF_INIT;
	int i;

	for (i = 0; i < 10000; i++)
		buf_printf(&b, "k%d: 1\n", i);
	is_hostile_buf(&b, "too many problems", "many unknown settings");

	buf_puts(&b, "processes:\n  a:\n    kind: program\n    command: x\n"
		     "    environment:\n");
	for (i = 0; i < 30000; i++)
		buf_printf(&b, "      A%d: 1\n", i);
	for (i = 0; i < 30000; i++)
		buf_printf(&b, "      A%d: 1\n", i);
	is_hostile_buf(&b, "is set twice", "many keys, each twice");

	buf_puts(&b, "templates:\n");
	for (i = 0; i < 20000; i++)
		buf_printf(&b, "  t%d: {}\n", i);
	buf_puts(&b, "x-l: &l [");
	repeat(&b, "xy,", 20000);
	buf_puts(&b, "]\nprocesses: {a: {kind: role, extends: *l}}\n");
	is_hostile_buf(&b, "no template", "many unknown templates");

	buf_puts(&b, "processes:\n");
	for (i = 0; i < 201; i++)
		buf_printf(&b, "  p%d: {kind: role}\n", i);
	is_hostile_buf(&b, "more than 200 pools", "many pools");

	buf_puts(&b, "processes: {a: {kind: role, listen: [");
	for (i = 1; i < 65536; i++)
		buf_printf(&b, "%d,", i);
	buf_puts(&b, "]}}\n");
	is_hostile_buf(&b, "more than 32 addresses", "many addresses");

	buf_puts(&b, "x-l: &l [");
	repeat(&b, "b,", 20000);
	buf_puts(&b, "]\nprocesses:\n");
	for (i = 0; i < 200; i++)
		buf_printf(&b, "  p%d: {kind: role, after: *l}\n", i);
	is_hostile_buf(&b, "error: ", "many pools to wait for");

	buf_puts(&b, "x-l: &l [[0-1023]");
	repeat(&b, ",[0-1023]", 1000);
	buf_puts(&b, "]\nprocesses:\n");
	for (i = 0; i < 200; i++)
		buf_printf(&b, "  p%d: {kind: role, cpu: *l}\n", i);
	is_hostile_buf(&b, "more than 100000 values", "many CPUs");

	buf_puts(&b, "processes: {a: {kind: role, tags: [");
	repeat(&b, "a,", 200000);
	buf_puts(&b, "]}}\n");
	is_hostile_buf(&b, "more than 100000 values", "many values");
}

/* libyaml holds each against all before it. */
/* What runs tasks. */
static void test_queues(void)
{
	struct buf b = BUF_INIT;
	int i;

	buf_puts(&b, "processes: {}\nhandlers:\n");
	for (i = 0; i < 501; i++)
		buf_printf(&b, "  h%d: {kind: plugin, path: x}\n", i);
	is_hostile_buf(&b, "more than 500 handlers", "many handlers");

	buf_puts(&b, "processes: {}\nx-e: &e {");
	for (i = 0; i < 20000; i++)
		buf_printf(&b, "A%d: x, ", i);
	buf_puts(&b, "}\nhandlers:\n");
	for (i = 0; i < 500; i++)
		buf_printf(&b,
			"  h%d: {kind: exec, command: x, environment: *e}\n",
			i);
	is_hostile_buf(&b, "more than 100000 values", "many variables");

	buf_puts(&b, "processes: {}\nhandlers: {h: {kind: poll, done: &l [");
	repeat(&b, "a,", 40000);
	buf_puts(&b, "], failed: *l}}\n");
	is_hostile_buf(&b, "more than 64 states", "many states");

	buf_puts(&b, "processes: {q: {kind: queue, topics: [");
	for (i = 0; i < 40000; i++)
		buf_printf(&b, "t%d,", i);
	buf_puts(&b, "]}}\n");
	is_hostile_buf(&b, "more than 64 topics", "many topics");

	buf_puts(&b, "redis: {url: 'redis://x'}\nprocesses:\n");
	for (i = 0; i < 200; i++)
		buf_printf(&b,
			"  q%d: {kind: queue, topics: {a%d: 1, b%d: 1}}\n", i,
			i, i);
	is_hostile_buf(&b, "more than 200 pools", "many pools of topics");

	buf_puts(&b, "redis: {url: 'redis://x'}\nx-l: &l [");
	repeat(&b, "p,", 2000);
	buf_puts(&b, "q]\nprocesses:\n");
	for (i = 0; i < 190; i++)
		buf_printf(&b, "  p%d: {kind: role, after: *l}\n", i);
	buf_puts(&b, "  p: {kind: role}\n"
		     "  q: {kind: queue, topics: {a: 1, b: 1}}\n");
	is_hostile_buf(&b, "names more than 200 pools",
		"many names of pools to wait for");
}

static void test_directives(void)
{
	static const char *const breaks[] = { "\n", "\r", "\xe2\x80\xa8" };
	struct buf b = BUF_INIT;
	size_t i;
	int j;

	for (i = 0; i < sizeof(breaks) / sizeof(*breaks); i++) {
		for (j = 0; j < 40000; j++)
			buf_printf(&b, "%%TAG !a%d! t%s", j, breaks[i]);
		buf_puts(&b, "--- {processes: {}}\n");
		is_hostile_buf(&b, "too many %TAG", "many directives");
	}
}

static void test_depth(void)
{
	struct buf b = BUF_INIT;
	int i;

	repeat(&b, "[", 100000);
	is_hostile_buf(&b, "nested more than 32 deep", "deep lists");
	repeat(&b, "{a: ", 100000);
	is_hostile_buf(&b, "nested more than 32 deep", "deep maps");
	repeat(&b, "- ", 100000);
	is_hostile_buf(&b, "nested more than 32 deep", "deep blocks");
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%*sa:\n", i, "");
	is_hostile_buf(&b, "nested more than 32 deep", "deep indentation");
	repeat(&b, "? ", 100000);
	is_hostile_buf(&b, "error: ", "deep keys");
	buf_puts(&b, "processes: {}\nnode: '");
	repeat(&b, "${A:-", 100000);
	buf_puts(&b, "'\n");
	is_hostile_buf(&b, "without its \"}\"", "deep variables");
	buf_puts(&b, "processes: {}\nnode: '");
	repeat(&b, "${A:-", 10000);
	repeat(&b, "}", 10000);
	buf_puts(&b, "'\n");
	is_hostile_buf(&b, "nested more than 8 deep", "closed variables");
}

static void test_bytes(void)
{
	is_hostile("node: a\0b\n", 10, "hostile.yaml:1:8: error: a NUL byte",
		"NUL");
	is_hostile("node: a\n  \x01\n", 12,
		"hostile.yaml:2:3: error: control character 0x01", "control");
	is_hostile("node: \xc3\xa4\xff\n", 10,
		"hostile.yaml:1:8: error: byte 0xff is not UTF-8", "not UTF-8");
	is_hostile("node: \xed\xa0\x80\n", 10, "is not UTF-8", "a surrogate");
	is_hostile("\xff\xfen\0o\0", 6, "is not UTF-8", "UTF-16");
	is_hostile("processes:\n\ta: b\n", 17, "2:1: error: a tab", "a tab");
	is_hostile("node: a\x7f\n", 9, "0x7f is not allowed", "delete");
}

static void test_long(void)
{
	struct buf b = BUF_INIT;
	int i;

	setenv("T_LONG", "0123456789", 1);
	buf_puts(&b, "processes: {}\nnode: ");
	repeat(&b, "0123456789", 100000);
	is_hostile_buf(&b, "\"node\" must be a name", "a scalar of 1 MB");

	buf_puts(&b, "processes: {}\n");
	repeat(&b, "k", 1000000);
	buf_puts(&b, ": 1\n");
	is_hostile_buf(&b, "error: ", "a key of 1 MB");

	for (i = 0; i < 12; i++) {
		char value[100001];

		memset(value, 'v', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		setenv("T_LONG", value, 1);
	}
	buf_puts(&b, "processes: {a: {kind: program, command: [");
	repeat(&b, "\"${T_LONG}\", ", 70000);
	buf_puts(&b, "]}}\n");
	is_hostile_buf(&b, "error: ", "a long variable, often");

	buf_puts(&b, "x-l: &l \"");
	repeat(&b, "0123456789", 80000);
	buf_puts(&b, "\"\nprocesses: {a: {kind: program, command: [");
	repeat(&b, "*l, ", 40000);
	buf_puts(&b, "]}}\n");
	is_hostile_buf(&b, "too many long texts", "a long text, often");
}

/* A file of 100 MB that takes no room. */
static void test_large_file(void)
{
	int fd = open(
		help_path("hostile.yaml"), O_WRONLY | O_TRUNC | O_CREAT, 0600);

	if (fd == -1 || ftruncate(fd, 100 << 20) == -1 || close(fd) == -1)
		bail("cannot make a large file");
	is_hostile_file("hostile.yaml", "larger than 1 MiB", "100 MB");
}

static void test_special_files(void)
{
	if (mkfifo(help_path("fifo"), 0600) == -1)
		bail("mkfifo");
	is_hostile_file("fifo", "not a regular file", "a FIFO");
	if (symlink("/dev/zero", help_path("zero")) == -1)
		bail("symlink");
	is_hostile_file("zero", "not a regular file", "/dev/zero");
	mkdir(help_path("dir"), 0700);
	is_hostile_file("dir", "not a regular file", "a directory");
	if (symlink("loop", help_path("loop")) == -1)
		bail("symlink");
	is_hostile_file("loop", "error: ", "a symbolic link to itself");
	is_hostile("include: [fifo, zero, dir]\n", 27, "not a regular file",
		"as includes");
}

static void test_many_files(void)
{
	struct buf b = BUF_INIT;
	char name[32], text[64];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d.yaml", i);
		snprintf(text, sizeof(text), "include: f%d.yaml\n", i + 1);
		help_file(name, text);
	}
	is_hostile_file("f0.yaml", "more than 128 files", "a chain of files");
	is_hostile("include: 'f*.yaml'\n", 19, "more than 128 files", "a glob");
	repeat(&b, "x", 1000000);
	buf_puts(&b, "\n");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "g%d.yaml", i);
		help_bytes(name, "# ", 2);
		help_bytes(name, buf_str(&b), b.len);
	}
	buf_done(&b);
	is_hostile("include: 'g*.yaml'\n", 19, "error: ", "20 large files");
}

int main(void)
{
	test_bombs();
	test_merge_bombs();
	test_template_bombs();
	test_names();
	test_queues();
	test_directives();
	test_depth();
	test_bytes();
	test_long();
	test_large_file();
	test_special_files();
	test_many_files();
	return tap_done();
}
