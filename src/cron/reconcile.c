/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/leader.h"
#include "cron/reconcile.h"
#include "store/outbox.h"
#include "task/keys.h"

/* What is on its way is not lost. */
#define RECONCILE_GRACE_MS 30000
/* Rows of one statement. */
#define RECONCILE_PART 5000
/* How often runs that nobody has are looked for. */
#define RECONCILE_ORPHANS_US (600 * (int64_t)US_PER_S)
/* After a process is gone: others take over by then what it had, and its node
 * has said often enough that it has it no more. */
#define RECONCILE_SOON_US (45 * (int64_t)US_PER_S)
/* After Redis has lost its data: whoever still runs says so until then. */
#define RECONCILE_SETTLE_US (30 * (int64_t)US_PER_S)

struct reconcile {
	struct crontab *crontab;
	struct leader *leader;
	char *marker;          /* key */
	int64_t topics_due_us; /* clock_now */
	int64_t orphans_due_us;
	bool is_marking, is_listing, is_searching;
	bool is_restoring; /* all rows, since the marker is gone */
	bool is_known;     /* the marker was looked at in this term */
	int64_t restored;  /* rows so far */
	unsigned topics;   /* under way */
};

/* A topic whose rows are looked at. */
struct reconcile_topic {
	struct reconcile *reconcile;
	char *name;
};

static const struct pg_statement reconcile_topics = {
	.name = "reconcile_topics",
	.text = "SELECT DISTINCT topic FROM reeve.task_instances "
		"WHERE status = 'PENDING' AND NOT is_held AND children = 0 "
		"AND greatest(created_at, due_at) <"
		" now() - $1::bigint * interval '1 ms' "
		"AND NOT EXISTS (SELECT FROM reeve.outbox WHERE created_at <"
		" now() - interval '5 s' AND coalesce(due_at, now()) <= now())",
	.params = 1,
};
static const struct pg_statement reconcile_lost = {
	.name = "reconcile_lost",
	.text = "SELECT reeve.requeue_lost($1, $2::bigint, $3::int)",
	.params = 3,
};
static const struct pg_statement reconcile_all = {
	.name = "reconcile_all",
	.text = "SELECT number, last FROM reeve.requeue_all($1::uuid, $2::int)",
	.params = 2,
};
static const struct pg_statement reconcile_running = {
	.name = "reconcile_running",
	.text = "SELECT reeve.requeue_orphans($1::int)",
	.params = 1,
};

static void reconcile_restore(struct reconcile *r, const char *after);

static bool reconcile_is_bad(
	struct reconcile *r, const struct pg_result *p, const char *what)
{
	if (p == NULL)
		return true;
	if (!pg_result_is_error(p))
		return false;
	leader_fault(r->leader, what, pg_result_error(p));
	return true;
}

static void reconcile_on_lost(const struct pg_result *p, void *arg)
{
	struct reconcile_topic *t = arg;
	struct reconcile *r = t->reconcile;
	int64_t n;

	r->topics--;
	if (!reconcile_is_bad(r, p, "reconcile")) {
		n = pg_result_int(p, 0, 0, 0);
		if (n > 0) {
			log_warn("topic %s: %lld tasks were in no stream, "
				 "enqueued again",
				t->name, (long long)n);
			outbox_poke(r->crontab->outbox);
		}
	}
	free(t->name);
	free(t);
}

/* Everything that came before the oldest entry that waits was delivered. */
static void reconcile_on_lengths(const struct redis_reply *reply, void *arg)
{
	struct reconcile_topic *t = arg;
	struct reconcile *r = t->reconcile;
	char before[24], part[24];
	const char *values[3] = { t->name, before, part };
	int64_t age_ms;

	if (reply != NULL && redis_type(reply) == REDIS_ARRAY) {
		age_ms = redis_int(redis_at(reply, 4), 0);
		snprintf(before, sizeof(before), "%" PRId64,
			age_ms + RECONCILE_GRACE_MS);
		snprintf(part, sizeof(part), "%d", RECONCILE_PART);
		if (pg_query(r->crontab->pg, &reconcile_lost, values,
			    reconcile_on_lost, t) == 0)
			return;
	}
	r->topics--;
	free(t->name);
	free(t);
}

static void reconcile_ask_topic(struct reconcile *r, const char *name)
{
	const char *prefix = r->crontab->conf->redis_prefix;
	struct reconcile_topic *t = xcalloc(1, sizeof(*t));
	char *keys[3] = { keys_topic(prefix, name, ""),
		keys_topic(prefix, name, ":delayed"),
		keys_topic(prefix, name, ":dead") };
	const char *argv[4] = { keys[0], keys[1], keys[2], KEYS_GROUP };
	int i;

	t->reconcile = r;
	t->name = xstrdup(name);
	r->topics++;
	if (redis_script(r->crontab->redis, reconcile_on_lengths, t,
		    &keys_lengths, 3, 4, argv, NULL) != 0) {
		r->topics--;
		free(t->name);
		free(t);
	}
	for (i = 0; i < 3; i++)
		free(keys[i]);
}

static void reconcile_on_topics(const struct pg_result *p, void *arg)
{
	struct reconcile *r = arg;
	int i, n;

	r->is_listing = false;
	if (reconcile_is_bad(r, p, "reconcile"))
		return;
	n = pg_result_rows(p);
	for (i = 0; i < n; i++)
		reconcile_ask_topic(r, pg_result_text(p, i, 0));
}

static void reconcile_list(struct reconcile *r)
{
	char number[24];
	const char *value = number;

	if (r->is_listing || r->topics > 0)
		return;
	snprintf(number, sizeof(number), "%d", RECONCILE_GRACE_MS);
	r->is_listing = pg_query(r->crontab->pg, &reconcile_topics, &value,
				reconcile_on_topics, r) == 0;
}

static void reconcile_on_running(const struct pg_result *p, void *arg)
{
	struct reconcile *r = arg;
	int64_t n;

	r->is_searching = false;
	if (reconcile_is_bad(r, p, "runs that nobody has"))
		return;
	n = pg_result_int(p, 0, 0, 0);
	if (n > 0) {
		log_warn("%lld tasks ran where nobody is any more, enqueued "
			 "again",
			(long long)n);
		outbox_poke(r->crontab->outbox);
	}
	if (n == RECONCILE_PART)
		r->orphans_due_us = clock_now();
}

static void reconcile_search(struct reconcile *r)
{
	char part[24];
	const char *value = part;

	if (r->is_searching)
		return;
	r->orphans_due_us = clock_now() + RECONCILE_ORPHANS_US;
	snprintf(part, sizeof(part), "%d", RECONCILE_PART);
	r->is_searching = pg_query(r->crontab->pg, &reconcile_running, &value,
				  reconcile_on_running, r) == 0;
}

void reconcile_orphans(struct reconcile *r)
{
	r->orphans_due_us = clock_now();
	reconcile_search(r);
}

void reconcile_orphans_soon(struct reconcile *r)
{
	int64_t due_us = clock_now() + RECONCILE_SOON_US;

	if (due_us < r->orphans_due_us)
		r->orphans_due_us = due_us;
}

/* All is in the outbox: from now on what is missing is lost again. */
static void reconcile_restored(struct reconcile *r)
{
	r->is_restoring = false;
	if (r->restored > 0)
		log_warn("Redis has lost its data: %lld tasks are enqueued "
			 "again",
			(long long)r->restored);
	r->restored = 0;
	(void)redis_printf(r->crontab->redis, NULL, NULL, "SET %s %s",
		r->marker, r->crontab->name);
	r->orphans_due_us = clock_now() + RECONCILE_SETTLE_US;
	outbox_poke(r->crontab->outbox);
}

static void reconcile_on_all(const struct pg_result *p, void *arg)
{
	struct reconcile *r = arg;
	int64_t n;

	if (reconcile_is_bad(r, p, "what Redis has lost")) {
		r->is_restoring = false;
		return;
	}
	n = pg_result_int(p, 0, 0, 0);
	r->restored += n;
	outbox_poke(r->crontab->outbox);
	if (n < RECONCILE_PART)
		reconcile_restored(r);
	else
		reconcile_restore(r, pg_result_text(p, 0, 1));
}

static void reconcile_restore(struct reconcile *r, const char *after)
{
	char part[24];
	const char *values[2] = { after, part };

	snprintf(part, sizeof(part), "%d", RECONCILE_PART);
	r->is_restoring = pg_query(r->crontab->pg, &reconcile_all, values,
				  reconcile_on_all, r) == 0;
}

static void reconcile_on_marker(const struct redis_reply *reply, void *arg)
{
	struct reconcile *r = arg;

	r->is_marking = false;
	if (reply == NULL || redis_type(reply) != REDIS_INTEGER)
		return;
	r->is_known = true;
	if (redis_int(reply, 1) == 0 && !r->is_restoring)
		reconcile_restore(r, "00000000-0000-0000-0000-000000000000");
}

void reconcile_look(struct reconcile *r, bool is_new)
{
	struct crontab *c = r->crontab;
	int64_t now = clock_now();

	if (is_new) {
		r->is_known = false;
		r->topics_due_us = now + c->options->reconcile_us;
		r->orphans_due_us = now + RECONCILE_SETTLE_US;
	}
	if (!r->is_marking && redis_is_up(c->redis))
		r->is_marking = redis_printf(c->redis, reconcile_on_marker, r,
					"EXISTS %s", r->marker) == 0;
	if (now >= r->orphans_due_us)
		reconcile_search(r);
	if (now < r->topics_due_us || !r->is_known || r->is_restoring)
		return;
	r->topics_due_us = now + c->options->reconcile_us;
	reconcile_list(r);
}

struct reconcile *reconcile_new(struct crontab *c, struct leader *l)
{
	struct reconcile *r = xcalloc(1, sizeof(*r));

	r->crontab = c;
	r->leader = l;
	r->marker = keys_other(c->conf->redis_prefix, "alive", "");
	return r;
}

void reconcile_free(struct reconcile *r)
{
	free(r->marker);
	free(r);
}
