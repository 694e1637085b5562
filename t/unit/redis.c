/* SPDX-License-Identifier: ISC */
/* redis: one connection before a real server. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "redis_help.h"
#include "tap.h"

#define MS ((int64_t)US_PER_MS)

static struct loop *loop;

static struct redis_options by_socket(const struct help_server *s, char *url)
{
	snprintf(url, 200, "unix://%s", s->socket);
	return (struct redis_options){ .url = url };
}

static void open_socket(struct help_link *k, const struct help_server *s)
{
	char url[200];
	struct redis_options o = by_socket(s, url);

	help_open(k, loop, &o);
}

static struct {
	int seen[64], count;
} order;

static void on_ordered(const struct redis_reply *p, void *arg)
{
	(void)arg;
	if (order.count < 64)
		order.seen[order.count++] = (int)redis_int(p, -1);
}

static bool all_ordered(void *arg)
{
	(void)arg;
	return order.count == 64;
}

static void test_pipeline(struct help_server *s)
{
	struct help_link k;
	int i, sent = 0, right = 0;
	char url[200];
	struct redis_options o;

	snprintf(url, sizeof(url), "redis://localhost:%u/3", (unsigned)s->port);
	o = (struct redis_options){ .url = url, .name = "reeve-test" };
	help_open(&k, loop, &o);
	is_int(-1, redis_printf(k.redis, NULL, NULL, "PING"),
		"a command is refused before the connection stands");
	ok(help_wait_up(&k), "a connection over TCP comes up");
	is_int(1, k.ups, "and is told once");
	for (i = 0; i < 64; i++)
		sent += redis_printf(k.redis, on_ordered, NULL, "INCRBY n %d",
				1) == 0;
	is_int(64, sent, "64 commands are taken in one turn");
	is_int(64, redis_pending(k.redis), "and are pending");
	ok(help_until(loop, all_ordered, NULL), "all are answered");
	for (i = 0; i < 64; i++)
		right += order.seen[i] == i + 1;
	is_int(64, right, "in their order");
	is_int(0, redis_pending(k.redis), "none is pending");
	is_str("reeve-test", help_ask(&k, "CLIENT GETNAME"),
		"the client has its name");
	has_str("db=3", help_ask(&k, "CLIENT INFO"),
		"the database of the url is selected");
	help_close(&k);
}

static void on_shape(const struct redis_reply *p, void *arg)
{
	size_t len;

	is_int(REDIS_ARRAY, redis_type(p), "an array is one");
	is_int(4, redis_count(p), "with its count");
	is_str("b", redis_text(redis_field(p, "a"), NULL), "a field is found");
	is_int(-7, redis_int(redis_field(p, "n"), 0), "a number is read");
	ok(redis_field(p, "x") == NULL, "a missing field is NULL");
	(void)redis_text(redis_at(p, 1), &len);
	is_int(1, (int64_t)len, "a text has its length");
	ok(redis_at(p, 4) == NULL, "beyond the end is NULL");
	help_on_reply(p, arg);
}

static bool is_answered(void *arg)
{
	return ((struct help_link *)arg)->answers > 0;
}

static void test_shapes(struct help_server *s)
{
	struct help_link k;

	open_socket(&k, s);
	ok(help_wait_up(&k), "a connection over a unix socket comes up");
	(void)redis_printf(k.redis, on_shape, &k, "EVAL %s 0",
		"return {'a','b','n','-7'}");
	ok(help_until(loop, is_answered, &k), "a script answers");
	is_str("(nil)", help_ask(&k, "GET nothing"), "a missing key is nil");
	is_int(REDIS_NIL, k.type, "of that type");
	is_str("OK", help_ask(&k, "SET big 123"), "a status is text");
	has_str("ERR", help_ask(&k, "NOSUCH x"), "an error is text");
	is_int(REDIS_ERROR, k.type, "of its type");
	is_str("PONG", help_ask(&k, "PING"), "and the connection lives on");
	help_close(&k);
}

static void test_restart(struct help_server *s)
{
	struct help_link k;
	int64_t begun;

	open_socket(&k, s);
	(void)help_wait_up(&k);
	(void)redis_printf(k.redis, help_on_reply, &k, "BLPOP none 0");
	(void)redis_printf(k.redis, help_on_reply, &k, "PING");
	help_run(loop, 20);
	is_int(0, k.answers, "a blocked read is not answered");
	help_stop(s, SIGKILL);
	ok(help_wait_down(&k), "a killed server is told");
	is_int(2, k.losses, "what was pending is answered with NULL");
	has_str("redis at", k.why, "the reason names the place");
	is_int(-1, redis_printf(k.redis, NULL, NULL, "PING"),
		"a command is refused while it is down");
	help_run(loop, 300);
	is_int(2, k.downs, "a new reason is told, the same one is not");
	help_start_again(s, "");
	begun = clock_now();
	ok(help_wait_up(&k), "it comes back with the server");
	ok(clock_now() - begun < 2500 * MS, "within the longest back-off");
	is_str("PONG", help_ask(&k, "PING"), "and works");
	help_close(&k);
}

static void test_silence(struct help_server *s)
{
	struct help_link k;
	char url[200];
	struct redis_options o = by_socket(s, url);

	o.command_timeout_us = 150 * MS;
	o.connect_timeout_us = 300 * MS;
	help_open(&k, loop, &o);
	(void)help_wait_up(&k);
	is_str("PONG", help_ask(&k, "PING"), "an answer in time");
	help_run(loop, 400);
	is_int(0, k.downs, "an idle connection is not dropped");
	help_signal(s, SIGSTOP);
	is_str("(lost)", help_ask(&k, "PING"), "a server that hangs is left");
	has_str("no answer for", k.why, "with that reason");
	help_run(loop, 600);
	has_str("no connection within", k.why, "nor does it greet in time");
	help_signal(s, SIGCONT);
	ok(help_wait_up(&k), "it is back when the server goes on");
	help_close(&k);
}

static void on_close_in(const struct redis_reply *p, void *arg)
{
	struct help_link *k = arg;

	if (p != NULL && k->redis != NULL) {
		is_str("PONG", redis_text(p, NULL), "an answer to close in");
		help_close(k);
		is_str("PONG", redis_text(p, NULL), "it stays readable");
	} else {
		k->losses++;
	}
}

static bool is_closed(void *arg)
{
	return ((struct help_link *)arg)->redis == NULL;
}

static void test_close(struct help_server *s)
{
	struct help_link k;
	int before = help_descriptors();

	open_socket(&k, s);
	(void)help_wait_up(&k);
	(void)redis_printf(k.redis, on_close_in, &k, "PING");
	(void)redis_printf(k.redis, on_close_in, &k, "PING");
	ok(help_until(loop, is_closed, &k), "closed from within an answer");
	is_int(1, k.losses, "the other command hears NULL");
	open_socket(&k, s);
	help_close(&k);
	open_socket(&k, s);
	(void)help_wait_up(&k);
	(void)redis_printf(k.redis, help_on_reply, &k, "PING");
	help_close(&k);
	is_int(1, k.losses, "a close answers what is pending");
	is_int(before, help_descriptors(), "no descriptor is left");
}

static bool is_up_twice(void *arg)
{
	return ((struct help_link *)arg)->ups == 2;
}

static void test_reset(struct help_server *s)
{
	struct help_link k;
	int64_t begun;

	open_socket(&k, s);
	(void)help_wait_up(&k);
	(void)redis_printf(k.redis, help_on_reply, &k, "BLPOP none 0");
	begun = clock_now();
	redis_reset(k.redis, "it hears nothing");
	is_int(0, k.losses, "a reset calls nobody at once");
	ok(help_until(loop, is_up_twice, &k), "a reset makes it anew");
	is_int(1, k.losses, "what was pending is lost");
	is_int(1, k.downs, "and told");
	ok(clock_now() - begun < 45 * MS, "without a back-off");
	help_close(&k);
}

static void test_script(struct help_server *s)
{
	struct redis_script add = { .name = "add",
		.text = "return redis.call('INCRBY', KEYS[1], ARGV[1])" };
	struct redis_script bad = { .name = "bad", .text = "return nonsense(" };
	const char *args[] = { "script:n", "5" };
	struct help_link k;
	int i;

	open_socket(&k, s);
	(void)help_wait_up(&k);
	k.answers = 0;
	(void)redis_script(k.redis, help_on_reply, &k, &add, 1, 2, args, NULL);
	ok(help_until(loop, is_answered, &k), "a script that is not known yet");
	is_int(5, k.number, "is loaded and run");
	is_str("OK", help_ask(&k, "SCRIPT FLUSH"), "the server forgets it");
	order.count = 0;
	for (i = 0; i < 64; i++)
		(void)redis_script(
			k.redis, on_ordered, NULL, &add, 1, 2, args, NULL);
	ok(help_until(loop, all_ordered, NULL), "64 calls of it are answered");
	is_int(325, order.seen[63], "each was run once");
	has_str("cmdstat_script|load:calls=2",
		strstr(help_ask(&k, "INFO commandstats"), "cmdstat_script|load")
			?: "",
		"and it was loaded once for all of them");
	k.answers = 0;
	(void)redis_script(k.redis, help_on_reply, &k, &bad, 0, 0, NULL, NULL);
	ok(help_until(loop, is_answered, &k), "a script with a fault");
	has_str("NOSCRIPT", k.text, "is an error, not a loop");
	help_close(&k);
}

static struct {
	int count;
	char last[64];
} heard;

static void on_message(
	const char *channel, const char *text, size_t len, void *arg)
{
	(void)channel;
	(void)arg;
	heard.count++;
	snprintf(heard.last, sizeof(heard.last), "%.*s", (int)len, text);
}

static bool has_heard(void *arg)
{
	(void)arg;
	return strcmp(heard.last, "hello") == 0;
}

static bool has_subscriber(void *arg)
{
	struct help_link *k = arg;

	return strcmp(help_ask(k, "PUBLISH news hello"), "0") != 0;
}

static void wait_subscriber(struct help_link *k)
{
	int64_t end = clock_now() + HELP_WAIT_MS * MS;

	while (!has_subscriber(k) && clock_now() < end)
		;
}

static void test_channel(struct help_server *s)
{
	struct help_link k, teller;

	open_socket(&k, s);
	open_socket(&teller, s);
	is_int(0, redis_subscribe(k.redis, "news", on_message, NULL),
		"subscribed before it is up");
	(void)help_wait_up(&k);
	(void)help_wait_up(&teller);
	is_int(-1, redis_printf(k.redis, NULL, NULL, "PING"),
		"a connection for messages takes no command");
	wait_subscriber(&teller);
	ok(help_until(loop, has_heard, NULL), "a message is heard");
	(void)help_ask(&teller, "CLIENT KILL TYPE pubsub");
	ok(help_wait_down(&k), "the subscriber is cut off");
	heard.last[0] = '\0';
	wait_subscriber(&teller);
	ok(help_until(loop, has_heard, NULL), "and has subscribed again");
	help_close(&k);
	help_close(&teller);
}

static void test_large(struct help_server *s)
{
	size_t lens[] = { 3, 5, 9 << 20 }, i, right = 0;
	char *big = malloc(lens[2]);
	const char *args[] = { "SET", "large", big };
	struct help_link k;

	memset(big, 'x', lens[2]);
	open_socket(&k, s);
	(void)help_wait_up(&k);
	(void)redis_command(k.redis, help_on_reply, &k, 3, args, lens);
	ok(help_until(loop, is_answered, &k), "9 MiB are written");
	is_str("OK", k.text, "and taken");
	is_str("9437184", help_ask(&k, "STRLEN large"), "all of them");
	for (i = 0; i < 4; i++)
		right += strspn(help_ask(&k, "GET large"), "x") == 4000;
	is_int(4, (int64_t)right, "and read");
	is_str("1", help_ask(&k, "DEL large"), "and deleted");
	help_close(&k);
	free(big);
}

static int turns;

static void on_turn(void *arg)
{
	(void)arg;
	turns++;
}

static void on_end(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void test_idle(struct help_server *s)
{
	struct loop_timer *end = loop_timer_new(loop, on_end, NULL);
	int before = help_descriptors();
	struct help_link k;
	char url[200];
	struct redis_options o = { .url = url };

	snprintf(url, sizeof(url), "redis://localhost:%u", (unsigned)s->port);
	o.command_timeout_us = 50 * MS;
	help_open(&k, loop, &o);
	(void)help_wait_up(&k);
	(void)help_ask(&k, "PING");
	help_run(loop, 100);
	is_int(before + 1, help_descriptors(),
		"an idle connection is one descriptor");
	turns = 0;
	loop_set_hooks(loop, on_turn, NULL, NULL);
	loop_timer_start(end, 300 * MS);
	(void)loop_run(loop);
	loop_set_hooks(loop, NULL, NULL, NULL);
	is_int(1, turns, "and wakes nobody but for the end of this test");
	help_close(&k);
	loop_timer_free(end);
}

static int storm_sent, storm_answered;

static void on_storm(const struct redis_reply *p, void *arg)
{
	struct help_link *k = arg;

	storm_answered++;
	/* Who is told of a loss tries again: refused, or answered once. */
	if (p == NULL && storm_sent % 3 == 0)
		storm_sent += redis_printf(k->redis, on_storm, k, "PING") == 0;
}

static void test_cut_off(struct help_server *s)
{
	struct help_link k, killer;
	int i, j;

	open_socket(&k, s);
	open_socket(&killer, s);
	(void)help_wait_up(&killer);
	for (i = 0; i < 20; i++) {
		(void)help_wait_up(&k);
		for (j = 0; j < 100; j++)
			storm_sent += redis_printf(k.redis, on_storm, &k,
					      "INCR storm") == 0;
		if (i % 4 == 0)
			redis_reset(k.redis, "test");
		if (i % 3 == 0)
			(void)help_ask(
				&killer, "CLIENT KILL TYPE normal SKIPME yes");
		else
			help_run(loop, i % 5);
	}
	help_close(&k);
	ok(storm_sent >= 1000, "%d commands while connections are cut",
		storm_sent);
	is_int(storm_sent, storm_answered, "are each answered once");
	help_close(&killer);
}

int main(void)
{
	struct help_server s;

	if (!help_has_server()) {
		printf("1..0 # SKIP redis-server is not installed\n");
		return 0;
	}
	loop = loop_new();
	help_start(&s, "");
	test_pipeline(&s);
	test_shapes(&s);
	test_restart(&s);
	test_silence(&s);
	test_close(&s);
	test_reset(&s);
	test_script(&s);
	test_channel(&s);
	test_large(&s);
	test_idle(&s);
	test_cut_off(&s);
	help_done(&s);
	loop_free(loop);
	return tap_done();
}
