-- SPDX-License-Identifier: ISC
-- What the leader of the crontab workers does now and then.

-- Processes that may run tasks, as the node last said.
ALTER TABLE reeve.worker_registry ADD COLUMN pids int[] NOT NULL DEFAULT '{}';

CREATE FUNCTION reeve.retain(keep_days int) RETURNS text
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	dropped text;
BEGIN
	DELETE FROM task_instances_other i WHERE i.status NOT IN ('PENDING', 'RUNNING')
		AND i.id < uuid_floor(now() - keep_days * interval '1 day');
	DELETE FROM task_logs_other l
		WHERE l.id < uuid_floor(now() - keep_days * interval '1 day');
	DELETE FROM error_logs WHERE last_occurred_at < now() - keep_days * interval '1 day';
	DELETE FROM task_ends WHERE minute < now() - interval '8 days';
	DELETE FROM deleted_definitions WHERE deleted_at < now() - interval '1 day';
	DELETE FROM worker_registry WHERE state = 'OFFLINE'
		AND heartbeat_at < now() - interval '7 days';
	-- Last, for it keeps everybody out until the commit.
	SELECT string_agg(name, ', ') INTO dropped FROM partitions_drop(keep_days) AS name;
	RETURN dropped;
END $$;
COMMENT ON FUNCTION reeve.retain IS
	'Drop what is older than so many days; returns the names of the partitions that went.';

-- Yesterday's figures change until its last runs have ended.
CREATE FUNCTION reeve.statistics_update() RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	since date := ((now() - interval '6 hours') AT TIME ZONE 'UTC')::date;
	n bigint;
BEGIN
	INSERT INTO crontab_statistics AS s (task_definition_id, day, tenant_id, runs, success,
		failed, timeout, cancelled, misfired, skipped, retries, duration_ms_sum,
		duration_ms_max, lateness_ms_max)
	SELECT i.task_definition_id, (uuid_time(i.id) AT TIME ZONE 'UTC')::date, min(i.tenant_id),
		count(*) FILTER (WHERE i.status NOT IN ('MISFIRED', 'SKIPPED')),
		count(*) FILTER (WHERE i.status = 'SUCCESS'),
		count(*) FILTER (WHERE i.status = 'FAILED'),
		count(*) FILTER (WHERE i.status = 'TIMEOUT'),
		count(*) FILTER (WHERE i.status = 'CANCELLED'),
		count(*) FILTER (WHERE i.status = 'MISFIRED'),
		count(*) FILTER (WHERE i.status = 'SKIPPED'),
		coalesce(sum(i.retry_count), 0),
		coalesce(sum(i.execution_duration), 0),
		coalesce(max(i.execution_duration), 0),
		coalesce(max((extract(epoch FROM i.start_time - i.fire_time) * 1000)::bigint)
			FILTER (WHERE i.trigger = 'cron' AND i.retry_count = 0), 0)
	FROM task_instances i
	WHERE i.task_definition_id IS NOT NULL AND i.id >= uuid_floor(since::timestamp AT TIME ZONE 'UTC')
	GROUP BY 1, 2
	ON CONFLICT (task_definition_id, day) DO UPDATE SET runs = excluded.runs,
		success = excluded.success, failed = excluded.failed, timeout = excluded.timeout,
		cancelled = excluded.cancelled, misfired = excluded.misfired,
		skipped = excluded.skipped, retries = excluded.retries,
		duration_ms_sum = excluded.duration_ms_sum,
		duration_ms_max = excluded.duration_ms_max,
		lateness_ms_max = excluded.lateness_ms_max
	WHERE s IS DISTINCT FROM excluded;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
COMMENT ON FUNCTION reeve.statistics_update IS
	'Bring crontab_statistics up to date; returns how many rows have changed.';

-- What a crash, or a hand in the tables, has left behind.
CREATE FUNCTION reeve.loose_ends() RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	held uuid[];
	paused uuid[];
	n bigint;
BEGIN
	DELETE FROM task_active a WHERE a.since < now() - interval '1 minute'
		AND NOT EXISTS (SELECT FROM task_instances i WHERE i.id = a.instance_id
			AND i.status IN ('PENDING', 'RUNNING'));
	GET DIAGNOSTICS n = ROW_COUNT;
	SELECT array_agg(DISTINCT a.definition_id) INTO held
	FROM task_active a JOIN task_instances i ON i.id = a.instance_id
	WHERE i.is_held AND a.since < now() - interval '10 seconds';
	IF held IS NOT NULL THEN
		PERFORM FROM task_definitions d WHERE d.id = ANY (held)
			ORDER BY d.id FOR NO KEY UPDATE;
		n := n + runs_release(held);
	END IF;
	-- A pause begins with the end of a run: there is none to wait for.
	SELECT array_agg(d.id) INTO paused FROM task_definitions d
	WHERE d.schedule_type = 'FIXED_DELAY' AND d.status = 'ENABLED'
		AND d.next_fire IS NULL AND d.last_fire < now() - interval '10 seconds'
		AND NOT EXISTS (SELECT FROM task_active a WHERE a.definition_id = d.id);
	IF paused IS NOT NULL THEN
		UPDATE task_definitions d SET next_fire = greatest(now(), coalesce(d.last_end, now())
			+ span(d.rule->'delay'))
		WHERE d.id = ANY (paused) AND d.next_fire IS NULL
			AND now() <= coalesce(d.end_at, 'infinity');
		GET DIAGNOSTICS n = ROW_COUNT;
		PERFORM pg_notify('reeve_definitions', id::text) FROM unnest(paused) id;
	END IF;
	RETURN n;
END $$;
COMMENT ON FUNCTION reeve.loose_ends IS
	'Mend what waits for nothing any more; returns how much that was.';

-- Of a topic, what was enqueued longer ago than that and has not begun.
CREATE FUNCTION reeve.requeue_lost(wanted text, age_ms bigint, most int) RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	n bigint;
BEGIN
	WITH lost AS MATERIALIZED (
		SELECT i.id FROM task_instances i
		WHERE i.status = 'PENDING' AND NOT i.is_held AND i.children = 0
			AND i.topic = wanted
			AND greatest(i.created_at, i.due_at) < now() - age_ms * interval '1 ms'
		ORDER BY i.id LIMIT most FOR NO KEY UPDATE SKIP LOCKED
	), moved AS (
		UPDATE task_instances i SET due_at = clock_timestamp() FROM lost
		WHERE i.id = lost.id RETURNING i
	)
	INSERT INTO outbox (instance_id, topic, envelope)
	SELECT (m.i).id, (m.i).topic, envelope(m.i) FROM moved m;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- All that waits, in the order of the ids, behind one.
CREATE FUNCTION reeve.requeue_all(behind uuid, most int)
RETURNS TABLE (number bigint, last uuid)
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH waiting AS MATERIALIZED (
		SELECT i FROM task_instances i
		WHERE i.status = 'PENDING' AND NOT i.is_held AND i.children = 0 AND i.id > behind
		ORDER BY i.id LIMIT most
	), queued AS (
		INSERT INTO outbox (instance_id, topic, envelope, due_at)
		SELECT (w.i).id, (w.i).topic, envelope(w.i),
			CASE WHEN (w.i).due_at > now() THEN (w.i).due_at END
		FROM waiting w ORDER BY (w.i).id
	)
	SELECT count(*), (SELECT (w.i).id FROM waiting w ORDER BY (w.i).id DESC LIMIT 1)
	FROM waiting;
END $$;

-- What runs by its row, on a node that is not there, or in a process that the
-- node does not have any more.
CREATE FUNCTION reeve.requeue_orphans(most int) RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	n bigint;
BEGIN
	WITH lost AS MATERIALIZED (
		SELECT i.id FROM task_instances i
		LEFT JOIN worker_registry r ON r.worker_id = i.execution_node
		WHERE i.status = 'RUNNING' AND i.children = 0
			AND CASE WHEN r.worker_id IS NULL THEN i.start_time < now() - interval '10 minutes'
				WHEN r.state = 'OFFLINE' THEN i.start_time <= r.heartbeat_at + interval '5 seconds'
				ELSE r.pids <> '{}' AND i.start_time < r.heartbeat_at - interval '30 seconds'
					AND split_part(i.worker, '/', 3) ~ '^[0-9]{1,9}$'
					AND split_part(i.worker, '/', 3)::int <> ALL (r.pids) END
		LIMIT most FOR NO KEY UPDATE OF i SKIP LOCKED
	), moved AS (
		UPDATE task_instances i SET status = 'PENDING', epoch = i.epoch + 1,
			due_at = clock_timestamp(), start_time = NULL, worker = NULL,
			execution_node = NULL
		FROM lost WHERE i.id = lost.id RETURNING i
	)
	INSERT INTO outbox (instance_id, topic, envelope)
	SELECT (m.i).id, (m.i).topic, envelope(m.i) FROM moved m;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- What a crontab worker of this place had in hand and is not there to end.
CREATE FUNCTION reeve.requeue_inline(place text, me text) RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	n bigint;
BEGIN
	WITH lost AS MATERIALIZED (
		SELECT i.id FROM task_active a JOIN task_instances i ON i.id = a.instance_id
		WHERE i.status = 'RUNNING' AND starts_with(i.worker, place) AND i.worker <> me
		FOR NO KEY UPDATE OF i SKIP LOCKED
	), moved AS (
		UPDATE task_instances i SET status = 'PENDING', epoch = i.epoch + 1,
			due_at = clock_timestamp(), start_time = NULL, worker = NULL,
			execution_node = NULL
		FROM lost WHERE i.id = lost.id RETURNING i
	)
	INSERT INTO outbox (instance_id, topic, envelope)
	SELECT (m.i).id, (m.i).topic, envelope(m.i) FROM moved m;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
