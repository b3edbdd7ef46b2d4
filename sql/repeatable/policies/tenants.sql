-- Job: every tenant's rows are seen and written by transactions that act for the tenant only.
-- Reads: the catalogue. Writes: policies. Lock: access exclusive on the tables, for an instant.
-- Every table of these schemas that names a tenant is walled, and a table without a policy is
-- refused by the tests, which read the catalogue. FORCE: the owner is bound as well.
-- Pipelines reads all tenants for rollups and parity, and has no grant on what is sealed. Its
-- policy names the user, since the owner is a member of pipelines and would see all by it.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT
            attributes.attrelid::regclass AS relation,
            classes.relname AS name,
            classes.relname = 'halts' AS is_halts
        FROM pg_catalog.pg_attribute AS attributes
        INNER JOIN pg_catalog.pg_class AS classes ON attributes.attrelid = classes.oid
        WHERE
            classes.relnamespace IN (
                SELECT oid FROM pg_catalog.pg_namespace
                WHERE nspname IN ('tenancy', 'trading', 'identity', 'billing', 'notify', 'audit')
            )
            AND classes.relkind IN ('r', 'p')
            AND attributes.attname = 'tenant_id'
            AND classes.relname <> 'directory'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', found.relation);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', found.relation);
        EXECUTE format(
            'DROP POLICY IF EXISTS %I ON %s', found.name || '_by_tenant', found.relation
        );
        EXECUTE format(
            'CREATE POLICY %I ON %s TO candela_app'
            ' USING (tenant_id = ANY((SELECT tenancy.current_tenants())::uuid[]))'
            ' WITH CHECK (tenant_id = ANY((SELECT tenancy.current_tenants())::uuid[]))',
            found.name || '_by_tenant', found.relation
        );
        EXECUTE format(
            'DROP POLICY IF EXISTS %I ON %s', found.name || '_by_pipelines', found.relation
        );
        EXECUTE format(
            'CREATE POLICY %I ON %s TO candela_pipelines'
            ' USING (current_user = ''candela_pipelines'')',
            found.name || '_by_pipelines', found.relation
        );
        IF found.is_halts THEN
            -- A halt of the platform is everybody's: all must see it, nobody's request may set it.
            EXECUTE 'DROP POLICY IF EXISTS halts_of_platform ON trading.halts';
            EXECUTE 'CREATE POLICY halts_of_platform ON trading.halts FOR SELECT TO candela_app'
            || ' USING (scope = ''platform'')';
            EXECUTE 'DROP POLICY IF EXISTS halts_by_operator ON trading.halts';
            EXECUTE 'CREATE POLICY halts_by_operator ON trading.halts TO candela_executor'
            || ' USING (scope = ''platform'') WITH CHECK (scope = ''platform'')';
        END IF;
    END LOOP;
END
$$;

-- Ids and shards alone, for executors; the door to the world adds a row for whom it signs up.
ALTER TABLE tenancy.directory ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.directory FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS directory_by_executor ON tenancy.directory;
CREATE POLICY directory_by_executor ON tenancy.directory FOR SELECT TO candela_executor
USING (true);
DROP POLICY IF EXISTS directory_by_tenant ON tenancy.directory;
CREATE POLICY directory_by_tenant ON tenancy.directory TO candela_app
USING (tenant_id = ANY((SELECT tenancy.current_tenants())::uuid[]))
WITH CHECK (tenant_id = ANY((SELECT tenancy.current_tenants())::uuid[]));
