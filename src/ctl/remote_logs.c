/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/ctl.h"
#include "ctl/jtree.h"
#include "ctl/kept.h"
#include "ctl/problem.h"
#include "ctl/remote_ask.h"
#include "ctl/remote_logs.h"
#include "ctl/status.h"

/* How often a stream that was lost is asked for again, and after how long. */
#define REMOTE_LOGS_TRIES   30
#define REMOTE_LOGS_PAUSE_S 1
#define REMOTE_LOGS_LINE    (16 << 20) /* bytes of one of its lines */

/* A stream of Server-Sent Events. */
struct remote_logs {
	struct remote *remote;
	struct buf text; /* what came and is no whole line yet */
	char event[16];
	char last[UUID_TEXT_LEN + 1]; /* the id of the last line told; "" */
	char next[UUID_TEXT_LEN + 1]; /* of the event that is read */
	bool is_over;                 /* the run is */
	bool is_some;                 /* something came over this connection */
};

static void remote_logs_print(const struct ctl *c, const json_t *line)
{
	int64_t ms = remote_ms(json_object_get(line, "time"));
	char iso[CLOCK_ISO_MAX];

	kept_print_line(c, ms < 0 ? "-" : clock_iso(ms * US_PER_MS, iso),
		status_text(line, "level"), status_text(line, "message"));
}

static void remote_logs_on_event(
	struct remote_logs *s, const char *data, size_t len)
{
	json_t *line;

	if (strcmp(s->event, "end") == 0)
		s->is_over = true;
	if (strcmp(s->event, "log") != 0)
		return;
	line = jtree_read(data, len);
	remote_logs_print(s->remote->ctl, line);
	json_decref(line);
	memcpy(s->last, s->next, sizeof(s->last));
}

/* The value of a line "name: value"; NULL: it is another. */
static const char *remote_logs_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	return line[len + 1] == ' ' ? line + len + 2 : line + len + 1;
}

/* Each event of ours has its data in one line. */
static void remote_logs_on_line(struct remote_logs *s, const char *line)
{
	const char *value;

	if ((value = remote_logs_value(line, "event")) != NULL)
		snprintf(s->event, sizeof(s->event), "%s", value);
	else if ((value = remote_logs_value(line, "id")) != NULL)
		snprintf(s->next, sizeof(s->next), "%s", value);
	else if ((value = remote_logs_value(line, "data")) != NULL)
		remote_logs_on_event(s, value, strlen(value));
	else if (*line == '\0')
		s->event[0] = '\0';
}

static bool remote_logs_on_data(const char *data, size_t len, void *arg)
{
	struct remote_logs *s = arg;
	char *end;

	s->is_some = true;
	buf_add(&s->text, data, len);
	while ((end = memchr(s->text.data, '\n', s->text.len)) != NULL) {
		*end = '\0';
		if (end > s->text.data && end[-1] == '\r')
			end[-1] = '\0';
		remote_logs_on_line(s, s->text.data);
		buf_drop(&s->text, (size_t)(end + 1 - s->text.data));
	}
	fflush(stdout);
	return !s->is_over && s->text.len < REMOTE_LOGS_LINE;
}

/* What was wrong with a connection: told of the first of several. */
static void remote_logs_complain(const char *why, int tries)
{
	if (tries == 1)
		(void)ctl_fail(EXIT_SYSTEM, "%s; trying again", why);
}

/* One connection, for as long as it lasts: EXIT_OK, EXIT_SYSTEM when it may be
 * tried again, or EXIT_CONFIG, printed. */
static int remote_logs_stream(
	struct remote_logs *s, const char *path, int tries)
{
	char *header = xasprintf("Last-Event-ID: %s", s->last);
	const struct client_request q = { .method = "GET",
		.path = path,
		.header = s->last[0] != '\0' ? header : NULL,
		.on_data = remote_logs_on_data,
		.arg = s };
	struct buf why = BUF_INIT;
	struct client_answer a;
	struct err err;
	int rc = EXIT_OK;

	buf_reset(&s->text);
	s->event[0] = '\0';
	if (client_send(s->remote->client, &q, &a, &err) != 0) {
		rc = EXIT_SYSTEM;
		if (!s->is_some)
			remote_logs_complain(err.text, tries);
	} else if (a.status == 429 || a.status >= 500) {
		rc = EXIT_SYSTEM;
		problem_put(s->remote->ctl->there, &a, &why);
		remote_logs_complain(buf_str(&why), tries);
		client_answer_done(&a);
	} else {
		if (a.status != 200)
			rc = problem_print(s->remote->ctl->there, &a, NULL);
		client_answer_done(&a);
	}
	buf_done(&why);
	free(header);
	return rc;
}

static int remote_logs_follow(struct remote_logs *s)
{
	const struct timespec pause = { REMOTE_LOGS_PAUSE_S, 0 };
	struct buf path = BUF_INIT;
	char *plain = remote_path(s->remote, s->remote->ctl->argv[0]);
	int rc = EXIT_OK, tries = 0;

	buf_puts(&path, plain);
	remote_query(&path, "follow", "1");
	while (!s->is_over && rc != EXIT_CONFIG &&
		tries++ < REMOTE_LOGS_TRIES) {
		s->is_some = false;
		rc = remote_logs_stream(s, buf_str(&path), tries);
		if (s->is_some)
			tries = 0;
		if (!s->is_over && rc != EXIT_CONFIG)
			nanosleep(&pause, NULL);
	}
	buf_done(&path);
	free(plain);
	if (s->is_over)
		return EXIT_OK;
	return rc == EXIT_CONFIG
		       ? rc
		       : ctl_fail(EXIT_SYSTEM, "the stream of its log is lost");
}

int remote_logs(struct remote *r)
{
	struct remote_logs s = { .remote = r, .text = BUF_INIT };
	char *path = remote_path(r, r->ctl->argv[0]);
	json_t *lines, *line;
	size_t i, count;
	int rc = remote_list(r, path, REMOTE_ALL, &lines, NULL);

	free(path);
	if (rc != EXIT_OK)
		return rc;
	count = json_array_size(lines);
	json_array_foreach(lines, i, line)
	{
		if (count - i <= (size_t)r->ctl->lines)
			remote_logs_print(r->ctl, line);
		snprintf(s.last, sizeof(s.last), "%s", status_text(line, "id"));
	}
	json_decref(lines);
	fflush(stdout);
	if (r->ctl->follow)
		rc = remote_logs_follow(&s);
	buf_done(&s.text);
	return rc;
}
