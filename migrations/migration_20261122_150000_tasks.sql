-- SPDX-License-Identifier: ISC
-- Tasks made through the API, and requests that are made twice.

-- Make a task of the tenant of this transaction, with its subtasks: it runs as
-- soon as this is committed, or when it is due.
--
-- subtasks: NULL, or a list of {"id", "handler", "topic", "params" (a text),
-- "priority", "timeout", "retry", "secret", "names"}; then the task itself is not run, and ends
-- with the last of them.
-- is_mine: the caller takes it to Redis himself, as soon as it is committed.
-- RV409: another holds the unique key.  RV429: the tenant has as many runs as
-- it may.
CREATE FUNCTION reeve.task_create(task uuid, handler text, topic text, params text,
	delay_ms bigint, at timestamptz, unique_key text, priority bigint, timeout_ms bigint,
	retry_max int, deadline timestamptz, subtasks jsonb, who text, request text,
	secret bytea, names jsonb, is_mine boolean)
RETURNS reeve.task_instances
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	made task_instances;
	runs int := coalesce(jsonb_array_length(subtasks), 1);
	most int;
	holder uuid;
BEGIN
	IF is_mine THEN
		PERFORM set_config('reeve.outbox', 'mine', true);
	END IF;
	made.id := task;
	made.tenant_id := tenant();
	made.handler := handler;
	made.topic := topic;
	made.execution_params := params;
	made.status := 'PENDING';
	made.epoch := 0;
	made.retry_count := 0;
	made.unique_key := unique_key;
	made.priority := priority;
	made.timeout_ms := timeout_ms;
	made.retry_max := retry_max;
	made.deadline := deadline;
	made.secret_params := secret;
	made.secret_names := names;
	made.created_at := clock_timestamp();
	made.due_at := coalesce(at, made.created_at + delay_ms * interval '1 millisecond');
	made.trigger := 'api';
	made.is_held := false;
	made.children := coalesce(jsonb_array_length(subtasks), 0);
	made.children_done := 0;
	made.children_failed := 0;

	SELECT t.runs_max INTO most FROM tenants t WHERE t.id = made.tenant_id;
	IF most IS NOT NULL THEN
		PERFORM FROM tenants t WHERE t.id = made.tenant_id FOR NO KEY UPDATE;
		IF (SELECT count(*) FROM tenant_runs r WHERE r.tenant_id = made.tenant_id)
				+ runs > most THEN
			RAISE EXCEPTION 'the tenant may have % runs that are not over, and no more', most
				USING ERRCODE = 'RV429';
		END IF;
		made.is_counted := true;
		INSERT INTO tenant_runs (instance_id, tenant_id)
			SELECT task, made.tenant_id WHERE made.children = 0
			UNION ALL SELECT (s->>'id')::uuid, made.tenant_id
				FROM jsonb_array_elements(subtasks) s;
	END IF;
	IF unique_key IS NOT NULL THEN
		INSERT INTO task_keys (tenant_id, unique_key, instance_id)
			VALUES (made.tenant_id, unique_key, task) ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			SELECT k.instance_id INTO holder FROM task_keys k
				WHERE k.tenant_id = made.tenant_id AND k.unique_key = made.unique_key;
			RAISE EXCEPTION 'task % holds the unique key',
				coalesce(holder::text, 'that ends at this moment')
				USING ERRCODE = 'RV409';
		END IF;
	END IF;

	INSERT INTO task_instances SELECT made.*;
	IF made.children = 0 THEN
		INSERT INTO outbox (instance_id, topic, envelope, due_at)
			VALUES (task, made.topic, envelope(made), made.due_at);
	ELSE
		WITH parts AS (
			INSERT INTO task_instances AS i (id, tenant_id, parent_id, handler, topic,
				execution_params, due_at, priority, timeout_ms, retry_max, deadline,
				trigger, is_counted, created_at, secret_params, secret_names)
			SELECT (s->>'id')::uuid, made.tenant_id, task, s->>'handler', s->>'topic',
				s->>'params', made.due_at, (s->>'priority')::bigint,
				(s->>'timeout')::bigint, (s->>'retry')::int, made.deadline, 'api',
				made.is_counted, made.created_at, (s->>'secret')::bytea, s->'names'
			FROM jsonb_array_elements(subtasks) s
			RETURNING i)
		INSERT INTO outbox (instance_id, topic, envelope, due_at)
			SELECT (p.i).id, (p.i).topic, envelope(p.i), (p.i).due_at
			FROM parts p ORDER BY (p.i).id;
	END IF;
	INSERT INTO audit_log (tenant_id, who, action, object, object_id, after, request_id)
		VALUES (made.tenant_id, who, 'createTask', 'instance', task,
			jsonb_build_object('handler', handler, 'topic', topic, 'subtasks', made.children),
			request);
	RETURN made;
END $$;
COMMENT ON FUNCTION reeve.task_create IS
	'Make a task of the tenant of this transaction, with its subtasks.';

-- Requests with an Idempotency-Key, and what they were answered.
CREATE TABLE reeve.idempotency_keys (
	tenant_id text NOT NULL,
	key text NOT NULL,
	operation text NOT NULL,
	request_hash bytea NOT NULL,
	status int, -- NULL: it was committed, and nobody wrote down the answer
	headers text,
	answer text,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON reeve.idempotency_keys (created_at);
ALTER TABLE reeve.idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reeve.idempotency_keys TO reeve_api
	USING (tenant_id = reeve.tenant()) WITH CHECK (tenant_id = reeve.tenant());
GRANT SELECT, UPDATE ON reeve.idempotency_keys TO reeve_api;

-- The first thing that a transaction with a key does.  RV409: another has it at
-- this moment.  RV422: it was of another request.  RV200: it was done before.
CREATE FUNCTION reeve.idempotency_begin(key text, operation text, hash bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	was idempotency_keys;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended(tenant() || '/' || key, 5)) THEN
		RAISE EXCEPTION 'a request with this Idempotency-Key is under way'
			USING ERRCODE = 'RV409';
	END IF;
	DELETE FROM idempotency_keys i WHERE i.ctid = ANY (ARRAY(
		SELECT o.ctid FROM idempotency_keys o
		WHERE o.created_at < now() - interval '24 hours'
		ORDER BY o.created_at LIMIT 10 FOR UPDATE SKIP LOCKED));
	SELECT * INTO was FROM idempotency_keys i
		WHERE i.tenant_id = tenant() AND i.key = key
			AND i.created_at >= now() - interval '24 hours';
	IF FOUND AND (was.request_hash <> hash OR was.operation <> operation) THEN
		RAISE EXCEPTION 'this Idempotency-Key was sent with another request'
			USING ERRCODE = 'RV422';
	ELSIF FOUND THEN
		RAISE EXCEPTION 'done before' USING ERRCODE = 'RV200';
	END IF;
	INSERT INTO idempotency_keys AS i (tenant_id, key, operation, request_hash)
		VALUES (tenant(), key, operation, hash)
		ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE SET operation = excluded.operation,
			request_hash = excluded.request_hash, status = NULL, headers = NULL,
			answer = NULL, created_at = now();
END $$;
