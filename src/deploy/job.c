/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "deploy/job.h"
#include "link/http.h"
#include "loop/loop.h"

#define JOB_HOLD_US (10 * (int64_t)1000)
/* A path for tests, see reeved(8). */
#define JOB_HOLD_ENV "REEVE_DEPLOY_HOLD"
/* PostgreSQL, appendix A: disk_full */
#define JOB_DISK_FULL "53100"

const char *const step_names[STEP_COUNT] = {
	[STEP_NONE] = "",
	[STEP_FETCH] = "fetch",
	[STEP_VERIFY] = "verify",
	[STEP_UNPACK] = "unpack",
	[STEP_PREPARE] = "prepare",
	[STEP_GATE] = "gate",
	[STEP_LOWER] = "lower",
	[STEP_BEFORE_SWITCH] = "before_switch",
	[STEP_CANARY] = "canary",
	[STEP_SWITCH] = "switch",
	[STEP_WHOLE] = "whole",
	[STEP_RELOAD] = "reload",
	[STEP_AFTER_SWITCH] = "after_switch",
	[STEP_WATCH] = "watch",
	[STEP_RESTORE] = "restore",
	[STEP_PRUNE] = "prune",
	[STEP_ROLLBACK] = "rollback",
};

static const enum step job_forward[] = { STEP_FETCH, STEP_VERIFY, STEP_UNPACK,
	STEP_PREPARE, STEP_GATE, STEP_LOWER, STEP_BEFORE_SWITCH, STEP_SWITCH,
	STEP_RELOAD, STEP_AFTER_SWITCH, STEP_WATCH, STEP_RESTORE, STEP_PRUNE,
	STEP_NONE };
static const enum step job_share[] = { STEP_FETCH, STEP_VERIFY, STEP_UNPACK,
	STEP_PREPARE, STEP_GATE, STEP_BEFORE_SWITCH, STEP_CANARY, STEP_LOWER,
	STEP_SWITCH, STEP_WHOLE, STEP_RELOAD, STEP_AFTER_SWITCH, STEP_WATCH,
	STEP_RESTORE, STEP_PRUNE, STEP_NONE };
static const enum step job_backward[] = { STEP_LOWER, STEP_SWITCH, STEP_RELOAD,
	STEP_WHOLE, STEP_RESTORE, STEP_ROLLBACK, STEP_NONE };

/* $1 deployment, $2 node, $3 fence, $4 step */
static const struct pg_statement job_begin_step = {
	.name = "deploy_step_begin",
	.text = "WITH n AS (UPDATE reeve.deployment_nodes SET step = $4,"
		" until = now() + interval '5 seconds'"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING deployment_id, node),"
		" s AS (UPDATE reeve.deployment_steps x SET state = 'FAILED',"
		" output = x.output || E'broken off\\n',"
		" finished_at = clock_timestamp() FROM n"
		" WHERE x.deployment_id = n.deployment_id"
		" AND x.node = n.node AND x.state = 'RUNNING')"
		" INSERT INTO reeve.deployment_steps (deployment_id, node,"
		" step) SELECT deployment_id, node, $4 FROM n RETURNING id",
	.params = 4,
};

/* $1 deployment, $2 node, $3 fence, $4 row, $5 state, $6 output */
static const struct pg_statement job_end_step = {
	.name = "deploy_step_end",
	.text = "UPDATE reeve.deployment_steps s SET state = $5, output = $6,"
		" finished_at = clock_timestamp()"
		" FROM reeve.deployment_nodes n WHERE s.id = $4::bigint"
		" AND n.deployment_id = $1::uuid AND n.node = $2"
		" AND n.fence = $3::bigint RETURNING s.id",
	.params = 6,
};

static const struct pg_statement job_turn_back = {
	.name = "deploy_turn_back",
	.text = "SELECT reeve.deploy_turn_back($1::uuid, $2, $3::bigint, $4)",
	.params = 4,
};

/* The way back is not whole: its reason goes behind that of the way there.
 * $4 what went wrong. */
static const struct pg_statement job_add_reason = {
	.name = "deploy_add_reason",
	.text = "WITH d AS (SELECT id FROM reeve.deployments"
		" WHERE id = $1::uuid FOR UPDATE), n AS (UPDATE"
		" reeve.deployment_nodes x SET reason = concat_ws('; ',"
		" x.reason, $4::text) FROM d WHERE x.deployment_id = d.id"
		" AND x.node = $2 AND x.fence = $3::bigint"
		" RETURNING x.deployment_id)"
		" UPDATE reeve.deployments t SET reason = concat_ws('; ',"
		" t.reason, $2 || ': ' || $4::text) FROM n"
		" WHERE t.id = n.deployment_id RETURNING 1",
	.params = 4,
};

static const struct pg_statement job_end_node = {
	.name = "deploy_node_end",
	.text = "SELECT reeve.deploy_node_end($1::uuid, $2, $3::bigint, $4,"
		" $5)",
	.params = 5,
};

static void job_begin(struct job *job, enum step step);
static void job_end(struct job *job);
static void job_again(struct job *job, void (*what)(struct job *job));
static void job_write_back(struct job *job);
static void job_write_failed(struct job *job);

static const char *job_text(const struct pg_result *r, int column)
{
	const char *text = pg_result_text(r, 0, column);

	return text != NULL ? text : "";
}

static void job_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The step that follows, of the way the job goes. */
static enum step job_after(const struct job *job, enum step step)
{
	const enum step *way = job->is_back    ? job_backward
			       : job->is_share ? job_share
					       : job_forward;

	if (step == STEP_NONE)
		return way[0];
	for (; *way != STEP_NONE; way++)
		if (*way == step)
			return way[1];
	return job->is_back ? job_backward[0] : STEP_NONE;
}

static enum step job_step_of(const char *name)
{
	int i;

	for (i = STEP_NONE + 1; i < STEP_COUNT; i++)
		if (strcmp(step_names[i], name) == 0)
			return (enum step)i;
	return STEP_NONE;
}

/* What a step waits for is ended, and tells nobody. */
static void job_stop_step(struct job *job)
{
	job->turn++;
	job_show(job);
	if (job->command != NULL)
		command_kill(job->command);
	if (job->control != NULL)
		control_cancel(job->control);
	http_call_cancel(job->call);
	job->command = NULL;
	job->control = NULL;
	job->call = NULL;
	loop_timer_free(job->timer);
	job->timer = NULL;
	loop_timer_stop(job->show);
}

struct job *job_new(struct deploy *d, const struct pg_result *r)
{
	struct job *job = xcalloc(1, sizeof(*job));
	const char *consumers = pg_result_text(r, 0, 8);
	const char *canaries = pg_result_text(r, 0, 14);
	enum step step;
	struct err err;

	job->deploy = d;
	job->show = loop_timer_new(d->loop, job_show, job);
	job_copy(job->id, sizeof(job->id), job_text(r, 0));
	job->is_push = strcmp(job_text(r, 1), "push") == 0;
	job_copy(job->version, sizeof(job->version), job_text(r, 2));
	job->is_back = strcmp(job_text(r, 3), "BACK") == 0;
	job_copy(job->fence, sizeof(job->fence), job_text(r, 5));
	job_copy(job->from, sizeof(job->from), job_text(r, 6));
	job->is_known = *job_text(r, 7) == 't';
	job->consumers = consumers != NULL ? xstrdup(consumers) : NULL;
	job->is_lowered = *job_text(r, 9) == 't';
	job->is_switched = *job_text(r, 10) == 't';
	job->is_canary = *job_text(r, 12) == 't';
	job->is_share = *job_text(r, 13) == 't';
	job->canaries = canaries != NULL ? xstrdup(canaries) : NULL;
	job->is_forced = *job_text(r, 15) == 't';
	(void)switch_read_from(job, &err);
	log_info("deployment %s: %s of %s %s%s", job->id,
		job->is_push ? "push" : "rollback", d->pool->name, job->version,
		job->is_back ? ", on the way back" : "");
	/* A step that was begun is begun again. */
	step = job_step_of(job_text(r, 4));
	job_begin(job, step != STEP_NONE ? step : job_after(job, STEP_NONE));
	return job;
}

void job_free(struct job *job)
{
	size_t i;

	if (job == NULL)
		return;
	job_stop_step(job);
	loop_timer_free(job->show);
	job->deploy->job = NULL;
	buf_done(&job->output);
	job_drop_env(job);
	for (i = 0; i < JOB_WORDS_MAX; i++)
		free(job->words[i]);
	free(job->consumers);
	free(job->canaries);
	free(job);
}

bool job_is_of(const struct job *job, const struct pg_result *r)
{
	return strcmp(job->id, job_text(r, 0)) == 0 &&
	       strcmp(job->fence, job_text(r, 5)) == 0;
}

/* Whatever was begun is his. */
void job_lose(struct job *job)
{
	log_warn("deployment %s: another worker has taken it over", job->id);
	job_free(job);
}

/* A question to the database on behalf of a job that may be gone since. */
struct job_ask {
	struct deploy *deploy;
	char id[UUID_TEXT_LEN + 1];
	char fence[24];
	unsigned turn;
	void (*next)(struct job *job);
	void (*again)(struct job *job);
	bool takes_id; /* the row's text is the step's id */
};

static struct job *job_of(const struct job_ask *ask)
{
	struct job *job = ask->deploy->job;

	return job != NULL && strcmp(job->id, ask->id) == 0 &&
			       strcmp(job->fence, ask->fence) == 0 &&
			       job->turn == ask->turn
		       ? job
		       : NULL;
}

/* A database that is away will be back.  One that is full, or will not have
 * what is written, is a reason to go back; that much is written once it can. */
static void job_on_refusal(struct job *job, const struct pg_result *r,
	void (*again)(struct job *job))
{
	bool is_passing = r == NULL || pg_result_is_passing(r);
	bool is_full =
		r != NULL && strcmp(pg_result_sqlstate(r), JOB_DISK_FULL) == 0;

	if (r != NULL && job_awaits_anew(job, pg_result_error(r)))
		log_warn("deployment %s: the database: %s", job->id,
			pg_result_error(r));
	if ((is_passing && !is_full) || job->is_back || job->is_over ||
		again == job_write_failed || again == job_write_back)
		job_again(job, again);
	else
		job_step_failed(job, "the database: %s", pg_result_error(r));
}

static void job_on_answer(const struct pg_result *r, void *arg)
{
	struct job_ask *ask = arg;
	struct job *job = job_of(ask);
	void (*next)(struct job *) = ask->next;
	void (*again)(struct job *) = ask->again;
	bool takes_id = ask->takes_id;

	free(ask);
	if (job == NULL)
		return;
	if (r == NULL || pg_result_is_error(r)) {
		job_on_refusal(job, r, again);
	} else if (pg_result_rows(r) == 0 || strcmp(job_text(r, 0), "f") == 0) {
		job_lose(job);
	} else {
		if (takes_id)
			job_copy(job->step_id, sizeof(job->step_id),
				job_text(r, 0));
		next(job);
	}
}

/* again: what asks this once more, when the database is away. */
static void job_ask(struct job *job, const struct pg_statement *s,
	const char *const *values, bool takes_id, void (*next)(struct job *job),
	void (*again)(struct job *job))
{
	struct job_ask *ask = xcalloc(1, sizeof(*ask));

	ask->deploy = job->deploy;
	job_copy(ask->id, sizeof(ask->id), job->id);
	job_copy(ask->fence, sizeof(ask->fence), job->fence);
	ask->turn = job->turn;
	ask->next = next;
	ask->again = again;
	ask->takes_id = takes_id;
	if (pg_query(job->deploy->pg, s, values, job_on_answer, ask) != 0) {
		free(ask);
		job_again(job, again);
	}
}

/* The database is away: what is to be written down waits for it. */
static void job_on_again(void *arg)
{
	struct job *job = arg;

	job->again(job);
}

static void job_again(struct job *job, void (*what)(struct job *job))
{
	job->again = what;
	job_wait(job, JOB_AGAIN_US, job_on_again);
}

void job_wait(struct job *job, int64_t us, loop_fn fn)
{
	loop_timer_free(job->timer);
	job->timer = loop_timer_new(job->deploy->loop, fn, job);
	loop_timer_start(job->timer, us);
}

/* A test holds it here, before a step or behind it: what is called again.  It
 * sees by the name .held that the worker is there. */
static bool job_is_held(
	struct job *job, const char *where, void (*again)(struct job *job))
{
	const char *prefix = getenv(JOB_HOLD_ENV);
	char *path, *held;
	bool is_held;

	if (prefix == NULL)
		return false;
	path = xasprintf("%s%s%s%s", prefix, job->is_back ? "back." : "",
		step_names[job->step], where);
	held = xasprintf("%s.held", path);
	is_held = rename(path, held) == 0 || access(held, F_OK) == 0;
	free(path);
	free(held);
	if (!is_held)
		return false;
	job->again = again;
	job_wait(job, JOB_HOLD_US, job_on_again);
	return true;
}

static void job_begun(struct job *job)
{
	if (!job_is_held(job, "", job_begun))
		step_begin[job->step](job);
}

static void job_write_begin(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		step_names[job->step] };

	job_ask(job, &job_begin_step, values, true, job_begun, job_write_begin);
}

static void job_begin(struct job *job, enum step step)
{
	job_stop_step(job);
	buf_reset(&job->output);
	job->at = 0;
	job->bad = 0;
	job->is_lenient = false;
	job->step_id[0] = '\0';
	job->awaits[0] = '\0';
	job->step = step;
	if (step == STEP_NONE) {
		job_end(job);
		return;
	}
	log_info("deployment %s: %s%s", job->id,
		job->is_back && step != STEP_ROLLBACK ? "back: " : "",
		step_names[step]);
	job_write_begin(job);
}

static void job_next(struct job *job)
{
	job_begin(job, job_after(job, job->step));
}

static void job_write_done(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		job->step_id, "DONE", buf_str(&job->output) };

	job_ask(job, &job_end_step, values, false, job_next, job_write_done);
}

void job_step_done(struct job *job)
{
	job_stop_step(job);
	if (!job_is_held(job, ".done", job_step_done))
		job_write_done(job);
}

static void job_go_back(struct job *job)
{
	job->is_back = true;
	job_begin(job, job_after(job, STEP_NONE));
}

static void job_write_back(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		job->reason };

	job_ask(job, &job_turn_back, values, false, job_go_back,
		job_write_back);
}

static void job_write_missed(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		job->reason };

	job_ask(job, &job_add_reason, values, false, job_next,
		job_write_missed);
}

/* On the way back nothing stops it: what failed is told, and the rest done. */
static void job_failed(struct job *job)
{
	if (job->is_back)
		job_write_missed(job);
	else
		job_write_back(job);
}

static void job_write_failed(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		job->step_id, "FAILED", buf_str(&job->output) };

	/* Its beginning could not be written down. */
	if (job->step_id[0] == '\0')
		job_failed(job);
	else
		job_ask(job, &job_end_step, values, false, job_failed,
			job_write_failed);
}

/* Both may have been cut in the middle of a letter. */
static void job_keep_reason(struct job *job, const char *why)
{
	struct buf line = BUF_INIT, clean = BUF_INIT;

	buf_printf(&line, "%s%s: %s",
		job->is_back && job->step != STEP_ROLLBACK ? "back: " : "",
		step_names[job->step], why);
	job_keep(&clean, line.data, line.len);
	snprintf(job->reason, sizeof(job->reason), "%s", buf_str(&clean));
	buf_done(&line);
	buf_done(&clean);
}

void job_step_failed(struct job *job, const char *fmt, ...)
{
	char why[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("deployment %s: %s: %s", job->id, step_names[job->step], why);
	job_say(job, "%s", why);
	job_keep_reason(job, why);
	job_stop_step(job);
	job_write_failed(job);
}

static void job_over(struct job *job)
{
	log_info("deployment %s: %s is over on this node", job->id,
		job->is_back ? "the way back" : "the push");
	job_free(job);
}

static const char *job_end_state(const struct job *job)
{
	if (!job->is_back)
		return "DONE";
	return job->is_switched || job->canaries != NULL ? "ROLLED_BACK"
							 : "FAILED";
}

static void job_end(struct job *job)
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		job_end_state(job), job->cause };

	job->is_over = true;
	job_ask(job, &job_end_node, values, false, job_over, job_end);
}

void job_renewed(struct job *job, const struct pg_result *r)
{
	if (job->is_back || job->is_over || strcmp(job_text(r, 3), "BACK") != 0)
		return;
	job->cause =
		*job_text(r, 11) == 't' ? "aborted" : "another node failed";
	job_stop_step(job);
	job_go_back(job);
}

void job_note(struct job *job, const struct pg_statement *s, const char *value,
	void (*next)(struct job *job))
{
	const char *values[] = { job->id, job->deploy->conf->node, job->fence,
		value };

	/* The step begins again: all of them find what they did before. */
	job_ask(job, s, values, false, next, job_begun);
}

char *job_path(const struct job *job, const char *fmt, ...)
{
	struct buf path = BUF_INIT;
	va_list ap;

	buf_puts(&path, job->deploy->options->root);
	buf_putc(&path, '/');
	va_start(ap, fmt);
	buf_vprintf(&path, fmt, ap);
	va_end(ap);
	return buf_take(&path);
}

void (*const step_begin[STEP_COUNT])(struct job *job) = {
	[STEP_FETCH] = step_fetch,
	[STEP_VERIFY] = step_verify,
	[STEP_UNPACK] = step_unpack,
	[STEP_PREPARE] = step_prepare,
	[STEP_GATE] = step_gate,
	[STEP_LOWER] = step_lower,
	[STEP_BEFORE_SWITCH] = step_before_switch,
	[STEP_CANARY] = step_canary,
	[STEP_SWITCH] = step_switch,
	[STEP_WHOLE] = step_whole,
	[STEP_RELOAD] = step_reload,
	[STEP_AFTER_SWITCH] = step_after_switch,
	[STEP_WATCH] = step_watch,
	[STEP_RESTORE] = step_restore,
	[STEP_PRUNE] = step_prune,
	[STEP_ROLLBACK] = step_rollback,
};
