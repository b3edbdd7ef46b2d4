-- as-administrator
-- Job: what needs the administrator of the database: roles, their rights on it, the ledger.
-- Reads: pg_roles. Writes: roles of the cluster, schema platform. Lock: none on tables.
-- owner migrates, app serves the API and the executors, pipelines ingests, analyst reads.
-- TimescaleDB runs a policy only for an owner that may log in, hence LOGIN for two of them; no
-- password is set here, so a server that asks for one still lets nobody in under these names.
-- Two databases of one cluster may be migrated at the same moment, hence the handlers.
DO $$
DECLARE
    wanted record;
    privilege text;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('candela_owner', 'LOGIN', ARRAY['CONNECT', 'TEMPORARY', 'CREATE']),
            ('candela_app', 'NOLOGIN', ARRAY['CONNECT', 'TEMPORARY']),
            ('candela_pipelines', 'LOGIN', ARRAY['CONNECT', 'TEMPORARY']),
            ('candela_analyst', 'NOLOGIN', ARRAY['CONNECT', 'TEMPORARY'])
        ) AS roles (role_name, may_log_in, privileges)
    LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = wanted.role_name) THEN
            BEGIN
                EXECUTE format(
                    'CREATE ROLE %I %s NOBYPASSRLS', wanted.role_name, wanted.may_log_in
                );
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        FOREACH privilege IN ARRAY wanted.privileges LOOP
            IF NOT has_database_privilege(wanted.role_name, current_database(), privilege) THEN
                EXECUTE format(
                    'GRANT %s ON DATABASE %I TO %I',
                    privilege, current_database(), wanted.role_name
                );
            END IF;
        END LOOP;
    END LOOP;
END
$$;

-- The owner makes the aggregates that pipelines refreshes, so it must be able to act as pipelines;
-- the administrator runs all later files as the owner.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('candela_pipelines'::name, 'candela_owner'::name), ('candela_owner', current_user)
        ) AS memberships (role_name, member_name)
    LOOP
        IF NOT pg_has_role(wanted.member_name, wanted.role_name, 'SET') THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', wanted.role_name, wanted.member_name);
            EXCEPTION
                -- internal_error is "tuple concurrently updated".
                WHEN duplicate_object OR unique_violation OR internal_error THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA platform AUTHORIZATION candela_owner;

CREATE TABLE platform.schema_files (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user,
    duration_ms integer NOT NULL,
    CONSTRAINT pk_schema_files PRIMARY KEY (name)
);
COMMENT ON TABLE platform.schema_files IS 'files of sql/ that this database has, by the runner';
COMMENT ON COLUMN platform.schema_files.checksum IS 'sha256 of the text with newlines as LF';
ALTER TABLE platform.schema_files OWNER TO candela_owner;
