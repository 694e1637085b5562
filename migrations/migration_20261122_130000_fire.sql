-- SPDX-License-Identifier: ISC
-- Firing: definitions are stepped on and their runs are made in one statement.

CREATE FUNCTION reeve.us_time(us bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN timestamptz 'epoch' + us * interval '1 microsecond';

CREATE FUNCTION reeve.time_us(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (extract(epoch FROM at) * 1000000)::bigint;

-- Step definitions from one time to the next and make the runs of what lies
-- between, all or nothing, whoever else tries the same.
--
-- ids, olds, news, versions: the definitions, as they were read, and their next
-- times in microseconds since 1970 (NULL: none).
-- runs, times, kinds, notes: a run each, at least one for every definition:
-- which (its place among ids, from 1), its time, and `fire`, `hold` (behind the
-- one before), `skip` or `misfire`.  A run that its tenant has no room for is
-- skipped.
-- is_lazy: leave the step itself, which costs as much as all else together, to
-- reeve.step soon after, where nothing depends on it: whoever comes in between
-- makes the same runs, whose ids are there already.
-- A definition that another has stepped, that was changed, or whose row is
-- locked this moment is left alone.
--
-- Returns what came of it: `won` (a definition that was stepped, with its next
-- time), `later` (one that is still to be stepped), `inline` (a run to be carried out by the caller, with its envelope),
-- `cancel` (a run that is replaced), `stopped` (nothing fires), and the numbers
-- of runs by kind.
CREATE FUNCTION reeve.fire(ids uuid[], olds bigint[], news bigint[], versions bigint[],
	runs int[], times bigint[], kinds text[], notes text[],
	tolerance interval DEFAULT '500 ms', is_lazy boolean DEFAULT false)
RETURNS TABLE (what text, definition_id uuid, instance_id uuid, number bigint, envelope text)
LANGUAGE plpgsql
-- Every row by its key, whatever the planner thinks of tables it has not seen
-- for a while, and no new plan for each call.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	won int[];
	won_ids uuid[];
	replaces boolean;
	once boolean;
	is_all boolean;
	limited text[]; -- tenants, NULL: none
	busy text[] := '{}'; -- likewise, whom another holds
	patience text := current_setting('lock_timeout');
	rooms int[];
	mosts int[];
BEGIN
	IF NOT (SELECT s.is_running FROM reeve.scheduler s) THEN
		RETURN QUERY SELECT 'stopped', NULL::uuid, NULL::uuid, NULL::bigint, NULL;
		RETURN;
	END IF;
	-- Before all else: who has a tenant waits for nobody below.  Whose tenant
	-- is not to be had is left alone, for the others wait as well.
	IF EXISTS (SELECT FROM reeve.tenants t WHERE t.runs_max IS NOT NULL) THEN
		busy := ARRAY(SELECT t.id FROM reeve.tenants t
			WHERE t.runs_max IS NOT NULL AND t.id IN (
				SELECT d.tenant_id FROM reeve.task_definitions d
				WHERE d.id = ANY (ids)));
	END IF;
	IF busy <> '{}' THEN
		BEGIN
			PERFORM set_config('lock_timeout', '50ms', true);
			SELECT array_agg(l.id), array_agg(l.runs_max) INTO limited, mosts
			FROM (SELECT t.id, t.runs_max FROM reeve.tenants t
				WHERE t.id = ANY (busy) AND t.runs_max IS NOT NULL
				ORDER BY t.id FOR NO KEY UPDATE) l;
			PERFORM set_config('lock_timeout', patience, true);
		EXCEPTION WHEN lock_not_available THEN
			SELECT array_agg(l.id), array_agg(l.runs_max) INTO limited, mosts
			FROM (SELECT t.id, t.runs_max FROM reeve.tenants t
				WHERE t.id = ANY (busy) AND t.runs_max IS NOT NULL
				FOR NO KEY UPDATE SKIP LOCKED) l;
		END;
		busy := ARRAY(SELECT unnest(busy) EXCEPT SELECT unnest(limited));
	END IF;
	-- Nobody waits for a row here, so no two can wait for each other.
	SELECT array_agg(l.place), array_agg(l.id), bool_or(l.overlap = 'replace'),
		bool_or(l.schedule_type = 'ONCE')
	INTO won, won_ids, replaces, once
	FROM (SELECT d.id, f.place, d.overlap, d.schedule_type
		FROM unnest(ids, olds, versions) WITH ORDINALITY f (id, old, version, place)
		JOIN reeve.task_definitions d ON d.id = f.id
		WHERE d.next_fire = reeve.us_time(f.old) AND d.version = f.version
			AND d.status = 'ENABLED' AND d.tenant_id <> ALL (busy)
			AND d.next_fire <= clock_timestamp() + tolerance
		FOR UPDATE OF d SKIP LOCKED) l;
	IF won IS NULL THEN
		RETURN;
	END IF;
	is_all := cardinality(won) = cardinality(ids);
	IF replaces THEN
		won_ids := ARRAY(SELECT d.id FROM reeve.task_definitions d
			WHERE d.id = ANY (won_ids) AND d.overlap = 'replace'
				AND d.id = ANY (SELECT ids[x.run] FROM unnest(runs, kinds) x (run, kind)
					WHERE x.kind = 'fire'));
		-- What has not begun ends here; what runs is told by its mark.
		PERFORM reeve.task_cancel(a.instance_id)
		FROM reeve.task_active a WHERE a.definition_id = ANY (won_ids);
		RETURN QUERY
		SELECT 'cancel', a.definition_id, a.instance_id, NULL::bigint, NULL
		FROM reeve.task_active a WHERE a.definition_id = ANY (won_ids);
	END IF;
	IF limited IS NOT NULL THEN
		SELECT array_agg(mosts[l.place] - (SELECT count(*)::int
			FROM reeve.tenant_runs c WHERE c.tenant_id = l.id) ORDER BY l.place)
		INTO rooms FROM unnest(limited) WITH ORDINALITY l (id, place);
	END IF;
	-- From here on all statements see what was committed before the rows were
	-- locked: a run that ended and its definition's row go together.
	RETURN QUERY
	WITH r AS MATERIALIZED (
		SELECT x.run, x.kind, x.note, reeve.us_time(x.at) AS fire_time,
			d.id, d.tenant_id, d.task_handler, d.topic, d.task_params, d.priority,
			d.timeout_ms, d.retry_max, d.overlap, d.inline, d.secret_params,
			d.secret_names,
			d.overlap IN ('forbid', 'queue') AND x.kind = 'fire' AND EXISTS (
				SELECT FROM reeve.task_active a WHERE a.definition_id = d.id) AS is_busy,
			NOT is_lazy OR d.schedule_type IN ('FIXED_DELAY', 'ONCE')
				OR d.overlap = 'replace' OR EXISTS (SELECT FROM reeve.task_definitions c
					WHERE c.depends_on = d.id) AS is_eager,
			CASE WHEN p.id IS NULL OR x.kind NOT IN ('fire', 'hold') THEN 'ready'
				WHEN (p.status = 'ENABLED' AND p.next_fire <= reeve.us_time(x.at))
					OR EXISTS (SELECT FROM reeve.task_active a
						WHERE a.definition_id = p.id)
					THEN 'waits'
				WHEN p.last_state IN ('FAILED', 'TIMEOUT', 'CANCELLED') THEN 'failed'
				ELSE 'ready' END AS dependency,
			p.task_name AS dependency_name, p.last_state AS dependency_state
		FROM unnest(runs, times, kinds, notes) x (run, at, kind, note)
		JOIN reeve.task_definitions d ON d.id = ids[x.run]
		LEFT JOIN reeve.task_definitions p ON p.id = d.depends_on
		WHERE is_all OR x.run = ANY (won)
	), judged AS NOT MATERIALIZED (
		SELECT r.*,
			CASE WHEN r.kind IN ('skip', 'misfire') THEN r.kind
				WHEN r.dependency = 'failed' THEN 'skip'
				WHEN r.is_busy AND r.overlap = 'forbid' THEN 'skip'
				WHEN r.is_busy OR r.dependency = 'waits' THEN 'hold'
				ELSE r.kind END AS verdict,
			CASE WHEN r.kind IN ('skip', 'misfire') THEN r.note
				WHEN r.dependency = 'failed' THEN format('the last run of %s is %s',
					r.dependency_name, r.dependency_state)
				WHEN r.is_busy AND r.overlap = 'forbid'
					THEN 'the run before it was not over' END AS reason
		FROM r
	), decided AS MATERIALIZED (
		SELECT j.id, j.run, j.fire_time, j.tenant_id, j.task_handler, j.topic,
			j.task_params, j.priority, j.timeout_ms, j.retry_max, j.inline,
			j.secret_params, j.secret_names, j.is_eager, j.verdict, j.reason,
			NULL::boolean AS is_counted
		FROM judged j WHERE limited IS NULL OR j.tenant_id <> ALL (limited)
		UNION ALL
		SELECT x.id, x.run, x.fire_time, x.tenant_id, x.task_handler, x.topic,
			x.task_params, x.priority, x.timeout_ms, x.retry_max, x.inline,
			x.secret_params, x.secret_names, x.is_eager,
			CASE WHEN x.nth > x.room THEN 'skip' ELSE x.verdict END,
			CASE WHEN x.nth > x.room THEN format(
				'the tenant may have %s runs that are not over, and no more',
				x.most) ELSE x.reason END,
			CASE WHEN x.nth <= x.room THEN true END
		FROM (SELECT j.*, l.room, l.most,
				CASE WHEN j.verdict IN ('fire', 'hold') THEN row_number() OVER (
					PARTITION BY j.tenant_id, j.verdict IN ('fire', 'hold')
					ORDER BY j.run, j.fire_time) END AS nth
			FROM judged j
			JOIN unnest(limited, rooms, mosts) l (id, room, most)
				ON l.id = j.tenant_id
			WHERE limited IS NOT NULL) x
	), made AS (
		INSERT INTO reeve.task_instances AS i (id, tenant_id, task_definition_id, handler,
			topic, execution_params, status, fire_time, end_time, error_message, worker,
			priority, timeout_ms, retry_max, trigger, is_held, secret_params, secret_names,
			is_counted, created_at)
		SELECT reeve.fire_id(d.id, d.fire_time), d.tenant_id, d.id, d.task_handler,
			d.topic, d.task_params,
			CASE d.verdict WHEN 'skip' THEN 'SKIPPED' WHEN 'misfire' THEN 'MISFIRED'
				ELSE 'PENDING' END,
			d.fire_time, CASE WHEN d.verdict IN ('skip', 'misfire') THEN clock_timestamp() END,
			d.reason, CASE WHEN d.inline AND d.verdict = 'fire' THEN 'inline' END,
			d.priority, d.timeout_ms, d.retry_max, 'cron', d.verdict = 'hold', d.secret_params,
			d.secret_names, d.is_counted,
			clock_timestamp()
		FROM decided d
		ON CONFLICT (id) DO NOTHING
		RETURNING i
	), active AS (
		INSERT INTO reeve.task_active (instance_id, definition_id)
		SELECT (m.i).id, (m.i).task_definition_id FROM made m
		WHERE (m.i).status = 'PENDING'
	), counted AS (
		INSERT INTO reeve.tenant_runs (instance_id, tenant_id)
		SELECT (m.i).id, (m.i).tenant_id FROM made m WHERE (m.i).is_counted
	), queued AS (
		INSERT INTO reeve.outbox (instance_id, topic, envelope)
		SELECT (m.i).id, (m.i).topic, reeve.envelope(m.i) FROM made m
		WHERE (m.i).status = 'PENDING' AND NOT (m.i).is_held AND (m.i).worker IS NULL
	), stepped AS (
		UPDATE reeve.task_definitions d SET
			next_fire = CASE WHEN d.schedule_type <> 'FIXED_DELAY' OR NOT s.runs
				THEN reeve.us_time(news[s.run]) END,
			last_fire = greatest(d.last_fire, s.last_fire),
			last_state = CASE WHEN s.fires THEN 'PENDING' ELSE d.last_state END
		FROM (SELECT x.run, max(x.fire_time) AS last_fire, bool_or(x.verdict = 'fire') AS fires,
				bool_or(x.verdict IN ('fire', 'hold')) AS runs
			FROM decided x WHERE x.is_eager GROUP BY x.run) s
		WHERE d.id = ids[s.run]
		RETURNING d.id, d.next_fire
	)
	SELECT 'won', s.id, NULL::uuid, reeve.time_us(s.next_fire), NULL FROM stepped s
	UNION ALL
	SELECT DISTINCT 'later', x.id, NULL::uuid, NULL::bigint, NULL FROM decided x
	WHERE NOT x.is_eager
	UNION ALL
	SELECT 'inline', (m.i).task_definition_id, (m.i).id, NULL, reeve.envelope(m.i)
	FROM made m WHERE (m.i).worker = 'inline'
	UNION ALL
	SELECT k.kind, NULL, NULL, count(*), NULL
	FROM (SELECT CASE (m.i).status WHEN 'SKIPPED' THEN 'skip' WHEN 'MISFIRED' THEN 'misfire'
			ELSE CASE WHEN (m.i).is_held THEN 'hold' ELSE 'fire' END END AS kind FROM made m) k
	GROUP BY k.kind;
	-- What ran once is over.
	IF once THEN
		PERFORM set_config('reeve.actor', 'scheduler', true);
		UPDATE reeve.task_definitions d SET status = 'DISABLED'
		FROM unnest(won) w WHERE d.id = ids[w] AND d.schedule_type = 'ONCE'
			AND d.next_fire IS NULL;
	END IF;
END $$;
COMMENT ON FUNCTION reeve.fire IS
	'Step definitions that are due and make their runs; only for crontab workers.';

-- Step what reeve.fire has left; returns those that were as they should be.
CREATE FUNCTION reeve.step(ids uuid[], olds bigint[], news bigint[], versions bigint[])
RETURNS SETOF uuid
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH l AS MATERIALIZED (
		SELECT d.id, f.old, f.new
		FROM unnest(ids, olds, news, versions) f (id, old, new, version)
		JOIN reeve.task_definitions d ON d.id = f.id
		WHERE d.next_fire = reeve.us_time(f.old) AND d.version = f.version
		FOR NO KEY UPDATE OF d SKIP LOCKED
	)
	UPDATE reeve.task_definitions d SET next_fire = reeve.us_time(l.new),
		last_fire = greatest(d.last_fire, reeve.us_time(l.old)),
		last_state = CASE WHEN EXISTS (SELECT FROM reeve.task_active a
			WHERE a.definition_id = d.id) THEN 'PENDING' ELSE d.last_state END
	FROM l WHERE d.id = l.id
	RETURNING d.id;
END $$;
COMMENT ON FUNCTION reeve.step IS
	'Step definitions that were fired lazily; returns those that were.';
