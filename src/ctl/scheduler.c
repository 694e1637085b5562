/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/actor.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/scheduler.h"
#include "ctl/status.h"

/* Fires of so long are looked at, as by the API. */
#define SCHEDULER_WINDOW_MS "300000"

/* Of all tenants. */
static const char scheduler_sql[] =
	"SELECT json_build_object('running', s.is_running, 'leader',"
	" CASE WHEN s.leader_until > clock_timestamp() THEN s.leader END,"
	" 'term', s.term, 'leader_since', CASE WHEN s.leader_until >"
	" clock_timestamp() THEN to_char(s.leader_since" DEFINITION_UTC " END,"
	" 'changed_at', to_char(s.changed_at" DEFINITION_UTC ", 'changed_by',"
	" nullif(s.changed_by, ''), 'enabled', d.enabled, 'due', d.due,"
	" 'next_fire', to_char(d.next" DEFINITION_UTC ", 'lateness',"
	" json_build_object('window_ms', " SCHEDULER_WINDOW_MS ","
	" 'fires', l.fires, 'mean_ms', l.mean, 'p99_ms', l.p99, 'max_ms',"
	" l.most, 'misfired', l.misfired))"
	" FROM reeve.scheduler s, (SELECT count(*) AS enabled,"
	" count(*) FILTER (WHERE next_fire <= clock_timestamp()) AS due,"
	" min(next_fire) AS next FROM reeve.task_definitions"
	" WHERE status = 'ENABLED') d, (SELECT count(late) AS fires,"
	" round(avg(late), 3) AS mean, round((percentile_cont(0.99)"
	" WITHIN GROUP (ORDER BY late))::numeric, 3) AS p99,"
	" round(max(late), 3) AS most, count(*) FILTER (WHERE status ="
	" 'MISFIRED') AS misfired FROM (SELECT i.status, CASE WHEN"
	" i.status <> 'MISFIRED' THEN extract(epoch FROM i.created_at -"
	" i.fire_time) * 1000 END AS late FROM reeve.task_instances i"
	" WHERE i.trigger = 'cron' AND i.id >= reeve.uuid_floor(now() -"
	" " SCHEDULER_WINDOW_MS " * interval '1 ms')) f) l";

static void scheduler_print_lateness(const json_t *late)
{
	char window[32];

	clock_span((int64_t)status_number(late, "window_ms") * US_PER_MS,
		window, sizeof(window));
	printf("%-12s%.0f fires in %s", "late", status_number(late, "fires"),
		window);
	if (status_number(late, "fires") > 0)
		printf(": mean %.1f ms, p99 %.1f ms, at most %.1f ms",
			status_number(late, "mean_ms"),
			status_number(late, "p99_ms"),
			status_number(late, "max_ms"));
	printf("; %.0f misfired\n", status_number(late, "misfired"));
}

static void scheduler_print(const json_t *doc)
{
	bool is_running = json_is_true(json_object_get(doc, "running"));
	const char *leader = status_text(doc, "leader");
	char *by = lane_clean(status_text(doc, "changed_by"));

	printf("%-12s%s\n", "running",
		is_running ? "yes" : "no: nothing fires on any node");
	if (*leader != '\0')
		printf("%-12s%s since %s, term %.0f\n", "leader", leader,
			definition_time(doc, "leader_since"),
			status_number(doc, "term"));
	else
		printf("%-12snone, term %.0f\n", "leader",
			status_number(doc, "term"));
	printf("%-12s%s%s%s\n", "changed", definition_time(doc, "changed_at"),
		*by != '\0' ? " by " : "", by);
	printf("%-12s%.0f enabled, %.0f due now, next at %s\n", "definitions",
		status_number(doc, "enabled"), status_number(doc, "due"),
		definition_time(doc, "next_fire"));
	scheduler_print_lateness(json_object_get(doc, "lateness"));
	free(by);
}

void scheduler_tell(const struct ctl *c, json_t *doc)
{
	if (c->json) {
		lane_print(doc);
		return;
	}
	scheduler_print(doc);
	json_decref(doc);
}

int scheduler_status(struct ctl *c)
{
	struct db_rows *r;
	struct db *db;
	json_t *list;
	int rc = db_open(c, &db);

	if (rc != EXIT_OK)
		return rc;
	rc = db_query(db, &r, scheduler_sql, 0, NULL);
	if (rc == EXIT_OK) {
		list = definition_rows(r);
		scheduler_tell(c, json_incref(json_array_get(list, 0)));
		json_decref(list);
	}
	db_close(db);
	return rc;
}

void scheduler_tell_done(const struct ctl *c, const char *what, bool is_running)
{
	if (c->json)
		lane_print(json_pack("{s:b, s:s, s:b}", "ok", true, "done",
			what, "running", is_running));
	else
		puts(is_running ? "definitions fire"
				: "no definition fires on any node");
}

static int scheduler_set(struct ctl *c, const char *what)
{
	char *who = actor_name();
	const char *values[] = { what, who };
	struct db *db;
	int rc = db_open(c, &db);

	if (rc == EXIT_OK) {
		rc = db_query(db, NULL,
			"SELECT reeve.scheduler_set($1, $2, NULL)", 2, values);
		db_close(db);
	}
	if (rc == EXIT_OK)
		scheduler_tell_done(c, what, strcmp(what, "stop") != 0);
	free(who);
	return rc;
}

int scheduler_start(struct ctl *c)
{
	return scheduler_set(c, "start");
}

int scheduler_stop(struct ctl *c)
{
	return scheduler_set(c, "stop");
}

int scheduler_restart(struct ctl *c)
{
	return scheduler_set(c, "restart");
}
