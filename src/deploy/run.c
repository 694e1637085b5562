/* SPDX-License-Identifier: ISC */
/*
 * run - the programs of a step, and what it says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "deploy/job.h"
#include "loop/loop.h"

/* How often the output of a step that goes on is written down. */
#define JOB_OUTPUT_US (500 * (int64_t)1000)
#define JOB_LINE_MAX  200

static const struct pg_statement job_put_output = {
	.name = "deploy_step_output",
	.text = "UPDATE reeve.deployment_steps SET output = $2"
		" WHERE id = $1::bigint AND state = 'RUNNING'",
	.params = 2,
};

/* Text for the database: no NUL, and UTF-8. */
void job_keep(struct buf *out, const char *text, size_t len)
{
	size_t n;

	for (; len > 0; text += n, len -= n) {
		n = *text != '\0' ? utf8_length(text, len) : 0;
		if (n > 0) {
			buf_add(out, text, n);
		} else {
			buf_putc(out, '?');
			n = 1;
		}
	}
}

void job_say(struct job *job, const char *fmt, ...)
{
	struct buf line = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	job_keep(&job->output, line.data, line.len);
	buf_putc(&job->output, '\n');
	buf_done(&line);
}

/* What the step has said and its command has printed, in whole lines: what a
 * letter or a line begins with may go on. */
static void job_put(struct job *job)
{
	struct buf text = BUF_INIT;
	const char *output = NULL, *values[2];
	size_t len = 0;

	if (job->command != NULL)
		output = command_output(job->command, &len);
	while (len > 0 && output[len - 1] != '\n')
		len--;
	buf_puts(&text, buf_str(&job->output));
	job_keep(&text, output, len);
	values[0] = job->step_id;
	values[1] = buf_str(&text);
	job->shown_us = clock_now();
	(void)pg_query(job->deploy->pg, &job_put_output, values, NULL, NULL);
	buf_done(&text);
}

void job_show(void *arg)
{
	struct job *job = arg;

	if (job->command != NULL)
		job_put(job);
}

static void job_on_retry(void *arg)
{
	struct job *job = arg;

	step_begin[job->step](job);
}

bool job_awaits_anew(struct job *job, const char *why)
{
	if (strncmp(job->awaits, why, sizeof(job->awaits) - 1) == 0)
		return false;
	snprintf(job->awaits, sizeof(job->awaits), "%s", why);
	return true;
}

void job_retry(struct job *job, const char *why)
{
	if (job_awaits_anew(job, why)) {
		log_warn("deployment %s: %s: %s, trying again", job->id,
			step_names[job->step], why);
		job_say(job, "%s, trying again", why);
		job_put(job);
	}
	job_wait(job, JOB_AGAIN_US, job_on_retry);
}

static void job_on_output(void *arg)
{
	struct job *job = arg;
	int64_t next_us = job->shown_us + JOB_OUTPUT_US - clock_now();

	if (next_us <= 0)
		job_show(job);
	else if (!loop_timer_is_set(job->show))
		loop_timer_start(job->show, next_us);
}

/* Of what it printed: the reason, as a rule.  What tar says at its end is none. */
static void job_last_line(
	const struct command_end *end, char *ret_line, size_t size)
{
	size_t to = end->len, from;

	do {
		while (to > 0 && end->output[to - 1] == '\n')
			to--;
		from = to;
		while (from > 0 && end->output[from - 1] != '\n')
			from--;
		snprintf(ret_line, size, "%.*s", (int)(to - from),
			end->output + from);
		to = from;
	} while (to > 0 && strstr(ret_line, "due to previous errors") != NULL);
}

static void job_on_command(const struct command_end *end, void *arg)
{
	struct job *job = arg;
	char line[JOB_LINE_MAX];

	job->command = NULL;
	job_keep(&job->output, end->output, end->len);
	if (end->code != 0 && !job->is_lenient) {
		job_last_line(end, line, sizeof(line));
		job_step_failed(job, "%s: %s%s%s", job->program, end->why,
			line[0] != '\0' ? ": " : "", line);
		return;
	}
	if (end->code != 0) {
		log_warn("deployment %s: %s: %s: %s", job->id,
			step_names[job->step], job->program, end->why);
		job_say(job, "%s: %s", job->program, end->why);
	}
	job->after(job);
}

void job_run(struct job *job, const struct conf_strings *argv,
	const char *directory, int64_t timeout_us,
	void (*next)(struct job *job))
{
	struct deploy *d = job->deploy;
	struct command_options o = {
		.argv = argv,
		.env = job->env,
		.directory = directory,
		.timeout_us = timeout_us,
	};
	struct err err;

	snprintf(job->program, sizeof(job->program), "%s", argv->items[0]);
	job->after = next;
	job->command = command_start(d->loop, d->children, &o, job_on_output,
		job_on_command, job, &err);
	if (job->command == NULL)
		job_step_failed(job, "%s: %s", job->program, err.text);
}

void job_run_words(struct job *job, const char *const *argv, int64_t timeout_us,
	void (*next)(struct job *job))
{
	struct conf_strings words = { .items = job->words };

	for (words.count = 0; argv[words.count] != NULL; words.count++) {
		free(job->words[words.count]);
		job->words[words.count] = xstrdup(argv[words.count]);
	}
	free(job->words[words.count]);
	job->words[words.count] = NULL;
	job_run(job, &words, NULL, timeout_us, next);
}
