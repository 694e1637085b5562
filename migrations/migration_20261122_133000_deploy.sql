-- SPDX-License-Identifier: ISC
-- Releases on their way, step by step, so that whoever comes back after a
-- crash knows where they stood.

CREATE TABLE reeve.deployments (
	id uuid PRIMARY KEY DEFAULT reeve.uuid_new(),
	app text NOT NULL, -- the pool of kind deploy
	kind text NOT NULL CHECK (kind IN ('push', 'rollback')),
	version text NOT NULL CHECK (version ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$'),
	from_version text, -- what ran before
	strategy text NOT NULL DEFAULT 'rolling'
		CHECK (strategy IN ('rolling', 'all', 'canary')),
	state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING',
		'DONE', 'FAILED', 'ROLLED_BACK', 'ABORTED')),
	reason text, -- why it did not come to be
	is_abort_asked boolean NOT NULL DEFAULT false,
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	finished_at timestamptz
);
-- One at a time.
CREATE UNIQUE INDEX deployments_running ON reeve.deployments (app) WHERE state = 'RUNNING';
CREATE INDEX deployments_app ON reeve.deployments (app, id);

-- Where each node stands.
CREATE TABLE reeve.deployment_nodes (
	deployment_id uuid NOT NULL REFERENCES reeve.deployments (id) ON DELETE CASCADE,
	node text NOT NULL,
	state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'FORWARD',
		'BACK', 'DONE', 'FAILED', 'ROLLED_BACK')),
	step text NOT NULL DEFAULT '', -- begun and not known to be over
	from_version text,
	consumers text, -- the node's key before it was lowered; NULL: none
	is_lowered boolean NOT NULL DEFAULT false,
	is_switched boolean NOT NULL DEFAULT false,
	reason text,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (deployment_id, node)
);

CREATE TABLE reeve.deployment_steps (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	deployment_id uuid NOT NULL REFERENCES reeve.deployments (id) ON DELETE CASCADE,
	node text NOT NULL,
	step text NOT NULL,
	state text NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'DONE', 'FAILED')),
	output text NOT NULL DEFAULT '',
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	finished_at timestamptz
);
CREATE INDEX deployment_steps_of ON reeve.deployment_steps (deployment_id, id);

-- Who may change an application; every write of his says the fence.
CREATE TABLE reeve.deploy_locks (
	app text PRIMARY KEY,
	deployment_id uuid,
	holder text, -- NODE/POOL.INDEX/PID
	fence bigint NOT NULL DEFAULT 0,
	until timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE FUNCTION reeve.deployment_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('reeve_deploy', NEW.app);
	RETURN NULL;
END $$;
CREATE TRIGGER deployment_told AFTER INSERT OR UPDATE OF state, is_abort_asked ON reeve.deployments
	FOR EACH ROW EXECUTE FUNCTION reeve.deployment_told();
