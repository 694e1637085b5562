-- SPDX-License-Identifier: ISC
-- A run of a definition now, whatever its schedule, state and overlap say; as
-- reevectl cron run makes it.  NULL: the tenant of this transaction has no such
-- definition.  params NULL: its own.
CREATE FUNCTION reeve.definition_run(definition uuid, task uuid, params text, who text,
	request text) RETURNS reeve.task_instances
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	made task_instances;
BEGIN
	INSERT INTO task_instances AS i (id, tenant_id, task_definition_id, handler, topic,
		execution_params, secret_params, secret_names, status, priority, timeout_ms,
		retry_max, trigger, is_counted, created_at)
	SELECT task, d.tenant_id, d.id, d.task_handler, d.topic,
		coalesce(params, d.task_params), d.secret_params, d.secret_names, 'PENDING',
		d.priority, d.timeout_ms, d.retry_max, 'manual',
		nullif(runs_count(d.tenant_id, ARRAY[task]), false), clock_timestamp()
	FROM task_definitions d WHERE d.id = definition AND d.tenant_id = tenant()
	RETURNING i.* INTO made;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	PERFORM dispatch(ARRAY[task]);
	INSERT INTO audit_log (tenant_id, who, action, object, object_id, after, request_id)
		VALUES (made.tenant_id, who, 'runDefinition', 'definition', definition,
			jsonb_build_object('instance', task), request);
	RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION reeve.definition_run FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reeve.definition_run TO reeve_api;
COMMENT ON FUNCTION reeve.definition_run IS
	'Run a definition of the tenant of this transaction now; NULL: it has none of that id.';
