-- SPDX-License-Identifier: ISC
-- Deployments over the API: of the whole system, so for the tenant default.

ALTER TABLE reeve.deployments ENABLE ROW LEVEL SECURITY;
ALTER TABLE reeve.deployment_nodes ENABLE ROW LEVEL SECURITY;
ALTER TABLE reeve.deployment_steps ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reeve.deployments TO reeve_api USING (reeve.tenant() = 'default');
CREATE POLICY tenant ON reeve.deployment_nodes TO reeve_api USING (reeve.tenant() = 'default');
CREATE POLICY tenant ON reeve.deployment_steps TO reeve_api USING (reeve.tenant() = 'default');
GRANT SELECT ON reeve.deployments, reeve.deployment_nodes, reeve.deployment_steps TO reeve_api;

-- Queue one; without a strategy that of the file.  RV404: no node has the
-- application.  RV422: that is no version.
CREATE FUNCTION reeve.deployment_create(deployment uuid, app text, kind text, version text, strategy text,
	is_forced boolean, who text, request text)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	made deployments;
BEGIN
	IF tenant() IS DISTINCT FROM 'default' THEN
		RAISE EXCEPTION 'deployments are for the tenant default' USING ERRCODE = 'RV403';
	END IF;
	IF version !~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$' THEN
		RAISE EXCEPTION 'version: letters, digits and . _ + -, the first a letter or a digit, at most 100'
			USING ERRCODE = 'RV422';
	END IF;
	IF version ~ '[.](partial|archive)([.]|$)' THEN
		RAISE EXCEPTION 'version: .partial and .archive are names of what is not yet a release'
			USING ERRCODE = 'RV422';
	END IF;
	IF NOT EXISTS (SELECT FROM deploy_members m WHERE m.app = app) THEN
		RAISE EXCEPTION 'no node has an application of this name' USING ERRCODE = 'RV404';
	END IF;
	INSERT INTO deployments AS d (id, app, kind, version, strategy, is_forced, created_by)
		VALUES (deployment, app, kind, version, strategy, coalesce(is_forced, false), who)
		RETURNING * INTO made;
	INSERT INTO audit_log (tenant_id, who, action, object, object_id, after, request_id)
		VALUES (tenant(), who, 'createDeployment', 'deployment', made.id::text,
			to_jsonb(made), request);
	RETURN made.id;
END $$;

-- Have one go back.  RV404: there is none.  RV409: it is over.
CREATE FUNCTION reeve.deployment_abort(deployment uuid, who text, request text)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	now_state text;
BEGIN
	SELECT d.state INTO now_state FROM deployments d
		WHERE d.id = deployment AND tenant() = 'default' FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no such deployment' USING ERRCODE = 'RV404';
	ELSIF now_state NOT IN ('QUEUED', 'RUNNING') THEN
		RAISE EXCEPTION 'it is over: %', now_state USING ERRCODE = 'RV409';
	END IF;
	UPDATE deployments d SET is_abort_asked = true WHERE d.id = deployment;
	INSERT INTO audit_log (tenant_id, who, action, object, object_id, request_id)
		VALUES (tenant(), who, 'abortDeployment', 'deployment', deployment::text, request);
	RETURN deployment;
END $$;

-- For the API alone: anybody could name a tenant.
REVOKE EXECUTE ON FUNCTION reeve.deployment_create, reeve.deployment_abort FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reeve.deployment_create, reeve.deployment_abort TO reeve_api;
