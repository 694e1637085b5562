/* SPDX-License-Identifier: ISC */
/* conf: what is wrong in a file is said with its place and in full. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf_help.h"
#include "tap.h"

/* One pool "a" with these settings; the error must be in line 1. */
static void is_pool_error(const char *settings, const char *part)
{
	char *text = xasprintf("processes: {a: {%s}}\n", settings);

	help_is_error(text, part, settings);
	free(text);
}

static void test_yaml(void)
{
	help_is_error("a: [1\nb: 2\n",
		"process.yaml:2:2: error: ", "bad YAML has its place");
	help_is_error("processes:\n\ta: 1\n",
		"process.yaml:2:1: error: a tab in the indentation: YAML wants "
		"spaces",
		"a tab in the indentation is told");
	help_is_error("node: a\nprocesses: {}\nnode: b\n",
		"process.yaml:3:1: error: \"node\" is set twice: first in line 1",
		"a key must be set once");
	help_is_error("processes: {a: {kind: role, tags: &t [*t]}}\n",
		"1:39: error: the alias \"t\" is inside of its own anchor",
		"an alias in its own anchor is an error");
	help_is_error("node: *x\nprocesses: {}\n",
		"1:7: error: there is no anchor \"x\" above",
		"an alias needs its anchor");
	help_is_error("node: a\n---\nnode: b\n",
		"2:1: error: a second document", "a file is one document");
	help_is_error("? [a]\n: b\n", "1:3: error: the key of a map must be",
		"keys are plain names");
	help_is_error("node: !!python/x a\nprocesses: {}\n",
		"1:7: error: tags are not supported", "tags are errors");
	help_is_error("- a\n",
		"1:1: error: a map of settings is wanted, not a "
		"list",
		"the whole must be a map");
	help_is_error("", "error: there is no \"processes\"",
		"an empty file is an error");
	help_is_error("processes: {a: {<<: 5, kind: role}}\n",
		"1:21: error: \"<<\" takes a map", "a merge key wants maps");
	help_is_error("node: \"a\\0b\"\nprocesses: {}\n", "1:7: error: a NUL",
		"NUL has no other way in");
}

static void test_names(void)
{
	help_is_error("nod: a\nprocesses: {}\n",
		"1:1: error: unknown setting \"nod\"; did you mean \"node\"?",
		"an unknown setting brings the nearest");
	help_is_error("proceses: {}\n", "did you mean \"processes\"?",
		"also at the top");
	help_is_error("control: {paht: x}\nprocesses: {}\n",
		"1:11: error: unknown setting \"paht\" in \"control\"; did you "
		"mean \"path\"?",
		"and inside");
	is_pool_error("kind: role, cuont: 1", "did you mean \"count\"?");
	is_pool_error("kind: role, dept: 1", "did you mean \"depth\"?");
	is_pool_error("kind: role, memory.soft: 1",
		"unknown setting \"memory.soft\"");
	is_pool_error("kind: role, voice: {lout: 1}", "did you mean \"loud\"?");
	is_pool_error("kind: rol", "1:23: error: unknown kind \"rol\"; did you "
				   "mean \"role\"?");
	is_pool_error("kind: inner", "unknown kind \"inner\"");
	is_pool_error("count: 1", "1:13: error: pool \"a\" has no \"kind\"");
	is_pool_error("kind: role, command: x",
		"\"command\" is for kind program: this pool is of kind role");
	is_pool_error(
		"kind: role, ready: {tcp: x}", "\"ready\" is for kind program");
	is_pool_error("kind: program, command: x, access_log: '-'",
		"\"access_log\" is for kinds that listen");
	is_pool_error("kind: program, command: x, hang_timeout: 1s",
		"\"hang_timeout\" is not for kind program");
	is_pool_error("kind: program, command: x, depth: 1",
		"\"depth\" is a setting of kind role, not of program");
	help_is_error("processes: {A: {kind: role}}\n", "1:13: error: the name",
		"names of pools are lower case");
	help_is_error("processes: {logger: {kind: role}}\n",
		"is the name of a process of the daemon",
		"and not those of the daemon's own");
	help_is_error("templates: {t: {nise: 1}}\nprocesses: {}\n",
		"1:17: error: unknown setting \"nise\"; did you mean \"nice\"?",
		"a template nobody uses is looked at too");
}

static void test_values(void)
{
	is_pool_error("kind: role, nice: 40",
		"1:35: error: \"nice\" must be a number from -20 to 19, not "
		"\"40\"");
	is_pool_error("kind: role, depth: x",
		"\"depth\" must be a number of levels from 1 to 10, not \"x\"");
	is_pool_error("kind: role, stop_timeout: 10",
		"\"stop_timeout\" must be a duration (like 500ms, 10s, 5m or "
		"2h) from 0s to 1d, not \"10\"");
	is_pool_error("kind: role, memory: {soft: x}",
		"\"memory.soft\" must be a size");
	is_pool_error("kind: role, memory: 5", "\"memory\" must be a map, not "
					       "\"5\"");
	is_pool_error("kind: role, count: many", "\"auto\" or a number of "
						 "workers from 0 to 2000");
	is_pool_error("kind: role, count: [1]", "not a list");
	is_pool_error("kind: role, max_surge: 200%", "a share (like 50%)");
	is_pool_error("kind: role, restart: no",
		"\"restart\" must be one of always, on-failure or never, not "
		"\"no\"");
	is_pool_error("kind: role, required: 7", "must be true or false");
	is_pool_error("kind: role, cpu: 3-1", "\"cpu\" must be");
	is_pool_error("kind: role, cpu: []", "\"cpu\" must be");
	is_pool_error("kind: role, cpu: [[0], []]", "\"cpu\" must be");
	is_pool_error("kind: role, cpu: 1024", "\"cpu\" must be");
	is_pool_error("kind: role, umask: \"8\"", "in octal");
	is_pool_error("kind: role, tags: {a: b}", "a list of texts, not a map");
	is_pool_error("kind: role, tags: [[a]]", "a plain value is wanted");
	is_pool_error("kind: role, config: ''", "\"config\" must be a path");
	is_pool_error("kind: role, listen: [70000]", "a port is 1 to 65535");
	is_pool_error("kind: role, listen: example.org:80", "is no address");
	is_pool_error("kind: role, listen: '[::1:80'", "is no address");
	is_pool_error("kind: role, listen: unix:x", "must begin with \"/\"");
	is_pool_error("kind: role, rlimit: {nofile: -5}", "\"unlimited\" or");
	is_pool_error("kind: program, command: x, stop_signal: TREM",
		"must be a signal");
	is_pool_error("kind: program, command: []", "must be a command");
	is_pool_error("kind: program, command: x, environment: [a]",
		"must be a map of names");
	is_pool_error("kind: program, command: x, environment: {a-b: c}",
		"\"a-b\" is no name of a variable");
}

static void test_cross(void)
{
	char long_path[200], settings[256];

	is_pool_error(
		"kind: program", "1:13: error: pool a has no \"command\"");
	is_pool_error("kind: program, command: ~", "has no \"command\"");
	is_pool_error("kind: role, memory: {soft: 2M, hard: 1M}",
		"1:54: error: \"memory.hard\" is below \"memory.soft\"");
	is_pool_error("kind: role, min: 5, max: 4", "\"min\" is above \"max\"");
	is_pool_error("kind: role, min: 5", "\"count\" is below \"min\"");
	is_pool_error("kind: role, count: 5, max: 4", "is above \"max\"");
	is_pool_error("kind: role, after: [b]", "1:37: error: \"after\" names "
						"\"b\", and there is no such");
	is_pool_error("kind: role, after: a", "\"after\" makes a circle");
	help_is_error("processes:\n  a: {kind: role, after: b}\n"
		      "  b: {kind: role, after: c}\n"
		      "  c: {kind: role, after: [a]}\n",
		"\"after\" makes a circle", "pools wait for each other");
	is_pool_error("kind: role, listen: [80, '0.0.0.0:80']",
		"0.0.0.0:80 is listened on twice");
	help_is_error("processes:\n  a: {kind: role, listen: 80}\n"
		      "  b: {kind: role, listen: 80}\n",
		"3:27: error: 0.0.0.0:80 is listened on twice: also by pool a",
		"two pools may not have one address");
	is_pool_error("kind: program, command: x, ready: {tcp: x}",
		"\"ready.tcp\" must be host:port");
	is_pool_error("kind: role, probe: {http: 'ftp://x'}",
		"\"probe.http\" must be http://");
	is_pool_error("kind: role, probe: {tcp: 'a:1', exec: x}",
		"2 checks in \"probe\"");
	memset(long_path, 'p', sizeof(long_path));
	long_path[108] = '\0';
	snprintf(settings, sizeof(settings), "kind: role, listen: 'unix:/%s'",
		long_path);
	is_pool_error(settings, "longer than 107 bytes");
	snprintf(settings, sizeof(settings), "run_dir: /%s\nprocesses: {}\n",
		long_path);
	help_is_error(settings,
		"process.yaml:1:10: error: the path of the "
		"control socket",
		"the control socket's path is not too long");
	help_is_error("processes:\n  a: {kind: role, count: 1500}\n"
		      "  b: {kind: role, count: 501}\n",
		"3:26: error: more than 2000 workers", "workers are limited");
	is_pool_error("kind: role, user: nosuchuser",
		"1:35: error: there is no user \"nosuchuser\"");
	help_is_error("group: nosuchgroup\nprocesses: {}\n",
		"1:8: error: there is no group", "an unknown group is one");
	help_is_error("control: {group: nosuchgroup}\nprocesses: {}\n",
		"1:18: error: there is no group", "that of the socket too");
}

static void test_templates(void)
{
	is_pool_error("kind: role, extends: x", "1:38: error: there is no "
						"template \"x\"");
	help_is_error("templates: {work: {}}\n"
		      "processes: {a: {kind: role, extends: wrok}}\n",
		"did you mean \"work\"?", "the nearest template is named");
	help_is_error("templates: {a: {extends: b}, b: {extends: a}}\n"
		      "processes: {}\n",
		"extends itself", "templates in a circle are an error");
	help_is_error("templates: {a: {nice: 99}}\n"
		      "processes: {a: {kind: role, extends: a}, "
		      "b: {kind: role, extends: a}}\n",
		"1:23: error: \"nice\"", "an error in a template is there");
	is_int(1, (int64_t)help_errors(), "and said once for all its pools");
}

static void test_expansion(void)
{
	unsetenv("T_UNSET");
	setenv("T_BYTES", "\xff", 1);
	help_is_error("node: ${T_UNSET}\nprocesses: {}\n",
		"1:7: error: $T_UNSET is not set", "an unset variable is told");
	help_is_error("node: ${T_UNSET:?who am I}\nprocesses: {}\n",
		"1:7: error: $T_UNSET: who am I", "with a message of its own");
	help_is_error("node: '${T_UNSET'\nprocesses: {}\n", "without its \"}\"",
		"braces are closed");
	help_is_error("node: ${T-x}\nprocesses: {}\n", "is none of ${VAR}",
		"other forms are not known");
	help_is_error("node: ${T_BYTES}\nprocesses: {}\n", "is not UTF-8",
		"what comes in is UTF-8");
}

static void test_include(void)
{
	help_file("b.yaml", "processes: {a: {kind: role}}\n");
	help_is_error("include: b.yaml\nprocesses: {a: {kind: role}}\n",
		"b.yaml:1:13: error: pool \"a\" is also in process.yaml:2:13",
		"a pool of two files is told with both places");
	help_is_error("include: none.yaml\nprocesses: {}\n",
		"process.yaml:1:10: error: none.yaml: No such file",
		"a file that is not there is an error");
	help_file("c.yaml", "include: process.yaml\n");
	help_is_error("include: c.yaml\nprocesses: {}\n",
		"c.yaml:1:10: error: process.yaml includes itself",
		"files in a circle are an error");
	help_is_error("include: '*/b.yaml'\nprocesses: {}\n",
		"wildcards are for the last part", "wildcards have a place");
	help_file("c.yaml", "nice: [\n");
	help_is_error("include: c.yaml\nnodd: x\nprocesses: {}\n",
		"c.yaml:2:1: error: ", "bad YAML in a file is told");
	has_str("process.yaml:2:1: error: unknown setting \"nodd\"",
		help_text(), "and reading goes on");
	ok(help_read("gone.yaml", NULL) == NULL, "the file must be there");
	is_str("gone.yaml: error: No such file or directory\n", help_text(),
		"or that is the error");
	help_file(
		"d.yaml", "processes: {a: {kind: role}}\ninclude: d/e.yaml\n");
}

static void test_overrides(void)
{
	static const char *const bad[] = { "processes.a.count=x", "node.x=1",
		"nothing", "=5", "a..b=1", "include=x", "node=[", NULL };

	help_file("process.yaml", "node: x\nprocesses: {a: {kind: role}}\n");
	ok(help_read("process.yaml", bad) == NULL, "bad -e are errors");
	has_str("-e processes.a.count:1:1: error: \"count\" must be",
		help_text(), "with the key as their place");
	has_str("-e node.x:1:1: error: \"node\" is \"x\", not a map",
		help_text(), "nothing is set inside of a text");
	has_str("-e nothing: error: -e wants KEY=VALUE", help_text(), "syntax");
	has_str("error: \"a..b\" is no setting's name", help_text(), "names");
	has_str("\"include\" is for files", help_text(), "no include");
	has_str("-e node:", help_text(), "values must be YAML");
}

static void test_all(void)
{
	struct buf text = BUF_INIT;
	int i;

	help_is_error("nodd: x\nprocesses:\n  a: {kind: role, nice: 99}\n"
		      "  b: {kind: rol}\nlog_level: loud\n",
		"1:1: error: unknown setting", "all problems are told");
	ok(help_errors() == 4 &&
			strstr(help_text(), "3:25:") <
				strstr(help_text(), "4:13:") &&
			strstr(help_text(), "4:13:") <
				strstr(help_text(), "5:12:"),
		"in the order of the file");
	buf_puts(&text, "processes: {}\n");
	for (i = 0; i < 5000; i++)
		buf_printf(&text, "k%d: 1\n", i);
	help_is_error(buf_str(&text), "\nerror: too many problems",
		"until there are too many");
	is_int(CONF_ERRORS_MAX + 1, (int64_t)help_errors(), "which is 100");
	buf_done(&text);
}

int main(void)
{
	test_yaml();
	test_names();
	test_values();
	test_cross();
	test_templates();
	test_expansion();
	test_include();
	test_overrides();
	test_all();
	return tap_done();
}
