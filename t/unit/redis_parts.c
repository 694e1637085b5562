/* SPDX-License-Identifier: ISC */
/* redis: its parts that need no server: URLs, SHA-1, the reader, the queue. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/redis_queue.h"
#include "link/redis_reply.h"
#include "link/redis_sha1.h"
#include "link/redis_url.h"
#include "tap.h"

static const struct {
	const char *url, *host, *user, *password;
	int port, db, is_unix;
} good[] = {
	{ "redis://127.0.0.1:6379/0", "127.0.0.1", NULL, NULL, 6379, 0, 0 },
	{ "redis://db", "db", NULL, NULL, 6379, 0, 0 },
	{ "redis://", "127.0.0.1", NULL, NULL, 6379, 0, 0 },
	{ "redis:///7", "127.0.0.1", NULL, NULL, 6379, 7, 0 },
	{ "redis://:pw@h:1", "h", NULL, "pw", 1, 0, 0 },
	{ "redis://u:p%40%3A@h:65535/2", "h", "u", "p@:", 65535, 2, 0 },
	{ "redis://u:a@b@h", "h", "u", "a@b", 6379, 0, 0 },
	{ "redis://[::1]:7000/1", "::1", NULL, NULL, 7000, 1, 0 },
	{ "redis://[fe80::1]", "fe80::1", NULL, NULL, 6379, 0, 0 },
	{ "unix:///run/redis.sock", "/run/redis.sock", NULL, NULL, 0, 0, 1 },
	{ "unix:///run/r?db=3", "/run/r", NULL, NULL, 0, 3, 1 },
};

static const struct {
	const char *url, *part;
} bad[] = {
	{ "", "begins with" },
	{ "http://h", "begins with" },
	{ "rediss://h", "no TLS" },
	{ "redis://h:0", "port" },
	{ "redis://h:65536", "port" },
	{ "redis://h:12a", "port" },
	{ "redis://h:", "port" },
	{ "redis://h/x", "database" },
	{ "redis://h/-1", "database" },
	{ "redis://h/99999999999", "database" },
	{ "redis://h/1?x=2", "database" },
	{ "redis://secret@h", "password" },
	{ "redis://u:secret%4@h", "%" },
	{ "redis://u:secret%00@h", "%" },
	{ "redis://[::1", "]" },
	{ "redis://[::1]x", ":" },
	{ "redis://a b", "host" },
	{ "redis://:secret@:1", "host" },
	{ "unix://run/r", "/" },
	{ "unix:///run/r?x=1", "db" },
	{ "unix:///run/r?db=a", "database" },
};

static void test_urls(void)
{
	struct redis_url u;
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(0, redis_url_parse(good[i].url, &u, &err), "%s reads",
			good[i].url);
		is_str(good[i].host, u.host, "its place");
		ok((u.user == NULL) == (good[i].user == NULL) &&
				(!u.user || !strcmp(u.user, good[i].user)),
			"its user");
		ok((u.password == NULL) == (good[i].password == NULL) &&
				(!u.password ||
					!strcmp(u.password, good[i].password)),
			"its password");
		ok(u.port == good[i].port && u.db == good[i].db &&
				u.is_unix == good[i].is_unix,
			"its numbers");
		redis_url_done(&u);
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		is_int(-1, redis_check_url(bad[i].url, &err), "%s does not",
			bad[i].url);
		has_str(bad[i].part, err.text, "and the reason is told");
		ok(strstr(err.text, "secret") == NULL, "without the password");
	}
}

static void test_sha1(void)
{
	static const struct {
		size_t len;
		const char *sha;
	} rows[] = {
		{ 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a" },
		{ 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699" },
		{ 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5" },
		{ 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d" },
		{ 65, "11655326c708d70319be2610e8a57d9a5b959d3b" },
		{ 119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56" },
		{ 120, "f34c1488385346a55709ba056ddd08280dd4c6d6" },
		{ 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
	};
	char hex[REDIS_SHA1_MAX], *a = xmalloc(1000000);
	size_t i;

	memset(a, 'a', 1000000);
	redis_sha1("", 0, hex);
	is_str("da39a3ee5e6b4b0d3255bfef95601890afd80709", hex, "of nothing");
	redis_sha1("abc", 3, hex);
	is_str("a9993e364706816aba3e25717850c26c9cd0d89d", hex, "of abc");
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		redis_sha1(a, rows[i].len, hex);
		is_str(rows[i].sha, hex, "of %zu letters a", rows[i].len);
	}
	free(a);
}

/* read_all gives memory back after each piece. */
static bool is_trimming;

/* Feeds the text in pieces; the number of answers, or -1 for a fault. */
static int read_all(const char *text, size_t len, size_t piece)
{
	struct redis_reader *rd = redis_reader_new();
	const struct redis_reply *p;
	int found = 0, got = 0;
	size_t at, n;

	for (at = 0; at < len && got != -1; at += n) {
		n = piece < len - at ? piece : len - at;
		got = redis_reader_feed(rd, text + at, n);
		while (got != -1 && (got = redis_reader_next(rd, &p)) == 1)
			found++;
		if (is_trimming)
			redis_reader_trim(rd);
	}
	if (got == -1 && redis_reader_error(rd)[0] == '\0')
		found = -100;
	redis_reader_free(rd);
	return got == -1 ? -1 : found;
}

static const char answers[] =
	"*1\r\n*2\r\n$16\r\nreeve:queue:high\r\n*2\r\n"
	"*2\r\n$3\r\n1-0\r\n*2\r\n$4\r\ntask\r\n$4\r\n{\r\n}\r\n"
	"*2\r\n$3\r\n2-0\r\n*-1\r\n"
	"+OK\r\n:-12\r\n$-1\r\n$0\r\n\r\n-ERR no\r\n*0\r\n";

static void test_reader(void)
{
	size_t len = sizeof(answers) - 1, piece, right = 0;

	for (piece = 1; piece <= len; piece++)
		right += read_all(answers, len, piece) == 7;
	is_int((int64_t)len, (int64_t)right,
		"answers are read however they are cut");
	is_trimming = true;
	for (right = 0, piece = 1; piece <= len; piece++)
		right += read_all(answers, len, piece) == 7;
	is_trimming = false;
	is_int((int64_t)len, (int64_t)right,
		"and when memory is given back between the pieces");
	is_int(-1, read_all("HTTP/1.1 400 Bad\r\n", 18, 18), "not Redis");
	is_int(-1, read_all("*99999999\r\n", 11, 11), "too many elements");
	is_int(-1, read_all("*-5\r\n", 5, 5), "fewer than none");
	is_int(-1, read_all("$-9\r\n", 5, 5), "shorter than nothing");
	is_int(-1,
		read_all("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
			 "*1\r\n*1\r\n",
			40, 40),
		"too deep");
	is_int(0, read_all("$999\r\nabc", 9, 9), "one that is not whole");
}

static void test_trim(void)
{
	struct redis_reader *rd = redis_reader_new();
	const struct redis_reply *p;
	size_t len = 100000, before = mallinfo2().uordblks, after;
	char *text = xmalloc(len + 12);

	snprintf(text, len, "$%zu\r\n", len);
	memset(text + 9, 'x', len);
	memcpy(text + 9 + len, "\r\n", 3);
	ok(redis_reader_feed(rd, text, len + 11) == 0 &&
			redis_reader_next(rd, &p) == 1 &&
			redis_reader_next(rd, &p) == 0,
		"a large answer");
	redis_reader_trim(rd);
	free(text);
	after = mallinfo2().uordblks;
	ok(after < before + 16384, "takes nothing when it is forgotten");
	is_int(0, redis_reader_feed(rd, ":7\r\n", 4), "one that follows");
	ok(redis_reader_next(rd, &p) == 1 && redis_int(p, 0) == 7, "is read");
	redis_reader_free(rd);
}

static void test_endless_line(void)
{
	size_t len = 1 << 20;
	char *text = xmalloc(len);

	memset(text, 'x', len);
	text[0] = '+';
	is_int(-1, read_all(text, len, 4096), "a line without an end");
	text[0] = '$';
	is_int(-1, read_all(text, len, 4096), "a length without an end");
	free(text);
}

/* xorshift64: the same bytes in each run. */
static unsigned any(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 16);
}

static void test_mutants(void)
{
	static const char common[] = "*$+-:\r\n0123456789";
	char text[sizeof(answers)];
	size_t len = sizeof(answers) - 1;
	int i, j, faults = 0, strange = 0, found;

	for (i = 0; i < 50000; i++) {
		memcpy(text, answers, len);
		for (j = (int)(any() % 6); j >= 0; j--)
			text[any() % len] =
				any() % 4 != 0
					? common[any() % (sizeof(common) - 1)]
					: (char)any();
		found = read_all(text, len, 1 + any() % len);
		faults += found == -1;
		strange += found < -1;
	}
	ok(faults > 10000, "many mutants are faults: %d", faults);
	is_int(0, strange, "each fault has a reason");
}

static int number_of(const struct redis_queue *q)
{
	const struct redis_request *head = redis_queue_head(q);

	return atoi(q->bytes.data + (head->at - q->base) + 1);
}

/* Half of the commands are repeated once, as for a script to be loaded: each
 * must come back with its own bytes. */
static void test_queue(void)
{
	struct redis_queue q = { .ring = NULL };
	int i, pushed = 0, popped = 0, sum = 0, repeated = 0;
	struct redis_request *head, copy;
	size_t len;

	for (i = 0; i < 40000 || q.count > 0; i++) {
		if (i < 40000 && any() % 2 == 0) {
			redis_queue_argc(&q, ++pushed);
			redis_queue_arg(&q, "some bytes of a command", 23);
			redis_queue_push(&q, (struct redis_request){ 0 });
			continue;
		}
		head = redis_queue_head(&q);
		if (head == NULL)
			continue;
		q.sent = head->at + head->len;
		if (head->loads == 0 && any() % 2 == 0) {
			copy = *head;
			copy.loads++;
			redis_queue_again(&q, &copy, &q);
			repeated++;
		} else {
			popped++;
			sum += number_of(&q) % 7;
		}
		(void)redis_queue_pop(&q);
	}
	for (i = 1; i <= pushed; i++)
		sum -= i % 7;
	ok(repeated > 1000, "%d commands were repeated", repeated);
	is_int(pushed, popped, "each command comes out");
	is_int(0, sum, "with its bytes");
	(void)redis_queue_unsent(&q, &len);
	is_int(0, (int64_t)len, "an empty queue has nothing to send");
	ok(q.bytes.cap <= 256 << 10, "and little memory");
	redis_queue_done(&q);
}

int main(void)
{
	test_urls();
	test_sha1();
	test_reader();
	test_trim();
	test_endless_line();
	test_mutants();
	test_queue();
	return tap_done();
}
