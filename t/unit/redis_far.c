/* SPDX-License-Identifier: ISC */
/* redis: passwords, replicas, Sentinels, Clusters, and servers that lie. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/opt.h"
#include "loop/loop.h"
#include "redis_help.h"
#include "tap.h"

#define MS ((int64_t)US_PER_MS)

static struct loop *loop;

/* redis://LOGIN127.0.0.1:PORT/DB */
static void open_as(
	struct help_link *k, const char *login, unsigned port, const char *db)
{
	char url[200];
	struct redis_options o = { .url = url,
		.connect_timeout_us = 2000 * MS };

	snprintf(
		url, sizeof(url), "redis://%s127.0.0.1:%u/%s", login, port, db);
	help_open(k, loop, &o);
}

static void open_port(struct help_link *k, unsigned port)
{
	open_as(k, "", port, "");
}

static bool is_told(void *arg)
{
	return ((struct help_link *)arg)->downs > 0;
}

/* The reason why that does not come up. */
static const char *refusal(const char *login, unsigned port, const char *db)
{
	static char why[600];
	struct help_link k;

	open_as(&k, login, port, db);
	(void)help_until(loop, is_told, &k);
	snprintf(why, sizeof(why), "%s", k.why);
	help_close(&k);
	return why;
}

static void test_passwords(void)
{
	struct help_server s;
	struct help_link k;
	unsigned port;

	help_start(&s, "requirepass sesame\n"
		       "user bob on >o:pen@ ~* &* +@all\n");
	port = s.port;
	has_str("NOAUTH", refusal("", port, ""), "without a password");
	has_str("WRONGPASS", refusal(":sesamo@", port, ""), "with a wrong one");
	ok(strstr(refusal(":sesamo@", port, ""), "sesamo") == NULL,
		"which is not told");
	open_as(&k, ":sesame@", port, "");
	ok(help_wait_up(&k), "with the right one");
	help_close(&k);
	open_as(&k, "bob:o%3Apen%40@", port, "1");
	ok(help_wait_up(&k), "as a user of its own");
	is_str("bob", help_ask(&k, "ACL WHOAMI"), "who is known");
	help_close(&k);
	has_str("database 99", refusal(":sesame@", port, "99"),
		"a database that is not there");
	help_done(&s);

	help_start(&s, "rename-command AUTH NOAUTHHERE\n");
	has_str("refuses the user or password", refusal(":sesame@", s.port, ""),
		"a server that would repeat the password");
	help_done(&s);
}

static void test_loading(void)
{
	struct help_server s;
	struct help_link k;

	help_start(&s, "enable-debug-command yes\n");
	open_port(&k, s.port);
	(void)help_wait_up(&k);
	is_str("OK", help_ask(&k, "DEBUG POPULATE 8000 key 100"), "data");
	is_str("OK", help_ask(&k, "SAVE"), "is saved");
	help_stop(&s, SIGKILL);
	(void)help_wait_down(&k);
	help_start_again(&s,
		"key-load-delay 50\nloading-process-events-interval-bytes 1024\n");
	has_str("loading its data", refusal("", s.port, ""),
		"a server that loads is down");
	ok(help_wait_up(&k), "and up when it has loaded");
	is_str("8000", help_ask(&k, "DBSIZE"), "all of it");
	help_close(&k);
	help_done(&s);
}

static void test_readonly(void)
{
	struct help_server a, b;
	struct help_link k;
	char more[64];

	help_start(&a, "");
	snprintf(more, sizeof(more), "replicaof 127.0.0.1 %u\n",
		(unsigned)a.port);
	help_start(&b, more);
	open_port(&k, b.port);
	ok(help_wait_up(&k), "a replica takes connections");
	(void)redis_printf(k.redis, help_on_reply, &k, "BLPOP none 0");
	has_str("READONLY", help_ask(&k, "SET a 1"), "a write is refused");
	help_run(loop, 10);
	is_int(1, k.downs, "and ends the connection");
	has_str("replica", k.why, "with the reason");
	ok(help_wait_up(&k), "there is a new one");
	is_str("OK", help_ask(&k, "REPLICAOF NO ONE"), "it becomes a master");
	is_str("OK", help_ask(&k, "SET a 1"), "and is written to");
	is_int(1, k.downs, "on the same connection");
	help_close(&k);
	help_done(&a);
	help_done(&b);
}

/* A server made of canned bytes. */
struct liar {
	int listener;
	uint16_t port;
	struct loop_fd *watch;
	struct {
		int fd;
		struct loop_fd *watch;
	} peers[64];
	const char *answer; /* to whatever is read; NULL: hangs up */
	size_t len;
	int asked;
};

static void liar_drop(struct liar *l, int fd)
{
	size_t i;

	for (i = 0; i < 64; i++) {
		if (l->peers[i].watch == NULL || l->peers[i].fd != fd)
			continue;
		loop_fd_free(l->peers[i].watch);
		l->peers[i].watch = NULL;
		close(fd);
	}
}

static void on_liar_asked(int fd, unsigned events, void *arg)
{
	struct liar *l = arg;
	char data[4096];

	(void)events;
	if (read(fd, data, sizeof(data)) <= 0 || l->answer == NULL) {
		liar_drop(l, fd);
		return;
	}
	l->asked++;
	(void)!write(fd, l->answer, l->len);
}

static void on_liar_accept(int fd, unsigned events, void *arg)
{
	struct liar *l = arg;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	(void)events;
	for (i = 0; i < 64 && l->peers[i].watch != NULL; i++)
		;
	if (i == 64) {
		close(peer);
		return;
	}
	l->peers[i].fd = peer;
	l->peers[i].watch =
		loop_fd_new(loop, peer, LOOP_READ, on_liar_asked, l);
}

static void liar_say(struct liar *l, const char *answer)
{
	l->answer = answer;
	l->len = strlen(answer);
}

static void liar_start(struct liar *l, const char *answer)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);

	*l = (struct liar){ .listener = -1 };
	l->listener =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(l->listener, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		listen(l->listener, 64) == -1 ||
		getsockname(l->listener, (struct sockaddr *)&in, &len) == -1)
		bail("liar: %s", strerror(errno));
	l->port = ntohs(in.sin_port);
	l->watch = loop_fd_new(loop, l->listener, LOOP_READ, on_liar_accept, l);
	liar_say(l, answer);
}

static void liar_stop(struct liar *l)
{
	size_t i;

	for (i = 0; i < 64; i++) {
		if (l->peers[i].watch != NULL)
			liar_drop(l, l->peers[i].fd);
	}
	loop_fd_free(l->watch);
	close(l->listener);
}

static bool is_asked(void *arg)
{
	return ((struct liar *)arg)->asked > 0;
}

static void test_lies(void)
{
	static const struct {
		const char *answer, *why;
	} rows[] = {
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", "bad answer" },
		{ "-DENIED Redis is running in protected mode\r\n", "DENIED" },
		{ "-ERR max number of clients reached\r\n", "max number" },
		{ "-LOADING Redis is loading the dataset\r\n", "loading" },
		{ "*1000000000\r\n", "bad answer" },
		{ "\r\n\r\n", "bad answer" },
	};
	struct help_link k;
	struct liar l;
	size_t i;

	liar_start(&l, "+PONG\r\n+PONG\r\n+PONG\r\n");
	open_port(&k, l.port);
	ok(help_until(loop, is_told, &k), "more answers than questions");
	has_str("nobody asked for", k.why, "are not believed");
	help_close(&k);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		liar_say(&l, rows[i].answer);
		has_str(rows[i].why, refusal("", l.port, ""),
			"an answer that means: %s", rows[i].why);
	}
	l.answer = NULL;
	has_str("hung up", refusal("", l.port, ""), "a server that hangs up");
	liar_stop(&l);
	has_str("refused", refusal("", l.port, ""), "nobody there");
}

static unsigned any(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 16);
}

/* Bytes at random, after a greeting that holds or not: nothing may break, and
 * each command is answered once or refused. */
static void test_garbage(void)
{
	static const char common[] = "*$+-:\r\n\r\n\r\n0123456789OK";
	char text[200];
	struct help_link k;
	struct liar l;
	int i, sent = 0, answered = 0;
	size_t j;

	liar_start(&l, "");
	for (i = 0; i < 200; i++) {
		liar_say(&l, "+PONG\r\n");
		l.asked = 0;
		open_port(&k, l.port);
		(void)help_until(loop, is_asked, &l);
		(void)help_wait_up(&k);
		for (j = 0; j < 20 + any() % 170; j++)
			text[j] = any() % 8 != 0
					  ? common[any() % (sizeof(common) - 1)]
					  : (char)any();
		l.answer = text;
		l.len = j;
		k.answers = 0;
		for (j = 0; j < 6; j++)
			sent += redis_printf(k.redis, help_on_reply, &k,
					"GET a") == 0;
		help_run(loop, 2);
		help_close(&k);
		answered += k.answers;
	}
	ok(sent > 1000, "%d commands to a server that talks nonsense", sent);
	is_int(sent, answered, "are each answered once, or told lost");
	liar_stop(&l);
}

static struct conf_strings nodes_of(char text[2][64], unsigned a, unsigned b)
{
	static char *items[3];

	snprintf(text[0], 64, "127.0.0.1:%u", a);
	snprintf(text[1], 64, "localhost:%u", b);
	items[0] = text[0];
	items[1] = text[1];
	return (struct conf_strings){ .items = items, .count = 2 };
}

static void test_sentinel_lies(void)
{
	char text[2][64], answer[100];
	struct help_server master, replica;
	struct help_link k;
	struct conf_strings nodes;
	struct redis_options o = { .sentinel_master = "m" };
	struct liar l;

	help_start(&master, "");
	snprintf(answer, sizeof(answer), "replicaof 127.0.0.1 %u\n",
		(unsigned)master.port);
	help_start(&replica, answer);
	snprintf(answer, sizeof(answer),
		"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%u\r\n",
		snprintf(NULL, 0, "%u", (unsigned)replica.port),
		(unsigned)replica.port);
	liar_start(&l, "*-1\r\n");
	nodes = nodes_of(text, help_free_port(), l.port);
	o.sentinel_nodes = &nodes;
	help_open(&k, loop, &o);
	(void)help_until(loop, is_told, &k);
	has_str("does not know that master", k.why,
		"a Sentinel that does not know it");
	liar_say(&l, answer);
	k.downs = 0;
	(void)help_until(loop, is_told, &k);
	has_str("not the master", k.why, "one that names a replica");
	snprintf(answer, sizeof(answer),
		"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%u\r\n",
		snprintf(NULL, 0, "%u", (unsigned)master.port),
		(unsigned)master.port);
	liar_say(&l, answer);
	ok(help_wait_up(&k), "it is asked again until it is right");
	is_str("OK", help_ask(&k, "SET a 1"), "and writes go to the master");
	help_close(&k);
	liar_stop(&l);
	help_done(&replica);
	help_done(&master);
}

static void test_failover(void)
{
	char text[2][64], more[400];
	struct help_server a, b, sentinel;
	struct help_link k, s;
	struct conf_strings nodes;
	struct redis_options o = { .sentinel_master = "m" };

	help_start(&a, "repl-diskless-sync-delay 0\n");
	snprintf(more, sizeof(more),
		"replicaof 127.0.0.1 %u\nrepl-diskless-sync-delay 0\n",
		(unsigned)a.port);
	help_start(&b, more);
	snprintf(more, sizeof(more),
		"sentinel monitor m 127.0.0.1 %u 1\n"
		"sentinel down-after-milliseconds m 300\n"
		"sentinel failover-timeout m 2000\n",
		(unsigned)a.port);
	help_start(&sentinel, more);
	nodes = nodes_of(text, help_free_port(), sentinel.port);
	o.sentinel_nodes = &nodes;
	help_open(&k, loop, &o);
	ok(help_wait_up(&k), "a Sentinel names the master");
	is_str("OK", help_ask(&k, "SET a 1"), "which is written to");
	ok(help_wait_text(&k, "WAIT 1 1000", "1"), "a replica follows it");
	open_as(&s, "", sentinel.port, "");
	(void)help_wait_up(&s);
	ok(help_wait_text(&s, "INFO sentinel", "slaves=1"),
		"and the Sentinel knows");
	help_close(&s);
	help_stop(&a, SIGKILL);
	ok(help_wait_down(&k), "it dies");
	if (ok(help_wait_up(&k), "and another takes over: %s", k.why)) {
		is_str("1", help_ask(&k, "GET a"), "that has its data");
		is_str("OK", help_ask(&k, "SET a 2"), "and is written to");
	}
	help_close(&k);
	help_done(&sentinel);
	help_done(&b);
	help_done(&a);
}

/* Tells one of two nodes of the other, and waits until both know all. */
static void join(struct help_link *a, struct help_link *b, unsigned port)
{
	char text[100];

	snprintf(text, sizeof(text), "CLUSTER MEET 127.0.0.1 %u", port);
	(void)help_ask(a, "CLUSTER ADDSLOTSRANGE 0 16383");
	(void)help_ask(a, text);
	ok(help_wait_text(a, "CLUSTER INFO", "cluster_state:ok") &&
			help_wait_text(
				a, "CLUSTER INFO", "cluster_known_nodes:2") &&
			help_wait_text(b, "CLUSTER INFO",
				"cluster_slots_assigned:16384") &&
			help_wait_text(b, "CLUSTER INFO", "cluster_state:ok"),
		"two nodes are a Cluster");
}

static void test_moved(struct help_link *a, struct help_server *b)
{
	struct redis_script set = { .name = "set",
		.text = "return redis.call('INCR', KEYS[1])" };
	const char *args[] = { "{x}count" };
	struct help_link k;
	int i;

	open_port(&k, b->port);
	ok(help_wait_up(&k), "a node that has no slot");
	k.answers = 0;
	for (i = 0; i < 5; i++)
		(void)redis_printf(
			k.redis, help_on_reply, &k, "RPUSH {x}list %d", i);
	is_str("OK", help_ask(&k, "SET {x}a 1"), "MOVED is followed");
	is_str("5", help_ask(&k, "LLEN {x}list"), "by all that was sent");
	is_str("4", help_ask(&k, "LINDEX {x}list 4"), "in its order");
	is_int(1, k.ups + k.downs, "and nothing is told of it");
	is_str("1", help_ask(a, "GET {x}a"), "it was done there");
	redis_reset(k.redis, "test");
	(void)help_wait_down(&k);
	(void)help_wait_up(&k);
	is_str("1", help_ask(&k, "GET {x}a"), "also after a new start");
	help_close(&k);

	open_port(&k, b->port);
	(void)help_wait_up(&k);
	k.answers = 0;
	(void)redis_script(k.redis, help_on_reply, &k, &set, 1, 1, args, NULL);
	ok(help_wait_answer(&k), "a script through a node that has no slot");
	is_int(1, k.number, "is moved and loaded");
	help_close(&k);
}

static void test_ask(struct help_link *a, struct help_link *b,
	struct help_server *sa, const char *id_a, const char *id_b)
{
	struct help_link k;
	char text[200];

	open_port(&k, sa->port);
	(void)help_wait_up(&k);
	snprintf(text, sizeof(text), "CLUSTER SETSLOT %s IMPORTING %s",
		help_ask(a, "CLUSTER KEYSLOT y"), id_a);
	is_str("OK", help_ask(b, text), "a slot is on its way in");
	snprintf(text, sizeof(text), "CLUSTER SETSLOT %s MIGRATING %s",
		help_ask(a, "CLUSTER KEYSLOT y"), id_b);
	is_str("OK", help_ask(a, text), "and out");
	is_str("OK", help_ask(&k, "SET {y}a 7"), "ASK is followed");
	is_str("7", help_ask(&k, "GET {y}a"), "and back, and again");
	is_int(1, k.ups + k.downs, "and nothing is told of it");
	help_close(&k);
}

static void test_cluster(void)
{
	static const char more[] = "cluster-enabled yes\n"
				   "cluster-node-timeout 5000\n"
				   "cluster-require-full-coverage no\n";
	struct help_server sa, sb;
	struct help_link a, b;
	char id_a[64], id_b[64];

	help_start(&sa, more);
	help_start(&sb, more);
	open_port(&a, sa.port);
	open_port(&b, sb.port);
	(void)help_wait_up(&a);
	(void)help_wait_up(&b);
	join(&a, &b, sb.port);
	snprintf(id_a, sizeof(id_a), "%.50s", help_ask(&a, "CLUSTER MYID"));
	snprintf(id_b, sizeof(id_b), "%.50s", help_ask(&b, "CLUSTER MYID"));
	test_moved(&a, &sb);
	test_ask(&a, &b, &sa, id_a, id_b);
	help_close(&a);
	help_close(&b);
	help_done(&sa);
	help_done(&sb);
}

/* What was logged at the level of debugging holds no password. */
static void test_log(FILE *f)
{
	static char text[1 << 20];
	size_t n;

	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	ok(n > 0, "there is a log");
	ok(strstr(text, "sesam") == NULL && strstr(text, "pen@") == NULL,
		"without a password");
}

int main(void)
{
	FILE *f = tmpfile();
	int before;

	if (!help_has_server() || f == NULL) {
		printf("1..0 # SKIP redis-server is not installed\n");
		return 0;
	}
	log_to(fileno(f), LOG_FULL);
	log_set_level(LOG_LEVEL_DEBUG);
	loop = loop_new();
	before = help_descriptors();
	test_passwords();
	test_loading();
	test_readonly();
	test_lies();
	test_garbage();
	test_sentinel_lies();
	test_failover();
	test_cluster();
	is_int(before, help_descriptors(), "no descriptor is left");
	test_log(f);
	loop_free(loop);
	fclose(f);
	return tap_done();
}
