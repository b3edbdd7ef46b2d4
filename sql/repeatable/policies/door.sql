-- Job: what the two roles of the API see of all tenants.
-- Reads: the catalogue. Writes: policies. Lock: access exclusive on the tables, for an instant.
-- door sees who people are, support reads what administrators look at. Policies name the user, so
-- that no member of a role gets its view along with its own.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT wanted.relation, wanted.role_name, wanted.verb, wanted.policy
        FROM (
            SELECT
                classes.oid::regclass AS relation,
                'candela_door' AS role_name,
                'ALL' AS verb,
                classes.relname || '_by_door' AS policy
            FROM pg_catalog.pg_class AS classes
            WHERE
                classes.relkind IN ('r', 'p')
                AND (
                    classes.relnamespace = 'identity'::regnamespace
                    OR classes.oid IN (
                        'tenancy.users'::regclass, 'tenancy.tenants'::regclass,
                        to_regclass('billing.customers')
                    )
                )
            UNION ALL
            SELECT
                classes.oid::regclass, 'candela_support', 'SELECT', classes.relname || '_by_support'
            FROM pg_catalog.pg_class AS classes
            INNER JOIN pg_catalog.pg_attribute AS attributes
                ON classes.oid = attributes.attrelid AND attributes.attname = 'tenant_id'
            WHERE
                classes.relkind IN ('r', 'p')
                AND classes.relnamespace IN (
                    SELECT oid FROM pg_catalog.pg_namespace
                    WHERE nspname IN ('tenancy', 'trading', 'billing', 'notify', 'audit')
                )
        ) AS wanted
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS %I ON %s', found.policy, found.relation);
        EXECUTE format(
            'CREATE POLICY %I ON %s FOR %s TO %I USING (current_user = %L)',
            found.policy, found.relation, found.verb, found.role_name, found.role_name
        );
    END LOOP;
END
$$;
