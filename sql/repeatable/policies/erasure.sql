-- Job: while a tenant is erased, the owner sees that tenant's rows, to delete them.
-- Reads: the catalogue. Writes: policies. Lock: access exclusive on the tables, for an instant.
-- FORCE binds the owner, who otherwise sees none. The setting opens nothing to any other role.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT classes.oid::regclass AS relation, classes.relname AS name
        FROM pg_catalog.pg_class AS classes
        INNER JOIN pg_catalog.pg_attribute AS attributes
            ON classes.oid = attributes.attrelid AND attributes.attname = 'tenant_id'
        INNER JOIN pg_catalog.pg_namespace AS spaces ON classes.relnamespace = spaces.oid
        WHERE
            classes.relkind IN ('r', 'p')
            AND spaces.nspname !~ '^pg_' AND spaces.nspname NOT IN ('audit', 'billing')
    LOOP
        EXECUTE format(
            'DROP POLICY IF EXISTS %I ON %s', found.name || '_by_erasure', found.relation
        );
        EXECUTE format(
            'CREATE POLICY %I ON %s TO candela_owner'
            ' USING (tenant_id = nullif(current_setting(''candela.erasing'', true), '''')::uuid)',
            found.name || '_by_erasure', found.relation
        );
    END LOOP;
END
$$;
