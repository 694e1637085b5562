-- SPDX-License-Identifier: ISC
-- Deployments on several nodes: a canary goes first, the others follow at once;
-- and nobody waits for a node that is away and has not begun.

-- What a node has to do for an application, if anything; takes the oldest that
-- is queued when none runs.  One row or none.  strategy: of the node's file, for a
-- deployment that names none.  is_canary: the others wait for how it does there.
CREATE FUNCTION reeve.deploy_look(app text, node text, holder text, strategy text)
RETURNS TABLE (id uuid, kind text, version text, state text, step text, fence bigint,
	from_version text, is_known boolean, consumers text, is_lowered boolean,
	is_switched boolean, is_abort_asked boolean, is_canary boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	d reeve.deployments;
	n reeve.deployment_nodes;
	away reeve.deployment_nodes;
	has_done boolean; -- some node has
BEGIN
	INSERT INTO reeve.deploy_members AS m (app, node) VALUES (deploy_look.app, deploy_look.node)
		ON CONFLICT (app, node) DO UPDATE SET seen_at = now();
	SELECT * INTO d FROM reeve.deployments x
		WHERE x.app = deploy_look.app AND x.state = 'RUNNING' FOR UPDATE;
	IF NOT FOUND THEN
		SELECT * INTO d FROM reeve.deployments x
			WHERE x.app = deploy_look.app AND x.state = 'QUEUED'
			ORDER BY x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		IF d.is_abort_asked THEN
			UPDATE reeve.deployments x SET state = 'ABORTED', reason = 'aborted before it began',
				finished_at = now() WHERE x.id = d.id;
			RETURN;
		END IF;
		BEGIN
			UPDATE reeve.deployments x SET state = 'RUNNING', started_at = now(),
				strategy = coalesce(x.strategy, deploy_look.strategy)
				WHERE x.id = d.id RETURNING * INTO d;
		EXCEPTION WHEN unique_violation THEN
			RETURN; -- another node was quicker with another one
		END;
		INSERT INTO reeve.deployment_nodes (deployment_id, node)
			SELECT d.id, m.node FROM reeve.deploy_members m
			WHERE m.app = deploy_look.app AND m.seen_at > now() - interval '30 seconds';
	END IF;
	IF d.is_abort_asked AND NOT d.is_back THEN
		UPDATE reeve.deployments x SET is_back = true, reason = coalesce(x.reason, 'aborted')
			WHERE x.id = d.id;
		d.is_back := true;
	END IF;
	FOR away IN SELECT x.* FROM reeve.deployment_nodes x
			JOIN reeve.deploy_members m ON m.app = d.app AND m.node = x.node
			WHERE x.deployment_id = d.id AND x.state = 'WAITING'
				AND x.node <> deploy_look.node
				AND m.seen_at < now() - interval '30 seconds' LOOP
		PERFORM reeve.deploy_node_end(d.id, away.node, away.fence, 'FAILED',
			'it has been away for 30 seconds');
		d.is_back := true;
	END LOOP;
	SELECT EXISTS (SELECT FROM reeve.deployment_nodes x
		WHERE x.deployment_id = d.id AND x.state = 'DONE') INTO has_done;
	SELECT * INTO n FROM reeve.deployment_nodes x
		WHERE x.deployment_id = d.id AND x.node = deploy_look.node FOR UPDATE;
	IF NOT FOUND OR n.state IN ('FAILED', 'ROLLED_BACK') THEN
		RETURN;
	END IF;
	IF n.holder IS DISTINCT FROM deploy_look.holder AND n.until > now() THEN
		RETURN; -- somebody works on it
	END IF;
	IF n.state = 'WAITING' AND d.is_back THEN
		PERFORM reeve.deploy_node_end(d.id, deploy_look.node, n.fence, 'FAILED', NULL);
		RETURN;
	ELSIF n.state = 'WAITING' THEN
		IF d.strategy <> 'all' AND NOT (d.strategy = 'canary' AND has_done)
				AND EXISTS (SELECT FROM reeve.deployment_nodes o
				WHERE o.deployment_id = d.id AND o.node <> deploy_look.node
					AND o.state IN ('FORWARD', 'BACK')) THEN
			RETURN; -- its turn comes
		END IF;
		n.state := 'FORWARD';
	ELSIF d.is_back AND n.state IN ('FORWARD', 'DONE') THEN
		n.state := 'BACK';
		n.step := '';
	ELSIF n.state = 'DONE' THEN
		RETURN;
	END IF;
	UPDATE reeve.deployment_nodes x SET state = n.state, step = n.step,
			holder = deploy_look.holder, until = now() + interval '5 seconds',
			fence = CASE WHEN x.holder IS NOT DISTINCT FROM deploy_look.holder
				THEN x.fence ELSE x.fence + 1 END
		WHERE x.deployment_id = d.id AND x.node = deploy_look.node
		RETURNING * INTO n;
	RETURN QUERY SELECT d.id, d.kind, d.version, n.state, n.step, n.fence, n.from_version,
		n.is_known, n.consumers, n.is_lowered, n.is_switched, d.is_abort_asked,
		d.strategy = 'canary' AND NOT has_done;
END $$;
