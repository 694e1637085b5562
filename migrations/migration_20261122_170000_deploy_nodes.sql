-- SPDX-License-Identifier: ISC
-- Deployments on several nodes: a share of them goes first as canaries; nobody
-- waits for a node that is lost, and when it is back it settles by itself.

-- What a node has to do; reeve.deploy_look tells it.
CREATE TYPE reeve.deploy_work AS (id uuid, kind text, version text, state text, step text,
	fence bigint, from_version text, is_known boolean, consumers text, is_lowered boolean,
	is_switched boolean, is_abort_asked boolean, is_canary boolean, is_share boolean,
	canaries text, is_forced boolean);

-- The row is the holder's for the next five seconds.
CREATE FUNCTION reeve.deploy_hold(d reeve.deployments, n reeve.deployment_nodes, by_holder text)
RETURNS reeve.deploy_work
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE reeve.deployment_nodes x SET state = n.state, step = n.step, is_canary = n.is_canary,
			holder = by_holder, until = now() + interval '5 seconds',
			fence = CASE WHEN x.holder IS NOT DISTINCT FROM by_holder
				THEN x.fence ELSE x.fence + 1 END
		WHERE x.deployment_id = d.id AND x.node = n.node
		RETURNING * INTO n;
	RETURN ROW(d.id, d.kind, d.version, n.state, n.step, n.fence, n.from_version, n.is_known,
		n.consumers, n.is_lowered, n.is_switched, d.is_abort_asked,
		n.is_canary, d.canary_nodes IS NOT DISTINCT FROM 0, n.canaries,
		d.is_forced)::reeve.deploy_work;
END $$;

-- Begin the oldest that waits.  None: nothing waits, or another runs.
CREATE FUNCTION reeve.deploy_claim(of_app text, file_strategy text, share text,
	away interval)
RETURNS SETOF reeve.deployments
LANGUAGE plpgsql AS $$
DECLARE
	d reeve.deployments;
	nodes int;
BEGIN
	SELECT * INTO d FROM reeve.deployments
		WHERE app = of_app AND state = 'QUEUED' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF d.is_abort_asked THEN
		UPDATE reeve.deployments SET state = 'ABORTED', reason = 'aborted before it began',
			finished_at = now() WHERE id = d.id;
		RETURN;
	END IF;
	BEGIN
		UPDATE reeve.deployments SET state = 'RUNNING', started_at = now(),
			strategy = coalesce(strategy, file_strategy) WHERE id = d.id;
	EXCEPTION WHEN unique_violation THEN
		RETURN; -- another node was quicker with another one
	END;
	INSERT INTO reeve.deployment_nodes (deployment_id, node, state)
		SELECT d.id, m.node, CASE WHEN m.seen_at > now() - away THEN 'WAITING' ELSE 'LOST' END
		FROM reeve.deploy_members m
		WHERE m.app = of_app AND m.seen_at > now() - interval '30 days';
	SELECT count(*) INTO nodes FROM reeve.deployment_nodes
		WHERE deployment_id = d.id AND state = 'WAITING';
	-- Never all of them, and none of one: there it is a share of the consumers.
	RETURN QUERY UPDATE reeve.deployments SET canary_nodes = CASE strategy WHEN 'canary' THEN
			least(nodes - 1, CASE right(share, 1) WHEN '%'
				THEN ceil(nodes * rtrim(share, '%')::numeric / 100)::int
				ELSE share::int END) END
		WHERE id = d.id RETURNING *;
END $$;

-- Nobody waits for who was not heard of for so long.  What it does when it
-- still works says a fence that is over.  Everything goes back, where each node
-- waits for the one before it, or when it was a canary.
CREATE FUNCTION reeve.deploy_lose(d reeve.deployments, not_node text, away interval)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	n reeve.deployment_nodes;
	why text := 'not heard of for ' || extract(epoch FROM away)::float8 || ' s';
BEGIN
	FOR n IN SELECT x.* FROM reeve.deployment_nodes x
			JOIN reeve.deploy_members m ON m.app = d.app AND m.node = x.node
			WHERE x.deployment_id = d.id AND x.node <> not_node
				AND (x.state IN ('WAITING', 'FORWARD', 'BACK') OR (x.state = 'DONE' AND d.is_back))
				AND m.seen_at < now() - away LOOP
		UPDATE reeve.deployment_nodes x SET state = 'LOST', reason = coalesce(x.reason, why),
				fence = x.fence + 1, holder = NULL, until = '-infinity'
			WHERE x.deployment_id = d.id AND x.node = n.node;
		INSERT INTO reeve.deployment_steps (deployment_id, node, step, state, output, finished_at)
			VALUES (d.id, n.node, 'lost', 'FAILED', why, clock_timestamp());
		UPDATE reeve.deployments x SET is_back = true,
				reason = coalesce(x.reason, n.node || ': ' || why)
			WHERE x.id = d.id AND NOT x.is_back
				AND (x.strategy = 'rolling' OR (x.strategy = 'canary' AND n.is_canary));
		PERFORM reeve.deploy_end(d.id);
	END LOOP;
END $$;

-- What this node had in hand, or lacks, of those that are over.  It goes on with
-- the release that is live, and back from any other.
CREATE FUNCTION reeve.deploy_settle(of_app text, at_node text, by_holder text)
RETURNS SETOF reeve.deploy_work
LANGUAGE plpgsql AS $$
DECLARE
	d reeve.deployments;
	n reeve.deployment_nodes;
	live uuid;
BEGIN
	IF NOT EXISTS (SELECT FROM reeve.deployment_nodes
			WHERE node = at_node AND state IN ('FORWARD', 'BACK', 'LOST')) THEN
		RETURN;
	END IF;
	SELECT id INTO live FROM reeve.deployments
		WHERE app = of_app AND state = 'DONE' ORDER BY id DESC LIMIT 1;
	UPDATE reeve.deployment_nodes x SET state = 'FAILED', reason = coalesce(x.reason, 'away')
		FROM reeve.deployments y WHERE y.id = x.deployment_id AND y.app = of_app
			AND y.state NOT IN ('QUEUED', 'RUNNING') AND y.id IS DISTINCT FROM live
			AND x.node = at_node AND x.state = 'LOST' AND x.step = ''
			AND NOT x.is_known AND NOT x.is_lowered;
	SELECT x.* INTO n FROM reeve.deployment_nodes x
		JOIN reeve.deployments y ON y.id = x.deployment_id
		WHERE x.node = at_node AND x.state IN ('FORWARD', 'BACK', 'LOST')
			AND y.app = of_app AND y.state NOT IN ('QUEUED', 'RUNNING')
		ORDER BY x.state = 'LOST', y.id LIMIT 1 FOR UPDATE OF x;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO d FROM reeve.deployments WHERE id = n.deployment_id;
	d.kind := 'push'; -- it may never have had the release
	n.is_canary := false;
	IF n.state = 'LOST' AND d.id IS NOT DISTINCT FROM live THEN
		n.state := 'FORWARD';
	ELSIF n.state = 'LOST' THEN
		n.state := 'BACK';
		n.step := '';
	END IF;
	IF n.holder IS DISTINCT FROM by_holder AND n.until > now() THEN
		RETURN NEXT NULL; -- another worker of this node is at it
	ELSE
		RETURN NEXT reeve.deploy_hold(d, n, by_holder);
	END IF;
END $$;

-- May it begin?
CREATE FUNCTION reeve.deploy_has_turn(d reeve.deployments, at_node text)
RETURNS boolean
LANGUAGE sql AS $$
	SELECT CASE d.strategy
		WHEN 'all' THEN true
		WHEN 'canary' THEN count(*) FILTER (WHERE is_canary) < d.canary_nodes
			OR count(*) FILTER (WHERE is_canary AND state = 'DONE') >= d.canary_nodes
		ELSE count(*) FILTER (WHERE node <> at_node AND state IN ('FORWARD', 'BACK')) = 0 END
	FROM reeve.deployment_nodes WHERE deployment_id = d.id
$$;

-- What a node has to do for an application, if anything; takes the oldest that
-- is queued when none runs.  One row or none.  file_strategy: of the node's file,
-- for a deployment that names none; share: of canaries, a number or a percentage;
-- away_ms: who is silent for so long is lost.
CREATE FUNCTION reeve.deploy_look(of_app text, at_node text, by_holder text,
	file_strategy text, share text, away_ms bigint)
RETURNS SETOF reeve.deploy_work
LANGUAGE plpgsql AS $$
DECLARE
	away interval := make_interval(secs => away_ms / 1000.0);
	work reeve.deploy_work;
	d reeve.deployments;
	n reeve.deployment_nodes;
BEGIN
	INSERT INTO reeve.deploy_members AS m (app, node) VALUES (of_app, at_node)
		ON CONFLICT (app, node) DO UPDATE SET seen_at = now();
	SELECT * INTO work FROM reeve.deploy_settle(of_app, at_node, by_holder);
	IF FOUND THEN
		IF work.id IS NOT NULL THEN
			RETURN NEXT work;
		END IF;
		RETURN;
	END IF;
	SELECT * INTO d FROM reeve.deployments
		WHERE app = of_app AND state = 'RUNNING' FOR UPDATE;
	IF NOT FOUND THEN
		SELECT * INTO d FROM reeve.deploy_claim(of_app, file_strategy, share, away);
		IF NOT FOUND THEN
			RETURN;
		END IF;
	END IF;
	IF d.is_abort_asked AND NOT d.is_back THEN
		UPDATE reeve.deployments SET is_back = true, reason = coalesce(reason, 'aborted')
			WHERE id = d.id RETURNING * INTO d;
	END IF;
	PERFORM reeve.deploy_lose(d, at_node, away);
	SELECT * INTO d FROM reeve.deployments WHERE id = d.id;
	SELECT * INTO n FROM reeve.deployment_nodes
		WHERE deployment_id = d.id AND node = at_node FOR UPDATE;
	IF NOT FOUND OR d.state <> 'RUNNING' OR n.state IN ('FAILED', 'ROLLED_BACK')
			OR (n.state = 'DONE' AND NOT d.is_back) THEN
		RETURN;
	END IF;
	IF n.holder IS DISTINCT FROM by_holder AND n.until > now() THEN
		RETURN; -- somebody works on it
	END IF;
	IF n.state = 'LOST' THEN
		n.state := CASE WHEN n.step <> '' OR n.is_known OR n.is_lowered
			THEN 'FORWARD' ELSE 'WAITING' END;
	END IF;
	IF n.state = 'WAITING' AND d.is_back THEN
		PERFORM reeve.deploy_node_end(d.id, at_node, n.fence, 'FAILED', NULL);
		RETURN;
	ELSIF n.state = 'WAITING' THEN
		IF NOT reeve.deploy_has_turn(d, at_node) THEN
			RETURN; -- its turn comes
		END IF;
		n.is_canary := d.strategy = 'canary' AND d.canary_nodes > (SELECT count(*)
			FROM reeve.deployment_nodes x WHERE x.deployment_id = d.id AND x.is_canary);
		n.state := 'FORWARD';
	ELSIF d.is_back AND n.state IN ('FORWARD', 'DONE') THEN
		n.state := 'BACK';
		n.step := '';
	END IF;
	RETURN NEXT reeve.deploy_hold(d, n, by_holder);
END $$;
