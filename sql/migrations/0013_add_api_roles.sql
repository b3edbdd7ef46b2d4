-- as-administrator
-- Job: the two roles that the API has beside the application's.
-- Reads: pg_roles. Writes: roles of the cluster. Lock: none on tables.
-- door finds out who calls: it sees logins, sessions and customers of all tenants, and nothing that
-- they trade or have sealed. support is what administrators look at all tenants with; it reads.
-- Two databases of one cluster may be migrated at the same moment, hence the handlers.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['candela_door', 'candela_support'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT has_database_privilege(wanted, current_database(), 'CONNECT') THEN
            EXECUTE format(
                'GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), wanted
            );
        END IF;
    END LOOP;
END
$$;
