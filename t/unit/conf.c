/* SPDX-License-Identifier: ISC */
/* conf: what good files come to, how they are printed and compared. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf_help.h"
#include "tap.h"

/* Reads it, or ends the test. */
static struct conf *must_read(const char *text)
{
	struct conf *c = help_conf(text);

	if (c == NULL)
		bail("not read: %s", help_text());
	return c;
}

static struct conf *must_read_file(
	const char *name, const char *const *overrides)
{
	struct conf *c = help_read(name, overrides);

	if (c == NULL)
		bail("not read: %s", help_text());
	return c;
}

static void test_defaults(void)
{
	struct conf *c = must_read("processes:\n"
				   "  web: {kind: role}\n"
				   "  app: {kind: program, command: exit 1}\n");
	struct conf_pool *web = conf_pool_find(c, "web");
	struct conf_pool *app = conf_pool_find(c, "app");
	struct help_role *own = web->own;
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	is_str(host, c->node, "the node is called after the host");
	is_str("/run/reeve", c->run_dir, "run_dir has a default");
	is_str("/run/reeve/reeved.pid", c->pid_file, "the pid file is there");
	is_str("/run/reeve/control.sock", c->control_path, "so is the socket");
	is_int(0660, c->control_mode, "whose mode has a default");
	ok(c->log_dir == NULL && c->user == NULL, "the rest is unset");
	is_int(LOG_LEVEL_INFO, c->log_level, "the log level is info");
	is_int(2, (int64_t)c->pool_count, "there are two pools");
	ok(c->pools == web, "in the order of the file");
	is_int(1, web->workers, "a pool has one worker");
	is_int(30000000, web->stop_timeout_us, "a stop takes 30 s");
	is_int(60000000, web->hang_timeout_us, "a hang 60 s");
	ok(web->max_surge.is_percent && web->max_surge.value == 100,
		"a roll may double the workers");
	is_int(CONF_RLIMIT_UNSET, web->rlimit.nofile, "limits are inherited");
	ok(web->uid == (uid_t)-1, "the user stays");
	is_int(3, own->depth, "the kind's own settings have defaults");
	ok(own->is_loud && own->tags.count == 2 &&
			strcmp(own->tags.items[1], "b") == 0,
		"lists among them");
	is_int(3, (int64_t)app->command.count, "a line is run by the shell");
	is_str("exit 1", app->command.items[2], "as it is written");
	ok(app->command.items[3] == NULL, "the words serve as argv");
	is_int(SIGTERM, app->stop_signal, "TERM stops a program");
	is_int(1000000, app->ready_after_us, "it is ready after 1 s");
	is_int(2, web->mark.line, "a pool knows its line");
	ok(conf_pool_find(c, "none") == NULL, "there are no other pools");
	conf_free(c);
}

static const char full[] =
	"node: n1\n"
	"run_dir: run\n"
	"log_dir: /var/log/x\n"
	"log_level: debug\n"
	"shutdown_timeout: 1m\n"
	"control: {mode: \"0600\", path: ./c.sock}\n"
	"processes:\n"
	"  web:\n"
	"    kind: role\n"
	"    count: 3\n"
	"    min: 1\n"
	"    max: 9\n"
	"    cpu: [[0], [0, 0-0]]\n"
	"    listen: [8084, ':81', '[0:0:0:0:0:0:0:1]:82', 'localhost:83',\n"
	"      unix:/run/x.sock]\n"
	"    depth: 10\n"
	"    voice: {loud: off}\n"
	"    tags: single\n"
	"    memory: {soft: 64M, hard: 1G}\n"
	"    give_up: {deaths: 5, within: 10s}\n"
	"    max_surge: 2\n"
	"    probe: {http: 'http://127.0.0.1:8084/healthz'}\n"
	"  app:\n"
	"    kind: program\n"
	"    command: [a, \"b\\n$$c\", '', ~x, \"\\u2028\"]\n"
	"    directory: .\n"
	"    environment: {B: 1, A: 'x y', E: }\n"
	"    stop_signal: SIGINT\n"
	"    restart: on-failure\n"
	"    rlimit: {nofile: 64K, core: unlimited, cpu: 0}\n"
	"    umask: \"077\"\n"
	"    ready: {notify: yes}\n"
	"    watch: [src, /etc/x]\n"
	"    after: web\n"
	"    clear_environment: true\n"
	"    oneshot: true\n"
	"    log_file: app.log\n";

static void test_values(void)
{
	struct conf *c = must_read(full);
	struct conf_pool *web = conf_pool_find(c, "web");
	struct conf_pool *app = conf_pool_find(c, "app");
	struct help_role *own = web->own;
	char real[4096];

	if (realpath(help_path(""), real) == NULL)
		bail("realpath");
	strcat(real, "/");
	ok(strncmp(c->run_dir, real, strlen(real)) == 0 &&
			strcmp(c->run_dir + strlen(real), "run") == 0,
		"a relative path stands on its file's directory");
	has_str("/c.sock", c->control_path, "so does the socket's");
	is_int(0600, c->control_mode, "modes are octal");
	is_int(9, web->max_count, "bounds are read");
	is_str("0.0.0.0:8084", web->listen.items[0].text, "a port is enough");
	is_str("0.0.0.0:81", web->listen.items[1].text, "with its colon too");
	is_str("[::1]:82", web->listen.items[2].text, "IPv6 is normalised");
	is_int(LISTEN_TCP6, web->listen.items[2].family, "as its family says");
	is_str("127.0.0.1:83", web->listen.items[3].text, "localhost is known");
	is_str("/run/x.sock", web->listen.items[4].host, "unix sockets work");
	is_int(CPUS_EACH, web->cpu.mode, "CPUs for each worker");
	is_int(1, (int64_t)web->cpu.lists[1].count, "are sorted and unique");
	ok(own->depth == 10 && !own->is_loud && own->tags.count == 1,
		"the kind's own settings are read, nested ones as well");
	ok(!web->max_surge.is_percent && web->max_surge.value == 2,
		"a surge can be a number");
	is_str("b\n$c", app->command.items[1], "$$ is a dollar");
	is_str("~x", app->command.items[3], "~x is no null");
	is_str("A", app->environment.items[1].name,
		"variables stay in file order");
	is_str("", app->environment.items[2].value, "null is empty");
	is_int(65536, app->rlimit.nofile, "limits may have units");
	is_int(CONF_RLIMIT_INFINITY, app->rlimit.core, "or be unlimited");
	is_int(SIGINT, app->stop_signal, "signals are known by name");
	ok(app->ready_notify && app->oneshot && app->clear_environment,
		"truths are read");
	is_str("/etc/x", app->watch.items[1], "paths stay absolute");
	has_str("/src", app->watch.items[0], "or become so");
	is_str("web", app->after.items[0], "a lone text is a list of one");
	conf_free(c);
}

/* Print, read back, and compare. */
static void is_same_again(const char *text, const char *title)
{
	struct conf *a = must_read(text), *b;
	struct buf first = BUF_INIT, second = BUF_INIT, what = BUF_INIT;
	enum conf_change change = CONF_SAME;
	size_t i;

	conf_print(a, &first);
	b = help_conf(buf_str(&first));
	if (!ok(b != NULL, "%s: what is printed can be read", title)) {
		note("%s", help_text());
		conf_free(a);
		buf_done(&first);
		return;
	}
	conf_print(b, &second);
	is_str(buf_str(&first), buf_str(&second), "%s: and says the same",
		title);
	for (i = 0; i < a->pool_count; i++)
		if (conf_pool_diff(&a->pools[i], &b->pools[i], &what) != 0)
			change = CONF_CHANGED_ROLL;
	if (conf_global_diff(a, b, &what, NULL) != CONF_SAME)
		change = CONF_CHANGED_ROLL;
	is_int(CONF_SAME, change, "%s: there is no difference", title);
	is_str("", buf_str(&what), "%s: none at all", title);
	buf_done(&first);
	buf_done(&second);
	buf_done(&what);
	conf_free(a);
	conf_free(b);
}

static void test_round_trip(void)
{
	is_same_again(full, "all");
	is_same_again("processes: {}\n", "nothing");
	is_same_again("node: \"a: b # c\"\n"
		      "processes:\n"
		      "  null: {kind: role, tags: [], cpu: '0,0'}\n"
		      "  123: {kind: role, tags: ['', ~, 'on', '1', '- x', "
		      "\"\\e\\x7f\\N\", '$${X}', '}$$', \"a\\tb\"]}\n",
		"odd texts");
}

static void test_templates(void)
{
	struct conf *c = must_read(
		"templates:\n"
		"  base: {stop_timeout: 1s, memory: {soft: 1M, hard: 8M},\n"
		"    tags: [x, y, z]}\n"
		"  more: {extends: base, memory: {soft: 2M}, count: 2}\n"
		"  side: {count: 5, nice: 3}\n"
		"processes:\n"
		"  a: {kind: role, extends: more, memory: {hard: 4M}}\n"
		"  b: {kind: role, extends: [more, side], tags: [q]}\n"
		"  c: {kind: role, extends: base, memory: ~, stop_timeout: ~}\n");
	struct conf_pool *a = conf_pool_find(c, "a");
	struct conf_pool *b = conf_pool_find(c, "b");
	struct conf_pool *d = conf_pool_find(c, "c");

	is_int(1000000, a->stop_timeout_us, "a template of a template counts");
	is_int(2 << 20, a->memory_soft, "maps merge");
	is_int(4 << 20, a->memory_hard, "and the pool wins");
	is_int(5, b->count, "a later template wins");
	is_int(3, b->nice, "and adds");
	is_int(1, (int64_t)((struct help_role *)b->own)->tags.count,
		"lists replace");
	ok(d->memory_soft == 0 && d->stop_timeout_us == 30000000,
		"null takes a setting back to its default");
	conf_free(c);
}

static void test_anchors(void)
{
	struct conf *c = must_read("x-limits: &limits {nofile: 10, core: 0}\n"
				   "x-life: &life\n"
				   "  stop_timeout: 2s\n"
				   "  rlimit: *limits\n"
				   "x-more: &more {nice: 4, stop_timeout: 3s}\n"
				   "processes:\n"
				   "  a:\n"
				   "    <<: *life\n"
				   "    kind: role\n"
				   "  b:\n"
				   "    kind: role\n"
				   "    <<: [*more, *life]\n"
				   "    nice: 5\n"
				   "  c: {kind: role, tags: [&t one, *t]}\n");

	is_int(10, conf_pool_find(c, "a")->rlimit.nofile,
		"an alias stands for its anchor");
	is_int(2000000, conf_pool_find(c, "a")->stop_timeout_us,
		"a merge key adds what is missing");
	is_int(3000000, conf_pool_find(c, "b")->stop_timeout_us,
		"the earlier of two merged maps wins");
	is_int(5, conf_pool_find(c, "b")->nice, "and the map itself over both");
	is_str("one",
		((struct help_role *)conf_pool_find(c, "c")->own)
			->tags.items[1],
		"scalars have anchors too");
	conf_free(c);
}

static void test_expansion(void)
{
	struct conf *c;
	struct help_role *own;

	setenv("T_SET", "five", 1);
	setenv("T_EMPTY", "", 1);
	setenv("T_N", "4", 1);
	unsetenv("T_UNSET");
	c = must_read("node: ${T_SET}\n"
		      "log_dir: ${T_EMPTY}\n"
		      "processes:\n"
		      "  a:\n"
		      "    kind: role\n"
		      "    count: ${T_N}\n"
		      "    tags: [\"${T_SET}-${T_UNSET:-x}\", "
		      "\"${T_EMPTY:-d}\", '$${T_SET}', $T_SET, "
		      "\"${T_UNSET:-${T_SET}}\", \"a$\", "
		      "\"${T_SET:?no}\", '${T_EMPTY:-}']\n");
	own = conf_pool_find(c, "a")->own;
	is_str("five", c->node, "${VAR} is the variable");
	ok(c->log_dir == NULL, "a plain value that turns out empty is unset");
	is_int(4, conf_pool_find(c, "a")->count, "numbers come this way");
	is_str("five-x", own->tags.items[0], "a default is for the unset");
	is_str("d", own->tags.items[1], "and the empty");
	is_str("${T_SET}", own->tags.items[2], "$$ is a dollar");
	is_str("$T_SET", own->tags.items[3], "a bare $ is itself");
	is_str("five", own->tags.items[4], "a default may hold a variable");
	is_str("a$", own->tags.items[5], "a final $ is itself");
	is_str("five", own->tags.items[6], "what is set needs no message");
	is_str("", own->tags.items[7], "a default may be empty");
	conf_free(c);
}

static void test_include(void)
{
	struct conf *c;

	mkdir(help_path("conf.d"), 0700);
	help_file("main.yaml", "include: [conf.d/*.yaml, extra.yaml, "
			       "none.d/*.yaml]\n"
			       "node: main\n"
			       "control: {mode: \"0600\"}\n"
			       "processes:\n"
			       "  a: {kind: role, extends: t}\n");
	help_file("conf.d/b.yaml", "node: b\n"
				   "control: {path: b.sock}\n"
				   "x-y: 1\n"
				   "processes: {b: {kind: role, config: f}}\n");
	help_file("conf.d/c.yaml", "# nothing\n");
	help_file("extra.yaml", "include: conf.d/b.yaml\n"
				"x-y: 2\n"
				"templates: {t: {nice: 7}}\n");
	c = must_read_file("main.yaml", NULL);
	is_str("main", c->node, "the including file wins");
	is_int(0600, c->control_mode, "maps of two files merge");
	has_str("/conf.d/b.sock", c->control_path,
		"paths stand on the file they are in");
	is_int(2, (int64_t)c->pool_count, "pools come from both");
	is_str("a", c->pools[0].name, "those of the first file first");
	has_str("/conf.d/f", c->pools[1].business_config, "b is whole");
	is_int(7, c->pools[0].nice, "a template may be in another file");
	conf_free(c);
}

static void test_overrides(void)
{
	static const char *const set[] = { "processes.a.count=4", "node=it",
		"processes.a.memory.hard=2M", "processes.a.listen=[81, 82]",
		"log_dir=", "processes.b={kind: role}", "processes.a.nice=1",
		NULL };
	struct conf *c;

	help_file("process.yaml", "x-m: &m {soft: 1M}\n"
				  "node: ${T_UNSET}\n"
				  "log_dir: /x\n"
				  "processes:\n"
				  "  a: {kind: role, memory: *m, nice: 19}\n"
				  "  d: {kind: role, memory: *m}\n");
	unsetenv("T_UNSET");
	c = must_read_file("process.yaml", set);
	is_int(4, conf_pool_find(c, "a")->count, "-e sets");
	is_str("it", c->node, "over what could not be read");
	is_int(2 << 20, conf_pool_find(c, "a")->memory_hard, "inside of maps");
	is_int(1 << 20, conf_pool_find(c, "a")->memory_soft,
		"keeping the rest");
	is_int(0, conf_pool_find(c, "d")->memory_hard, "touching no other");
	is_int(82, conf_pool_find(c, "a")->listen.items[1].port,
		"values are YAML");
	ok(c->log_dir == NULL, "an empty one unsets");
	is_int(1, conf_pool_find(c, "a")->nice, "and what was there is gone");
	ok(conf_pool_find(c, "b") != NULL, "a pool can be added");
	conf_free(c);
}

static void test_large(void)
{
	struct buf b = BUF_INIT;
	struct conf *c;
	int i;

	buf_puts(&b, "templates:\n  base:\n    environment: {");
	for (i = 0; i < 100; i++)
		buf_printf(&b, "V%d: value,", i);
	buf_puts(&b, "}\nprocesses:\n");
	for (i = 0; i < CONF_POOLS_MAX; i++)
		buf_printf(&b,
			"  p%d: {kind: program, extends: base, count: 10,\n"
			"    command: [a, b, c, d, e, f, g, h, i, j],\n"
			"    environment: {A: 1, B: 2, V3: 3, V4: 4},\n"
			"    memory: {soft: 1M, hard: 2M}, nice: 1,\n"
			"    ready: {tcp: 'a:1', interval: 1s, timeout: 1s},\n"
			"    rlimit: {nofile: 1, core: 0}, max_age: 1d,\n"
			"    stop_timeout: 1s, start_timeout: 1s, cpu: [0]}\n",
			i);
	c = must_read(buf_str(&b));
	is_int(CONF_POOLS_MAX, (int64_t)c->pool_count,
		"as many pools as there may be are read");
	is_int(102, (int64_t)c->pools[9].environment.count,
		"each with its template");
	conf_free(c);
	buf_done(&b);
}

/* The diff of two texts for pool "a". */
static void is_diff(
	const char *a, const char *b, enum conf_change change, const char *what)
{
	char *x = xasprintf("processes: {a: {kind: %s}}\n", a);
	char *y = xasprintf("processes: {a: {kind: %s}}\n", b);
	struct conf *cx = must_read(x), *cy = must_read(y);
	struct buf names = BUF_INIT;

	is_int(change, conf_pool_diff(cx->pools, cy->pools, &names),
		"%s, then %s", a, b);
	is_str(what, buf_str(&names), "differs in: %s", what);
	buf_done(&names);
	conf_free(cx);
	conf_free(cy);
	free(x);
	free(y);
}

static void test_diff(void)
{
	struct conf *a, *b;
	struct buf what = BUF_INIT, restart = BUF_INIT;

	is_diff("role", "role, count: 1, stop_timeout: 30000ms", CONF_SAME, "");
	is_diff("role, count: 1", "role, count: 2", CONF_CHANGED_HOT, "count");
	is_diff("role", "role, umask: \"0027\", count: 3", CONF_CHANGED_ROLL,
		"count, umask");
	is_diff("role", "role, depth: 4", CONF_CHANGED_ROLL, "depth");
	is_diff("role, listen: 80", "role, listen: '0.0.0.0:80'", CONF_SAME,
		"");
	is_diff("role", "program, command: x", CONF_CHANGED_ROLL, "kind");
	is_diff("program, command: x", "program, command: y", CONF_CHANGED_ROLL,
		"command");
	a = must_read("run_dir: /a\nprocesses: {}\n");
	b = must_read("run_dir: /b\nlog_level: warn\npid_file: /a/reeved.pid\n"
		      "processes: {}\n");
	is_int(CONF_CHANGED_ROLL, conf_global_diff(a, b, &what, &restart),
		"global settings are compared");
	is_str("run_dir, log_level, control.path", buf_str(&what),
		"those that differ are named");
	is_str("run_dir", buf_str(&restart), "and those only read at start");
	buf_done(&what);
	buf_done(&restart);
	conf_free(a);
	conf_free(b);
}

static void test_user(void)
{
	struct conf *a, *b;

	if (geteuid() != 0) {
		skip("not root", 3);
		return;
	}
	a = must_read("processes: {a: {kind: role}, b: {kind: role, "
		      "user: root, group: daemon}}\n");
	b = must_read("user: daemon\nprocesses: {a: {kind: role}, "
		      "b: {kind: role, user: root, group: daemon}}\n");
	is_int(CONF_CHANGED_ROLL,
		conf_pool_diff(&a->pools[0], &b->pools[0], NULL),
		"a new global user rolls a pool that takes it");
	is_int(CONF_SAME, conf_pool_diff(&a->pools[1], &b->pools[1], NULL),
		"and no other");
	ok(b->pools[0].uid != 0 && b->pools[1].uid == 0 &&
			b->pools[1].gid == b->pools[0].gid,
		"names are resolved");
	conf_free(a);
	conf_free(b);
}

static void test_internal(void)
{
	struct conf *c = must_read("processes: {}\n");
	struct conf_pool *p =
		conf_pool_internal(c, &help_kind_internal, "governor");

	is_str("governor", p->name, "an internal pool has its name");
	is_int(1, p->workers, "and one worker");
	is_int(3, ((struct help_role *)p->own)->depth, "and its defaults");
	conf_free(c);
}

static void test_cpus(void)
{
	cpu_set_t before, one;
	struct conf *c;
	int cpus[CONF_CPU_MAX], first = 0;

	sched_getaffinity(0, sizeof(before), &before);
	while (!CPU_ISSET(first, &before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	sched_setaffinity(0, sizeof(one), &one);
	c = must_read("processes:\n"
		      "  a: {kind: role, cpu: [0-3, 1000], count: 2}\n"
		      "  b: {kind: role, cpu: auto, count: auto}\n"
		      "  c: {kind: role, cpu: 1001}\n"
		      "  d: {kind: role}\n");
	has_str("process.yaml:2:24: warning: ", help_text(),
		"CPUs that are not there are a warning with its place");
	has_str("1000", help_text(), "that names them");
	is_int(0, (int64_t)help_errors(), "and no error");
	is_int(first < 4 ? 1 : 0, (int64_t)conf_pool_cpus(c->pools, 1, cpus),
		"a worker uses those that are");
	is_int(1, (int64_t)conf_pool_cpus(c->pools + 1, 7, cpus),
		"auto is one");
	is_int(first, cpus[0], "of those allowed");
	is_int(1, c->pools[1].workers, "count: auto is as many as CPUs");
	is_int(0, (int64_t)conf_pool_cpus(c->pools + 2, 0, cpus),
		"none of them leaves the worker alone");
	is_int(0, (int64_t)conf_pool_cpus(c->pools + 3, 0, cpus),
		"so does no setting");
	conf_free(c);
	help_is_error("strict_affinity: true\n"
		      "processes: {a: {kind: role, cpu: 1000}}\n",
		"process.yaml:2:34: error: ", "strict_affinity makes it one");
	sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
	test_defaults();
	test_values();
	test_round_trip();
	test_templates();
	test_anchors();
	test_expansion();
	test_include();
	test_overrides();
	test_large();
	test_diff();
	test_user();
	test_internal();
	test_cpus();
	return tap_done();
}
