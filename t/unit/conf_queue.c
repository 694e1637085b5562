/* SPDX-License-Identifier: ISC */
/* conf: handlers, topics and the pools that serve them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/counts.h"
#include "conf_help.h"
#include "queue/options.h"
#include "tap.h"

#define REDIS  "redis: {url: \"redis://127.0.0.1:6379/0\"}\n"
#define SECOND ((int64_t)1000000)

static struct conf *must_read(const char *text)
{
	struct conf *c = help_conf(text);

	if (c == NULL)
		bail("not read: %s", help_text());
	return c;
}

static const struct conf_handler *must_find(
	const struct conf *c, const char *name)
{
	const struct conf_handler *h = conf_handler_find(c, name);

	if (h == NULL)
		bail("no handler %s", name);
	return h;
}

static const struct conf_pool *must_pool(const struct conf *c, const char *name)
{
	const struct conf_pool *p = conf_pool_find(c, name);

	if (p == NULL)
		bail("no pool %s", name);
	return p;
}

static const char handlers[] =
	"redis:\n"
	"  url: unix:///run/redis.sock?db=2\n"
	"  prefix: \"app:\"\n"
	"  sentinel: {master: m, nodes: [a:1, \"b:2\"]}\n"
	"templates:\n"
	"  patient: {retry: {max: 5, cap: 1h}, timeout: 9s}\n"
	"database: {url: \"postgresql:///a\"}\n"
	"handlers:\n"
	"  sync-data:\n"
	"    kind: exec\n"
	"    extends: patient\n"
	"    command: [/usr/bin/php, sync/run]\n"
	"    directory: sub\n"
	"    environment: {A: \"$${x}\"}\n"
	"    clear_environment: true\n"
	"    retry: {base: 2s}\n"
	"    kill_after: 1s\n"
	"    rate: {count: 10, per: 1m}\n"
	"    concurrency: 3\n"
	"    tracked: true\n"
	"    output_max: 1M\n"
	"  App/Mail:send:\n"
	"    {kind: http, url: \"https://orders/api\", method: PUT,\n"
	"    headers: {X-A: b}, ca_file: ca.pem}\n"
	"  render:\n"
	"    kind: worker\n"
	"    command: exec python3 render.py\n"
	"    processes: 4\n"
	"    max_tasks: 1000\n"
	"    memory: {soft: 64M, hard: 128M}\n"
	"  lumina:\n"
	"    kind: poll\n"
	"    submit: {url: \"http://x/jobs\", headers: {A: b}}\n"
	"    status: {url: \"http://x/jobs/{id}\"}\n"
	"    id_field: data.taskUuid\n"
	"    done: finished\n"
	"  count: {kind: plugin, path: ./count.so, config: \"table: hits\"}\n"
	"processes:\n"
	"  queue:\n"
	"    kind: queue\n"
	"    after: web\n"
	"    topics:\n"
	"      high: 4\n"
	"      normal: {initial: 3, step: 2, up_every: 5s}\n"
	"      low: {}\n"
	"    concurrency: 8\n"
	"  multi:\n"
	"    kind: queue\n"
	"    topics: [high, normal, \"1\"]\n"
	"    count: 2\n"
	"    order: weighted\n"
	"    weights: {high: 6, common: 3}\n"
	"  web: {kind: role}\n"
	"  last: {kind: role, after: [queue, web]}\n";

static void test_handlers(void)
{
	struct conf *c = must_read(handlers);
	const struct conf_handler *h = must_find(c, "sync-data");

	is_int(5, (int64_t)c->handler_count, "there are five handlers");
	is_int(CONF_HANDLER_EXEC, h->kind, "a handler has a kind");
	is_int(5, h->retry_max, "it takes settings from a template");
	is_int(2 * SECOND, h->retry_base_us, "and adds to them");
	is_int(9 * SECOND, h->timeout_us, "a duration");
	is_str("sync/run", h->command.items[1], "its command is a list");
	has_str("/sub", h->directory, "paths stand on the file");
	is_str("${x}", h->environment.items[0].value, "variables are set");
	ok(h->clear_environment && h->tracked, "truths are read");
	ok(h->rate_count == 10 && h->rate_per_us == 60 * SECOND &&
			h->concurrency == 3,
		"so are its limits");
	ok(h->uid == (uid_t)-1 && h->gid == (gid_t)-1, "the user stays");
	is_int(9, h->mark.line, "a handler knows its line");

	h = must_find(c, "App/Mail:send");
	is_int(CONF_HANDLER_HTTP, h->kind, "another is of another kind");
	is_str("https://orders/api", h->request.url, "with a URL");
	is_str("PUT", h->request.method, "and a method");
	is_str("b", h->request.headers.items[0].value, "and headers");
	is_int(3, h->retry_max, "three retries are the default");
	is_int(SECOND, h->retry_base_us, "after a second at first");
	is_int(300 * SECOND, h->retry_cap_us, "five minutes at most");
	is_int(60 * SECOND, h->timeout_us, "a minute is given");

	h = must_find(c, "render");
	ok(h->processes == 4 && h->max_tasks == 1000 &&
			h->memory_hard == 128 << 20,
		"a worker has settings of its own");
	is_str("-c", h->command.items[1], "a line is run by the shell");
	h = must_find(c, "lumina");
	is_int(300 * SECOND, h->timeout_us, "a poll is given five minutes");
	ok(h->interval_us == 5 * SECOND && h->max_attempts == 60,
		"with a question every five seconds");
	is_str("POST", h->submit.method, "it submits by POST");
	is_str("GET", h->status.method, "and asks by GET");
	is_str("data.taskUuid", h->id_field, "the id is found by a path");
	is_str("finished", h->done.items[0], "a lone state is a list of one");
	is_str("error", h->failed.items[1], "states of failure have a default");
	h = must_find(c, "count");
	has_str("/count.so", h->path, "a plugin has a path");
	is_str("table: hits", h->config, "and a text");
	ok(conf_handler_find(c, "none") == NULL, "there are no others");
	conf_free(c);
}

static void test_redis(void)
{
	struct conf *c = must_read(handlers);

	is_str("unix:///run/redis.sock?db=2", c->redis_url, "Redis has a URL");
	is_str("app:", c->redis_prefix, "keys have a prefix");
	is_str("m", c->redis_sentinel_master, "a Sentinel knows the master");
	is_str("b:2", c->redis_sentinel_nodes.items[1], "there may be several");
	conf_free(c);
	c = must_read("processes: {}\n");
	ok(c->redis_url == NULL && c->redis_sentinel_master == NULL,
		"there may be none");
	is_str("reeve:", c->redis_prefix, "the prefix has a default");
	conf_free(c);
}

static void test_split(void)
{
	struct conf *c = must_read(handlers);
	const struct conf_pool *p = must_pool(c, "queue.high");
	const struct queue_options *o = p->own;

	is_int(6, (int64_t)c->pool_count, "a map makes a pool of each topic");
	ok(conf_pool_find(c, "queue") == NULL, "in the place of the one");
	is_str("queue.high", c->pools[0].name, "in the order of the map");
	is_str("high", p->topic, "each knows its topic");
	is_str("queue", p->split->name, "and what it was");
	is_int(4, p->workers, "and has its workers");
	ok(p->min_count == 0 && p->max_count == 200, "and bounds");
	ok(!p->autoscale.is_on, "a number is a number");
	is_int(1, (int64_t)o->topics.count, "its own settings name one topic");
	is_str("high", o->topics.items[0].name, "that one");
	ok(!o->topics.is_split, "which is a list");
	is_int(8, o->concurrency, "the rest is what was written");
	p = must_pool(c, "queue.common");
	ok(p->autoscale.is_on, "a map of bounds is scaled");
	ok(p->workers == 3 && p->min_count == 3 && p->max_count == 50,
		"between bounds that have defaults");
	ok(p->autoscale.initial == 3 && p->autoscale.step == 2 &&
			p->autoscale.up_every_us == 5 * SECOND &&
			p->autoscale.down_every_us == 180 * SECOND,
		"by steps that have defaults");
	p = must_pool(c, "queue.low");
	ok(p->workers == 1 && p->min_count == 1 && p->autoscale.step == 5 &&
			p->autoscale.up_every_us == 60 * SECOND,
		"all of them may be the default");
	p = must_pool(c, "last");
	is_int(4, (int64_t)p->after.count, "who waits for the one");
	is_str("queue.common", p->after.items[1], "waits for each");
	is_str("web", p->after.items[3], "and for the others");
	conf_free(c);
}

static void test_list(void)
{
	struct conf *c = must_read(handlers);
	const struct conf_pool *p = must_pool(c, "multi");
	const struct queue_options *o = p->own;

	ok(p->topic == NULL && p->split == NULL, "a list stays one pool");
	is_int(2, p->workers, "with its count");
	is_int(3, (int64_t)o->topics.count, "and all topics");
	is_str("common", o->topics.items[1].name, "normal is common");
	is_int(QUEUE_WEIGHTED, o->order, "they may be weighted");
	is_int(6, queue_options_weight(o, "high"), "by the weight given");
	is_int(3, queue_options_weight(o, "common"), "each its own");
	is_int(1, queue_options_weight(o, "1"), "or one");
	is_int(30 * SECOND, o->lease_us, "a lease has a default");
	ok(o->renew_us == 10 * SECOND && o->claim_us == 45 * SECOND &&
			o->node_timeout_us == 20 * SECOND &&
			o->max_wait_us == 30 * SECOND && o->crashes_max == 3,
		"so have the others");
	conf_free(c);
}

static void test_round_trip(void)
{
	struct conf *a = must_read(handlers), *b;
	struct buf first = BUF_INIT, second = BUF_INIT, what = BUF_INIT;
	bool is_same = true;
	size_t i;

	conf_print(a, &first);
	has_str("topics: { \"high\": 4, \"common\": { min: 3, max: 50, ",
		buf_str(&first), "what is printed is the map");
	ok(strstr(buf_str(&first), "queue.high\":") == NULL,
		"and not the pools it made");
	b = must_read(buf_str(&first));
	conf_print(b, &second);
	is_str(buf_str(&first), buf_str(&second), "it reads back the same");
	for (i = 0; i < a->pool_count; i++)
		if (conf_pool_diff(&a->pools[i], &b->pools[i], &what) !=
			CONF_SAME)
			is_same = false;
	ok(is_same && conf_global_diff(a, b, &what, NULL) == CONF_SAME,
		"without a difference: %s", buf_str(&what));
	ok(conf_queues_same(a, b), "the queues are the same");
	buf_done(&first);
	buf_done(&second);
	buf_done(&what);
	conf_free(a);
	conf_free(b);
}

/* What a reload makes of pool `name` when the file changes. */
static void is_change(const char *from, const char *to, const char *name,
	enum conf_change wanted, const char *wanted_what, const char *title)
{
	struct conf *a = must_read(from), *b = must_read(to);
	struct buf what = BUF_INIT;

	is_int(wanted,
		conf_pool_diff(must_pool(a, name), must_pool(b, name), &what),
		"%s", title);
	is_str(wanted_what, buf_str(&what), "%s: by that", title);
	is_int(strcmp(wanted_what, "") == 0, conf_queues_same(a, b),
		"%s: for the governor too", title);
	buf_done(&what);
	conf_free(a);
	conf_free(b);
}

#define QUEUE(topics_) "processes: {q: {kind: queue, topics: " topics_ "}}\n"
#define TRUE_(more)    "handlers: {t: {kind: exec, command: [x" more "]}}\n"

static void test_diff(void)
{
	is_change(REDIS QUEUE("{a: 1, b: 2}"), REDIS QUEUE("{a: 1, b: 2}"),
		"q.a", CONF_SAME, "", "nothing is nothing");
	is_change(REDIS QUEUE("{a: 1}"), REDIS QUEUE("{a: 2}"), "q.a",
		CONF_CHANGED_HOT, "count", "a count is hot");
	is_change(REDIS QUEUE("{a: {step: 1}}"), REDIS QUEUE("{a: {step: 2}}"),
		"q.a", CONF_CHANGED_HOT, "topics", "scaling is hot");
	is_change(REDIS QUEUE("[a, b]"), REDIS QUEUE("[b, a]"), "q",
		CONF_CHANGED_ROLL, "topics", "an order of topics rolls");
	is_change(REDIS TRUE_("") QUEUE("a"), REDIS TRUE_(", y") QUEUE("a"),
		"q", CONF_CHANGED_ROLL, "handlers.t", "a handler rolls");
	is_change(REDIS TRUE_("") QUEUE("a"), REDIS QUEUE("a"), "q",
		CONF_CHANGED_ROLL, "handlers.t", "so does one that is gone");
	is_change(REDIS QUEUE("a"), REDIS TRUE_("") QUEUE("a"), "q",
		CONF_CHANGED_ROLL, "handlers.t", "and a new one");
	is_change(REDIS QUEUE("a"),
		"redis: {url: \"redis://other\"}\n" QUEUE("a"), "q",
		CONF_CHANGED_ROLL, "redis.url", "another Redis rolls");
}

static void test_diff_of_others(void)
{
	struct conf *a = must_read(REDIS TRUE_("") "processes: {w: "
						   "{kind: role}}\n");
	struct conf *b = must_read("processes: {w: {kind: role}}\n");
	struct buf what = BUF_INIT;

	is_int(CONF_SAME, conf_pool_diff(&a->pools[0], &b->pools[0], NULL),
		"who runs no tasks does not care");
	is_int(CONF_CHANGED_ROLL, conf_global_diff(a, b, &what, NULL),
		"the node does");
	is_str("redis.url", buf_str(&what), "for Redis");
	ok(conf_queues_same(a, b), "there are no queues");
	buf_done(&what);
	conf_free(a);
	conf_free(b);
	a = must_read(REDIS QUEUE("{a: 1}"));
	b = must_read(REDIS QUEUE("{a: 1, b: 1}"));
	ok(!conf_queues_same(a, b), "a new topic is another queue");
	conf_free(a);
	conf_free(b);
}

/* One handler, `h: {…}` in line 1. */
static void is_handler_error(const char *settings, const char *part)
{
	char text[512];

	snprintf(text, sizeof(text), "handlers: {h: {%s}}\nprocesses: {}\n",
		settings);
	help_is_error(text, part, settings);
}

static void test_handler_errors(void)
{
	is_handler_error("command: x",
		"1:12: error: handler \"h\" has no \"kind\": exec, worker");
	is_handler_error("kind: exek",
		"1:22: error: unknown kind of handler \"exek\"; did you mean "
		"\"exec\"?");
	is_handler_error("kind: exec", "1:12: error: handler h has no "
				       "\"command\"");
	is_handler_error("kind: exec, comand: x",
		"unknown setting \"comand\"; did you mean \"command\"?");
	is_handler_error("kind: exec, command: x, url: y",
		"1:40: error: \"url\" is for handlers of kind http: this one "
		"is of kind exec");
	is_handler_error("kind: http, url: \"http://x\", command: x",
		"\"command\" is for handlers of kind exec and worker: this "
		"one is of kind http");
	is_handler_error("kind: exec, command: x, memory: {soft: 1M}",
		"\"memory\" is for handlers of kind worker");
	is_handler_error("kind: exec, command: x, count: 1",
		"\"count\" is a setting of pools, not of handlers");
	is_handler_error("kind: exec, command: x, max_wait: 1s",
		"\"max_wait\" is a setting of pools of kind queue, not of "
		"handlers");
	is_handler_error("kind: exec, command: x, timeout: 1",
		"\"timeout\" must be a duration (like 500ms, 10s, 5m or 2h) "
		"from 10ms to 30d, not \"1\"");
	is_handler_error("kind: exec, command: x, retry: {bas: 1}",
		"unknown setting \"bas\" in \"retry\"; did you mean "
		"\"base\"?");
	is_handler_error("kind: exec, command: x, retry: {base: 1h}",
		"\"retry.base\" is more than \"retry.cap\"");
	is_handler_error("kind: exec, command: x, environment: {1: x}",
		"\"1\" is no name of a variable");
	is_handler_error("kind: exec, command: x, user: nobody-here",
		"there is no user \"nobody-here\"");
	is_handler_error("kind: worker, command: [\"\"]",
		"the first word of \"command\" is empty");
	is_handler_error(
		"kind: worker, command: x, memory: {soft: 2M, hard: 1M}",
		"\"memory.hard\" is below \"memory.soft\"");
	is_handler_error("kind: plugin", "handler h has no \"path\"");
	help_is_error("handlers: {a b: {kind: exec}}\nprocesses: {}\n",
		"1:12: error: the name of a handler", "a name has no blanks");
	help_is_error("handlers: {a: 1}\nprocesses: {}\n",
		"1:15: error: handler \"a\" must be a map, not \"1\"",
		"a handler is a map");
	help_is_error("handlers: [a]\nprocesses: {}\n",
		"\"handlers\" must be a map, not a list", "so are handlers");
	help_is_error("processes: {a: {kind: role, retry: {max: 1}}}\n",
		"\"retry\" is a setting of handlers, not of pools",
		"a pool has no settings of handlers");
	help_is_error("templates: {t: {retri: 1}}\nprocesses: {}\n",
		"did you mean \"retry\"?", "a template may have them");
}

static void test_request_errors(void)
{
	is_handler_error("kind: http", "handler h has no \"url\"");
	is_handler_error("kind: http, url: \"ftp://secret\"",
		"\"url\" must be http://host/path or https://host/path");
	ok(strstr(help_text(), "secret") == NULL, "a URL is not shown");
	is_handler_error("kind: http, url: \"http://\"", "\"url\" must be");
	is_handler_error("kind: http, url: \"http://a b\"", "\"url\" must be");
	is_handler_error("kind: http, url: \"http://a\", method: \"A B\"",
		"\"A B\" is no method of a request");
	is_handler_error("kind: http, url: \"http://a\", headers: {\"a:b\": c}",
		"\"a:b\" is no name of a header field");
	is_handler_error(
		"kind: http, url: \"http://a\", headers: {a: \"b\\r\\nc: d\"}",
		"header field \"a\": its value has more than one line");
	is_handler_error("kind: poll", "handler h has no \"submit.url\"");
	is_handler_error("kind: poll, submit: {url: \"http://a\"}, status: "
			 "{url: \"http://a\"}",
		"\"status.url\" has no {id}");
	is_handler_error("kind: poll, done: [a], failed: [b, a]",
		"state \"a\" is in \"failed\" as well");
	is_handler_error("kind: poll, done: []", "no job would ever succeed");
	is_handler_error("kind: poll, interval: 1h",
		"\"interval\" is more than \"timeout\"");
}

/* One pool, `q: {…}` in line 2. */
static void is_queue_error(const char *settings, const char *part)
{
	char text[512];

	snprintf(text, sizeof(text),
		REDIS "processes: {q: {kind: queue, %s}}\n", settings);
	help_is_error(text, part, settings);
}

static void test_topic_errors(void)
{
	is_queue_error("count: 1", "2:13: error: pool q has no \"topics\"");
	is_queue_error("topics: []", "2:38: error: pool q has no \"topics\"");
	is_queue_error("topics: {}", "pool q has no \"topics\"");
	is_queue_error("topics: [A]", "2:39: error: the name of a topic");
	is_queue_error("topics: {a.b: 1}", "the name of a topic");
	is_queue_error("topics: [a, a]", "topic \"a\" is named twice");
	is_queue_error("topics: {common: 1, normal: 2}",
		"2:50: error: topic \"normal\" is named twice: \"normal\" and "
		"\"common\" are the same");
	is_queue_error("topics: {a: x}",
		"2:42: error: topic a wants a number of workers from 0 to "
		"200, or a map of min, max");
	is_queue_error("topics: {a: 201}", "not \"201\"");
	is_queue_error("topics: {a: -1}", "not \"-1\"");
	is_queue_error("topics: {a: [1]}", "not a list");
	is_queue_error("topics: {a: {mix: 1}}",
		"unknown setting \"mix\"; did you mean \"min\"?");
	is_queue_error("topics: {a: {min: x}}", "\"min\" must be a number of "
						"workers from 0 to 2000");
	is_queue_error("topics: {a: {min: 60}}",
		"topic a: \"min\" is above \"max\", which is 50");
	is_queue_error("topics: {a: {min: 2, initial: 1}}",
		"topic a: \"initial\" is not from \"min\" to \"max\", 2 to 50");
	is_queue_error("topics: {a: 1}, count: 2",
		"2:53: error: \"count\" is for a list of topics");
	is_queue_error("topics: {a: 1}, max: 2", "\"max\" is for a list");
	is_queue_error("topics: a, order: wild", "one of strict or weighted");
	is_queue_error("topics: [a, b], weights: {a: 1}",
		"2:55: error: \"weights\" wants \"order: weighted\"");
	is_queue_error("topics: [a], order: weighted, weights: {c: 1}",
		"\"weights\" names topic \"c\", and \"topics\" does not");
	is_queue_error("topics: {a: 1}, order: weighted, weights: {a: 1}",
		"\"weights\" is for a list of topics");
	is_queue_error("topics: [a], order: weighted, weights: {a: 0}",
		"the weight of topic a must be a number from 1 to 1000");
	is_queue_error("topics: [a], weights: 3", "\"weights\" must be a map");
	is_queue_error("topics: [a], renew_every: 20s",
		"\"renew_every\" is more than half of \"lease\"");
	is_queue_error("topics: [a], lease: 1m",
		"\"claim_after\" is not more than \"lease\"");
	is_queue_error("topics: {abcdefghijabcdefghijabcdefghijabcdefghij"
		       "abcdefgh: 1}, after: q",
		"makes a circle");
}

static void test_pool_errors(void)
{
	help_is_error(QUEUE("{a: 1, b: 1}"),
		"1:13: error: pool q needs Redis: set redis: { url: "
		"\"redis://127.0.0.1:6379/0\" }",
		"tasks need Redis");
	help_is_error(REDIS "processes:\n"
			    "  q: {kind: queue, topics: {a: 1}}\n"
			    "  r: {kind: queue, topics: {b: 1, a: 1}}\n",
		"4:3: error: topic a has a pool of its own already: q.a",
		"a topic has one pool of its own");
	help_is_error(REDIS "processes:\n"
			    "  q: {kind: queue, topics: {a: 1}}\n"
			    "  r: {kind: queue, topics: [a], after: qq}\n",
		"\"after\" names \"qq\", and there is no such pool",
		"a pool that is waited for exists");
	help_is_error(REDIS "processes: {q.a: {kind: queue, topics: a}}\n",
		"the name of a pool is", "nobody writes a dot");
	help_is_error(REDIS "processes: {abcdefghijabcdefghijabcdefghij: "
			    "{kind: queue, topics: "
			    "{abcdefghijabcdefghijabcdefghijabc: 1}}}\n",
		"is longer than 63 bytes", "both names fit into one");
	help_is_error("redis: {url: \"http://u:secret@x\"}\nprocesses: {}\n",
		"1:14: error: \"redis.url\" must be redis://",
		"a URL of Redis is one");
	ok(strstr(help_text(), "secret") == NULL, "and is not shown");
	help_is_error("redis: {url: \"rediss://u:secret@x\"}\nprocesses: {}\n",
		"rediss:// is TLS, which", "TLS is refused, and why is said");
	ok(strstr(help_text(), "secret") == NULL, "without the password");
	help_is_error("redis: {prefix: \"a{b\"}\nprocesses: {}\n",
		"\"redis.prefix\" is at most 64 bytes",
		"a prefix has no braces");
	help_is_error("redis: {url: \"redis://\", sentinel: {master: m}}\n"
		      "processes: {}\n",
		"\"redis.sentinel\" wants both \"master\" and \"nodes\"",
		"a Sentinel has an address");
	help_is_error("redis: {url: \"redis://\", sentinel: {master: m, "
		      "nodes: [x]}}\nprocesses: {}\n",
		"must be host:port, not \"x\"", "which is one");
	help_is_error("redis: {sentinel: {master: m, nodes: [x:1]}}\n"
		      "processes: {}\n",
		"set both", "and a way to log in");
}

static void test_users(void)
{
	if (geteuid() != 0) {
		skip("only root may change users", 2);
		return;
	}
	help_is_error(REDIS "user: nobody\n"
			    "handlers: {h: {kind: exec, command: x, "
			    "user: daemon}}\n" QUEUE("[a]"),
		"3:12: error: handler h runs as another user than pool q, "
		"which must run as root for that",
		"a user that no pool may become is an error");
	conf_free(must_read(
		REDIS "user: nobody\n"
		      "handlers: {h: {kind: exec, command: x, user: daemon}}\n"
		      "processes:\n"
		      "  q: {kind: queue, topics: a}\n"
		      "  r: {kind: queue, topics: b, user: root}\n"));
	ok(true, "one pool that may is enough");
}

static void test_includes(void)
{
	struct conf *c;

	help_file("more.yaml", "handlers: {b: {kind: exec, command: b}}\n");
	c = must_read("include: more.yaml\n"
		      "handlers: {a: {kind: exec, command: a}}\n"
		      "processes: {}\n");
	is_int(2, (int64_t)c->handler_count, "handlers come from both files");
	conf_free(c);
	help_is_error("include: more.yaml\n"
		      "handlers: {b: {kind: exec, command: a}}\n"
		      "processes: {}\n",
		"handler \"b\" is also in", "each at home in one");
}

static void is_counts(const char *text, const char *wanted)
{
	struct conf_counts counts;
	struct buf seen = BUF_INIT;
	struct err err;
	size_t i;

	if (conf_read_counts(text, strlen(text), &counts, &err) != 0)
		buf_puts(&seen, err.text);
	else
		for (i = 0; i < counts.count; i++)
			buf_printf(&seen, "%s=%d ", counts.items[i].topic,
				(int)counts.items[i].count);
	is_str(wanted, buf_str(&seen), "counts: %.40s", text);
	buf_done(&seen);
}

static void test_counts(void)
{
	is_counts("high: 4", "high=4 ");
	is_counts("{high: 4, normal: 0}\n", "high=4 common=0 ");
	is_counts("{\"low\": \"7\"}", "low=7 ");
	is_counts("", "");
	is_counts("  \n", "");
	is_counts("{}", "");
	is_counts("~", "");
	is_counts("high", "line 1, column 1: a map like \"high: 4\" is "
			  "wanted, not \"high\"");
	is_counts("[1]", "line 1, column 1: a map like \"high: 4\" is wanted, "
			 "not a list");
	is_counts("a: 1\nhigh: x",
		"line 2, column 7: topic high wants a number from 0 to 2000, "
		"not \"x\"");
	is_counts("high: 2001", "line 1, column 7: topic high wants a number "
				"from 0 to 2000, not \"2001\"");
	is_counts("high: -1", "line 1, column 7: topic high wants a number "
			      "from 0 to 2000, not \"-1\"");
	is_counts("high: 1.5", "line 1, column 7: topic high wants a number "
			       "from 0 to 2000, not \"1.5\"");
	is_counts("high: ${HOME}", "line 1, column 7: topic high wants a "
				   "number from 0 to 2000, not \"${HOME}\"");
	is_counts("high:", "line 1, column 6: topic high wants a number from "
			   "0 to 2000, not \"\"");
	is_counts("high: {a: 1}", "line 1, column 7: topic high wants a "
				  "number from 0 to 2000, not a map");
	is_counts("Hi gh: 1",
		"line 1, column 1: \"Hi gh\" is no name of a topic");
	is_counts("a: 1\na: 2",
		"line 2, column 1: \"a\" is set twice: first in line 1");
	is_counts("common: 1\nnormal: 2",
		"line 2, column 1: topic common has two counts: \"normal\" and "
		"\"common\" are the same");
	is_counts("a: 1\x01", "line 1, column 5: control character 0x01 is not "
			      "allowed");
	is_counts("a: {", "line 2, column 1: did not find expected node "
			  "content, while parsing a flow node");
}

static void test_hostile_counts(void)
{
	struct conf_counts counts = { .count = 77 };
	struct buf text = BUF_INIT;
	struct err err;
	int i;

	for (i = 0; i < CONF_TOPICS_MAX + 1; i++)
		buf_printf(&text, "t%d: 1\n", i);
	is_int(-1, conf_read_counts(buf_str(&text), text.len, &counts, &err),
		"too many topics are refused");
	has_str("more than 64 topics", err.text, "with the limit");
	buf_reset(&text);
	while (text.len <= CONF_COUNTS_BYTES_MAX)
		buf_puts(&text, "# nothing to see here\n");
	is_int(-1, conf_read_counts(buf_str(&text), text.len, &counts, &err),
		"too many bytes as well");
	has_str("longer than 4096 bytes", err.text, "with that limit");
	buf_reset(&text);
	for (i = 0; i < 4000; i++)
		buf_putc(&text, '[');
	is_int(-1, conf_read_counts(buf_str(&text), text.len, &counts, &err),
		"deep nesting costs nothing");
	is_int(-1, conf_read_counts("a: 1\0b: 2", 9, &counts, &err),
		"a NUL is no end");
	is_int(77, (int64_t)counts.count, "nothing is set by an error");
	buf_done(&text);
}

static void test_many_pools(void)
{
	struct buf text = BUF_INIT;
	struct conf *c;
	int i, j;

	buf_puts(&text, REDIS "processes:\n");
	for (i = 0; i < 4; i++) {
		buf_printf(&text, "  q%d: {kind: queue, topics: {", i);
		for (j = 0; j < 50; j++)
			buf_printf(&text, "t%d-%d: 1, ", i, j);
		buf_puts(&text, "}}\n");
	}
	c = must_read(buf_str(&text));
	is_int(CONF_POOLS_MAX, (int64_t)c->pool_count, "200 pools may be made");
	is_str("q3.t3-49", c->pools[CONF_POOLS_MAX - 1].name, "to the last");
	conf_free(c);
	buf_puts(&text, "  one: {kind: role}\n");
	help_is_error(buf_str(&text), "more than 200 pools", "and no more");
	buf_done(&text);
}

int main(void)
{
	test_handlers();
	test_redis();
	test_split();
	test_list();
	test_round_trip();
	test_diff();
	test_diff_of_others();
	test_handler_errors();
	test_request_errors();
	test_topic_errors();
	test_pool_errors();
	test_users();
	test_includes();
	test_counts();
	test_hostile_counts();
	test_many_pools();
	return tap_done();
}
