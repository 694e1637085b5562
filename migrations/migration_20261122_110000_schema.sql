-- SPDX-License-Identifier: ISC
-- What reeve keeps: definitions, their runs, logs, and the way to the queue.
--
-- Ids are uuid v7, so they sort by the time they were made and the tables that
-- grow are partitioned by ranges of their id, a day each.

CREATE FUNCTION reeve.uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (lpad(to_hex(greatest(0, least(281474976710655,
	floor(extract(epoch FROM at) * 1000)))::bigint), 12, '0') || repeat('0', 20))::uuid;
COMMENT ON FUNCTION reeve.uuid_floor IS
	'The smallest id of that millisecond: ids of a time range are between two of these.';

CREATE FUNCTION reeve.uuid_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp((('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint) / 1000.0);
COMMENT ON FUNCTION reeve.uuid_time IS 'When this uuid v7 was made.';

CREATE FUNCTION reeve.uuid_new() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (lpad(to_hex(floor(date_part('epoch', clock_timestamp()) * 1000)::bigint), 12, '0')
	|| '7' || substr(gen_random_uuid()::text, 16))::uuid;
COMMENT ON FUNCTION reeve.uuid_new IS 'A new uuid v7.';

CREATE FUNCTION reeve.fire_id(definition_id uuid, fire_time timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN overlay(overlay(overlay(
		md5(definition_id::text || (date_part('epoch', fire_time) * 1000000)::bigint)
		PLACING lpad(to_hex(floor(date_part('epoch', fire_time) * 1000)::bigint), 12, '0')
			FROM 1 FOR 12)
		PLACING '7' FROM 13 FOR 1)
		PLACING '8' FROM 17 FOR 1)::uuid;
COMMENT ON FUNCTION reeve.fire_id IS
	'The id of the run of a definition at a time: always the same, so the primary key of task_instances allows one.';

-- A span of a rule: "1h30m", or whole milliseconds.  A day has 24 hours.
CREATE FUNCTION reeve.span(value jsonb) RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
	WHEN 'number' THEN (value #>> '{}')::numeric * interval '1 millisecond'
	ELSE extract(epoch FROM (value #>> '{}')::interval) * interval '1 second'
END;

-- Tenants ------------------------------------------------------------------

CREATE TABLE reeve.tenants (
	id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,35}$'),
	name text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO reeve.tenants (id, name) VALUES ('default', 'default');

-- Definitions: what runs, and when -----------------------------------------

CREATE TABLE reeve.task_definitions (
	id uuid PRIMARY KEY DEFAULT reeve.uuid_new(),
	tenant_id text NOT NULL DEFAULT 'default' REFERENCES reeve.tenants (id),
	task_name varchar(100) NOT NULL CHECK (task_name <> ''),
	task_handler varchar(200) NOT NULL CHECK (task_handler <> ''),
	description text NOT NULL DEFAULT '',
	schedule_type text NOT NULL
		CHECK (schedule_type IN ('CRON', 'FIXED_RATE', 'FIXED_DELAY', 'ONCE')),
	-- {"cron" | "every" | "delay" | "at", "dialect", "start", "end", "timeZone"}:
	-- what counts; the four below repeat it for readers.
	rule jsonb NOT NULL,
	cron_expression varchar(100), -- the first
	time_zone text NOT NULL DEFAULT 'UTC',
	start_at timestamptz,
	end_at timestamptz,
	task_params text NOT NULL DEFAULT '{}' CHECK (task_params::json IS NOT NULL),
	topic text NOT NULL DEFAULT 'common' CHECK (topic ~ '^[a-z0-9_-]{1,48}$'),
	priority bigint NOT NULL DEFAULT 1,
	timeout_ms bigint CHECK (timeout_ms > 0), -- NULL: the handler's
	retry_max int CHECK (retry_max >= 0), -- NULL: the handler's
	misfire text NOT NULL DEFAULT 'once' CHECK (misfire IN ('skip', 'once', 'all')),
	misfire_max int NOT NULL DEFAULT 100 CHECK (misfire_max > 0), -- of all
	overlap text NOT NULL DEFAULT 'forbid'
		CHECK (overlap IN ('allow', 'forbid', 'queue', 'replace')),
	inline boolean NOT NULL DEFAULT false, -- in the crontab worker itself
	depends_on uuid REFERENCES reeve.task_definitions (id) ON DELETE SET NULL,
	status text NOT NULL DEFAULT 'ENABLED' CHECK (status IN ('ENABLED', 'DISABLED')),
	-- Where the schedule stands: changed only by a compare-and-set.
	next_fire timestamptz, -- NULL: never again, or after the run under way
	last_fire timestamptz,
	last_end timestamptz,
	last_state text,
	source text NOT NULL DEFAULT 'cli', -- cli, api, or file:NODE
	creator text NOT NULL DEFAULT '',
	is_system boolean NOT NULL DEFAULT false,
	version bigint NOT NULL DEFAULT 1, -- of the settings, not of the schedule
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(), -- of the settings
	modified timestamptz NOT NULL DEFAULT clock_timestamp(), -- the same, by the clock
	UNIQUE (tenant_id, task_name)
) WITH (fillfactor = 70);
CREATE INDEX idx_tenant_id ON reeve.task_definitions (tenant_id);
CREATE INDEX idx_status ON reeve.task_definitions (status);
CREATE INDEX idx_schedule_type ON reeve.task_definitions (schedule_type);
CREATE INDEX task_definitions_next_fire ON reeve.task_definitions (next_fire)
	WHERE status = 'ENABLED';
CREATE INDEX task_definitions_modified ON reeve.task_definitions (modified);
CREATE INDEX task_definitions_depends_on ON reeve.task_definitions (depends_on)
	WHERE depends_on IS NOT NULL;

-- A change of settings is seen by every crontab worker at once.  The schedule's
-- own steps (next_fire, last_*) are no change of settings.
CREATE FUNCTION reeve.definition_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.modified := clock_timestamp();
	NEW.updated_at := now();
	NEW.version := OLD.version + 1;
	RETURN NEW;
END $$;
CREATE TRIGGER definition_changed BEFORE UPDATE OF task_name, task_handler, description,
	schedule_type, cron_expression, rule, time_zone, start_at, end_at, task_params, topic,
	priority, timeout_ms, retry_max, misfire, misfire_max, overlap, inline, depends_on,
	status, source, creator, is_system
	ON reeve.task_definitions
	FOR EACH ROW
	WHEN (OLD.* IS DISTINCT FROM NEW.*)
	EXECUTE FUNCTION reeve.definition_changed();

CREATE FUNCTION reeve.definition_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('reeve_definitions', '');
	RETURN NULL;
END $$;
CREATE TRIGGER definition_told_insert AFTER INSERT OR DELETE OR TRUNCATE ON reeve.task_definitions
	FOR EACH STATEMENT EXECUTE FUNCTION reeve.definition_told();
CREATE TRIGGER definition_told_update AFTER UPDATE OF task_handler, rule, time_zone,
	start_at, end_at, task_params, topic, priority, timeout_ms, retry_max, misfire,
	misfire_max, overlap, inline, depends_on, status, schedule_type
	ON reeve.task_definitions
	FOR EACH STATEMENT EXECUTE FUNCTION reeve.definition_told();

-- What was deleted, so that an incremental query sees it too.
CREATE TABLE reeve.deleted_definitions (
	id uuid PRIMARY KEY,
	deleted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON reeve.deleted_definitions (deleted_at);
-- With a definition goes what is held back behind its other runs: nobody would
-- let go of it.  What waits for its end waits no more.
CREATE FUNCTION reeve.definition_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	free uuid[];
BEGIN
	INSERT INTO deleted_definitions (id) VALUES (OLD.id)
		ON CONFLICT (id) DO UPDATE SET deleted_at = clock_timestamp();
	WITH gone AS (UPDATE task_definitions d SET depends_on = NULL
		WHERE d.depends_on = OLD.id RETURNING d.id)
	SELECT array_agg(id) INTO free FROM gone;
	PERFORM task_cancel(a.instance_id)
	FROM task_active a JOIN task_instances i ON i.id = a.instance_id
	WHERE a.definition_id = OLD.id AND i.is_held AND i.status = 'PENDING';
	IF free IS NOT NULL THEN
		PERFORM runs_release(free);
	END IF;
	RETURN NULL;
END $$;
-- Its name has it called before the foreign key's own trigger, "RI_...".
CREATE TRIGGER "A_definition_deleted" AFTER DELETE ON reeve.task_definitions
	FOR EACH ROW EXECUTE FUNCTION reeve.definition_deleted();

-- Instances: each run ------------------------------------------------------

CREATE TABLE reeve.task_instances (
	id uuid NOT NULL,
	tenant_id text NOT NULL DEFAULT 'default',
	task_definition_id uuid,
	parent_id uuid,
	handler text NOT NULL,
	topic text NOT NULL,
	execution_params text NOT NULL DEFAULT '{}',
	status text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING',
		'RUNNING', 'SUCCESS', 'FAILED', 'TIMEOUT', 'CANCELLED', 'MISFIRED', 'SKIPPED')),
	-- Raised at each dispatch; who finishes says which he has.
	epoch bigint NOT NULL DEFAULT 0,
	execution_node varchar(100),
	worker text, -- NODE/POOL.INDEX/PID
	fire_time timestamptz, -- of the definition, as planned
	due_at timestamptz, -- not before: a delay, or the pause of a retry
	start_time timestamptz,
	end_time timestamptz,
	execution_duration bigint, -- ms, of the last attempt
	retry_count int NOT NULL DEFAULT 0,
	error_message text,
	errors jsonb, -- [{"attempt","at","error"}], one for each failed attempt
	result text,
	progress smallint,
	progress_text text,
	unique_key text,
	priority bigint NOT NULL DEFAULT 1,
	timeout_ms bigint,
	retry_max int,
	deadline timestamptz,
	trigger text NOT NULL DEFAULT 'push', -- cron, manual, api, push
	is_held boolean NOT NULL DEFAULT false, -- waits for another run's end
	is_counted boolean, -- true: against its tenant's limit
	children int NOT NULL DEFAULT 0, -- subtasks; then it is no run itself
	children_done int NOT NULL DEFAULT 0,
	children_failed int NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX task_instances_tenant ON reeve.task_instances (tenant_id, id)
	WHERE tenant_id <> 'default';
CREATE INDEX task_instances_definition ON reeve.task_instances (task_definition_id, id)
	WHERE task_definition_id IS NOT NULL;
CREATE INDEX task_instances_parent ON reeve.task_instances (parent_id, id)
	WHERE parent_id IS NOT NULL;
-- Of each state that is looked for by itself, and of few rows: what waits, what
-- runs (whoever asks, and those who look for orphans), what went wrong.
CREATE INDEX task_instances_running ON reeve.task_instances (id)
	WHERE status = 'RUNNING';
CREATE INDEX task_instances_pending ON reeve.task_instances (id)
	WHERE status = 'PENDING';
CREATE INDEX task_instances_failed ON reeve.task_instances (id)
	WHERE status IN ('FAILED', 'TIMEOUT', 'CANCELLED', 'MISFIRED', 'SKIPPED');

-- Runs of definitions that are not over: what overlap and depends_on ask.
CREATE TABLE reeve.task_active (
	instance_id uuid PRIMARY KEY,
	definition_id uuid NOT NULL,
	since timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON reeve.task_active (definition_id);

-- Runs that are not over, of tenants that may have only so many.
CREATE TABLE reeve.tenant_runs (
	instance_id uuid PRIMARY KEY,
	tenant_id text NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON reeve.tenant_runs (tenant_id);

-- Uniqueness of tasks that are not over.
CREATE TABLE reeve.task_keys (
	tenant_id text NOT NULL,
	unique_key text NOT NULL,
	instance_id uuid NOT NULL,
	PRIMARY KEY (tenant_id, unique_key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON reeve.task_keys (instance_id);

CREATE TABLE reeve.task_logs (
	id uuid NOT NULL DEFAULT reeve.uuid_new(),
	tenant_id text NOT NULL DEFAULT 'default',
	task_instance_id uuid NOT NULL,
	log_level text NOT NULL CHECK (log_level IN ('DEBUG', 'INFO', 'WARN', 'ERROR')),
	log_message text NOT NULL,
	log_time timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX task_logs_instance ON reeve.task_logs (task_instance_id, id);

CREATE TABLE reeve.error_logs (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id text NOT NULL DEFAULT 'default',
	error_type text NOT NULL,
	error_message text NOT NULL,
	stack_trace text,
	count bigint NOT NULL DEFAULT 1,
	first_occurred_at timestamptz NOT NULL DEFAULT now(),
	last_occurred_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX error_logs_key ON reeve.error_logs (tenant_id, error_type, md5(error_message));

-- The way to the queue -----------------------------------------------------

-- What a committed transaction wants in Redis; a row is gone when it is there.
CREATE TABLE reeve.outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	instance_id uuid, -- NULL: not tracked
	topic text NOT NULL,
	envelope text NOT NULL,
	due_at timestamptz, -- NULL: at once
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- Until when a dispatcher looks without being told.
CREATE UNLOGGED TABLE reeve.outbox_watch (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	awake_until timestamptz NOT NULL
) WITH (fillfactor = 20);

CREATE FUNCTION reeve.outbox_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	-- Transactions that notify commit one after the other; who takes his rows
	-- to Redis himself says so, and spares it.
	IF current_setting('reeve.outbox', true) IS DISTINCT FROM 'mine' AND NOT EXISTS (
			SELECT FROM reeve.outbox_watch WHERE awake_until > clock_timestamp()) THEN
		PERFORM pg_notify('reeve_outbox', '');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER outbox_told AFTER INSERT ON reeve.outbox
	FOR EACH STATEMENT EXECUTE FUNCTION reeve.outbox_told();

-- Put together by hand: a third of the time of json_build_object, for each run.
CREATE FUNCTION reeve.envelope(i reeve.task_instances) RETURNS text
LANGUAGE sql STABLE
RETURN '{"id":"' || (i).id || '","handler":' || to_json((i).handler)
	|| ',"tenant":' || to_json((i).tenant_id)
	|| ',"tracked":true,"stored":true,"epoch":' || (i).epoch
	|| ',"attempt":' || (i).retry_count
	|| coalesce(',"timeout_ms":' || (i).timeout_ms, '')
	|| coalesce(',"retry_max":' || (i).retry_max, '')
	|| ',"priority":' || (i).priority
	|| coalesce(',"deadline":' || floor(date_part('epoch', (i).deadline) * 1000)::bigint, '')
	|| ',"created":' || floor(date_part('epoch', (i).created_at) * 1000)::bigint
	|| ',"params":' || (i).execution_params || '}';
COMMENT ON FUNCTION reeve.envelope IS 'The stream entry of an instance.';

-- Enqueue within the caller's transaction: on its commit, or never.
CREATE FUNCTION reeve.push(
	topic text, handler text, params jsonb DEFAULT '{}',
	delay interval DEFAULT NULL, at timestamptz DEFAULT NULL,
	unique_key text DEFAULT NULL, tracked boolean DEFAULT true,
	priority bigint DEFAULT 1, timeout interval DEFAULT NULL,
	deadline timestamptz DEFAULT NULL, tenant text DEFAULT 'default',
	parent uuid DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	made reeve.task_instances;
	holder uuid;
BEGIN
	IF topic IS NULL OR topic !~ '^[a-z0-9_-]{1,48}$' THEN
		RAISE EXCEPTION 'topic "%" is not a name of [a-z0-9_-]', topic
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF handler IS NULL OR handler = '' OR octet_length(handler) > 128 THEN
		RAISE EXCEPTION 'handler "%" is not a name of 1 to 128 bytes', handler
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF octet_length(params::text) > 1000000 THEN
		RAISE EXCEPTION 'params are longer than 1000000 bytes'
			USING ERRCODE = 'program_limit_exceeded';
	END IF;
	made.id := uuid_new();
	made.tenant_id := coalesce(tenant, 'default');
	made.handler := handler;
	made.topic := CASE topic WHEN 'normal' THEN 'common' ELSE topic END;
	made.execution_params := coalesce(params, '{}')::text;
	made.status := 'PENDING';
	made.epoch := 0;
	made.retry_count := 0;
	made.parent_id := parent;
	made.unique_key := unique_key;
	made.priority := coalesce(priority, 1);
	made.timeout_ms := floor(extract(epoch FROM timeout) * 1000)::bigint;
	made.deadline := deadline;
	made.due_at := coalesce(at, clock_timestamp() + delay);
	made.trigger := 'push';
	made.is_held := false;
	made.children := 0;
	made.children_done := 0;
	made.children_failed := 0;
	made.created_at := clock_timestamp();
	IF unique_key IS NOT NULL AND tracked THEN
		INSERT INTO task_keys (tenant_id, unique_key, instance_id)
			VALUES (made.tenant_id, unique_key, made.id)
			ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			SELECT k.instance_id INTO holder FROM task_keys k
				WHERE k.tenant_id = made.tenant_id AND k.unique_key = made.unique_key;
			IF holder IS NOT NULL THEN
				RETURN holder;
			END IF;
			RAISE EXCEPTION 'unique key "%" is being freed: try again', unique_key
				USING ERRCODE = 'serialization_failure';
		END IF;
	END IF;
	IF tracked THEN
		INSERT INTO task_instances SELECT made.*;
		INSERT INTO outbox (instance_id, topic, envelope, due_at)
			VALUES (made.id, made.topic, envelope(made), made.due_at);
	ELSE
		INSERT INTO outbox (topic, envelope, due_at)
			VALUES (made.topic, (envelope(made)::jsonb - 'tracked' - 'stored' - 'epoch'
				|| jsonb_strip_nulls(jsonb_build_object('unique', unique_key)))::text,
				made.due_at);
	END IF;
	RETURN made.id;
END $$;
COMMENT ON FUNCTION reeve.push IS
	'Enqueue a task on commit of this transaction; returns its id, or that of the task that holds the unique key.';

-- Ends ---------------------------------------------------------------------

-- Runs of these definitions that are held back, and have nothing to wait for
-- any more, go into the outbox: all where overlap is allow, else the oldest.
CREATE FUNCTION reeve.runs_release(definitions uuid[]) RETURNS int
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	free task_instances;
	released int := 0;
BEGIN
	FOR free IN
		UPDATE task_instances t SET is_held = false
		FROM (SELECT i.id, d.overlap, row_number() OVER (PARTITION BY d.id
				ORDER BY i.fire_time, i.id) AS place
			FROM task_active a
			JOIN task_instances i ON i.id = a.instance_id
			JOIN task_definitions d ON d.id = a.definition_id
			WHERE d.id = ANY (definitions) AND i.is_held AND i.status = 'PENDING'
			AND NOT EXISTS (SELECT FROM task_active b
				WHERE b.definition_id = d.depends_on)
			AND (d.overlap = 'allow' OR NOT EXISTS (SELECT FROM task_active b
				JOIN task_instances o ON o.id = b.instance_id
				WHERE b.definition_id = d.id AND NOT o.is_held))) h
		WHERE t.id = h.id AND (h.place = 1 OR h.overlap = 'allow')
		RETURNING t.*
	LOOP
		INSERT INTO outbox (instance_id, topic, envelope)
			VALUES (free.id, free.topic, envelope(free));
		released := released + 1;
	END LOOP;
	RETURN released;
END $$;
COMMENT ON FUNCTION reeve.runs_release IS
	'Let go what overlap or depends_on held back; returns how many.';

-- What the end of a run brings with it, once: of these ids only those count
-- that this very transaction has ended (not in a savepoint).  Who fires a
-- definition has to lock its row before he looks whether it runs.
CREATE FUNCTION reeve.runs_ended(ids uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = reeve, pg_temp AS $$
DECLARE
	ended task_instances[];
	ran uuid[]; -- definitions
	next uuid[];
BEGIN
	SELECT array_agg(t ORDER BY t.id) INTO ended FROM task_instances t
		WHERE t.id = ANY (ids) AND t.xmin = pg_current_xact_id()::xid
		AND t.status NOT IN ('PENDING', 'RUNNING');
	IF ended IS NULL THEN
		RETURN;
	END IF;
	DELETE FROM task_keys k USING unnest(ended) e
		WHERE k.instance_id = e.id AND e.unique_key IS NOT NULL;
	DELETE FROM tenant_runs r USING unnest(ended) e
		WHERE r.instance_id = e.id AND e.is_counted;

	-- Definitions.
	SELECT array_agg(DISTINCT e.task_definition_id) INTO ran FROM unnest(ended) e
		WHERE e.task_definition_id IS NOT NULL;
	IF ran IS NOT NULL THEN
		PERFORM FROM task_definitions d
			WHERE d.id = ANY (ran) OR d.depends_on = ANY (ran)
			ORDER BY d.id FOR NO KEY UPDATE;
		DELETE FROM task_active a USING unnest(ended) e WHERE a.instance_id = e.id;
		UPDATE task_definitions d
			SET last_state = e.status, last_end = e.end_time
			FROM (SELECT DISTINCT ON (task_definition_id) * FROM unnest(ended)
				ORDER BY task_definition_id, end_time DESC) e
			WHERE d.id = e.task_definition_id;
		UPDATE task_definitions d
			SET next_fire = d.last_end
				+ reeve.span(d.rule->'delay')
			WHERE d.id = ANY (ran) AND d.schedule_type = 'FIXED_DELAY'
			AND d.next_fire IS NULL AND d.status = 'ENABLED'
			AND d.last_end + reeve.span(d.rule->'delay')
				<= coalesce(d.end_at, 'infinity');
		PERFORM pg_notify('reeve_definitions', d.id::text) FROM task_definitions d
			WHERE d.id = ANY (ran) AND d.schedule_type = 'FIXED_DELAY';
		-- Who waits for a success that did not come waits no more.
		WITH left_out AS (
			UPDATE task_instances t SET status = 'SKIPPED', is_held = false,
				end_time = clock_timestamp(), error_message =
				'the run it depends on ended as ' || p.last_state
			FROM task_definitions d
			JOIN task_definitions p ON p.id = d.depends_on
			JOIN task_active a ON a.definition_id = d.id
			WHERE p.id = ANY (ran) AND p.last_state <> 'SUCCESS'
			AND t.id = a.instance_id AND t.is_held AND t.status = 'PENDING'
			AND NOT EXISTS (SELECT FROM task_active b WHERE b.definition_id = p.id)
			RETURNING t.id)
		SELECT array_agg(id) INTO next FROM left_out;
		IF next IS NOT NULL THEN
			PERFORM runs_ended(next);
		END IF;
		PERFORM runs_release(array_agg(d.id)) FROM task_definitions d
			WHERE d.id = ANY (ran) OR d.depends_on = ANY (ran);
	END IF;

	-- Parents: no runs themselves, they end with their last child.
	PERFORM FROM task_instances p
		WHERE p.id IN (SELECT e.parent_id FROM unnest(ended) e)
		ORDER BY p.id FOR NO KEY UPDATE;
	WITH counted AS (
		UPDATE task_instances p SET children_done = p.children_done + c.n,
			children_failed = p.children_failed + c.bad,
			progress = CASE WHEN p.children > 0 THEN
				least(100, 100 * (p.children_done + c.n) / p.children)
				ELSE p.progress END,
			status = CASE WHEN p.children = 0
				OR p.status NOT IN ('PENDING', 'RUNNING') THEN p.status
				WHEN p.children_done + c.n < p.children THEN 'RUNNING'
				WHEN p.children_failed + c.bad > 0 THEN 'FAILED'
				ELSE 'SUCCESS' END,
			start_time = coalesce(p.start_time, c.since),
			end_time = CASE WHEN p.children > 0
				AND p.children_done + c.n >= p.children
				THEN coalesce(p.end_time, c.till) ELSE p.end_time END
		FROM (SELECT e.parent_id, count(*) AS n,
				count(*) FILTER (WHERE e.status <> 'SUCCESS') AS bad,
				min(e.start_time) AS since, max(e.end_time) AS till
			FROM unnest(ended) e WHERE e.parent_id IS NOT NULL
			GROUP BY e.parent_id) c
		WHERE p.id = c.parent_id
		RETURNING p.id, p.children > 0 AND p.children_done >= p.children
			AND p.end_time = c.till AS is_over)
	SELECT array_agg(id) INTO next FROM counted WHERE is_over;
	IF next IS NOT NULL THEN
		PERFORM runs_ended(next);
	END IF;
END $$;
COMMENT ON FUNCTION reeve.runs_ended IS
	'To be called by who ends runs, in the same transaction: frees unique keys, steps definitions on, releases what waited, counts for parents.';

-- Cancel what has not begun.  Returns the state it was in, or NULL: unknown.
-- What is RUNNING has to be told to its worker, by a mark in Redis.
CREATE FUNCTION reeve.task_cancel(task uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	was task_instances;
BEGIN
	SELECT * INTO was FROM task_instances t WHERE t.id = task
		AND (current_setting('role') <> 'reeve_api'
			OR t.tenant_id = current_setting('reeve.tenant', true))
		FOR NO KEY UPDATE;
	IF was.status = 'PENDING' OR (was.status = 'RUNNING' AND was.children > 0) THEN
		UPDATE task_instances t SET status = 'CANCELLED', is_held = false,
			end_time = clock_timestamp() WHERE t.id = task;
		IF was.children = 0 THEN
			INSERT INTO task_ends AS e (tenant_id, minute, part, cancelled)
				VALUES (was.tenant_id, date_trunc('minute', now()), pg_backend_pid(), 1)
				ON CONFLICT (tenant_id, minute, part)
				DO UPDATE SET cancelled = e.cancelled + 1;
		END IF;
		DELETE FROM outbox o WHERE o.instance_id = task;
		PERFORM runs_ended(ARRAY[task]);
		PERFORM task_cancel(t.id) FROM task_instances t
			WHERE was.children > 0 AND t.parent_id = task AND t.status = 'PENDING';
	END IF;
	RETURN was.status;
END $$;
COMMENT ON FUNCTION reeve.task_cancel IS
	'Cancel a task that has not begun; returns the state it was in.';

-- Once more, from the first attempt on.  Returns the state it was in, or NULL:
-- unknown; one that is not over is left as it is.
CREATE FUNCTION reeve.task_retry(task uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = reeve, pg_temp AS $$
DECLARE
	was task_instances;
	made task_instances;
	counts boolean;
BEGIN
	SELECT * INTO was FROM task_instances t WHERE t.id = task
		AND (current_setting('role') <> 'reeve_api'
			OR t.tenant_id = current_setting('reeve.tenant', true))
		FOR NO KEY UPDATE;
	IF was.status IS NULL OR was.status IN ('PENDING', 'RUNNING') OR was.children > 0 THEN
		RETURN was.status;
	END IF;
	counts := runs_count(was.tenant_id, ARRAY[task]);
	IF was.unique_key IS NOT NULL THEN
		INSERT INTO task_keys (tenant_id, unique_key, instance_id)
			VALUES (was.tenant_id, was.unique_key, task) ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'another task holds the unique key "%"', was.unique_key
				USING ERRCODE = 'RV409';
		END IF;
	END IF;
	IF was.task_definition_id IS NOT NULL THEN
		INSERT INTO task_active (instance_id, definition_id)
			SELECT task, d.id FROM task_definitions d WHERE d.id = was.task_definition_id
			ON CONFLICT DO NOTHING;
	END IF;
	UPDATE task_instances p SET children_done = p.children_done - 1,
		children_failed = p.children_failed - (was.status <> 'SUCCESS')::int,
		status = CASE WHEN p.children > 0 THEN 'RUNNING' ELSE p.status END,
		end_time = CASE WHEN p.children > 0 THEN NULL ELSE p.end_time END
		WHERE p.id = was.parent_id AND p.children_done > 0;
	UPDATE task_instances t SET status = 'PENDING', epoch = t.epoch + 1, retry_count = 0,
		due_at = NULL, start_time = NULL, end_time = NULL, execution_duration = NULL,
		deadline = NULL, error_message = NULL, result = NULL, progress = NULL,
		progress_text = NULL, worker = NULL, execution_node = NULL,
		is_counted = nullif(counts, false)
		WHERE t.id = task RETURNING * INTO made;
	INSERT INTO outbox (instance_id, topic, envelope)
		VALUES (task, made.topic, envelope(made));
	RETURN was.status;
END $$;
COMMENT ON FUNCTION reeve.task_retry IS
	'Run a task that is over once more; returns the state it was in.';

-- Nodes, the leader, statistics --------------------------------------------

CREATE TABLE reeve.worker_registry (
	worker_id text PRIMARY KEY, -- the node
	executor_group text NOT NULL DEFAULT '',
	version text NOT NULL,
	pid int NOT NULL,
	state text NOT NULL DEFAULT 'ONLINE' CHECK (state IN ('ONLINE', 'OFFLINE')),
	pools jsonb NOT NULL DEFAULT '[]',
	started_at timestamptz NOT NULL DEFAULT now(),
	heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE reeve.scheduler (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	is_running boolean NOT NULL DEFAULT true, -- stopped: nothing fires anywhere
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL DEFAULT '',
	leader text, -- NODE/POOL.INDEX/PID of who does the duties
	term bigint NOT NULL DEFAULT 0,
	leader_since timestamptz,
	leader_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 20);
INSERT INTO reeve.scheduler DEFAULT VALUES;
CREATE FUNCTION reeve.scheduler_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('reeve_scheduler', NEW.is_running::text);
	RETURN NULL;
END $$;
CREATE TRIGGER scheduler_told AFTER UPDATE OF is_running ON reeve.scheduler
	FOR EACH ROW EXECUTE FUNCTION reeve.scheduler_told();

CREATE TABLE reeve.crontab_statistics (
	task_definition_id uuid NOT NULL,
	day date NOT NULL, -- UTC
	tenant_id text NOT NULL DEFAULT 'default',
	runs bigint NOT NULL DEFAULT 0,
	success bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0,
	timeout bigint NOT NULL DEFAULT 0,
	cancelled bigint NOT NULL DEFAULT 0,
	misfired bigint NOT NULL DEFAULT 0,
	skipped bigint NOT NULL DEFAULT 0,
	retries bigint NOT NULL DEFAULT 0,
	duration_ms_sum bigint NOT NULL DEFAULT 0,
	duration_ms_max bigint NOT NULL DEFAULT 0,
	lateness_ms_max bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (task_definition_id, day)
);

-- Ends of runs, parents apart, counted by those who end them: a row for each
-- minute and connection, so that nobody waits for another.
CREATE TABLE reeve.task_ends (
	tenant_id text NOT NULL,
	minute timestamptz NOT NULL,
	part int NOT NULL, -- pg_backend_pid
	success bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0, -- and TIMEOUT
	cancelled bigint NOT NULL DEFAULT 0,
	timed bigint NOT NULL DEFAULT 0, -- of these so many took
	duration_ms bigint NOT NULL DEFAULT 0, -- so long together
	PRIMARY KEY (tenant_id, minute, part)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE reeve.task_ends IS
	'Ends of runs by minute, for a week; SUM them over part.';

-- Partitions ---------------------------------------------------------------

CREATE TABLE reeve.task_instances_other PARTITION OF reeve.task_instances DEFAULT
	WITH (fillfactor = 80);
CREATE TABLE reeve.task_logs_other PARTITION OF reeve.task_logs DEFAULT;

-- Both ways a lock is needed that whoever reads the table for long keeps from us,
-- and that keeps all tasks waiting while we wait.  So not for long: the next
-- look does it.

-- One day of one table.  Rows of it that came before it did are moved in.
CREATE FUNCTION reeve.partition_make(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
	part text := parent || '_' || to_char(day, 'YYYYMMDD');
	low uuid := reeve.uuid_floor(day::timestamp AT TIME ZONE 'UTC');
	high uuid := reeve.uuid_floor((day + 1)::timestamp AT TIME ZONE 'UTC');
BEGIN
	IF to_regclass('reeve.' || part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('LOCK TABLE reeve.%I IN ACCESS EXCLUSIVE MODE', parent || '_other');
	EXECUTE format('CREATE TABLE reeve.%I (LIKE reeve.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)%s',
		part, parent, CASE parent WHEN 'task_instances' THEN ' WITH (fillfactor = 80)' ELSE '' END);
	EXECUTE format('WITH moved AS (DELETE FROM reeve.%I WHERE id >= $1 AND id < $2 RETURNING *) '
		'INSERT INTO reeve.%I SELECT * FROM moved', parent || '_other', part) USING low, high;
	EXECUTE format('ALTER TABLE reeve.%I ATTACH PARTITION reeve.%I FOR VALUES FROM (%L) TO (%L)',
		parent, part, low, high);
	RETURN true;
EXCEPTION
	WHEN lock_not_available THEN
		RETURN false;
END $$;

CREATE FUNCTION reeve.partitions_ahead(days int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	made int := 0;
	d int;
	parent text;
BEGIN
	FOR d IN 0 .. days LOOP
		FOREACH parent IN ARRAY ARRAY['task_instances', 'task_logs'] LOOP
			IF reeve.partition_make(parent, (now() AT TIME ZONE 'UTC')::date + d) THEN
				made := made + 1;
			END IF;
		END LOOP;
	END LOOP;
	RETURN made;
END $$;
COMMENT ON FUNCTION reeve.partitions_ahead IS
	'Make the partitions of today and so many days after it; returns how many were made.';

CREATE FUNCTION reeve.partitions_drop(keep_days int) RETURNS SETOF text
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
	part record;
	is_live boolean;
BEGIN
	FOR part IN
		SELECT c.relname AS name, p.relname AS parent
		FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid JOIN pg_class p ON p.oid = inhparent
		WHERE inhparent IN ('reeve.task_instances'::regclass, 'reeve.task_logs'::regclass)
			AND c.relname ~ '_[0-9]{8}$'
			AND to_date(right(c.relname, 8), 'YYYYMMDD') < (now() AT TIME ZONE 'UTC')::date - keep_days
	LOOP
		IF part.parent = 'task_instances' THEN
			EXECUTE format('SELECT EXISTS (SELECT FROM reeve.%I WHERE status IN (''PENDING'', ''RUNNING''))',
				part.name) INTO is_live;
			CONTINUE WHEN is_live;
		END IF;
		BEGIN
			EXECUTE format('DROP TABLE reeve.%I', part.name);
			RETURN NEXT part.name;
		EXCEPTION
			WHEN lock_not_available THEN
				RETURN;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION reeve.partitions_drop IS
	'Drop the partitions older than so many days, save those with tasks that are not over; returns their names.';

SELECT reeve.partitions_ahead(3);

-- The names of old ---------------------------------------------------------

CREATE VIEW reeve.crontab AS
SELECT id, task_name AS name,
	CASE schedule_type WHEN 'ONCE' THEN 'once' ELSE 'repeat' END AS type,
	CASE schedule_type
		WHEN 'ONCE' THEN json_build_object('runtime', rule->>'at')
		ELSE json_strip_nulls(json_build_object('start', start_at, 'end', end_at,
			'crontabs', rule->'cron', 'every', rule->'every', 'delay', rule->'delay'))
	END AS rule,
	(status = 'ENABLED')::int AS enable,
	json_build_object('handler', task_handler, 'params', task_params::json)::text AS task,
	CASE last_state WHEN 'SUCCESS' THEN 'success' WHEN 'RUNNING' THEN 'running'
		WHEN 'PENDING' THEN 'running' ELSE CASE WHEN last_state IS NULL THEN NULL ELSE 'failed' END
	END AS last_state,
	created_at AS created, modified, creator, is_system
FROM reeve.task_definitions;

CREATE VIEW reeve.crontab_history AS
SELECT i.id, i.task_definition_id AS crontab_id,
	coalesce(d.is_system, false) AS system_crontab,
	coalesce(i.error_message, i.result) AS content,
	coalesce(i.start_time, i.created_at) AS created, i.end_time AS finished, i.status
FROM reeve.task_instances i LEFT JOIN reeve.task_definitions d ON d.id = i.task_definition_id
WHERE i.task_definition_id IS NOT NULL;
