/* SPDX-License-Identifier: ISC */
/*
 * share - on the only node, a share of its consumers runs the new release
 * before the node does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "board/view.h"
#include "conf/conf.h"
#include "deploy/files.h"
#include "deploy/job.h"
#include "task/canary.h"

#define SHARE_ROLL_US (15 * 60 * (int64_t)US_PER_S)

static const struct pg_statement share_note_chosen = {
	.name = "deploy_note_canaries",
	.text = "UPDATE reeve.deployment_nodes SET canaries = $4"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint RETURNING 1",
	.params = 4,
};

static const struct pg_statement share_note_begun = {
	.name = "deploy_note_canaries_at",
	.text = "UPDATE reeve.deployment_nodes SET canaries_at = now()"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint AND canaries = $4 RETURNING 1",
	.params = 4,
};

/* Which of them ------------------------------------------------------------ */

struct share_pool {
	char name[64];
	int count, taken;
};

static int share_by_count(const void *a, const void *b)
{
	const struct share_pool *x = a, *y = b;

	return x->count != y->count ? y->count - x->count
				    : strcmp(x->name, y->name);
}

/* Those that have consumers, the largest first; returns how many. */
static int share_pools(const struct job *job, struct share_pool *pools)
{
	const struct board *b = worker_child(job->deploy->worker)->board;
	int limit = atomic_load(&b->map->header.pool_limit);
	struct board_pool p;
	int k, n = 0;

	for (k = 0; k < limit && k < BOARD_POOLS_MAX; k++) {
		(void)board_read_pool(b, k, &p);
		if (p.state == BOARD_POOL_UNUSED || p.desired <= 0 ||
			strcmp(p.kind, "queue") != 0)
			continue;
		memcpy(pools[n].name, p.name, sizeof(pools[n].name));
		pools[n++].count = p.desired;
	}
	qsort(pools, (size_t)n, sizeof(*pools), share_by_count);
	return n;
}

/* At least one, and not all of several. */
static int share_count(const struct conf_share *share, int all)
{
	int64_t n = share->is_percent ? (all * share->value + 99) / 100
				      : share->value;

	if (n >= all)
		n = all - 1;
	return n > 0 ? (int)n : 1;
}

/* One more of each pool, as long as `spare` stay; returns how many are left. */
static int share_take(struct share_pool *pools, int n, int spare, int left)
{
	int k;

	for (k = 0; k < n && left > 0; k++)
		if (pools[k].taken + spare < pools[k].count) {
			pools[k].taken++;
			left--;
		}
	return left;
}

/* In turn from each pool, and the last of a pool only when there is no other. */
static void share_pick(struct share_pool *pools, int n, int left)
{
	int spare = 1, rest;

	while (left > 0) {
		rest = share_take(pools, n, spare, left);
		if (rest == left)
			spare--;
		left = rest;
	}
}

static void share_print(
	const struct share_pool *pools, int n, struct buf *ret_names)
{
	int k, index;

	for (k = 0; k < n; k++)
		for (index = 0; index < pools[k].taken; index++)
			buf_printf(ret_names, "%s%s.%d",
				ret_names->len > 0 ? " " : "", pools[k].name,
				index);
}

/* POOL.INDEX of each, a space between; NULL: there is no share to be had. */
static char *share_choose(struct job *job)
{
	struct deploy *d = job->deploy;
	struct share_pool *pools = xcalloc(BOARD_POOLS_MAX, sizeof(*pools));
	int k, all = 0, n = share_pools(job, pools);
	struct buf names = BUF_INIT;
	char *chosen = NULL;

	for (k = 0; k < n; k++)
		all += pools[k].count;
	if (job->from[0] == '\0') {
		job_say(job, "there is no release beside it");
	} else if (!canary_is_of_use(d->conf, d->options->root)) {
		job_say(job, "no handler goes by %s/current", d->options->root);
	} else if (all < 2) {
		job_say(job, "there are no two consumers");
	} else {
		share_pick(pools, n, share_count(&d->options->canary, all));
		share_print(pools, n, &names);
		job_say(job, "of %d consumers: %s", all, buf_str(&names));
		chosen = buf_take(&names);
	}
	if (chosen == NULL)
		job_say(job, "all of this node is watched for canary_for");
	free(pools);
	return chosen;
}

/* Their pools -------------------------------------------------------------- */

static void share_roll(struct job *job);

/* The pool of the name that begins at *at, heap; moves *at behind all names of
 * the same pool.  NULL: there is none. */
static char *share_next_pool(const char **at)
{
	const char *name = *at, *dot;
	size_t len;

	if (*name == '\0')
		return NULL;
	dot = name + strcspn(name, " ");
	while (*dot != '.')
		dot--;
	len = (size_t)(dot - name) + 1;
	while (strncmp(*at, name, len) == 0) {
		*at += strcspn(*at, " ");
		*at += **at == ' ';
	}
	return xstrndup(name, len - 1);
}

static void share_on_control(int status, const char *text, void *arg)
{
	struct job *job = arg;

	job->control = NULL;
	if (!switch_is_away(job, status))
		job_say(job, "%s", text);
	if (status == 200)
		share_roll(job);
	else if (switch_is_away(job, status))
		job_retry(job, text);
	else
		job_step_failed(job, "its pool was refused");
}

/* Each pool from job->at on, then what job->after says. */
static void share_roll(struct job *job)
{
	const char *at = job->canaries + job->at;
	char *pool = share_next_pool(&at), *path;
	struct err err;

	if (pool == NULL) {
		job->after(job);
		return;
	}
	job->at = (size_t)(at - job->canaries);
	path = xasprintf("/pools/%s/restart", pool);
	job_say(job, "%s", path);
	job->control =
		control_post(job->deploy->loop, job->deploy->conf->control_path,
			path, SHARE_ROLL_US, share_on_control, job, &err);
	free(path);
	free(pool);
	if (job->control == NULL)
		job_retry(job, err.text);
}

static void share_roll_all(struct job *job, void (*after)(struct job *job))
{
	job->at = 0;
	job->after = after;
	share_roll(job);
}

/* The steps ---------------------------------------------------------------- */

static int share_write(struct job *job, struct err *err)
{
	const char *root = job->deploy->options->root;
	char *path = job_path(job, CANARY_WORKERS);
	struct buf lines = BUF_INIT;
	const char *c;
	int rc;

	for (c = job->canaries; *c != '\0'; c++)
		buf_putc(&lines, *c == ' ' ? '\n' : *c);
	buf_putc(&lines, '\n');
	rc = files_link(root, CANARY_LINK, job->version, err);
	if (rc == 0)
		rc = files_write(path, buf_str(&lines), err);
	buf_done(&lines);
	free(path);
	return rc;
}

static void share_watch(struct job *job)
{
	watch_begin(job, job->deploy->options->canary_for_us);
}

static void share_begun(struct job *job)
{
	job_note(job, &share_note_begun, job->canaries, share_watch);
}

static void share_begin(struct job *job)
{
	struct err err;

	if (share_write(job, &err) != 0)
		job_step_failed(job, "%s", err.text);
	else
		share_roll_all(job, share_begun);
}

void step_canary(struct job *job)
{
	if (job->canaries == NULL) {
		job->canaries = share_choose(job);
		if (job->canaries == NULL)
			job_step_done(job);
		else
			job_note(job, &share_note_chosen, job->canaries,
				share_begin);
	} else {
		share_begin(job);
	}
}

static void share_forget(struct job *job)
{
	char *path = job_path(job, CANARY_LINK);

	(void)unlink(path);
	free(path);
	job_step_done(job);
}

void step_whole(struct job *job)
{
	char *path;
	int rc;

	if (job->canaries == NULL) {
		job_step_done(job);
		return;
	}
	path = job_path(job, CANARY_WORKERS);
	rc = unlink(path);
	if (rc == -1 && errno != ENOENT)
		job_step_failed(job, "%s: %s", path, strerror(errno));
	else
		share_roll_all(job, share_forget);
	free(path);
}
