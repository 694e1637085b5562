-- SPDX-License-Identifier: ISC
-- A definition's rule says all of when.  Who writes the columns beside it alone
-- (time_zone, start_at, end_at) has them taken over into the rule.

CREATE FUNCTION reeve.definition_rule() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	said jsonb := jsonb_strip_nulls(jsonb_build_object(
		'timeZone', nullif(NEW.time_zone, 'UTC'), 'start', NEW.start_at, 'end', NEW.end_at));
	written text[] := '{}';
BEGIN
	IF NEW.rule ? 'at' THEN
		said := said - 'start' - 'end'; -- once knows no window
	END IF;
	IF TG_OP = 'INSERT' THEN
		NEW.rule := said || NEW.rule;
	ELSIF NEW.rule = OLD.rule THEN
		-- What was written as it was stands as it is spelt in the rule.
		IF NEW.time_zone IS DISTINCT FROM OLD.time_zone THEN
			written := written || 'timeZone'::text;
		END IF;
		IF NEW.start_at IS DISTINCT FROM OLD.start_at THEN
			written := written || 'start'::text;
		END IF;
		IF NEW.end_at IS DISTINCT FROM OLD.end_at THEN
			written := written || 'end'::text;
		END IF;
		NEW.rule := (NEW.rule - written) || (said - ARRAY(
			SELECT w FROM unnest('{timeZone,start,end}'::text[]) w WHERE w <> ALL (written)));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER a_definition_rule BEFORE INSERT OR UPDATE OF time_zone, start_at, end_at
	ON reeve.task_definitions
	FOR EACH ROW EXECUTE FUNCTION reeve.definition_rule();
