-- SPDX-License-Identifier: ISC
-- Tasks made through the API, and requests that are made twice.

-- Make tasks of the tenant of this transaction, each of one place in the
-- arrays: they run as soon as this is committed, or when they are due.
--
-- ats_us, deadlines_us: since the epoch.
-- is_mine: the caller takes them to Redis himself, as soon as it is committed.
-- Returns those that were made: all, or the first of them when there is no room
-- for more runs of the tenant.  RV429: there is room for none.
CREATE FUNCTION reeve.tasks_create(ids uuid[], handlers text[], topics text[], params text[],
	delays_ms bigint[], ats_us bigint[], unique_keys text[], priorities bigint[],
	timeouts_ms bigint[], retries_max int[], deadlines_us bigint[], whos text[],
	requests text[], secrets bytea[], secrets_names jsonb[], is_mine boolean)
RETURNS SETOF reeve.task_instances
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_column
DECLARE
	whose text := tenant();
	most int;
	room bigint; -- NULL: for all
	moment timestamptz := clock_timestamp();
BEGIN
	IF is_mine THEN
		PERFORM set_config('reeve.outbox', 'mine', true);
	END IF;
	SELECT t.runs_max INTO most FROM tenants t WHERE t.id = whose;
	IF most IS NOT NULL THEN
		PERFORM FROM tenants t WHERE t.id = whose FOR NO KEY UPDATE;
		SELECT greatest(most - count(*), 0) INTO room FROM tenant_runs r
			WHERE r.tenant_id = whose;
		IF room = 0 THEN
			RAISE EXCEPTION 'the tenant may have % runs that are not over, and no more', most
				USING ERRCODE = 'RV429';
		END IF;
		INSERT INTO tenant_runs (instance_id, tenant_id)
			SELECT u.id, whose FROM unnest(ids) WITH ORDINALITY u (id, place)
			WHERE u.place <= room;
	END IF;
	RETURN QUERY
	WITH made AS (
		INSERT INTO task_instances AS i (id, tenant_id, handler, topic, execution_params,
			due_at, unique_key, priority, timeout_ms, retry_max, deadline, trigger,
			is_counted, created_at, secret_params, secret_names)
		SELECT u.id, whose, u.handler, u.topic, u.params,
			coalesce('epoch'::timestamptz + u.at_us * interval '1 us',
				moment + u.delay_ms * interval '1 ms'),
			u.unique_key, u.priority, u.timeout_ms, u.retry_max,
			'epoch'::timestamptz + u.deadline_us * interval '1 us', 'api',
			CASE WHEN most IS NOT NULL THEN true END, moment, u.secret, u.names
		FROM unnest(ids, handlers, topics, params, delays_ms, ats_us, unique_keys,
			priorities, timeouts_ms, retries_max, deadlines_us, secrets, secrets_names)
			WITH ORDINALITY u (id, handler, topic, params, delay_ms, at_us, unique_key,
			priority, timeout_ms, retry_max, deadline_us, secret, names, place)
		WHERE room IS NULL OR u.place <= room
		RETURNING i.*),
	sent AS (
		INSERT INTO outbox (instance_id, topic, envelope, due_at)
		SELECT m.id, m.topic, envelope(m::task_instances), m.due_at FROM made m),
	noted AS (
		INSERT INTO audit_log (tenant_id, who, action, object, object_id, after, request_id)
		SELECT whose, u.who, 'createTask', 'instance', m.id,
			jsonb_build_object('handler', m.handler, 'topic', m.topic, 'subtasks', 0),
			u.request
		FROM unnest(ids, whos, requests) u (id, who, request) JOIN made m ON m.id = u.id)
	SELECT * FROM made;
END $$;
COMMENT ON FUNCTION reeve.tasks_create IS
	'Make tasks of the tenant of this transaction; returns those that it may have.';

-- Make a task, with its subtasks.
--
-- subtasks: NULL, or a list of {"id", "handler", "topic", "params" (a text),
-- "priority", "timeout", "retry", "secret", "names"}; then the task itself is
-- not run, and ends with the last of them.
-- RV409: another holds the unique key.  RV429: the tenant has as many runs as
-- it may.
CREATE FUNCTION reeve.task_create(task uuid, handler text, topic text, params text,
	delay_ms bigint, at_us bigint, unique_key text, priority bigint, timeout_ms bigint,
	retry_max int, deadline_us bigint, who text, request text, secret bytea,
	names jsonb, is_mine boolean, subtasks jsonb)
RETURNS reeve.task_instances
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	made task_instances;
	most int;
	holder uuid;
BEGIN
	made.tenant_id := tenant();
	IF unique_key IS NOT NULL THEN
		INSERT INTO task_keys (tenant_id, unique_key, instance_id)
			VALUES (made.tenant_id, unique_key, task) ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			SELECT k.instance_id INTO holder FROM task_keys k
				WHERE k.tenant_id = made.tenant_id AND k.unique_key = unique_key;
			RAISE EXCEPTION 'task % holds the unique key',
				coalesce(holder::text, 'that ends at this moment')
				USING ERRCODE = 'RV409';
		END IF;
	END IF;
	IF subtasks IS NULL THEN
		SELECT * INTO made FROM tasks_create(ARRAY[task], ARRAY[handler], ARRAY[topic],
			ARRAY[params], ARRAY[delay_ms], ARRAY[at_us], ARRAY[unique_key],
			ARRAY[priority], ARRAY[timeout_ms], ARRAY[retry_max], ARRAY[deadline_us],
			ARRAY[who], ARRAY[request], ARRAY[secret], ARRAY[names], is_mine);
		RETURN made;
	END IF;

	IF is_mine THEN
		PERFORM set_config('reeve.outbox', 'mine', true);
	END IF;
	made.id := task;
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
	made.deadline := 'epoch'::timestamptz + deadline_us * interval '1 us';
	made.secret_params := secret;
	made.secret_names := names;
	made.created_at := clock_timestamp();
	made.due_at := coalesce('epoch'::timestamptz + at_us * interval '1 us',
		made.created_at + delay_ms * interval '1 ms');
	made.trigger := 'api';
	made.is_held := false;
	made.children := jsonb_array_length(subtasks);
	made.children_done := 0;
	made.children_failed := 0;
	SELECT t.runs_max INTO most FROM tenants t WHERE t.id = made.tenant_id;
	IF most IS NOT NULL THEN
		PERFORM FROM tenants t WHERE t.id = made.tenant_id FOR NO KEY UPDATE;
		IF (SELECT count(*) FROM tenant_runs r WHERE r.tenant_id = made.tenant_id)
				+ made.children > most THEN
			RAISE EXCEPTION 'the tenant may have % runs that are not over, and no more', most
				USING ERRCODE = 'RV429';
		END IF;
		made.is_counted := true;
		INSERT INTO tenant_runs (instance_id, tenant_id)
			SELECT (s->>'id')::uuid, made.tenant_id FROM jsonb_array_elements(subtasks) s;
	END IF;
	INSERT INTO task_instances SELECT made.*;
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
	object_id uuid NOT NULL, -- what it made
	status int, -- NULL: it was committed, and the answer is not written down yet
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
-- object: the id of what it will make.
CREATE FUNCTION reeve.idempotency_begin(key text, operation text, hash bytea, object uuid)
RETURNS void
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
	INSERT INTO idempotency_keys AS i (tenant_id, key, operation, request_hash, object_id)
		VALUES (tenant(), key, operation, hash, object)
		ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE SET operation = excluded.operation,
			request_hash = excluded.request_hash, object_id = excluded.object_id,
			status = NULL, headers = NULL, answer = NULL, created_at = now();
END $$;
