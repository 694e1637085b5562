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

static struct secret *with_key(char digit)
{
	char text[65];
	struct secret *s;
	struct err err;
	FILE *f;

	memset(text, digit, 64);
	text[64] = '\0';
	f = fopen(path, "w");
	fputs(text, f);
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

int main(void)
{
	struct secret *s, *other;
	struct buf names = BUF_INIT;
	struct err err;

	close(mkstemp(path));
	s = with_key('a');
	other = with_key('b');
	test_give(s, "{}", "{\"p\":\"hidden\"}", "{\"p\":\"hidden\"}",
		"secret params are given");
	test_give(s, "{\"a\":[1,{}],\"b\":\"x\\ny\"}", "{\"p\":\"hidden\"}",
		"{\"a\":[1,{}],\"b\":\"x\\ny\",\"p\":\"hidden\"}",
		"with the others");
	test_give(s, "{\"p\":1,\"q\":2}", "{\"\\u0070\":\"hidden\"}",
		"{\"q\":2,\"p\":\"hidden\"}", "instead of those of their name");
	test_refused(s, other);
	secret_names("{\"a\":1,\"b c\":{\"d\":2}}", 21, &names);
	is_str("[\"a\",\"b c\"]", names.data, "their names may be told");
	buf_done(&names);
	ok(secret_open(NULL, &err) == NULL, "no file, no key");
	secret_close(s);
	secret_close(other);
	unlink(path);
	return tap_done();
}
