-- SPDX-License-Identifier: ISC
-- What the API needs of the whole system.  These functions have the rights of
-- their owner, and are for the tenant default alone.

CREATE FUNCTION reeve.system_only() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF current_setting('role') = 'reeve_api' AND reeve.tenant() IS DISTINCT FROM 'default' THEN
		RAISE EXCEPTION 'this wants a token of the tenant default'
			USING ERRCODE = 'RV403';
	END IF;
END $$;

-- Let definitions fire, or not, on all nodes.  Who asks for what is so already
-- changes nothing, and no audit row is written.  After a restart all crontab
-- workers have read anew what is due.
CREATE FUNCTION reeve.scheduler_set(wanted text, who text, request text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	was scheduler;
	made scheduler;
BEGIN
	PERFORM system_only();
	SELECT * INTO was FROM scheduler FOR NO KEY UPDATE;
	IF wanted NOT IN ('start', 'stop', 'restart') THEN
		RAISE EXCEPTION 'the scheduler is started, stopped or restarted, not %', wanted
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF wanted <> 'restart' AND was.is_running = (wanted = 'start') THEN
		RETURN false;
	END IF;
	UPDATE scheduler SET is_running = wanted <> 'stop',
		changed_at = clock_timestamp(), changed_by = who
		RETURNING * INTO made;
	IF wanted = 'restart' THEN
		PERFORM pg_notify('reeve_scheduler', 'restart');
	END IF;
	INSERT INTO audit_log (tenant_id, who, action, object, before, after, request_id)
		VALUES ('default', who, wanted || 'Scheduler', 'scheduler',
			jsonb_build_object('running', was.is_running),
			jsonb_build_object('running', made.is_running), request);
	RETURN true;
END $$;
COMMENT ON FUNCTION reeve.scheduler_set IS
	'start, stop or restart the crontab of all nodes; false: it was so already.';

-- What waits, of all tenants; handlers that wait for a service elsewhere are
-- counted by themselves.
CREATE FUNCTION reeve.system_tasks(slow text[])
RETURNS TABLE (pending bigint, pending_slow bigint, outbox bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
BEGIN
	PERFORM system_only();
	RETURN QUERY SELECT count(*), count(*) FILTER (WHERE i.handler = ANY (slow)),
		(SELECT count(*) FROM outbox)
		FROM task_instances i WHERE i.status = 'PENDING' AND i.children = 0;
END $$;

-- The database as its statistics have it.  What other roles do is told as far
-- as the owner of this function may see it (pg_read_all_stats).
CREATE FUNCTION reeve.system_database() RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	told json;
BEGIN
	PERFORM system_only();
	SELECT json_build_object(
		'version', current_setting('server_version'),
		'sizeBytes', pg_database_size(d.datname),
		'connections', (SELECT count(*) FROM pg_stat_activity a
			WHERE a.backend_type = 'client backend'),
		'activeConnections', (SELECT count(*) FROM pg_stat_activity a
			WHERE a.backend_type = 'client backend' AND a.state = 'active'),
		'connectionsMax', current_setting('max_connections')::int,
		'slowQueries', (SELECT count(*) FROM pg_stat_activity a
			WHERE a.datname = d.datname AND a.state = 'active'
			AND a.backend_type = 'client backend'
			AND a.query_start < clock_timestamp() - interval '1 second'),
		'committed', d.xact_commit,
		'rolledBack', d.xact_rollback,
		'deadlocks', d.deadlocks,
		'cacheHitRatio', round(d.blks_hit::numeric / nullif(d.blks_hit + d.blks_read, 0), 4),
		'isReplica', pg_is_in_recovery()) INTO told
	FROM pg_stat_database d WHERE d.datname = current_database();
	RETURN told;
END $$;

-- A definition depends on one of its own tenant: a key that looks at the id
-- alone would tell which ids the others have.
ALTER TABLE reeve.task_definitions
	ADD CONSTRAINT task_definitions_own UNIQUE (tenant_id, id),
	DROP CONSTRAINT task_definitions_depends_on_fkey,
	ADD CONSTRAINT task_definitions_depends_on_fkey FOREIGN KEY (tenant_id, depends_on)
		REFERENCES reeve.task_definitions (tenant_id, id) ON DELETE SET NULL (depends_on);

-- Nor on itself, by whatever way: it would never run.  RV422 comes with the name
-- of the field in the column.
CREATE FUNCTION reeve.definition_depends() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND NEW.depends_on = OLD.depends_on
			AND NEW.tenant_id = OLD.tenant_id THEN
		RETURN NEW;
	END IF;
	-- Two that close a circle together come one after the other.
	PERFORM pg_advisory_xact_lock(hashtextextended(NEW.tenant_id || '/depends_on', 5));
	IF NOT EXISTS (SELECT FROM reeve.task_definitions d
			WHERE d.id = NEW.depends_on AND d.tenant_id = NEW.tenant_id)
			AND NEW.depends_on <> NEW.id THEN
		RAISE EXCEPTION 'there is no such definition'
			USING ERRCODE = 'RV422', COLUMN = 'dependsOn';
	END IF;
	IF EXISTS (WITH RECURSIVE up (id) AS (SELECT NEW.depends_on
			UNION SELECT d.depends_on FROM up
				JOIN reeve.task_definitions d ON d.id = up.id
			WHERE d.depends_on IS NOT NULL)
			SELECT FROM up WHERE up.id = NEW.id) THEN
		RAISE EXCEPTION 'depends on this definition itself'
			USING ERRCODE = 'RV422', COLUMN = 'dependsOn';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER definition_depends BEFORE INSERT OR UPDATE OF depends_on, tenant_id
	ON reeve.task_definitions FOR EACH ROW WHEN (NEW.depends_on IS NOT NULL)
	EXECUTE FUNCTION reeve.definition_depends();
