-- SPDX-License-Identifier: ISC
-- Definitions that stand in a node's configuration.

-- Make them what the file says.  Those that came from this file and are not in
-- it any more are disabled, and enabled again when they come back; whether one
-- is enabled is else for those to say who enable and disable, unless the file
-- does.  One of the same name that is not from a file is left alone.
--
-- Returns what was done to which: `new`, `changed`, `back`, `disabled`,
-- `foreign`; `alone` depends on none, for the one it names is not there, or
-- depends on it.
CREATE FUNCTION reeve.definitions_sync(file text, wanted jsonb)
RETURNS TABLE (what text, name text)
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
#variable_conflict use_column
DECLARE
	w record;
	was task_definitions;
	next timestamptz;
	link record;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('reeve.definitions_sync'));
	PERFORM set_config('reeve.actor', file, true);
	FOR w IN SELECT x.*, us_time(x.start_us) AS start_at, us_time(x.end_us) AS end_at,
			left(coalesce(x.rule->'cron'->>0, x.rule->>'cron'), 100) AS cron_expression
		FROM jsonb_to_recordset(wanted) x (task_name text, task_handler text,
			description text, task_params text, topic text, priority bigint,
			timeout_ms bigint, retry_max int, misfire text, misfire_max int,
			overlap text, inline boolean, depends_on text, enabled boolean,
			schedule_type text, rule jsonb, time_zone text, start_us bigint,
			end_us bigint, next_us bigint)
		ORDER BY x.task_name
	LOOP
		SELECT * INTO was FROM task_definitions d
			WHERE d.tenant_id = 'default' AND d.task_name = w.task_name FOR UPDATE;
		IF was.id IS NOT NULL AND was.source NOT LIKE 'file:%' THEN
			RETURN QUERY SELECT 'foreign', w.task_name;
			CONTINUE;
		END IF;
		IF was.id IS NULL THEN
			INSERT INTO task_definitions (task_name, task_handler, description,
				schedule_type, cron_expression, rule, time_zone, start_at, end_at,
				task_params, topic, priority, timeout_ms, retry_max, misfire,
				misfire_max, overlap, inline, status, next_fire, source, creator)
			VALUES (w.task_name, w.task_handler, w.description, w.schedule_type,
				w.cron_expression, w.rule, w.time_zone, w.start_at, w.end_at,
				w.task_params, w.topic, w.priority, w.timeout_ms, w.retry_max,
				w.misfire, w.misfire_max, w.overlap, w.inline,
				CASE WHEN coalesce(w.enabled, true) THEN 'ENABLED' ELSE 'DISABLED' END,
				us_time(w.next_us), file, file);
			RETURN QUERY SELECT 'new', w.task_name;
			CONTINUE;
		END IF;
		-- What it is due to do stands, unless the file says other times.
		next := was.next_fire;
		IF was.rule <> w.rule OR was.source LIKE '% (gone)' THEN
			next := us_time(w.next_us);
			IF w.schedule_type = 'FIXED_DELAY' AND EXISTS (SELECT FROM task_active a
					WHERE a.definition_id = was.id) THEN
				next := NULL; -- until the end of that run
			END IF;
		END IF;
		UPDATE task_definitions d SET task_handler = w.task_handler,
			description = w.description, schedule_type = w.schedule_type,
			cron_expression = w.cron_expression, rule = w.rule,
			time_zone = w.time_zone, start_at = w.start_at, end_at = w.end_at,
			task_params = w.task_params, topic = w.topic, priority = w.priority,
			timeout_ms = w.timeout_ms, retry_max = w.retry_max, misfire = w.misfire,
			misfire_max = w.misfire_max, overlap = w.overlap, inline = w.inline,
			status = CASE WHEN w.enabled IS NOT NULL
					THEN CASE WHEN w.enabled THEN 'ENABLED' ELSE 'DISABLED' END
				WHEN was.source LIKE '% (gone)' THEN 'ENABLED' ELSE d.status END,
			source = file, next_fire = next
		WHERE d.id = was.id AND (d.task_handler, d.description, d.rule, d.task_params,
			d.topic, d.priority, d.misfire, d.misfire_max, d.overlap, d.inline, d.source,
			d.timeout_ms, d.retry_max, coalesce(w.enabled, d.status = 'ENABLED'))
			IS DISTINCT FROM (w.task_handler, w.description, w.rule, w.task_params,
			w.topic, w.priority, w.misfire, w.misfire_max, w.overlap, w.inline, file,
			w.timeout_ms, w.retry_max, d.status = 'ENABLED');
		IF FOUND THEN
			RETURN QUERY SELECT CASE WHEN was.source LIKE '% (gone)' THEN 'back'
				ELSE 'changed' END, w.task_name;
		END IF;
	END LOOP;
	-- What was is undone first: of two that change places, one would else be
	-- refused.
	UPDATE task_definitions d SET depends_on = NULL
	FROM jsonb_to_recordset(wanted) x (task_name text, depends_on text)
	LEFT JOIN task_definitions p ON p.tenant_id = 'default' AND p.task_name = x.depends_on
	WHERE d.tenant_id = 'default' AND d.task_name = x.task_name AND d.source = file
		AND d.depends_on IS NOT NULL AND d.depends_on IS DISTINCT FROM p.id;
	FOR link IN SELECT d.id, d.task_name, p.id AS on_id
		FROM jsonb_to_recordset(wanted) x (task_name text, depends_on text)
		JOIN task_definitions d ON d.tenant_id = 'default'
			AND d.task_name = x.task_name AND d.source = file
		LEFT JOIN task_definitions p ON p.tenant_id = 'default'
			AND p.task_name = x.depends_on
		WHERE x.depends_on IS NOT NULL AND d.depends_on IS NULL
		ORDER BY d.task_name
	LOOP
		BEGIN
			UPDATE task_definitions d SET depends_on = link.on_id
				WHERE d.id = link.id AND link.on_id IS NOT NULL;
			IF NOT FOUND THEN
				RETURN QUERY SELECT 'alone', link.task_name::text;
			END IF;
		EXCEPTION WHEN SQLSTATE 'RV422' THEN
			RETURN QUERY SELECT 'alone', link.task_name::text;
		END;
	END LOOP;
	RETURN QUERY
	UPDATE task_definitions d SET status = 'DISABLED', source = file || ' (gone)'
	WHERE d.tenant_id = 'default' AND d.source = file
		AND d.task_name NOT IN (SELECT x.task_name
			FROM jsonb_to_recordset(wanted) x (task_name text))
	RETURNING 'disabled', d.task_name::text;
END $$;
COMMENT ON FUNCTION reeve.definitions_sync IS
	'Make the definitions of a file what it says; returns what was done to which.';
