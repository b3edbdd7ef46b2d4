-- as-administrator
-- Job: the role of executors: the application's rights, and the list of who belongs to which shard.
-- Reads: pg_roles. Writes: roles of the cluster. Lock: none on tables.
-- A role of its own, so that a door to the world, which has candela_app alone, cannot even list
-- tenants. Two databases of one cluster may be migrated at the same moment, hence the handlers.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'candela_executor') THEN
        BEGIN
            CREATE ROLE candela_executor NOLOGIN NOBYPASSRLS;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('candela_executor', 'candela_app', 'USAGE') THEN
        BEGIN
            GRANT candela_app TO candela_executor;
        EXCEPTION
            -- internal_error is "tuple concurrently updated".
            WHEN duplicate_object OR unique_violation OR internal_error THEN NULL;
        END;
    END IF;
    IF NOT has_database_privilege('candela_executor', current_database(), 'CONNECT') THEN
        EXECUTE format(
            'GRANT CONNECT, TEMPORARY ON DATABASE %I TO candela_executor', current_database()
        );
    END IF;
END
$$;
