/* SPDX-License-Identifier: ISC */
#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/instances.h"
#include "api/stats.h"

static const struct field stats_pending[] = {
	{ .name = "total", .type = FIELD_INT, .is_required = true },
	{ .name = "byTopic",
		.type = FIELD_ANY,
		.is_required = true,
		.help = "a member for each topic" },
	{ .name = NULL },
};

/* In the order of the columns of stats_get. */
static const struct field stats_fields[] = {
	{ .name = "pending",
		.type = FIELD_OBJECT,
		.is_required = true,
		.rows = stats_pending },
	{ .name = "processing", .type = FIELD_INT, .is_required = true },
	{ .name = "completed", .type = FIELD_INT, .is_required = true },
	{ .name = "failed",
		.type = FIELD_INT,
		.is_required = true,
		.help = "FAILED and TIMEOUT" },
	{ .name = "cancelled", .type = FIELD_INT, .is_required = true },
	{ .name = "processingRate",
		.type = FIELD_NUMBER,
		.is_required = true,
		.help = "ended a second, over the last minute" },
	{ .name = "successRate",
		.type = FIELD_NUMBER,
		.help = "of those that ended" },
	{ .name = "meanDuration", .type = FIELD_NUMBER, .help = "ms" },
	{ .name = "since",
		.type = FIELD_TIME,
		.is_required = true,
		.help = "ends before then, a whole minute, are not counted" },
	{ .name = NULL },
};

/* What waits and runs is counted, each along its index; what has ended was
 * counted as it did.  Parents are no runs themselves.  Of the minute before
 * this one counts the part that is less than a minute ago. */
static const struct pg_statement stats_get = {
	.name = "api_task_stats",
	.text = "WITH waiting AS (SELECT topic, count(*) AS n"
		" FROM reeve.task_instances WHERE tenant_id = $1"
		" AND status = 'PENDING' AND children = 0 GROUP BY topic),"
		" now AS (SELECT clock_timestamp() AS at,"
		" date_trunc('minute', clock_timestamp() - $2::bigint *"
		" interval '1 ms') AS since),"
		" ended AS (SELECT coalesce(sum(success), 0) AS good,"
		" coalesce(sum(failed), 0) AS bad,"
		" coalesce(sum(cancelled), 0) AS cancelled,"
		" sum(duration_ms) / nullif(sum(timed), 0) AS mean,"
		" coalesce(sum((success + failed + cancelled) * least(1,"
		" 2 - extract(epoch FROM at - minute) / 60)) FILTER (WHERE"
		" minute > at - interval '2 minutes'), 0) AS latest"
		" FROM now, reeve.task_ends WHERE tenant_id = $1"
		" AND minute >= since)"
		" SELECT json_build_object('total',"
		" coalesce((SELECT sum(n) FROM waiting), 0), 'byTopic',"
		" coalesce((SELECT json_object_agg(topic, n) FROM waiting),"
		" '{}')), (SELECT count(*) FROM reeve.task_instances i"
		" WHERE " INSTANCE_RUNS_OF(
			"$1") " AND i.status = 'RUNNING'"
			      " AND i.children = 0), good, bad, cancelled,"
			      " round(latest / 60, 3), round(good / nullif(good + bad, 0),"
			      " 4), round(mean, 3), reeve.iso(since) FROM now, ended",
	.params = 2,
};

static void stats_serve(struct call *call)
{
	const struct field_value *window = field_get(&call->query, "window");

	db_query(call, &stats_get,
		(const char *[]){ call->access.tenant,
			arena_printf(call->arena, "%lld",
				window->is_set ? (long long)window->number
					       : 86400000LL) },
		answer_one);
}

static const struct field stats_query[] = {
	{ .name = "window",
		.type = FIELD_DURATION,
		.minimum = 60000,
		.maximum = INT64_C(7) * 86400 * 1000,
		.default_text = "24h",
		.help = "what ended since so long ago is counted" },
	{ .name = NULL },
};

const struct route stats_routes[] = {
	{ .method = HTTP_GET,
		.path = "/api/v1/tasks/stats",
		.operation = "getTaskStats",
		.tag = "tasks",
		.summary = "how many of the tenant's tasks wait, run and ended",
		.role = ROUTE_VIEWER,
		.query = stats_query,
		.shape = ROUTE_ONE,
		.answer_name = "TaskStats",
		.answer = stats_fields,
		.serve = stats_serve },
	{ .path = NULL },
};
