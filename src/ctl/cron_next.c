/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ctl/cron_next.h"
#include "ctl/ctl.h"
#include "when/cron.h"
#include "when/iso.h"
#include "when/zone.h"

#define CRON_NEXT_READ      65536
#define CRON_NEXT_LINE_MAX  8192
#define CRON_NEXT_COUNT_MAX 100000 /* of one line of a batch */
#define CRON_NEXT_FIELDS    5      /* of it */

/* What is asked; NULL and "" are alike. */
struct cron_next_question {
	const char *dialect, *text, *zone, *from;
	struct cron cron; /* the answer begins here */
	const struct zone *in;
	int64_t at_us;
};

static bool cron_next_is_said(const char *text)
{
	return text != NULL && *text != '\0';
}

static int cron_next_read(struct cron_next_question *q, struct err *err)
{
	enum cron_dialect dialect;

	if (cron_dialect_find(
		    q->dialect != NULL ? q->dialect : "", &dialect, err) != 0)
		return -1;
	q->in = zone_utc();
	if (cron_next_is_said(q->zone))
		q->in = zone_get(q->zone, err);
	if (q->in == NULL)
		return -1;
	q->at_us = clock_wall();
	if (cron_next_is_said(q->from) &&
		iso_parse(q->from, strlen(q->from), q->in, &q->at_us, err) != 0)
		return -1;
	return cron_parse(q->text, strlen(q->text), dialect, &q->cron, err);
}

/* The time after the last one; NULL when there is none. */
static const char *cron_next_step(
	struct cron_next_question *q, char ret_text[ISO_MAX])
{
	q->at_us = cron_next(&q->cron, q->in, q->at_us);
	return q->at_us == CRON_NEVER ? NULL
				      : iso_print(q->at_us, q->in, ret_text);
}

static void cron_next_print_json(struct cron_next_question *q, long count)
{
	json_t *times = json_array(), *all;
	char text[ISO_MAX];
	const char *time;

	while (count-- > 0 && (time = cron_next_step(q, text)) != NULL)
		json_array_append_new(times, json_string(time));
	all = json_pack("{s:s, s:s, s:o}", "dialect",
		cron_dialect_names[q->cron.dialect], "zone", zone_name(q->in),
		"next", times);
	json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(all);
}

static int cron_next_one(const struct ctl *c)
{
	struct cron_next_question q = { .dialect = c->dialect,
		.text = c->argv[0],
		.zone = c->zone,
		.from = c->from };
	char text[ISO_MAX];
	const char *time;
	struct err err;
	long n;

	if (cron_next_read(&q, &err) != 0)
		return ctl_fail(EXIT_USAGE, "%s", err.text);
	if (c->json) {
		cron_next_print_json(&q, c->lines);
		return EXIT_OK;
	}
	for (n = 0; n < c->lines; n++) {
		time = cron_next_step(&q, text);
		if (time == NULL && n == 0)
			puts("never");
		if (time == NULL)
			break;
		puts(time);
	}
	return EXIT_OK;
}

/* The fields of the line, parted by tabs; the missing ones are empty. */
static int cron_next_split(
	char *line, char *ret[CRON_NEXT_FIELDS], struct err *err)
{
	char *tab = NULL;
	int i;

	for (i = 0; i < CRON_NEXT_FIELDS; i++) {
		ret[i] = line;
		tab = strchr(line, '\t');
		if (tab != NULL)
			*tab = '\0';
		line = tab != NULL ? tab + 1 : line + strlen(line);
	}
	if (tab == NULL)
		return 0;
	return err_set(err, 0,
		"a line has at most %d fields, parted by tabs: dialect, "
		"expression, zone, from and n",
		CRON_NEXT_FIELDS);
}

static int cron_next_count(const char *text, long *ret, struct err *err)
{
	char *end;
	long n = 1;

	if (*text != '\0') {
		n = strtol(text, &end, 10);
		if (*end != '\0' || n < 1 || n > CRON_NEXT_COUNT_MAX)
			return err_set(err, 0, "n is a number from 1 to %d",
				CRON_NEXT_COUNT_MAX);
	}
	*ret = n;
	return 0;
}

static int cron_next_try(char *line, size_t len, struct err *err)
{
	struct cron_next_question q;
	char *fields[CRON_NEXT_FIELDS], text[ISO_MAX];
	const char *time;
	long count = 1, n;

	if (len > CRON_NEXT_LINE_MAX)
		return err_set(err, 0, "a line has at most %d bytes",
			CRON_NEXT_LINE_MAX);
	if (strlen(line) != len)
		return err_set(err, 0, "there is a NUL byte in the line");
	if (cron_next_split(line, fields, err) != 0 ||
		cron_next_count(fields[4], &count, err) != 0)
		return -1;
	q.dialect = fields[0];
	q.text = fields[1];
	q.zone = fields[2];
	q.from = fields[3];
	if (cron_next_read(&q, err) != 0)
		return -1;
	for (n = 0; n < count; n++) {
		time = cron_next_step(&q, text);
		if (time == NULL)
			break;
		printf("%s%s", n > 0 ? "," : "", time);
	}
	puts(n == 0 ? "never" : "");
	return 0;
}

static void cron_next_answer(char *line, size_t len)
{
	struct err err;

	if (cron_next_try(line, len, &err) != 0)
		printf("error: %s\n", err.text);
}

/* Answers the whole lines; of one that is too long no more is kept than shows
 * that it is. */
static void cron_next_answer_all(struct buf *in)
{
	char *line = in->data, *end;

	while ((end = memchr(line, '\n',
			in->len - (size_t)(line - in->data))) != NULL) {
		*end = '\0';
		cron_next_answer(line, (size_t)(end - line));
		line = end + 1;
	}
	buf_drop(in, (size_t)(line - in->data));
	if (in->len > CRON_NEXT_LINE_MAX + 1)
		in->len = CRON_NEXT_LINE_MAX + 1;
}

/* What is asked is answered before more is waited for. */
static int cron_next_batch(void)
{
	struct buf in = BUF_INIT;
	ssize_t n;

	for (;;) {
		n = read(STDIN_FILENO, buf_reserve(&in, CRON_NEXT_READ),
			CRON_NEXT_READ);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		in.len += (size_t)n;
		cron_next_answer_all(&in);
		if (fflush(stdout) != 0)
			break;
	}
	if (n == 0 && in.len > 0) {
		in.data[in.len] = '\0';
		cron_next_answer(in.data, in.len);
	}
	buf_done(&in);
	if (n == -1)
		return ctl_fail(EXIT_SYSTEM, "cannot read standard input: %s",
			strerror(errno));
	return EXIT_OK;
}

int cron_next_command(struct ctl *c)
{
	if (c->batch == (c->argc == 1))
		return ctl_fail(EXIT_USAGE,
			"usage: reevectl cron next EXPRESSION|--batch");
	if (c->batch &&
		(cron_next_is_said(c->dialect) || cron_next_is_said(c->zone) ||
			cron_next_is_said(c->from)))
		return ctl_fail(EXIT_USAGE,
			"with --batch, all else is said in the lines");
	if (c->lines < 1)
		return ctl_fail(EXIT_USAGE, "-n takes a number from 1 on");
	return c->batch ? cron_next_batch() : cron_next_one(c);
}
