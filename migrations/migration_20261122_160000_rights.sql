-- SPDX-License-Identifier: ISC
-- Functions that act with the rights of their owner are for those who were
-- granted them: PostgreSQL lets anybody call a new one.
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_proc p
		WHERE p.pronamespace = 'reeve'::regnamespace AND p.prosecdef
	LOOP
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO reeve_api', f);
	END LOOP;
END $$;
-- It takes the name of any tenant.
REVOKE EXECUTE ON FUNCTION reeve.push FROM reeve_api;
