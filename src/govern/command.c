/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"
#include "govern/command.h"
#include "loop/http.h"
#include "worker/worker.h"

struct command {
	struct http_request *req; /* NULL: this place is free */
	uint32_t token;
	enum msg_command command;
	int64_t since_us;
	struct buf text; /* of the answer so far */
	bool cut;        /* there was more of it */
};

struct command_table {
	struct worker *worker; /* borrowed */
	uint32_t token;        /* of the last one sent */
	size_t count;
	struct command list[COMMAND_PENDING_MAX];
};

/* How the end of a command is told to the client. */
typedef void (*command_reply_fn)(struct command *c, int fd);

static void command_reply_text(struct command *c, int fd);
static void command_reply_plan(struct command *c, int fd);
static void command_reply_config(struct command *c, int fd);

static const command_reply_fn command_replies[MSG_COMMAND_COUNT] = {
	[MSG_COMMAND_RELOAD] = command_reply_text,
	[MSG_COMMAND_PLAN] = command_reply_plan,
	[MSG_COMMAND_START] = command_reply_text,
	[MSG_COMMAND_STOP] = command_reply_text,
	[MSG_COMMAND_RESTART] = command_reply_text,
	[MSG_COMMAND_SCALE] = command_reply_text,
	[MSG_COMMAND_REOPEN] = command_reply_text,
	[MSG_COMMAND_UPGRADE] = command_reply_text,
	[MSG_COMMAND_SHUTDOWN] = command_reply_text,
	[MSG_COMMAND_SHUTDOWN_NOW] = command_reply_text,
	[MSG_COMMAND_CONFIG] = command_reply_config,
};

struct command_table *command_table_new(struct worker *w)
{
	struct command_table *t = xcalloc(1, sizeof(*t));

	t->worker = w;
	/* Not the numbers of the governor before: its answers may come yet. */
	t->token = (uint32_t)clock_jitter(1 << 30);
	return t;
}

size_t command_count(const struct command_table *t)
{
	return t->count;
}

static struct command *command_find(struct command_table *t, uint32_t token)
{
	size_t i;

	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		if (t->list[i].req != NULL && t->list[i].token == token)
			return &t->list[i];
	}
	return NULL;
}

static struct command *command_free_place(struct command_table *t)
{
	size_t i;

	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		if (t->list[i].req == NULL)
			return &t->list[i];
	}
	return NULL;
}

static void command_reply_json(
	struct http_request *req, int status, struct buf *out)
{
	buf_putc(out, '\n');
	http_reply(req, status, "application/json", out->data, out->len);
	buf_done(out);
}

static void command_reply_error(
	struct http_request *req, int status, const char *text)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_bool(&j, "ok", false);
	jsonw_str(&j, "error", text);
	jsonw_end_object(&j);
	command_reply_json(req, status, &out);
}

void command_refuse(struct http_request *req, int status, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	command_reply_error(req, status, buf_str(&text));
	buf_done(&text);
}

static void command_reply_text(struct command *c, int fd)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	(void)fd;
	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_bool(&j, "ok", true);
	jsonw_str(&j, "text", buf_str(&c->text));
	jsonw_end_object(&j);
	command_reply_json(c->req, 200, &out);
}

/* One line of the master: ACTION, POOL, COUNT, CHANGED with tabs between. */
static void command_plan_line(struct jsonw *j, char *line)
{
	const char *action = strsep(&line, "\t");
	const char *pool = line != NULL ? strsep(&line, "\t") : "";
	const char *count = line != NULL ? strsep(&line, "\t") : "0";

	jsonw_object(j, NULL);
	jsonw_str(j, "action", action);
	jsonw_str(j, "pool", pool);
	jsonw_int(j, "count", strtoll(count, NULL, 10));
	jsonw_str(j, "changed", line != NULL ? line : "");
	jsonw_end_object(j);
}

static void command_reply_plan(struct command *c, int fd)
{
	struct buf out = BUF_INIT;
	char *text = buf_take(&c->text), *rest = text, *line;
	struct jsonw j;

	(void)fd;
	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_bool(&j, "ok", true);
	jsonw_array(&j, "plan");
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			command_plan_line(&j, line);
	}
	jsonw_end_array(&j);
	jsonw_end_object(&j);
	command_reply_json(c->req, 200, &out);
	free(text);
}

/* The file is the master's and as long as its configuration, which was read
 * within limits; still no more than this is taken. */
static void command_reply_config(struct command *c, int fd)
{
	struct buf out = BUF_INIT;
	ssize_t n = -1;

	while (fd != -1 && out.len < COMMAND_TEXT_MAX * 16) {
		n = pread(fd, buf_reserve(&out, 65536), 65536, (off_t)out.len);
		if (n <= 0)
			break;
		out.len += (size_t)n;
	}
	if (n == 0)
		http_reply(c->req, 200, "text/yaml; charset=utf-8", out.data,
			out.len);
	else
		command_refuse(c->req, 502, "no configuration was handed on");
	buf_done(&out);
}

static void command_end(struct command_table *t, struct command *c, bool failed)
{
	int64_t took_us = clock_now() - c->since_us;

	c->req = NULL;
	buf_done(&c->text);
	t->count--;
	worker_task_end(t->worker, failed, took_us);
}

static void command_fail(
	struct command_table *t, struct command *c, int status, const char *why)
{
	command_reply_error(c->req, status, why);
	command_end(t, c, true);
}

void command_send(struct command_table *t, enum msg_command command,
	const char *pool, const char *text, struct http_request *req)
{
	struct msg m = { .type = MSG_GOVERN_COMMAND, .value = command };
	struct command *c = command_free_place(t);

	if (c == NULL) {
		command_refuse(req, 503,
			"%d commands wait for the master already: try again",
			COMMAND_PENDING_MAX);
		return;
	}
	m.token = ++t->token;
	snprintf(m.name, sizeof(m.name), "%s", pool != NULL ? pool : "");
	snprintf(m.text, sizeof(m.text), "%s", text != NULL ? text : "");
	if (msg_send(worker_child(t->worker)->channel, &m, -1) != 0) {
		command_refuse(req, 503, "the master takes no command: %s",
			strerror(errno));
		return;
	}
	*c = (struct command){ .req = req,
		.token = m.token,
		.command = command,
		.since_us = clock_now() };
	t->count++;
	worker_task_begin(t->worker);
}

static void command_collect(struct command *c, const char *text)
{
	size_t len = strlen(text);

	if (c->text.len + len > COMMAND_TEXT_MAX)
		c->cut = true;
	if (!c->cut)
		buf_add(&c->text, text, len);
}

void command_on_msg(struct command_table *t, const struct msg *m, int fd)
{
	struct command *c = NULL;

	if (m->type == MSG_MASTER_TEXT || m->type == MSG_MASTER_DONE)
		c = command_find(t, m->token);
	if (c == NULL) {
		log_debug("no command waits for message %u, token %u", m->type,
			m->token);
	} else {
		command_collect(c, m->text);
		if (m->type == MSG_MASTER_DONE && c->cut)
			buf_puts(&c->text, "\n(there was more)");
		if (m->type == MSG_MASTER_DONE && m->value != 0) {
			command_fail(t, c, 409, buf_str(&c->text));
		} else if (m->type == MSG_MASTER_DONE) {
			command_replies[c->command](c, fd);
			command_end(t, c, false);
		}
	}
	if (fd != -1)
		close(fd);
}

static void command_accept_shutdown(struct command_table *t, struct command *c)
{
	buf_puts(&c->text, "the daemon is stopping");
	command_reply_text(c, -1);
	command_end(t, c, false);
}

void command_drain(struct command_table *t)
{
	const struct board *b = worker_child(t->worker)->board;
	struct board_header h;
	size_t i;

	(void)board_read_header(b, &h);
	if (h.state != BOARD_NODE_STOPPING)
		return; /* replaced: the answers still come */
	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		struct command *c = &t->list[i];

		if (c->req == NULL)
			continue;
		if (c->command == MSG_COMMAND_SHUTDOWN ||
			c->command == MSG_COMMAND_SHUTDOWN_NOW)
			command_accept_shutdown(t, c);
		else
			command_fail(t, c, 503, "the daemon is stopping");
	}
}

void command_table_free(struct command_table *t)
{
	size_t i;

	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		if (t->list[i].req != NULL)
			command_fail(t, &t->list[i], 503,
				"the governor ended before the answer came; "
				"the command may still be carried out");
	}
	free(t);
}
