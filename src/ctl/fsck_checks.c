/* SPDX-License-Identifier: ISC */
#include "ctl/fsck_checks.h"

/* What is younger is on its way. */
#define CHECKS_GRACE "interval '2 s'"

#define CHECKS_OVER "NOT IN ('PENDING', 'RUNNING')"

#define CHECKS_FOUND "pg_temp.fsck_found f WHERE f.name = "

/* Runs of `lost` (ids) go to the queue again; what older results say of them
 * does not count any more. */
#define CHECKS_AGAIN                                                         \
	", moved AS (UPDATE reeve.task_instances i SET status = 'PENDING',"  \
	" epoch = i.epoch + 1, start_time = NULL, worker = NULL,"            \
	" execution_node = NULL,"                                            \
	" due_at = greatest(i.due_at, clock_timestamp()) "                   \
	"FROM lost WHERE i.id = lost.id RETURNING i), "                      \
	"queued AS (INSERT INTO reeve.outbox (instance_id, topic, envelope," \
	" due_at) SELECT (m.i).id, (m.i).topic, reeve.envelope(m.i),"        \
	" CASE WHEN (m.i).due_at > clock_timestamp() THEN (m.i).due_at END " \
	"FROM moved m RETURNING 1) "                                         \
	"SELECT count(*) FROM queued"

/* Where subtasks are not as their parent counts them. */
#define CHECKS_CHILDREN                                                      \
	"reeve.task_instances p LEFT JOIN (SELECT parent_id, count(*) AS n," \
	" count(*) FILTER (WHERE status " CHECKS_OVER ") AS done,"           \
	" count(*) FILTER (WHERE status " CHECKS_OVER                        \
	" AND status <> 'SUCCESS') AS bad "                                  \
	"FROM reeve.task_instances WHERE parent_id IS NOT NULL GROUP BY 1) " \
	"c ON c.parent_id = p.id "

const struct fsck_check fsck_checks[] = {
	{ .name = "lost",
		.text = "tasks wait, and are in no queue",
		.found = "SELECT i.id::text, i.xmin::text "
			 "FROM reeve.task_instances i "
			 "WHERE i.status = 'PENDING' AND NOT i.is_held"
			 " AND i.children = 0"
			 " AND i.created_at < now() - " CHECKS_GRACE
			 " AND (i.worker IS DISTINCT FROM 'inline'"
			 " OR i.created_at < now() - interval '30 s')"
			 " AND NOT EXISTS (SELECT FROM pg_temp.fsck_queue q"
			 " WHERE q.id = i.id)"
			 " AND NOT EXISTS (SELECT FROM reeve.outbox o"
			 " WHERE o.instance_id = i.id)",
		.mend = "WITH lost AS MATERIALIZED (SELECT i.id "
			"FROM reeve.task_instances i,"
			" " CHECKS_FOUND
			"'lost' AND f.key::uuid = i.id AND f.sig = i.xmin::text"
			" AND i.status = 'PENDING' AND NOT i.is_held "
			"ORDER BY i.id FOR NO KEY UPDATE OF i SKIP LOCKED)" CHECKS_AGAIN,
		.done = "enqueued again" },
	{ .name = "running",
		.text = "tasks run by their rows, and nobody has them",
		.found = "SELECT i.id::text, i.xmin::text "
			 "FROM reeve.task_instances i "
			 "LEFT JOIN reeve.worker_registry r"
			 " ON r.worker_id = i.execution_node "
			 "WHERE i.status = 'RUNNING' AND i.children = 0"
			 " AND i.start_time < now() - " CHECKS_GRACE
			 " AND CASE WHEN (r.state = 'OFFLINE'"
			 " OR r.heartbeat_at < now() - interval '1 minute')"
			 " AND i.start_time <= r.heartbeat_at"
			 " + interval '5 s' THEN true"
			 /* Inline: only its process has it. */
			 " WHEN EXISTS (SELECT"
			 " FROM jsonb_array_elements(r.pools) p"
			 " WHERE p->>'kind' = 'crontab' AND starts_with("
			 "split_part(i.worker, '/', 2), p->>'name' || '.'))"
			 " THEN i.start_time < r.heartbeat_at - interval '30 s'"
			 " AND split_part(i.worker, '/', 3) <>"
			 " ALL (r.pids::text[])"
			 " ELSE NOT EXISTS (SELECT FROM pg_temp.fsck_queue q"
			 " WHERE q.id = i.id AND q.is_held) END",
		.mend = "WITH lost AS MATERIALIZED (SELECT i.id "
			"FROM reeve.task_instances i,"
			" " CHECKS_FOUND
			"'running' AND f.key::uuid = i.id AND f.sig = i.xmin::text"
			" AND i.status = 'RUNNING' "
			"ORDER BY i.id FOR NO KEY UPDATE OF i SKIP LOCKED)" CHECKS_AGAIN,
		.done = "enqueued again, with a new epoch" },
	{ .name = "stale",
		.text = "entries of the queue are of tasks that are over or "
			"gone",
		.found = "SELECT DISTINCT q.topic || ' ' || q.entry,"
			 " q.id::text || coalesce(i.xmin::text, '') "
			 "FROM pg_temp.fsck_queue q "
			 "LEFT JOIN reeve.task_instances i ON i.id = q.id "
			 "WHERE q.is_tracked AND CASE WHEN i.id IS NULL"
			 " THEN q.is_stored ELSE i.status " CHECKS_OVER " AND"
			 " coalesce(i.end_time, i.created_at) <"
			 " now() - " CHECKS_GRACE " END",
		.done = "taken out" },
	{ .name = "active",
		.text = "definitions have runs that are over or gone",
		.found = "SELECT a.instance_id::text, a.since::text "
			 "FROM reeve.task_active a "
			 "WHERE a.since < now() - " CHECKS_GRACE
			 " AND NOT EXISTS (SELECT FROM reeve.task_instances i"
			 " WHERE i.id = a.instance_id"
			 " AND i.status IN ('PENDING', 'RUNNING'))",
		.mend = "WITH gone AS (DELETE FROM reeve.task_active a"
			" USING " CHECKS_FOUND
			"'active' AND f.key::uuid = a.instance_id"
			" AND f.sig = a.since::text RETURNING 1) "
			"SELECT count(*) FROM gone",
		.after = "SELECT reeve.loose_ends()",
		.done = "forgotten, and what they held back goes on" },
	{ .name = "keys",
		.text = "unique keys are held by tasks that are over or gone",
		.found = "SELECT k.tenant_id || '/' || k.unique_key,"
			 " k.instance_id::text FROM reeve.task_keys k "
			 "WHERE NOT EXISTS (SELECT FROM reeve.task_instances i"
			 " WHERE i.id = k.instance_id"
			 " AND i.status IN ('PENDING', 'RUNNING'))",
		.mend = "WITH gone AS (DELETE FROM reeve.task_keys k"
			" USING " CHECKS_FOUND
			"'keys' AND f.key = k.tenant_id || '/' || k.unique_key"
			" AND f.sig = k.instance_id::text RETURNING 1) "
			"SELECT count(*) FROM gone",
		.done = "let go" },
	{ .name = "limits",
		.text = "runs count against their tenant, and are over or gone",
		.found = "SELECT t.instance_id::text, t.tenant_id "
			 "FROM reeve.tenant_runs t "
			 "WHERE NOT EXISTS (SELECT FROM reeve.task_instances i"
			 " WHERE i.id = t.instance_id"
			 " AND i.status IN ('PENDING', 'RUNNING'))",
		.mend = "WITH gone AS (DELETE FROM reeve.tenant_runs t"
			" USING " CHECKS_FOUND
			"'limits' AND f.key::uuid = t.instance_id RETURNING 1) "
			"SELECT count(*) FROM gone",
		.done = "counted no more" },
	/* Those without a next time are looked at once more by the caller: it
	 * may be that they have none. */
	{ .name = "fires",
		.text = "definitions have not fired, or don't know when to",
		.found = "SELECT d.id::text, d.version::text || ' ' ||"
			 " coalesce(d.next_fire::text, '') "
			 "FROM reeve.task_definitions d, reeve.scheduler s "
			 "WHERE d.status = 'ENABLED' AND CASE"
			 " WHEN d.next_fire IS NOT NULL THEN s.is_running"
			 " AND d.next_fire < now() - interval '1 minute'"
			 " WHEN d.schedule_type = 'FIXED_DELAY' THEN"
			 " NOT EXISTS (SELECT FROM reeve.task_active a"
			 " WHERE a.definition_id = d.id) ELSE true END",
		.done = "told when" },
	{ .name = "children",
		.text = "tasks count their subtasks wrongly",
		.found = "SELECT p.id::text, p.xmin::text FROM " CHECKS_CHILDREN
			 "WHERE (p.children > 0 OR c.n > 0)"
			 " AND p.created_at < now() - " CHECKS_GRACE
			 " AND CASE WHEN p.children > 0 AND p.status IN"
			 " ('PENDING', 'RUNNING')"
			 " THEN p.children <> coalesce(c.n, 0)"
			 " OR p.children_done >= p.children"
			 " OR p.children_done <> coalesce(c.done, 0)"
			 " OR p.children_failed <> coalesce(c.bad, 0)"
			 /* Of one that is over, some may be dropped. */
			 " ELSE coalesce(c.n, 0) >= p.children"
			 " AND (p.children_done <> coalesce(c.done, 0)"
			 " OR p.children_failed <> coalesce(c.bad, 0)) END",
		/* A subtask that is gone counts as one that has failed. */
		.mend = "WITH mine AS MATERIALIZED (SELECT p.id, p.status,"
			" p.children > 0 AND p.status IN ('PENDING',"
			" 'RUNNING') AS is_open, CASE WHEN p.children = 0"
			" THEN 0 ELSE greatest(p.children,"
			" coalesce(c.n, 0)) END AS n,"
			" coalesce(c.done, 0) + CASE WHEN p.children > 0"
			" THEN greatest(p.children - coalesce(c.n, 0), 0)"
			" ELSE 0 END AS done,"
			" coalesce(c.bad, 0) + CASE WHEN p.children > 0"
			" THEN greatest(p.children - coalesce(c.n, 0), 0)"
			" ELSE 0 END AS bad FROM " CHECKS_CHILDREN
			"WHERE p.id IN (SELECT f.key::uuid"
			" FROM " CHECKS_FOUND "'children' AND true) "
			"ORDER BY p.id FOR NO KEY UPDATE OF p), "
			"set AS (UPDATE reeve.task_instances p SET"
			" children = m.n, children_done = m.done,"
			" children_failed = m.bad,"
			" status = CASE WHEN NOT m.is_open THEN p.status"
			" WHEN m.done < m.n THEN CASE WHEN m.done > 0"
			" THEN 'RUNNING' ELSE p.status END"
			" WHEN m.bad > 0 THEN 'FAILED' ELSE 'SUCCESS' END,"
			" end_time = CASE WHEN m.is_open AND m.done >= m.n"
			" THEN clock_timestamp() ELSE p.end_time END "
			"FROM mine m WHERE p.id = m.id "
			"RETURNING p.id, m.is_open AND m.done >= m.n AS ends), "
			"ends AS (INSERT INTO pg_temp.fsck_found"
			" (pass, name, key, sig) SELECT 2, 'ends', id::text, ''"
			" FROM set WHERE ends) "
			"SELECT count(*) FROM set",
		.after = "SELECT reeve.runs_ended(ARRAY(SELECT f.key::uuid"
			 " FROM " CHECKS_FOUND "'ends' AND true))",
		.done = "counted anew" },
	{ .name = "outbox",
		.text = "tasks are committed, and were not taken to the queue "
			"for a minute",
		.found = "SELECT o.id::text, o.created_at::text "
			 "FROM reeve.outbox o "
			 "WHERE o.created_at < now() - interval '1 minute'",
		.done = "taken there by a worker of kind crontab" },
	{ .name = "partitions",
		.text = "tables lack their partition of today or tomorrow",
		.found = "SELECT part, '' FROM (SELECT t || '_' || to_char("
			 "now() AT TIME ZONE 'UTC' + d * interval '1 day',"
			 " 'YYYYMMDD') AS part FROM unnest(ARRAY["
			 "'task_instances', 'task_logs']) t,"
			 " generate_series(0, 1) d) p "
			 "WHERE to_regclass('reeve.' || part) IS NULL",
		.mend = "SELECT reeve.partitions_ahead(3)",
		.done = "made" },
	{ .name = "leader",
		.text = "is called the leader, and does not say so any more",
		.found = "SELECT s.leader, s.term::text FROM reeve.scheduler s "
			 "WHERE s.leader IS NOT NULL AND"
			 " s.leader_until < clock_timestamp() - " CHECKS_GRACE,
		.mend = "WITH freed AS (UPDATE reeve.scheduler s SET"
			" leader = NULL, leader_until = '-infinity' "
			"FROM " CHECKS_FOUND
			"'leader' AND s.leader = f.key AND s.term::text = f.sig"
			" AND s.leader_until < clock_timestamp() RETURNING"
			" pg_notify('reeve_scheduler', 'leader')) "
			"SELECT count(*) FROM freed",
		.done = "forgotten: another may lead" },
};

const size_t fsck_check_count = sizeof(fsck_checks) / sizeof(*fsck_checks);
