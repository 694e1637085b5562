-- SPDX-License-Identifier: ISC
-- The audit log has each change, whoever makes it: reevectl, a node's file, the
-- scheduler, or a hand in the tables.  The API writes its own rows, which know
-- of its tokens and requests.

-- Who makes a change: as the session or the transaction has said.
CREATE FUNCTION reeve.actor() RETURNS text
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('reeve.actor', true), ''), 'SQL of ' || session_user);
COMMENT ON FUNCTION reeve.actor IS
	'Who makes a change, for the audit log: the setting reeve.actor, or the user of the session.';

-- A change of a definition; what a schedule does to it is none.
CREATE FUNCTION reeve.definition_audited() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	apart text[] := '{status,next_fire,last_fire,last_end,last_state,version,updated_at,modified}';
	was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'secret_params' END;
	made jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'secret_params' END;
	by_api boolean := current_setting('role') = 'reeve_api';
	what text := CASE TG_OP WHEN 'INSERT' THEN 'createDefinition'
		WHEN 'DELETE' THEN 'deleteDefinition' ELSE 'updateDefinition' END;
BEGIN
	IF (by_api AND pg_trigger_depth() = 1)
	   OR (TG_OP = 'UPDATE' AND was->'version' = made->'version') THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND was - apart = made - apart
	   AND was->>'status' <> made->>'status' THEN
		what := CASE made->>'status' WHEN 'ENABLED' THEN 'enableDefinition'
			ELSE 'disableDefinition' END;
	END IF;
	INSERT INTO audit_log (tenant_id, who, action, object, object_id, before, after)
		VALUES (coalesce(made, was)->>'tenant_id',
			CASE WHEN by_api THEN 'a deletion' ELSE actor() END, what,
			'definition', coalesce(made, was)->>'id', was, made);
	RETURN NULL;
END $$;
CREATE TRIGGER definition_audited AFTER INSERT OR DELETE OR UPDATE OF task_name, task_handler,
	description, schedule_type, cron_expression, rule, time_zone, start_at, end_at, task_params,
	topic, priority, timeout_ms, retry_max, misfire, misfire_max, overlap, inline, depends_on,
	status, source, creator, is_system, secret_params, secret_names, tenant_id
	ON reeve.task_definitions
	FOR EACH ROW EXECUTE FUNCTION reeve.definition_audited();

CREATE FUNCTION reeve.deployment_audited() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO audit_log (tenant_id, who, action, object, object_id, after)
			VALUES ('default', coalesce(nullif(NEW.created_by, ''), actor()),
				'createDeployment', 'deployment', NEW.id::text, to_jsonb(NEW));
	ELSIF NEW.is_abort_asked AND NOT OLD.is_abort_asked THEN
		INSERT INTO audit_log (tenant_id, who, action, object, object_id)
			VALUES ('default', actor(), 'abortDeployment', 'deployment', NEW.id::text);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER deployment_audited AFTER INSERT OR UPDATE OF is_abort_asked ON reeve.deployments
	FOR EACH ROW WHEN (current_setting('role') <> 'reeve_api')
	EXECUTE FUNCTION reeve.deployment_audited();

-- Rows about runs go with the runs, a row each for what may be many a second;
-- what changes a definition, a token or the scheduler stays.
CREATE FUNCTION reeve.audit_retain(keep_days int, most int) RETURNS bigint
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	n bigint;
	keys bigint;
BEGIN
	DELETE FROM audit_log WHERE id = ANY (ARRAY(SELECT a.id FROM audit_log a
		WHERE a.id < uuid_floor(now() - keep_days * interval '1 day')
			AND a.object = 'instance'
		ORDER BY a.id LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM idempotency_keys i
		WHERE i.created_at < now() - interval '24 hours'
		ORDER BY i.created_at LIMIT most FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS keys = ROW_COUNT;
	RETURN n + keys;
END $$;
COMMENT ON FUNCTION reeve.audit_retain IS
	'Drop what the audit log has of runs older than so many days, and idempotency keys of the day before; returns how many rows.';

REVOKE EXECUTE ON FUNCTION reeve.definition_audited, reeve.deployment_audited FROM PUBLIC;
