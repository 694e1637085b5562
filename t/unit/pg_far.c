/* SPDX-License-Identifier: ISC */
/* pg_far: connections that are lost, hosts that will not do, notices. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "pg_help.h"
#include "tap.h"

#define MS ((int64_t)US_PER_MS)

#define QUERY(var, name_, params_, text_) \
	static const struct pg_statement var = { name_, text_, params_ }

QUERY(one, "one", 0, "SELECT 1");
QUERY(port, "port", 0, "SELECT inet_server_port()");
QUERY(pid, "pid", 0, "SELECT pg_backend_pid()");
QUERY(nap, "nap", 1, "SELECT pg_sleep($1::float)");
QUERY(put, "put", 1, "INSERT INTO done VALUES ($1::int)");
QUERY(notify, "notify", 2, "SELECT pg_notify($1, $2)");

static struct loop *loop;
static struct pg_server server, other;

static void open_url(struct pg_help *k, const char *url)
{
	struct pg_options o = { .url = url, .connections = 1 };

	pg_help_open(k, loop, &o);
}

static void open_up(struct pg_help *k, const char *url)
{
	open_url(k, url);
	if (!pg_help_wait_up(k))
		bail("no connection: %s", k->why);
}

static void is_bad(const char *url, const char *part, const char *title)
{
	struct err err = { 0 };

	is_int(-1, pg_check_url(url, &err), "%s is an error", title);
	has_str(part, err.text, "%s: it is said", title);
	ok(strstr(err.text, "secret") == NULL, "%s: but nothing more", title);
}

static void test_urls(void)
{
	struct err err;

	is_int(0,
		pg_check_url("postgresql://u:p@a:1,[::1],b:3/d?sslmode=disable",
			&err),
		"a URL with hosts reads");
	is_int(0, pg_check_url("host=/run/pg dbname=x", &err),
		"so do parameters");
	is_bad("postgresql://u:secret%zz@h/d", "does not read", "a bad escape");
	is_bad("postgresql://u:secret@h:x/d", "port", "a port of letters");
	is_bad("postgresql://u:secret@h/d?what=1", "query parameter",
		"an unknown parameter");
	is_bad("secret", "does not read", "a word");
	is_bad("postgresql://u:secret@h:70000/d", "65535", "a large port");
	is_bad("host=a,b port=1,2,3 password=secret", "2 hosts, but 3 ports",
		"a port too many");
	is_bad("postgresql://h/d?target_session_attrs=fast", "prefer-standby",
		"a target of no kind");
	is_bad("postgresql:///d?service=x", "name the host", "a service");
}

static void test_down(void)
{
	struct pg_options o = { .url = "postgresql://u:geheim@127.0.0.1:1/d" };
	struct pg_help k;

	pg_help_open(&k, loop, &o);
	ok(pg_help_wait_down(&k, 1), "nobody there is told");
	is_str("postgresql at 127.0.0.1:1: Connection refused", k.why,
		"with place and reason");
	pg_help_run(loop, 300);
	is_int(1, k.downs, "once");
	pg_help_close(&k);
	o.url = "postgresql://u@no-such-host.invalid/d";
	pg_help_open(&k, loop, &o);
	ok(pg_help_wait_down(&k, 1), "a name that is none is told");
	has_str("postgresql at no-such-host.invalid:5432: ", k.why, "by name");
	pg_help_close(&k);
	pg_help_open(&k, loop, &o);
	pg_help_close(&k);
	ok(true, "a pool that was not run is closed");
}

/* A listener that never answers. */
static int open_deaf(unsigned *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		listen(fd, 8) == -1 ||
		getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		bail("no listener");
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void test_hosts(void)
{
	struct pg_options o = { .connect_timeout_us = 200 * MS };
	char url[200], wanted[16];
	unsigned deaf;
	int fd = open_deaf(&deaf);
	struct pg_help k;

	snprintf(url, sizeof(url),
		"postgresql://reeve@127.0.0.1:1,localhost:%u,localhost:%u"
		"/postgres",
		deaf, server.port);
	snprintf(wanted, sizeof(wanted), "%u", server.port);
	o.url = url;
	pg_help_open(&k, loop, &o);
	ok(pg_help_wait_up(&k), "a dead host and a silent one are passed over");
	is_str(wanted, pg_help_ask(&k, &port, NULL), "for the one that serves");
	is_int(0, k.downs, "and nothing is told of it");
	pg_help_close(&k);
	snprintf(url, sizeof(url),
		"postgresql://reeve@127.0.0.1:1,127.0.0.1:%u/postgres", deaf);
	pg_help_open(&k, loop, &o);
	ok(pg_help_wait_down(&k, 1), "if none serves,");
	has_str("127.0.0.1:1: Connection refused; 127.0.0.1:", k.why,
		"the reason of each is told");
	has_str("no connection within 200 ms", k.why, "also silence");
	pg_help_close(&k);
	close(fd);
	open_up(&k, server.socket_url);
	is_str("1", pg_help_ask(&k, &one, NULL), "a unix socket serves, too");
	pg_help_close(&k);
}

static void is_target(const char *target, unsigned wanted, const char *title)
{
	char url[200], text[16];
	struct pg_help k;

	snprintf(url, sizeof(url),
		"postgresql://reeve@127.0.0.1:%u,127.0.0.1:%u/postgres"
		"?target_session_attrs=%s",
		other.port, server.port, target);
	snprintf(text, sizeof(text), "%u", wanted);
	open_up(&k, url);
	is_str(text, pg_help_ask(&k, &port, NULL), "%s", title);
	pg_help_close(&k);
}

/* The first host, other, is a standby. */
static void test_targets(void)
{
	char url[200];
	struct pg_help k;

	pg_help_do(&other, "demote");
	is_target("any", other.port, "any takes the first");
	is_target("read-write", server.port, "read-write the one that writes");
	is_target("primary", server.port, "so does primary");
	is_target("standby", other.port, "standby takes a standby");
	is_target("prefer-standby", other.port, "so does prefer-standby");
	snprintf(url, sizeof(url),
		"postgresql://reeve@127.0.0.1:%u/postgres"
		"?target_session_attrs=prefer-standby",
		server.port);
	open_up(&k, url);
	ok(true, "which takes a primary if there is no standby");
	pg_help_close(&k);
	snprintf(url, sizeof(url),
		"postgresql://reeve@127.0.0.1:%u/postgres"
		"?target_session_attrs=read-write",
		other.port);
	open_url(&k, url);
	ok(pg_help_wait_down(&k, 1), "a standby alone is not written to");
	has_str("read-only", k.why, "which is told");
	pg_help_do(&other, "psql SELECT pg_promote()");
	ok(pg_help_wait_up(&k), "until it is promoted");
	pg_help_close(&k);
}

/* What became of many batches. */
struct ends {
	int sent, ended, committed, refused, lost;
};

static void on_end(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct ends *e = arg;

	(void)error;
	e->ended++;
	e->committed += verdict == PG_COMMITTED;
	e->refused += verdict == PG_REFUSED;
	e->lost += verdict == PG_LOST;
}

static void send_number(struct pg_help *k, struct ends *e)
{
	struct pg_batch *b = pg_batch_new(k->pg);
	char text[16];
	const char *values[] = { text };

	snprintf(text, sizeof(text), "%d", e->sent);
	pg_batch_add(b, &put, values, NULL, NULL);
	e->sent += pg_batch_send(b, on_end, e) == 0;
}

static bool all_ended(void *arg)
{
	const struct ends *e = arg;

	return e->ended == e->sent;
}

/* Every batch ends once: what was committed is there, what was refused is
 * not, and of what was lost nobody knows. */
static void test_restart(const char *how)
{
	struct pg_options o = { .url = server.url, .connections = 4 };
	struct ends e = { 0 };
	struct pg_help k;
	int round, i, rows, ups;

	pg_help_do(&server, "psql DROP TABLE IF EXISTS done; "
			    "CREATE TABLE done (n int)");
	pg_help_open(&k, loop, &o);
	(void)pg_help_wait_up(&k);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 300; i++)
			send_number(&k, &e);
		pg_help_run(loop, 2);
		for (i = 0; i < 300; i++)
			send_number(&k, &e);
		ups = k.ups;
		pg_help_do(&server, how);
		if (round == 0)
			(void)pg_help_wait_down(&k, 1);
		pg_help_do(&server, "start");
		(void)pg_help_until(loop, all_ended, &e);
		ok(pg_help_wait_up(&k) && k.ups > ups,
			"%s: it comes back by itself", how);
	}
	is_int(e.sent, e.ended, "%s: every batch ends once", how);
	is_int(e.sent, e.committed + e.refused + e.lost, "with a verdict");
	ok(e.lost > 0, "%s: some are lost", how);
	rows = atoi(pg_help_do(&server, "psql SELECT count(*) FROM done"));
	ok(rows >= e.committed && rows <= e.committed + e.lost,
		"what was committed is there, and at most the lost besides");
	is_int(0, pg_pending(k.pg), "nothing is pending");
	is_str("1", pg_help_ask(&k, &one, NULL), "it serves");
	pg_help_close(&k);
}

static void test_terminated(void)
{
	struct pg_options o = { .url = server.url, .connections = 1 };
	char command[80], before[16];
	struct pg_help k;

	pg_help_open(&k, loop, &o);
	(void)pg_help_wait_up(&k);
	snprintf(before, sizeof(before), "%s", pg_help_ask(&k, &pid, NULL));
	snprintf(command, sizeof(command),
		"psql SELECT pg_terminate_backend(%s)", before);
	pg_help_do(&server, command);
	ok(pg_help_wait_down(&k, 1), "a session that is ended is noticed");
	has_str("postgresql at 127.0.0.1:", k.why, "and where");
	ok(pg_help_wait_up(&k), "another one is made");
	ok(strcmp(before, pg_help_ask(&k, &pid, NULL)) != 0,
		"where the statement is prepared again");
	is_int(0, k.is_error, "without an error");
	pg_help_close(&k);
}

static void test_close(void)
{
	struct ends e = { .sent = 2 };
	const char *const long_nap[] = { "60" };
	struct pg_batch *b;
	struct pg_help k;

	open_up(&k, server.url);
	b = pg_batch_new(k.pg);
	pg_batch_add(b, &nap, long_nap, NULL, NULL);
	(void)pg_batch_send(b, on_end, &e);
	b = pg_batch_new(k.pg);
	pg_batch_add(b, &one, NULL, NULL, NULL);
	(void)pg_batch_send(b, on_end, &e);
	k.answers = 0;
	(void)pg_query(k.pg, &one, NULL, pg_help_on_result, &k);
	pg_help_run(loop, 20);
	pg_help_close(&k);
	is_int(2, e.lost, "what is under way is lost when a pool is closed");
	is_int(1, k.losses, "queries as well");
	pg_close(NULL);
}

static void on_closing(const struct pg_result *r, void *arg)
{
	struct pg_help *k = arg;

	pg_help_on_result(r, arg);
	if (k->pg != NULL)
		pg_help_close(k);
}

static bool is_closed(void *arg)
{
	return ((struct pg_help *)arg)->pg == NULL;
}

static void test_close_within(void)
{
	struct ends e = { .sent = 1 };
	struct pg_batch *b;
	struct pg_help k;

	open_up(&k, server.url);
	k.answers = 0;
	b = pg_batch_new(k.pg);
	pg_batch_add(b, &one, NULL, on_closing, &k);
	(void)pg_batch_send(b, on_end, &e);
	(void)pg_query(k.pg, &one, NULL, pg_help_on_result, &k);
	ok(pg_help_until(loop, is_closed, &k), "an answer may close its pool");
	is_int(1, e.lost, "its own batch is then lost");
	is_int(2, k.answers, "and every other is told");
	is_int(1, k.losses, "of its loss");
}

static void test_timeouts(void)
{
	struct pg_options o = { .url = server.url,
		.statement_timeout_us = 100 * MS };
	const char *const long_nap[] = { "60" };
	struct pg_help k;

	pg_help_open(&k, loop, &o);
	(void)pg_help_wait_up(&k);
	has_str("57014 ", pg_help_ask(&k, &nap, long_nap),
		"a statement that takes too long is ended");
	is_str("1", pg_help_ask(&k, &one, NULL), "and no other");
	pg_help_do(&server, "freeze");
	is_str("(lost)", pg_help_ask(&k, &one, NULL),
		"a server that owes an answer too long is left");
	ok(pg_help_wait_down(&k, 1), "which is told");
	has_str("no answer for 1.1 s", k.why, "as such");
	pg_help_do(&server, "thaw");
	ok(pg_help_wait_up(&k), "and found again");
	pg_help_close(&k);
}

static struct {
	int begun, count;
	char text[64];
} heard;

static void on_notice(const char *payload, void *arg)
{
	(void)arg;
	if (payload == NULL) {
		heard.begun++;
		return;
	}
	heard.count++;
	snprintf(heard.text, sizeof(heard.text), "%s", payload);
}

static bool has_begun(void *arg)
{
	return heard.begun >= *(int *)arg;
}

static bool has_heard(void *arg)
{
	return heard.count >= *(int *)arg;
}

static void test_listen(void)
{
	const char *const words[] = { "a \"channel", "ding" };
	const char *const more[] = { "second", "dong" };
	int wanted = 1;
	struct pg_help k;

	open_url(&k, server.url);
	pg_listen(k.pg, "a \"channel", on_notice, NULL);
	ok(pg_help_until(loop, has_begun, &wanted), "it begins to listen");
	(void)pg_help_ask(&k, &notify, words);
	ok(pg_help_until(loop, has_heard, &wanted), "and hears");
	is_str("ding", heard.text, "what was said");
	pg_help_do(&server, "restart");
	wanted = 2;
	ok(pg_help_until(loop, has_begun, &wanted),
		"after a restart it begins anew");
	pg_listen(k.pg, "second", on_notice, NULL);
	wanted = 3;
	ok(pg_help_until(loop, has_begun, &wanted), "at once if it is up");
	pg_help_do(&server, "psql NOTIFY \"a \"\"channel\", 'from far'");
	wanted = 2;
	ok(pg_help_until(loop, has_heard, &wanted), "it hears others");
	is_str("from far", heard.text, "word by word");
	(void)pg_help_ask(&k, &notify, more);
	wanted = 3;
	ok(pg_help_until(loop, has_heard, &wanted), "and several channels");
	pg_help_close(&k);
}

QUERY(shape, "shape", 0, "SELECT * FROM shape");
QUERY(widen, "widen", 0, "ALTER TABLE shape ADD b int DEFAULT 2");
QUERY(forget, "forget", 0, "DEALLOCATE ALL");
QUERY(setting, "setting", 0,
	"SELECT current_setting('reeve.a') || current_setting('reeve.b')");

static void on_stale(const struct pg_result *r, void *arg)
{
	*(bool *)arg =
		r != NULL && pg_result_is_error(r) && pg_result_is_passing(r);
}

static void test_prepared(void)
{
	struct pg_options o = { .url = server.url,
		.setup = "SET reeve.a = 'x'; SET reeve.b = 'y'" };
	bool is_passing = false;
	struct pg_help k;

	pg_help_do(&server, "psql CREATE TABLE shape AS SELECT 1 AS a");
	pg_help_open(&k, loop, &o);
	(void)pg_help_wait_up(&k);
	is_str("xy", pg_help_ask(&k, &setting, NULL),
		"a session is set up before it serves");
	is_str("1", pg_help_ask(&k, &shape, NULL), "a statement is prepared");
	is_str("1", pg_help_ask(&k, &shape, NULL), "and used");
	(void)pg_help_ask(&k, &widen, NULL);
	(void)pg_query(k.pg, &shape, NULL, on_stale, &is_passing);
	(void)pg_help_ask(&k, &one, NULL);
	ok(is_passing, "when its shape has changed it fails, for now");
	is_str("1,2", pg_help_ask(&k, &shape, NULL), "and is right again");
	is_str("1,2", pg_help_ask(&k, &shape, NULL), "prepared");
	(void)pg_help_ask(&k, &forget, NULL);
	has_str("26000 ", pg_help_ask(&k, &shape, NULL),
		"one that the server forgot fails once");
	is_str("1,2", pg_help_ask(&k, &shape, NULL), "and no more");
	pg_help_close(&k);
	o.setup = "SELECT nonsense";
	pg_help_open(&k, loop, &o);
	ok(pg_help_wait_down(&k, 1), "a setup that fails is a reason");
	has_str("column \"nonsense\" does not exist", k.why, "which is told");
	pg_help_close(&k);
}

/* Connections are opened as there is use for them, and no more. */
static void test_grow(void)
{
	const char *const short_nap[] = { "0.05" };
	struct pg_options o = {
		.url = server.url, .connections = 3, .name = "grow"
	};
	static const char count[] =
		"psql SELECT count(*) FROM pg_stat_activity "
		"WHERE application_name = 'grow'";
	struct pg_help k;
	int i;

	pg_help_open(&k, loop, &o);
	(void)pg_help_wait_up(&k);
	is_str("1", pg_help_do(&server, count), "it begins with one");
	for (i = 0; i < 40; i++) {
		(void)pg_query(k.pg, &nap, short_nap, NULL, NULL);
		pg_help_run(loop, 10);
	}
	is_str("3", pg_help_do(&server, count), "under load there are more");
	pg_help_close(&k);
}

static void test_full(void)
{
	struct pg_options o = { .url = other.url, .connections = 1 };
	struct pg_help k, more, last;

	open_up(&k, other.url);
	open_up(&more, other.url);
	pg_help_open(&last, loop, &o);
	ok(pg_help_wait_down(&last, 1), "a server without room is told");
	has_str("too many", last.why, "as such");
	pg_help_close(&k);
	pg_help_close(&more);
	ok(pg_help_wait_up(&last), "until there is some");
	pg_help_close(&last);
}

int main(void)
{
	char *full[] = { (char *)"max_connections=2",
		(char *)"superuser_reserved_connections=0",
		(char *)"max_wal_senders=0", (char *)"autovacuum=off", NULL };

	if (!pg_help_has_server()) {
		skip("no PostgreSQL here", 1);
		return tap_done();
	}
	loop = loop_new();
	setvbuf(stdout, NULL, _IOLBF, 0);
	pg_help_start(&server, NULL);
	pg_help_start(&other, full);
	test_urls();
	test_down();
	test_hosts();
	test_full();
	test_targets();
	test_restart("stop immediate");
	test_restart("kill");
	test_terminated();
	test_close();
	test_close_within();
	test_timeouts();
	test_listen();
	test_prepared();
	test_grow();
	pg_help_done(&other);
	pg_help_done(&server);
	loop_free(loop);
	return tap_done();
}
