/* SPDX-License-Identifier: ISC */
/* pg: queries and batches before a real server. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "pg_help.h"
#include "tap.h"

#define QUERY(var, name_, params_, text_) \
	static const struct pg_statement var = { name_, text_, params_ }

static struct loop *loop;
static struct pg_server server;

QUERY(say, "say", 2, "SELECT $1::text, $2::text");
QUERY(show, "show", 1, "SELECT current_setting($1)");
QUERY(make, "make", 0, "CREATE TABLE t (id int PRIMARY KEY, v text)");
QUERY(put, "put", 2, "INSERT INTO t VALUES ($1, $2)");
QUERY(all, "all", 0,
	"SELECT coalesce(string_agg(id || '=' || v, ' ' ORDER BY id), '') "
	"FROM t");
QUERY(clear, "clear", 0, "DELETE FROM t");
QUERY(bad, "bad", 0, "SELECT * FROM nowhere");

static void open_pool(struct pg_help *k, unsigned connections)
{
	struct pg_options o = {
		.url = server.url, .connections = connections, .name = "pg-test"
	};

	pg_help_open(k, loop, &o);
	if (!pg_help_wait_up(k))
		bail("no connection: %s", k->why);
}

static const char *ask(struct pg_help *k, const struct pg_statement *s)
{
	return pg_help_ask(k, s, NULL);
}

/* How a batch ended. */
struct ending {
	int count, results;
	enum pg_verdict verdict;
	char state[8], text[200];
};

static void on_result(const struct pg_result *r, void *arg)
{
	struct ending *e = arg;

	(void)r;
	e->results++;
}

static void on_end(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct ending *e = arg;

	e->count++;
	e->verdict = verdict;
	e->state[0] = e->text[0] = '\0';
	if (error == NULL)
		return;
	snprintf(e->state, sizeof(e->state), "%s", pg_result_sqlstate(error));
	snprintf(e->text, sizeof(e->text), "%s", pg_result_error(error));
}

static bool has_ended(void *arg)
{
	return ((struct ending *)arg)->count > 0;
}

static void test_query(void)
{
	const char *const words[] = { "héllo \"w\\orld'", NULL };
	const char *const zone[] = { "TimeZone" },
			  *const name[] = { "application_name" },
			  *const span[] = { "statement_timeout" },
			  *const cut[] = { "tcp_user_timeout" };
	struct pg_help k;
	struct pg_options o = { .url = server.url,
		.name = "pg-test",
		.statement_timeout_us = 7 * (int64_t)US_PER_S };

	pg_help_open(&k, loop, &o);
	is_str("(down)", pg_help_ask(&k, &say, words),
		"nothing is taken before the connection stands");
	ok(pg_help_wait_up(&k), "a connection comes up");
	is_int(1, k.ups, "and is told once");
	is_str("héllo \"w\\orld',(null)", pg_help_ask(&k, &say, words),
		"text and NULL go there and come back");
	is_str("héllo \"w\\orld',(null)", pg_help_ask(&k, &say, words),
		"and again, prepared");
	is_str("UTC", pg_help_ask(&k, &show, zone), "times are in UTC");
	is_str("pg-test", pg_help_ask(&k, &show, name), "it has a name");
	is_str("7s", pg_help_ask(&k, &show, span), "statements have an end");
	is_str("8000", pg_help_ask(&k, &show, cut),
		"and the server soon knows when we are cut off");
	is_str("42P01 relation \"nowhere\" does not exist", ask(&k, &bad),
		"an error has its state and its message");
	is_str("UTC", pg_help_ask(&k, &show, zone), "and harms nothing");
	is_int(0, pg_pending(k.pg), "nothing is pending");
	pg_help_close(&k);
}

static void send_rows(struct pg_help *k, const char *const *ids,
	struct ending *e, const struct pg_statement *last)
{
	struct pg_batch *b = pg_batch_new(k->pg);
	const char *values[2];

	*e = (struct ending){ 0 };
	for (; *ids != NULL; ids++) {
		values[0] = *ids;
		values[1] = "x";
		pg_batch_add(b, &put, values, on_result, e);
	}
	if (last != NULL)
		pg_batch_add(b, last, NULL, on_result, e);
	is_int(0, pg_batch_send(b, on_end, e), "a batch is taken");
	ok(pg_help_until(loop, has_ended, e), "and ends");
}

static void test_batch(void)
{
	const char *const two[] = { "1", "2", NULL },
			  *const same[] = { "3", "1", "4", NULL },
			  *const none[] = { NULL };
	struct ending e;
	struct pg_help k;

	open_pool(&k, 1);
	is_str("", ask(&k, &make), "a table is made");
	send_rows(&k, two, &e, NULL);
	is_int(PG_COMMITTED, e.verdict, "committed");
	is_int(2, e.results, "with an answer to each statement");
	send_rows(&k, same, &e, NULL);
	is_int(PG_REFUSED, e.verdict, "an error in the middle refuses it");
	is_str("23505", e.state, "and says why");
	is_int(1, e.results, "what came before was answered");
	is_str("1=x 2=x", ask(&k, &all), "but all of it is rolled back");
	send_rows(&k, none, &e, &bad);
	is_int(PG_REFUSED, e.verdict, "a statement that is none is refused");
	is_str("42P01", e.state, "with its own error");
	send_rows(&k, none, &e, NULL);
	is_int(PG_COMMITTED, e.verdict, "an empty batch is nothing");
	is_str("", ask(&k, &clear), "rows are deleted");
	is_int(2, k.affected, "and counted");
	pg_help_close(&k);
}

QUERY(later, "later", 0, "CREATE TABLE parent (id int PRIMARY KEY)");
QUERY(child, "child", 0,
	"CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY "
	"DEFERRED)");
QUERY(orphan, "orphan", 0, "INSERT INTO child VALUES (1)");
QUERY(ones, "ones", 0, "SELECT 1");

/* What fails at the commit fails the batch, and only that. */
static void test_commit(void)
{
	struct ending e = { 0 }, after = { 0 };
	struct pg_batch *b;
	struct pg_help k;

	open_pool(&k, 1);
	(void)ask(&k, &later);
	(void)ask(&k, &child);
	b = pg_batch_new(k.pg);
	pg_batch_add(b, &orphan, NULL, on_result, &e);
	(void)pg_batch_send(b, on_end, &e);
	b = pg_batch_new(k.pg);
	pg_batch_add(b, &ones, NULL, on_result, &after);
	(void)pg_batch_send(b, on_end, &after);
	is_int(2, pg_pending(k.pg), "two batches are pending");
	ok(pg_help_until(loop, has_ended, &after), "both end");
	is_int(1, e.results, "a statement may be answered well");
	is_int(PG_REFUSED, e.verdict, "and its batch be refused at the end");
	is_str("23503", e.state, "with the error of the commit");
	is_int(PG_COMMITTED, after.verdict, "what came behind is not");
	is_str("23503 insert or update on table \"child\" violates foreign key "
	       "constraint \"child_id_fkey\"",
		ask(&k, &orphan), "a query tells the error of its commit, too");
	pg_help_close(&k);
}

static struct {
	int count, wrong, next;
} many;

static void on_number(const struct pg_result *r, void *arg)
{
	(void)arg;
	many.count++;
	if (r == NULL || pg_result_int(r, 0, 0, -1) != many.next++)
		many.wrong++;
}

static bool all_many(void *arg)
{
	return many.count == *(int *)arg;
}

QUERY(number, "number", 1, "SELECT $1::int");

static void test_many(void)
{
	int i, taken = 0, wanted = 10000;
	const char *values[1];
	struct pg_help k;
	char text[16];

	open_pool(&k, 1);
	for (i = 0; i < wanted; i++) {
		snprintf(text, sizeof(text), "%d", i);
		values[0] = text;
		taken += pg_query(k.pg, &number, values, on_number, NULL) == 0;
	}
	is_int(wanted, taken, "10,000 queries are taken in one turn");
	ok(pg_help_until(loop, all_many, &wanted), "all are answered");
	is_int(0, many.wrong, "well, and in their order");
	pg_help_close(&k);
}

QUERY(unnest, "unnest", 2,
	"SELECT count(*), count(v), string_agg(v, '' ORDER BY i), sum(n) "
	"FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u(v, n, i)");

static void test_array(void)
{
	static const char *const values[] = { "plain", "", "a\"b", "c\\d",
		"{e,f}", "NULL", "ümläut €\U0001F600", " blank ", "tab\there",
		"new\nline", NULL };
	struct pg_array a = { 0 }, n = { 0 };
	const char *params[2];
	char wanted[200] = "", seen[300];
	struct pg_help k;
	size_t i;

	open_pool(&k, 1);
	is_str("{}", pg_array_text(&a), "an empty array is one");
	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		pg_array_add(&a, values[i]);
		pg_array_add_int(&n, -(int64_t)i);
		strcat(wanted, values[i] != NULL ? values[i] : "");
	}
	params[0] = pg_array_text(&a);
	params[1] = pg_array_text(&n);
	snprintf(seen, sizeof(seen), "11,10,%s,-55", wanted);
	is_str(seen, pg_help_ask(&k, &unnest, params),
		"an array comes there as it is");
	pg_array_reset(&a);
	pg_array_add_bytes(&a, "x\0y", 3);
	is_str("{\"x?y\"}", pg_array_text(&a), "but for NUL");
	pg_array_add(&a, NULL);
	is_str("{\"x?y\",NULL}", pg_array_text(&a), "it may grow when read");
	pg_array_free(&a);
	pg_array_free(&n);
	pg_help_close(&k);
}

static void on_big(const struct pg_result *r, void *arg)
{
	struct ending *e = arg;

	e->count = r != NULL ? pg_result_rows(r) : -1;
	e->results = r != NULL && pg_result_text(r, e->count - 1, 1) != NULL
			     ? (int)strlen(pg_result_text(r, e->count - 1, 1))
			     : 0;
}

QUERY(big, "big", 0,
	"SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i");
QUERY(width, "width", 1, "SELECT length($1)");

static void test_big(void)
{
	struct ending e = { 0 };
	struct pg_help k;
	char *text = xmalloc((8 << 20) + 1);
	const char *values[] = { text };

	open_pool(&k, 1);
	(void)pg_query(k.pg, &big, NULL, on_big, &e);
	ok(pg_help_until(loop, has_ended, &e), "a result of 20 MB comes");
	is_int(20000, e.count, "with all rows");
	is_int(1000, e.results, "and all bytes");
	memset(text, 'y', 8 << 20);
	text[8 << 20] = '\0';
	is_str("8388608", pg_help_ask(&k, &width, values),
		"a value of 8 MiB goes there");
	free(text);
	pg_help_close(&k);
}

static void test_bound(void)
{
	struct ending e = { 0 };
	struct pg_help k;
	char *text = xmalloc((8 << 20) + 1);
	const char *values[] = { text };
	int i, taken = 0;

	memset(text, 'z', 8 << 20);
	text[8 << 20] = '\0';
	open_pool(&k, 1);
	for (i = 0; i < 12; i++)
		taken += pg_query(k.pg, &width, values, on_result, &e) == 0;
	is_int(7, taken, "64 MiB may wait, and no more");
	is_int(7, pg_pending(k.pg), "what was refused is not pending");
	pg_help_close(&k);
	is_int(7, e.results, "all that was taken is told of its loss");
	free(text);
}

int main(void)
{
	if (!pg_help_has_server()) {
		skip("no PostgreSQL here", 1);
		return tap_done();
	}
	loop = loop_new();
	pg_help_start(&server, NULL);
	test_query();
	test_batch();
	test_commit();
	test_many();
	test_array();
	test_big();
	test_bound();
	pg_help_done(&server);
	loop_free(loop);
	return tap_done();
}
