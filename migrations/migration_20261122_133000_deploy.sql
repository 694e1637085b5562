-- SPDX-License-Identifier: ISC
-- Releases on their way, step by step, so that whoever comes back after a
-- crash knows where they stood.

CREATE TABLE reeve.deployments (
	id uuid PRIMARY KEY DEFAULT reeve.uuid_new(),
	app text NOT NULL, -- the pool of kind deploy
	kind text NOT NULL CHECK (kind IN ('push', 'rollback')),
	version text NOT NULL CHECK (version ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$'
		AND version !~ '[.](partial|archive)([.]|$)'), -- names beside releases
	from_version text, -- what ran before
	strategy text -- NULL: the node that takes it says
		CHECK (strategy IN ('rolling', 'all', 'canary')),
	state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING',
		'DONE', 'FAILED', 'ROLLED_BACK', 'ABORTED')),
	reason text, -- why it did not come to be, or on which nodes
	canary_nodes int, -- so many take it first; 0: there is one; NULL: it is no canary
	is_abort_asked boolean NOT NULL DEFAULT false,
	is_back boolean NOT NULL DEFAULT false, -- every node goes back
	is_forced boolean NOT NULL DEFAULT false, -- whatever the gate finds
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	finished_at timestamptz
);
-- One at a time.
CREATE UNIQUE INDEX deployments_running ON reeve.deployments (app) WHERE state = 'RUNNING';
CREATE INDEX deployments_app ON reeve.deployments (app, id);

-- The nodes that have the application, and when each has asked last.
CREATE TABLE reeve.deploy_members (
	app text NOT NULL,
	node text NOT NULL,
	seen_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (app, node)
) WITH (fillfactor = 50);

-- Where each node stands.  Who works on it holds the row until `until`, and
-- says his fence with every write.  LOST: it was not heard of for too long, and
-- nobody waits for it; when it is back it goes on, or back, by itself.
CREATE TABLE reeve.deployment_nodes (
	deployment_id uuid NOT NULL REFERENCES reeve.deployments (id) ON DELETE CASCADE,
	node text NOT NULL,
	state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'FORWARD',
		'BACK', 'DONE', 'FAILED', 'ROLLED_BACK', 'LOST')),
	is_canary boolean NOT NULL DEFAULT false, -- takes it before the others
	step text NOT NULL DEFAULT '', -- begun, and not known to be over
	holder text, -- NODE/POOL.INDEX/PID
	fence bigint NOT NULL DEFAULT 0,
	until timestamptz NOT NULL DEFAULT '-infinity',
	from_version text, -- what was current here
	is_known boolean NOT NULL DEFAULT false, -- from_version is set, NULL or not
	consumers text, -- the node's key before it was lowered; NULL: none
	is_lowered boolean NOT NULL DEFAULT false,
	is_switched boolean NOT NULL DEFAULT false,
	switched_at timestamptz,
	canaries text, -- POOL.INDEX of the consumers that run it before the node does
	canaries_at timestamptz,
	reason text,
	PRIMARY KEY (deployment_id, node)
);
CREATE INDEX deployment_nodes_open ON reeve.deployment_nodes (node)
	WHERE state IN ('WAITING', 'FORWARD', 'BACK', 'LOST');

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

-- One that waits needs no node to be aborted.
CREATE FUNCTION reeve.deployment_aborted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.state := 'ABORTED';
	NEW.reason := 'aborted before it began';
	NEW.finished_at := now();
	RETURN NEW;
END $$;
CREATE TRIGGER deployment_aborted BEFORE UPDATE OF is_abort_asked ON reeve.deployments
	FOR EACH ROW WHEN (NEW.is_abort_asked AND NEW.state = 'QUEUED')
	EXECUTE FUNCTION reeve.deployment_aborted();

CREATE FUNCTION reeve.deployment_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('reeve_deploy', NEW.app);
	RETURN NULL;
END $$;
CREATE TRIGGER deployment_told AFTER INSERT OR UPDATE OF state, is_abort_asked ON reeve.deployments
	FOR EACH ROW EXECUTE FUNCTION reeve.deployment_told();

-- It is over when each node has come to its end, or is lost.
CREATE FUNCTION reeve.deploy_end(deployment uuid)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	d reeve.deployments;
BEGIN
	SELECT * INTO d FROM reeve.deployments WHERE id = deployment AND state = 'RUNNING' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	ELSIF EXISTS (SELECT FROM reeve.deployment_nodes n WHERE n.deployment_id = deployment
			AND (n.state IN ('WAITING', 'FORWARD', 'BACK') OR (d.is_back AND n.state = 'DONE'))) THEN
		PERFORM pg_notify('reeve_deploy', d.app);
	ELSIF d.is_back THEN
		UPDATE reeve.deployments SET finished_at = now(), state = CASE
			WHEN is_abort_asked THEN 'ABORTED'
			WHEN EXISTS (SELECT FROM reeve.deployment_nodes
				WHERE deployment_id = deployment AND state = 'ROLLED_BACK') THEN 'ROLLED_BACK'
			ELSE 'FAILED' END
			WHERE id = deployment;
	ELSE
		UPDATE reeve.deployments SET finished_at = now(), state = 'DONE',
				reason = (SELECT string_agg(n.node || ': ' || n.reason, '; ' ORDER BY n.node)
					FROM reeve.deployment_nodes n
					WHERE n.deployment_id = deployment AND n.state = 'LOST')
			WHERE id = deployment;
	END IF;
END $$;

-- A node has come to its end, forward or back.  False: the fence is lost.  One
-- that was lost, and settles when all is over, changes nothing for the others.
CREATE FUNCTION reeve.deploy_node_end(deployment uuid, at_node text, with_fence bigint,
	end_state text, why text)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM reeve.deployments WHERE id = deployment FOR UPDATE;
	UPDATE reeve.deployment_nodes SET state = end_state, reason = coalesce(why, reason),
			until = '-infinity', holder = NULL, step = ''
		WHERE deployment_id = deployment AND node = at_node AND fence = with_fence;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF end_state <> 'DONE' THEN
		UPDATE reeve.deployments SET is_back = true,
				reason = coalesce(reason, at_node || ': ' || why)
			WHERE id = deployment AND state = 'RUNNING' AND NOT is_back;
	END IF;
	PERFORM reeve.deploy_end(deployment);
	RETURN true;
END $$;

-- A step went wrong here: every node goes back, this one at once.
CREATE FUNCTION reeve.deploy_turn_back(deployment uuid, at_node text, with_fence bigint, why text)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM reeve.deployments WHERE id = deployment FOR UPDATE;
	UPDATE reeve.deployment_nodes SET state = 'BACK', step = '', reason = coalesce(reason, why)
		WHERE deployment_id = deployment AND node = at_node AND fence = with_fence;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE reeve.deployments SET is_back = true, reason = coalesce(reason, at_node || ': ' || why)
		WHERE id = deployment AND state = 'RUNNING';
	RETURN true;
END $$;
