/* SPDX-License-Identifier: ISC */
/* secret: params that are sealed reach the handler, and no envelope. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/secret.h"
#include "task/task.h"
#include "tap.h"

static char path[] = "/tmp/secret-key.XXXXXX";

/* A key for each digit. */
static struct secret *with_keys(const char *digits)
{
	struct secret *s;
	struct err err;
	FILE *f;
	int i;

	f = fopen(path, "w");
	for (; *digits != '\0'; digits++) {
		for (i = 0; i < 64; i++)
			fputc(*digits, f);
		fputc('\n', f);
	}
	fclose(f);
	s = secret_open(path, &err);
	if (s == NULL)
		bail("%s", err.text);
	return s;
}

/* As a run has it; heap. */
static char *sealed(const struct secret *s, const char *text)
{
	struct buf out = BUF_INIT;
	char *line;

	secret_seal(s, "acme", "1-2", text, strlen(text), &out);
	line = xasprintf("1-2 %s", out.data + 2);
	buf_done(&out);
	return line;
}

static struct task *a_task(const char *params)
{
	struct task *t = task_new("note", params);

	free(t->tenant);
	t->tenant = xstrdup("acme");
	return t;
}

static void test_give(const struct secret *s, const char *params,
	const char *secret, const char *wanted, const char *title)
{
	struct task *t = a_task(params);
	char *line = sealed(s, secret), *printed;
	struct err err;
	size_t len;

	if (secret_give(s, t, line, &err) != 0)
		bail("%s", err.text);
	is_str(wanted, task_given(t, &len), "%s", title);
	printed = task_print(t, NULL);
	ok(strstr(printed, "hidden") == NULL, "and its envelope has none");
	free(printed);
	free(line);
	task_free(t);
}

static void test_refused(const struct secret *s, const struct secret *other)
{
	char *line = sealed(s, "{\"a\":1}");
	struct task *t = a_task("{}");
	struct err err;
	size_t len;

	ok(secret_give(NULL, t, line, &err) == -1, "without a key: refused");
	has_str("secret_key_file", err.text, "and it says what is missing");
	ok(secret_give(other, t, line, &err) == -1, "so with another key");
	has_str("another key", err.text, "which it says");
	free(t->tenant);
	t->tenant = xstrdup("other");
	ok(secret_give(s, t, line, &err) == -1, "and for another tenant");
	is_str("{}", task_given(t, &len), "the task is as it was");
	task_free(t);
	t = a_task("[1]");
	ok(secret_give(s, t, line, &err) == -1, "params must be an object");
	line[0] = '2';
	ok(secret_give(s, t, line, &err) == -1, "and it the owner's");
	ok(secret_give(s, t, "nonsense", &err) == -1, "nonsense is nothing");
	task_free(t);
	free(line);
}

/* Nodes get the new key behind the old one, then before it, then alone. */
static void test_rotation(void)
{
	struct secret *old = with_keys("a"), *both = with_keys("ab"),
		      *turned = with_keys("ba"), *new = with_keys("b");
	struct task *t = a_task("{}");
	char *by_old = sealed(both, "{\"n\":1}");
	char *by_new = sealed(turned, "{\"n\":2}");
	struct err err;

	ok(secret_give(old, t, by_old, &err) == 0, "the first key seals");
	ok(secret_give(turned, t, by_old, &err) == 0, "the others open");
	ok(secret_give(both, t, by_new, &err) == 0, "also what is new");
	ok(secret_give(new, t, by_new, &err) == 0, "which the new one seals");
	ok(secret_give(new, t, by_old, &err) == -1, "alone it opens no more");
	free(by_old);
	free(by_new);
	task_free(t);
	secret_close(old);
	secret_close(both);
	secret_close(turned);
	secret_close(new);
}

int main(void)
{
	struct secret *s, *other;
	struct buf names = BUF_INIT;
	struct err err;

	close(mkstemp(path));
	s = with_keys("a");
	other = with_keys("b");
	test_give(s, "{}", "{\"p\":\"hidden\"}", "{\"p\":\"hidden\"}",
		"secret params are given");
	test_give(s, "{\"a\":[1,{}],\"b\":\"x\\ny\"}", "{\"p\":\"hidden\"}",
		"{\"a\":[1,{}],\"b\":\"x\\ny\",\"p\":\"hidden\"}",
		"with the others");
	test_give(s, "{\"p\":1,\"q\":2}", "{\"\\u0070\":\"hidden\"}",
		"{\"q\":2,\"p\":\"hidden\"}", "instead of those of their name");
	test_refused(s, other);
	test_rotation();
	secret_names("{\"a\":1,\"b c\":{\"d\":2}}", 21, &names);
	is_str("[\"a\",\"b c\"]", names.data, "their names may be told");
	buf_done(&names);
	ok(secret_open(NULL, &err) == NULL, "no file, no key");
	secret_close(s);
	secret_close(other);
	unlink(path);
	return tap_done();
}
