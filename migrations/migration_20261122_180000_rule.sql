-- SPDX-License-Identifier: ISC
-- A definition's rule says all of when.  Who writes the columns beside it alone
-- (time_zone, start_at, end_at) has them taken over into the rule.

CREATE FUNCTION reeve.definition_rule() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	said jsonb := jsonb_strip_nulls(jsonb_build_object(
		'timeZone', nullif(NEW.time_zone, 'UTC'), 'start', NEW.start_at, 'end', NEW.end_at));
BEGIN
	IF NEW.rule ? 'at' THEN
		said := said - 'start' - 'end'; -- once knows no window
	END IF;
	IF TG_OP = 'INSERT' THEN
		NEW.rule := said || NEW.rule;
	ELSIF NEW.rule = OLD.rule THEN
		NEW.rule := (NEW.rule - '{timeZone,start,end}'::text[]) || said;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER a_definition_rule BEFORE INSERT OR UPDATE OF time_zone, start_at, end_at
	ON reeve.task_definitions
	FOR EACH ROW EXECUTE FUNCTION reeve.definition_rule();
