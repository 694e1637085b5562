/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "deploy/deploy.h"
#include "deploy/files.h"
#include "deploy/job.h"
#include "link/http.h"
#include "loop/loop.h"
#include "task/handler_child.h"

/* A node is a member of its application as long as it asks. */
#define DEPLOY_IDLE_US (5 * (int64_t)US_PER_S)
/* The row that a job holds is its own for 5 s. */
#define DEPLOY_BUSY_US (1 * (int64_t)US_PER_S)
/* Another worker of this node is about to leave. */
#define DEPLOY_SOON_US (200 * (int64_t)US_PER_MS)

static const struct pg_statement deploy_ask = {
	.name = "deploy_look",
	.text = "SELECT * FROM reeve.deploy_look($1, $2, $3, $4, $5,"
		" $6::bigint)",
	.params = 6,
};

/* Who leaves does not keep the next one waiting. */
static const struct pg_statement deploy_release = {
	.name = "deploy_release",
	.text = "UPDATE reeve.deployment_nodes SET until = '-infinity'"
		" WHERE deployment_id = $1::uuid AND node = $2"
		" AND fence = $3::bigint",
	.params = 3,
};

/* Who of this node holds what runs, but for the one who asks. */
static const struct pg_statement deploy_ask_holder = {
	.name = "deploy_holder",
	.text = "SELECT n.deployment_id, n.fence, n.holder"
		" FROM reeve.deployment_nodes n JOIN reeve.deployments d"
		" ON d.id = n.deployment_id WHERE d.app = $1"
		" AND n.state IN ('FORWARD', 'BACK') AND n.node = $2"
		" AND n.holder <> $3 AND n.until > now()",
	.params = 3,
};

static void deploy_look(struct deploy *d);

static void deploy_rest(struct deploy *d, int64_t us)
{
	d->is_looking = false;
	if (!d->is_draining)
		loop_timer_start(d->tick, us);
}

static bool deploy_is_good(const struct pg_result *r)
{
	if (r == NULL)
		return false;
	if (pg_result_is_error(r) && !pg_result_is_passing(r))
		log_error("looking for deployments: %s", pg_result_error(r));
	return !pg_result_is_error(r);
}

static void deploy_on_taken(const struct pg_result *r, void *arg)
{
	struct deploy *d = arg;

	d->is_looking = false;
	if (deploy_is_good(r))
		deploy_look(d);
	else
		deploy_rest(d, DEPLOY_BUSY_US);
}

/* Dead, and its parent has not looked yet. */
static bool deploy_is_zombie(pid_t pid)
{
	char path[64], *text, *state;
	bool is_zombie;
	struct err err;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = files_read(path, 1024, &err);
	state = text != NULL ? strrchr(text, ')') : NULL;
	is_zombie = state != NULL && strncmp(state, ") Z", 3) == 0;
	free(text);
	return is_zombie;
}

/* NODE/POOL.INDEX/PID of this node. */
static bool deploy_is_dead(const char *holder)
{
	const char *slash = strrchr(holder, '/');
	long pid = slash != NULL ? strtol(slash + 1, NULL, 10) : 0;

	if (pid <= 0)
		return false;
	if (kill((pid_t)pid, 0) == -1)
		return errno == ESRCH;
	return deploy_is_zombie((pid_t)pid);
}

/* Often enough not to be taken for lost. */
static int64_t deploy_pause(const struct deploy *d, int64_t us)
{
	int64_t third = d->options->node_timeout_us / 3;

	return third < us ? third : us;
}

/* One that was killed holds its row no longer, whatever its time. */
static void deploy_on_holder(const struct pg_result *r, void *arg)
{
	struct deploy *d = arg;
	const char *values[3];

	if (!deploy_is_good(r) || d->is_draining) {
		deploy_rest(d, DEPLOY_BUSY_US);
	} else if (pg_result_rows(r) == 0) {
		deploy_rest(d, deploy_pause(d, DEPLOY_IDLE_US));
	} else if (!deploy_is_dead(pg_result_text(r, 0, 2))) {
		deploy_rest(d, DEPLOY_SOON_US);
	} else {
		values[0] = pg_result_text(r, 0, 0);
		values[1] = d->conf->node;
		values[2] = pg_result_text(r, 0, 1);
		if (pg_query(d->pg, &deploy_release, values, deploy_on_taken,
			    d) != 0)
			deploy_rest(d, DEPLOY_BUSY_US);
	}
}

static void deploy_look_for_holder(struct deploy *d)
{
	const char *values[] = { d->pool->name, d->conf->node, d->holder };

	if (pg_query(d->pg, &deploy_ask_holder, values, deploy_on_holder, d) !=
		0)
		deploy_rest(d, DEPLOY_BUSY_US);
}

static void deploy_on_answer(const struct pg_result *r, void *arg)
{
	struct deploy *d = arg;

	if (!deploy_is_good(r) || d->is_draining) {
		deploy_rest(d, DEPLOY_BUSY_US);
		return;
	}
	if (pg_result_rows(r) == 1) {
		if (d->job != NULL && !job_is_of(d->job, r))
			job_lose(d->job);
		if (d->job == NULL)
			d->job = job_new(d, r);
		else
			job_renewed(d->job, r);
	}
	if (d->job != NULL)
		deploy_rest(d, deploy_pause(d, DEPLOY_BUSY_US));
	else
		deploy_look_for_holder(d);
}

static void deploy_look(struct deploy *d)
{
	const struct deploy_options *o = d->options;
	char share[32], away_ms[24];
	const char *values[] = { d->pool->name, d->conf->node, d->holder,
		deploy_strategies[o->strategy], share, away_ms };

	if (d->is_looking || d->is_draining)
		return;
	d->is_looking = true;
	snprintf(share, sizeof(share), "%lld%s", (long long)o->canary.value,
		o->canary.is_percent ? "%" : "");
	snprintf(away_ms, sizeof(away_ms), "%lld",
		(long long)(o->node_timeout_us / US_PER_MS));
	if (pg_query(d->pg, &deploy_ask, values, deploy_on_answer, d) != 0) {
		d->is_looking = false;
		loop_timer_start(d->tick, DEPLOY_BUSY_US);
	}
}

static void deploy_on_tick(void *arg)
{
	deploy_look(arg);
}

static void deploy_on_notice(const char *payload, void *arg)
{
	struct deploy *d = arg;

	if (payload == NULL || strcmp(payload, d->pool->name) == 0)
		deploy_look(d);
}

static void deploy_on_database(enum pg_state state, const char *why, void *arg)
{
	struct deploy *d = arg;

	if (state == PG_UP) {
		log_info("database: %s", why);
		deploy_look(d);
	} else {
		log_warn("database: %s", why);
	}
}

static void deploy_on_redis(enum redis_state state, const char *why, void *arg)
{
	(void)arg;
	if (state == REDIS_DOWN)
		log_warn("redis: %s", why);
}

static int deploy_open_links(struct deploy *d, struct err *err)
{
	const struct conf *c = d->conf;
	struct pg_options p = {
		.url = c->database_url,
		.connections = 1,
		.name = "reeve deploy",
		.connect_timeout_us = c->database_connect_timeout_us,
		.statement_timeout_us = c->database_statement_timeout_us,
	};
	struct redis_options r = {
		.url = c->redis_url,
		.sentinel_master = c->redis_sentinel_master,
		.sentinel_nodes = &c->redis_sentinel_nodes,
		.name = "reeve deploy",
	};

	d->pg = pg_open(d->loop, &p, deploy_on_database, d, err);
	if (d->pg == NULL)
		return -1;
	pg_listen(d->pg, "reeve_deploy", deploy_on_notice, d);
	if (c->redis_url == NULL && c->redis_sentinel_master == NULL)
		return 0;
	d->redis = redis_open(d->loop, &r, deploy_on_redis, d, err);
	return d->redis != NULL ? 0 : -1;
}

static void deploy_stop(void *arg)
{
	struct deploy *d = arg;

	d->is_draining = true;
	job_free(d->job);
	redis_close(d->redis);
	pg_close(d->pg);
	http_client_free(d->http);
	loop_timer_free(d->tick);
	handler_children_free(d->children);
	free(d->holder);
	free(d);
}

/* Two would each remove and switch what is the other's. */
static int deploy_check_root(const struct deploy *d, struct err *err)
{
	const struct deploy_options *other;
	const struct conf_pool *p;
	size_t i;

	for (i = 0; i < d->conf->pool_count; i++) {
		p = &d->conf->pools[i];
		other = p->own;
		if (p->kind == &conf_kind_deploy && p != d->pool &&
			strcmp(p->name, d->pool->name) != 0 &&
			strcmp(other->root, d->options->root) == 0)
			return err_set(err, 0,
				"\"root\" %s is that of pool %s, too",
				other->root, p->name);
	}
	return 0;
}

static void *deploy_start(struct worker *w, struct err *err)
{
	const struct child *child = worker_child(w);
	struct deploy *d = xcalloc(1, sizeof(*d));

	d->worker = w;
	d->loop = worker_loop(w);
	d->conf = child->conf;
	d->pool = child->pool;
	d->options = child->pool->own;
	d->holder = xasprintf("%s/%s.%d/%d", d->conf->node, d->pool->name,
		child->index, (int)getpid());
	d->children = handler_children_new(d->loop);
	d->tick = loop_timer_new(d->loop, deploy_on_tick, d);
	if (deploy_check_root(d, err) != 0 || deploy_open_links(d, err) != 0) {
		deploy_stop(d);
		return NULL;
	}
	loop_timer_start(d->tick, DEPLOY_BUSY_US);
	return d;
}

static void deploy_on_released(const struct pg_result *r, void *arg)
{
	struct deploy *d = arg;

	(void)r;
	worker_done(d->worker);
}

/* A deployment outlives its worker: the next one goes on at its step. */
static void deploy_drain(void *arg)
{
	struct deploy *d = arg;
	const char *values[3];

	d->is_draining = true;
	loop_timer_stop(d->tick);
	if (d->job == NULL) {
		worker_done(d->worker);
		return;
	}
	values[0] = d->job->id;
	values[1] = d->conf->node;
	values[2] = d->job->fence;
	if (pg_query(d->pg, &deploy_release, values, deploy_on_released, d) !=
		0)
		worker_done(d->worker);
	log_info("deployment %s: goes on in the next worker", d->job->id);
	job_free(d->job);
}

const struct role role_deploy = {
	.name = "deploy",
	.kind = &conf_kind_deploy,
	.start = deploy_start,
	.drain = deploy_drain,
	.stop = deploy_stop,
};
