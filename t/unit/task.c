/* SPDX-License-Identifier: ISC */
/* task: the envelope, the states, the pause before a retry. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "task/canary.h"
#include "task/task.h"
#include "tap.h"

static struct task *parse(const char *text, struct err *err)
{
	char *exact = xmalloc(strlen(text) + 1);
	struct task *t;

	/* As long as the text: a sanitizer sees each byte beyond. */
	memcpy(exact, text, strlen(text));
	t = task_parse(exact, strlen(text), err);
	free(exact);
	return t;
}

static void test_minimal(void)
{
	int64_t now_ms = clock_wall() / US_PER_MS;
	struct err err = { 0 };
	struct task *t = parse("{\"handler\":\"notify\"}", &err);

	if (!ok(t != NULL, "a handler alone is an envelope"))
		bail("%s", err.text);
	is_str("notify", t->handler, "it is named");
	is_str("{}", t->params, "params are empty");
	is_int(2, (int64_t)t->params_len, "and of that length");
	is_str("default", t->tenant, "the tenant is default");
	is_int(36, (int64_t)strlen(t->id), "it gets an id");
	ok(t->created_ms >= now_ms && t->created_ms < now_ms + 60000,
		"it is created now");
	ok(t->unique == NULL && t->attempt == 0 && t->at_ms == 0 &&
			t->deadline_ms == 0 && !t->tracked && t->epoch == 0 &&
			!t->stored && t->retry_max == -1,
		"the rest is unset");
	task_free(t);
}

static void test_full(void)
{
	static const char text[] =
		"{\"id\":\"a-1\",\"handler\":\"n\\u00e9\",\"params\":"
		"{\"b\":12345678901234567890, \"a\":1.50},\"tenant\":\"acme\","
		"\"attempt\":2,\"timeout_ms\":60000,\"unique\":\"k\","
		"\"tracked\":true,\"stored\":true,"
		"\"created\":1732240000000,\"epoch\":7,\"retry_max\":0,"
		"\"at\":1732240005000,\"deadline\":1732240009000,"
		"\"priority\":-3,\"crashes\":1,\"errors\":[{\"at\":5,"
		"\"text\":\"no \\\"x\\\"\"}],\"later\":{\"v\":[2]}}";
	struct err err = { 0 };
	struct task *t = parse(text, &err), *again;
	size_t len;
	char *out;

	if (!ok(t != NULL, "a full envelope is read"))
		bail("%s", err.text);
	is_str("{\"b\":12345678901234567890, \"a\":1.50}", t->params,
		"params stay as they were written");
	is_str("n\xc3\xa9", t->handler, "escapes are decoded");
	is_int(1732240005000, t->at_ms, "at is milliseconds");
	is_int(-3, t->priority, "the priority may be negative");
	is_str("no \"x\"", t->errors[0].text, "errors come along");

	out = task_print(t, &len);
	is_int((int64_t)strlen(out), (int64_t)len, "it is printed");
	again = parse(out, &err);
	if (!ok(again != NULL, "and read again"))
		bail("%s", err.text);
	free(out);
	out = task_print(again, NULL);
	is_str("{\"id\":\"a-1\",\"handler\":\"n\xc3\xa9\",\"params\":"
	       "{\"b\":12345678901234567890, \"a\":1.50},\"tenant\":\"acme\","
	       "\"attempt\":2,\"timeout_ms\":60000,\"unique\":\"k\","
	       "\"tracked\":true,\"stored\":true,"
	       "\"created\":1732240000000,\"epoch\":7,"
	       "\"at\":1732240005000,\"deadline\":1732240009000,"
	       "\"priority\":-3,\"retry_max\":0,\"crashes\":1,\"errors\":[{\"at\":5,"
	       "\"text\":\"no \\\"x\\\"\"}]}",
		out, "without loss");
	free(out);
	task_free(again);
	task_free(t);
}

static void test_delay(void)
{
	struct err err;
	struct task *t = parse("{\"handler\":\"h\",\"delay_ms\":5000,"
			       "\"created\":1000}",
		&err);

	is_int(6000, t->at_ms, "a delay counts from the creation");
	task_free(t);
	t = parse("{\"handler\":\"h\",\"delay_ms\":5000}", &err);
	is_int(t->created_ms + 5000, t->at_ms, "or else from now");
	task_free(t);
	t = parse("{\"handler\":\"h\",\"params\":\"x\\n\"}", &err);
	is_str("\"x\\n\"", t->params, "params may be a string");
	task_free(t);
	t = parse("{\"handler\":\"h\",\"params\":null,\"unique\":null,"
		  "\"id\":null,\"at\":null}",
		&err);
	is_str("{}", t->params, "null is as good as absent");
	ok(t->unique == NULL, "also for the uniqueness key");
	task_free(t);
}

static void test_refused(void)
{
	static const char *const rows[][2] = {
		{ "", "not an object" },
		{ "[]", "byte 1: not an object" },
		{ "garbage", "not an object" },
		{ "{}", "handler is missing" },
		{ "{\"handler\":null}", "handler is missing" },
		{ "{\"handler\":5}",
			"handler is a whole number, not a string" },
		{ "{\"handler\":\"\"}", "handler is empty" },
		{ "{\"handler\":\"a\\nb\"}", "control characters" },
		{ "{\"handler\":\"\xff\"}", "not UTF-8" },
		{ "{\"handler\":\"a\\u0000b\"}", "bad escape" },
		{ "{\"handler\":\"a\",\"handler\":\"b\"}", "a name twice" },
		{ "{\"params\":{},\"params\":{},\"handler\":\"b\"}",
			"a name twice" },
		{ "{\"handler\":\"a\",\"params\":{\"x\":1,\"x\":2}}",
			"a name twice" },
		{ "{\"handler\":\"a\"} x", "something follows" },
		{ "{\"handler\":\"a\"", "ends too early" },
		{ "{\"handler\":\"a\",\"attempt\":\"1\"}",
			"attempt is a string, not a whole number" },
		{ "{\"handler\":\"a\",\"attempt\":1.5}",
			"attempt is not a whole number" },
		{ "{\"handler\":\"a\",\"attempt\":-1}",
			"attempt is -1, not 0 to 1000000" },
		{ "{\"handler\":\"a\",\"at\":99999999999999999999}",
			"too big" },
		{ "{\"handler\":\"a\",\"at\":5,\"delay_ms\":5}", "both" },
		{ "{\"handler\":\"a\",\"tracked\":1}",
			"tracked is a whole number, not true or false" },
		{ "{\"handler\":\"a\",\"id\":\"a b\"}", "id is not made of" },
		{ "{\"handler\":\"a\",\"id\":\"\"}", "id is not made of" },
		{ "{\"handler\":\"a\",\"id\":\"a\\u0062\"}",
			"id is not made of" },
		{ "{\"handler\":\"a\",\"errors\":{}}",
			"errors is an object, not an array" },
		{ "{\"handler\":\"a\",\"errors\":[1]}",
			"not an array of objects" },
		{ "{\"handler\":\"a\",\"errors\":[{\"at\":\"x\"}]}",
			"error's at is a string" },
		{ "{\"handler\":\"a\",\"errors\":[{\"text\":[]}]}",
			"error's text is no string" },
	};
	struct err err;
	struct task *t;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err.text[0] = '\0';
		t = parse(rows[i][0], &err);
		ok(t == NULL, "refused: %s", rows[i][0]);
		has_str(rows[i][1], err.text, "with the reason");
		task_free(t);
	}
}

static void test_limits(void)
{
	struct buf b = BUF_INIT;
	struct err err;
	struct task *t;
	int i;

	buf_puts(&b, "{\"handler\":\"");
	for (i = 0; i < TASK_NAME_MAX + 1; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\"}");
	ok(parse(buf_str(&b), &err) == NULL, "a long name is refused");
	has_str("handler is longer than 128 bytes", err.text, "as such");

	buf_reset(&b);
	buf_puts(&b, "{\"handler\":\"a\",\"params\":");
	for (i = 0; i < 200000; i++)
		buf_putc(&b, '[');
	ok(parse(buf_str(&b), &err) == NULL, "a deep one is refused");
	has_str("nested too deep", err.text, "as such");

	buf_reset(&b);
	buf_puts(&b, "{\"handler\":\"a\",\"params\":");
	for (i = 0; i < TASK_DEPTH_MAX; i++)
		buf_putc(&b, '[');
	for (i = 0; i < TASK_DEPTH_MAX; i++)
		buf_putc(&b, ']');
	buf_putc(&b, '}');
	t = parse(buf_str(&b), &err);
	ok(t != NULL, "one as deep as allowed is not");
	task_free(t);

	buf_reset(&b);
	buf_puts(&b, "{\"handler\":\"a\",\"params\":\"");
	while (b.len <= TASK_ENVELOPE_MAX)
		buf_puts(&b, "0123456789abcdef");
	buf_puts(&b, "\"}");
	ok(parse(buf_str(&b), &err) == NULL, "a huge one is refused");
	has_str("more than 1048576", err.text, "as such");
	buf_done(&b);
}

static void test_errors(void)
{
	struct task *t = task_new("h", NULL);
	struct buf b = BUF_INIT;
	int i;

	for (i = 0; i < TASK_ERRORS_MAX + 2; i++) {
		buf_reset(&b);
		buf_printf(&b, "error %d", i);
		task_add_error(t, i, buf_str(&b));
	}
	is_int(TASK_ERRORS_MAX, (int64_t)t->error_count,
		"so many errors are kept");
	is_str("error 2", t->errors[0].text, "the oldest are dropped");
	buf_reset(&b);
	for (i = 0; i < TASK_ERROR_MAX - 1; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\xc3\xa9");
	task_add_error(t, 9, buf_str(&b));
	is_int(TASK_ERROR_MAX - 1,
		(int64_t)strlen(t->errors[TASK_ERRORS_MAX - 1].text),
		"a long one is cut between characters");
	task_add_error(t, 9, "a\xff\xfe\xc3");
	is_str("a???", t->errors[TASK_ERRORS_MAX - 1].text,
		"bytes that are no text are replaced");
	buf_done(&b);
	task_free(t);
}

static void test_states(void)
{
	int from, to, moves = 0;

	is_int(TASK_RUNNING, task_state_find("processing"),
		"processing is RUNNING");
	is_int(TASK_SUCCESS, task_state_find("completed"),
		"completed is SUCCESS");
	is_int(TASK_FAILED, task_state_find("failed"), "failed is FAILED");
	is_int(TASK_SKIPPED, task_state_find("SKIPPED"), "and so on");
	is_int(-1, task_state_find("lost"), "lost is no state");
	for (from = 0; from < TASK_STATE_COUNT; from++)
		for (to = 0; to < TASK_STATE_COUNT; to++)
			moves += task_state_may(from, to);
	is_int(12, moves, "there are twelve moves");
	ok(task_state_may(TASK_PENDING, TASK_RUNNING) &&
			task_state_may(TASK_FAILED, TASK_PENDING) &&
			!task_state_may(TASK_SUCCESS, TASK_FAILED) &&
			!task_state_may(TASK_CANCELLED, TASK_SUCCESS) &&
			!task_state_may(TASK_PENDING, TASK_SUCCESS),
		"an end stays an end");
}

static void test_pause(void)
{
	struct task_retry r = { 5, US_PER_S, 300 * (int64_t)US_PER_S };
	int64_t most[12] = { 0 }, least[12], pause;
	bool is_inside = true;
	int i, n;

	for (i = 0; i < 12; i++) {
		int64_t full = r.base_us << i;

		full = full < r.cap_us ? full : r.cap_us;
		least[i] = INT64_MAX;
		for (n = 0; n < 500; n++) {
			pause = task_retry_pause(&r, i);
			most[i] = pause > most[i] ? pause : most[i];
			least[i] = pause < least[i] ? pause : least[i];
		}
		is_inside =
			is_inside && most[i] <= full && least[i] >= full / 10;
	}
	ok(is_inside, "a pause is between a tenth and the whole");
	ok(most[0] > 800000 && most[11] > 240 * (int64_t)US_PER_S &&
			least[11] < 60 * (int64_t)US_PER_S,
		"and anywhere between");
	ok(task_retry_pause(&r, 1000000) <= r.cap_us, "it never overflows");
	r.base_us = 0;
	is_int(0, task_retry_pause(&r, 3), "none is none");
	r.base_us = r.cap_us = INT64_MAX;
	ok(task_retry_pause(&r, 3) > 0, "also for the longest of all");
}

static void is_canary(const char *wanted, const char *text, const char *what)
{
	char *changed = canary_text(text, "/srv/shop");

	if (wanted == NULL)
		ok(changed == NULL, "%s", what);
	else
		is_str(wanted, changed, "%s", what);
	free(changed);
}

static void test_canary(void)
{
	is_canary("/srv/shop/canary", "/srv/shop/current", "the link itself");
	is_canary("cd /srv/shop/canary && a=/srv/shop/canary/b sh",
		"cd /srv/shop/current && a=/srv/shop/current/b sh",
		"each in a line of the shell");
	is_canary("/srv/shop/currently:/srv/shop/canary:/srv/shop/current.old",
		"/srv/shop/currently:/srv/shop/current:/srv/shop/current.old",
		"and no longer name");
	is_canary(
		NULL, "/srv/shop/current_x /srv/shop/releases/current", "none");
	is_canary(NULL, "/data/srv/shop/current", "nor that of another root");
	is_canary(NULL, "", "nothing");
}

int main(void)
{
	test_minimal();
	test_full();
	test_delay();
	test_refused();
	test_limits();
	test_errors();
	test_states();
	test_pause();
	test_canary();
	return tap_done();
}
