/* SPDX-License-Identifier: ISC */
/* conf_database: the settings of PostgreSQL, and who depends on them. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "conf_help.h"
#include "tap.h"

#define REDIS "redis: {url: \"redis://x\"}\n"
#define QUEUE "processes: {q: {kind: queue, topics: a}}\n"
#define KEEPS "processes: {k: {kind: keeps}}\n"

static struct conf *must_read(const char *text)
{
	struct conf *c = help_conf(text);

	if (c == NULL)
		bail("%s", help_text());
	return c;
}

static void test_values(void)
{
	struct conf *c = must_read(
		"database: {url: \"postgresql://u:p@a:1,b/reeve?sslmode=require"
		"\", connections: 50, connect_timeout: 1s, "
		"statement_timeout: 2m}\nprocesses: {}\n");

	is_str("postgresql://u:p@a:1,b/reeve?sslmode=require", c->database_url,
		"PostgreSQL has a URL");
	is_int(50, c->database_connections, "connections have a number");
	is_int(US_PER_S, c->database_connect_timeout_us, "a wait for one host");
	is_int(120 * (int64_t)US_PER_S, c->database_statement_timeout_us,
		"and statements one for their end");
	conf_free(c);
	c = must_read("database: {url: host=/run/pg dbname=x}\nprocesses: "
		      "{}\n");
	is_str("host=/run/pg dbname=x", c->database_url,
		"the URL may be a list of parameters");
	is_int(4, c->database_connections, "the number has a default");
	conf_free(c);
	c = must_read("processes: {}\n");
	ok(c->database_url == NULL, "there may be none");
	conf_free(c);
}

static void test_errors(void)
{
	help_is_error("database: {url: \"mysql://u:secret@x\"}\n"
		      "processes: {}\n",
		"1:17: error: \"database.url\" must be postgresql://",
		"another database is refused");
	ok(strstr(help_text(), "secret") == NULL, "and its URL is not shown");
	help_is_error("database: {url: \"postgresql://a b\"}\nprocesses: {}\n",
		"\"database.url\" must be", "a URL has no blank");
	help_is_error("database: {url: reeve}\nprocesses: {}\n",
		"\"database.url\" must be", "a name is no URL");
	help_is_error("database: {connections: 51}\nprocesses: {}\n", "1 to 50",
		"connections have a bound");
	help_is_error(KEEPS, "pool k needs PostgreSQL",
		"who keeps something needs it");
	help_is_error("redis: {url: \"redis://a\"}\n"
		      "handlers: {h: {kind: exec, command: x, tracked: true}}\n"
		      "processes: {}\n",
		"2:12: error: handler h is tracked, which needs PostgreSQL",
		"and so does what keeps its tasks");
}

static void is_change(const char *old, const char *new, int change,
	const char *what, const char *title)
{
	struct conf *a = must_read(old), *b = must_read(new);
	struct buf seen = BUF_INIT;

	is_int(change, conf_pool_diff(&a->pools[0], &b->pools[0], &seen), "%s",
		title);
	is_str(what, buf_str(&seen), "%s: by name", title);
	buf_done(&seen);
	conf_free(a);
	conf_free(b);
}

static void test_changes(void)
{
	is_change("database: {url: \"postgresql://a\"}\n" KEEPS,
		"database: {url: \"postgresql://b\"}\n" KEEPS,
		CONF_CHANGED_ROLL, "database.url",
		"another database rolls who keeps something");
	is_change(REDIS QUEUE, "database: {connections: 5}\n" REDIS QUEUE,
		CONF_CHANGED_ROLL, "database.connections",
		"and who runs tasks");
	is_change("processes: {p: {kind: program, command: x}}\n",
		"database: {connections: 5}\n"
		"processes: {p: {kind: program, command: x}}\n",
		CONF_SAME, "", "others do not care");
}

int main(void)
{
	test_values();
	test_errors();
	test_changes();
	return tap_done();
}
