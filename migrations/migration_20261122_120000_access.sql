-- SPDX-License-Identifier: ISC
-- Tenants, tokens, the audit log, and the second wall: the role reeve_api sees
-- the rows of one tenant only, whatever it asks.

ALTER TABLE reeve.tenants
	ADD requests_per_s int CHECK (requests_per_s > 0), -- NULL: no limit
	ADD runs_max int CHECK (runs_max > 0), -- that are not over
	ADD definitions_max int CHECK (definitions_max > 0);

-- What a fire has to know of tenants, mostly that there are none.
CREATE INDEX tenants_runs_max ON reeve.tenants (id) WHERE runs_max IS NOT NULL;

CREATE TABLE reeve.api_tokens (
	id uuid PRIMARY KEY DEFAULT reeve.uuid_new(),
	tenant_id text NOT NULL REFERENCES reeve.tenants (id),
	name text NOT NULL CHECK (name <> ''),
	role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
	token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT '',
	expires_at timestamptz,
	revoked_at timestamptz,
	last_used_at timestamptz
);
CREATE UNIQUE INDEX api_tokens_name ON reeve.api_tokens (tenant_id, name)
	WHERE revoked_at IS NULL;

CREATE FUNCTION reeve.tokens_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('reeve_tokens', '');
	RETURN NULL;
END $$;
CREATE TRIGGER tokens_told AFTER DELETE OR UPDATE OF role, expires_at, revoked_at, tenant_id, token_hash
	ON reeve.api_tokens FOR EACH STATEMENT EXECUTE FUNCTION reeve.tokens_told();
CREATE TRIGGER tenants_told AFTER UPDATE ON reeve.tenants
	FOR EACH STATEMENT EXECUTE FUNCTION reeve.tokens_told();

CREATE TABLE reeve.audit_log (
	id uuid PRIMARY KEY DEFAULT reeve.uuid_new(),
	tenant_id text NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	who text NOT NULL,
	action text NOT NULL, -- of OpenAPI: createDefinition, cancelInstance, …
	object text NOT NULL, -- definition, instance, scheduler, token, …
	object_id text,
	before jsonb,
	after jsonb,
	request_id text
);
CREATE INDEX audit_log_tenant ON reeve.audit_log (tenant_id, id);

-- Sealed by the service with a key that is not in this database, for the
-- definition, or for the instance where it has none.  secret_names: ["name", …].
ALTER TABLE reeve.task_definitions ADD secret_params bytea, ADD secret_names jsonb;
ALTER TABLE reeve.task_instances ADD secret_params bytea, ADD secret_names jsonb;

-- The second wall ----------------------------------------------------------

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reeve_api') THEN
		CREATE ROLE reeve_api NOLOGIN;
	END IF;
	IF NOT pg_has_role(current_user, 'reeve_api', 'MEMBER') THEN
		EXECUTE format('GRANT reeve_api TO %I', current_user);
	END IF;
EXCEPTION
	WHEN duplicate_object OR unique_violation THEN
		NULL; -- another database of this cluster is migrated at this moment
	WHEN insufficient_privilege THEN
		RAISE EXCEPTION 'this user may not create the role reeve_api'
			USING HINT = format('as a superuser: CREATE ROLE reeve_api NOLOGIN; GRANT reeve_api TO %I', current_user);
END $$;

CREATE FUNCTION reeve.tenant() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('reeve.tenant', true);
COMMENT ON FUNCTION reeve.tenant IS 'The tenant of this transaction, as the API named it.';

CREATE FUNCTION reeve.iso(at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
COMMENT ON FUNCTION reeve.iso IS 'A time as the API writes it.';

GRANT USAGE ON SCHEMA reeve TO reeve_api;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reeve TO reeve_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON reeve.task_definitions, reeve.task_instances TO reeve_api;
GRANT SELECT ON reeve.task_logs, reeve.error_logs, reeve.crontab_statistics, reeve.task_ends,
	reeve.crontab, reeve.crontab_history, reeve.scheduler, reeve.worker_registry,
	reeve.outbox_watch TO reeve_api;
GRANT SELECT, INSERT ON reeve.audit_log TO reeve_api;
GRANT SELECT ON reeve.tenants TO reeve_api;
GRANT SELECT (id, tenant_id, name, role, created_at, created_by, expires_at, revoked_at, last_used_at)
	ON reeve.api_tokens TO reeve_api;
ALTER VIEW reeve.crontab SET (security_invoker = true);
ALTER VIEW reeve.crontab_history SET (security_invoker = true);

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['task_definitions', 'task_instances', 'task_logs',
		'error_logs', 'crontab_statistics', 'task_ends', 'audit_log', 'api_tokens'] LOOP
		EXECUTE format('ALTER TABLE reeve.%I ENABLE ROW LEVEL SECURITY', name);
		EXECUTE format('CREATE POLICY tenant ON reeve.%I TO reeve_api '
			'USING (tenant_id = reeve.tenant()) WITH CHECK (tenant_id = reeve.tenant())', name);
	END LOOP;
END $$;
ALTER TABLE reeve.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reeve.tenants TO reeve_api USING (id = reeve.tenant());

-- What the API needs of tables that know no tenant: functions with the rights
-- of their owner, which look at the tenant themselves.

-- The token behind a hash, and the limit of its tenant.  That it was used is
-- written down once a minute.
CREATE FUNCTION reeve.token_find(hash bytea)
RETURNS TABLE (id uuid, tenant_id text, name text, role text, expires_at timestamptz,
	requests_per_s int)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = reeve, pg_temp
BEGIN ATOMIC
	UPDATE reeve.api_tokens t SET last_used_at = now()
		WHERE t.token_hash = hash
			AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute');
	SELECT t.id, t.tenant_id, t.name, t.role, t.expires_at, n.requests_per_s
	FROM reeve.api_tokens t JOIN reeve.tenants n ON n.id = t.tenant_id
	WHERE t.token_hash = hash AND t.revoked_at IS NULL
		AND (t.expires_at IS NULL OR t.expires_at > now());
END;

-- Raises RV409 when this tenant has as many definitions as it may.
CREATE FUNCTION reeve.definitions_room() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	most int;
BEGIN
	SELECT t.definitions_max INTO most FROM tenants t WHERE t.id = tenant();
	IF most IS NULL THEN
		RETURN; -- and nobody waits for another's commit
	END IF;
	SELECT t.definitions_max INTO most FROM tenants t WHERE t.id = tenant() FOR UPDATE;
	IF most IS NOT NULL
	   AND (SELECT count(*) FROM task_definitions d WHERE d.tenant_id = tenant()) >= most THEN
		RAISE EXCEPTION 'the tenant has %, and may have no more definitions', most
			USING ERRCODE = 'RV409';
	END IF;
END $$;

-- Is a run of a definition of this tenant under way?  As it is at this moment:
-- to be asked by who has locked the definition's row.
CREATE FUNCTION reeve.definition_is_busy(definition uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM task_active a
		JOIN task_definitions d ON d.id = a.definition_id
		WHERE d.id = definition AND d.tenant_id = tenant());
END $$;

-- Count runs against the limit of their tenant; false: it has none.  RV429: so
-- many would be more than it may have that are not over.
CREATE FUNCTION reeve.runs_count(tenant text, ids uuid[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	most int;
BEGIN
	SELECT t.runs_max INTO most FROM tenants t WHERE t.id = tenant;
	IF most IS NULL THEN
		RETURN false; -- and nobody waits for another's commit
	END IF;
	PERFORM FROM tenants t WHERE t.id = tenant FOR NO KEY UPDATE;
	IF (SELECT count(*) FROM tenant_runs r WHERE r.tenant_id = tenant)
			+ cardinality(ids) > most THEN
		RAISE EXCEPTION 'the tenant may have % runs that are not over, and no more', most
			USING ERRCODE = 'RV429';
	END IF;
	INSERT INTO tenant_runs (instance_id, tenant_id)
		SELECT unnest(ids), tenant ON CONFLICT DO NOTHING;
	RETURN true;
END $$;
-- Hand instances of this tenant that were just inserted to the queue: outbox
-- rows, and the mark that a run of their definition is under way.
CREATE FUNCTION reeve.dispatch(ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	sent bigint;
BEGIN
	INSERT INTO task_active (instance_id, definition_id)
		SELECT i.id, i.task_definition_id FROM task_instances i
		WHERE i.id = ANY (ids) AND i.tenant_id = tenant()
			AND i.status = 'PENDING' AND i.task_definition_id IS NOT NULL
		ON CONFLICT DO NOTHING;
	INSERT INTO outbox (instance_id, topic, envelope, due_at)
		SELECT i.id, i.topic, envelope(i), i.due_at FROM task_instances i
		WHERE i.id = ANY (ids) AND i.tenant_id = tenant()
			AND i.status = 'PENDING' AND NOT i.is_held AND i.children = 0
		ORDER BY i.id;
	GET DIAGNOSTICS sent = ROW_COUNT;
	RETURN sent;
END $$;
COMMENT ON FUNCTION reeve.dispatch IS 'Enqueue instances of the tenant of this transaction; returns how many.';
