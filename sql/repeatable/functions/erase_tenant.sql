-- Job: erase a tenant that left 30 days ago or more; payments and the audit log stay.
-- Reads: the catalogue. Writes: every table of the tenant. Lock: the rows of the tenant.
-- Rights of the owner, whom the policies of erasure let see the one tenant that is being erased: no
-- role can delete a tenant's rows otherwise. Tables are found by their column tenant_id, so a new
-- one is never forgotten. Rows that others refer to go after those others, in as many rounds as it
-- takes.
CREATE OR REPLACE FUNCTION tenancy.erase_tenant(wanted uuid)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation text;
    left_over text[];
    still_left text[];
    gone bigint;
    told jsonb := '{}';
BEGIN
    PERFORM set_config('candela.erasing', wanted::text, true);
    PERFORM tenant_id FROM tenancy.tenants
    WHERE tenant_id = wanted AND erased_at IS NULL AND closed_at <= now() - interval '30 days'
    FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM set_config('candela.erasing', '', true);
        RETURN NULL;
    END IF;
    SELECT array_agg(classes.oid::regclass::text) INTO left_over
    FROM pg_class AS classes
    INNER JOIN pg_attribute AS attributes
        ON classes.oid = attributes.attrelid AND attributes.attname = 'tenant_id'
    INNER JOIN pg_namespace AS spaces ON classes.relnamespace = spaces.oid
    WHERE
        classes.relkind IN ('r', 'p') AND NOT classes.relispartition
        AND spaces.nspname !~ '^pg_' AND spaces.nspname NOT IN ('audit', 'billing')
        AND classes.oid <> 'tenancy.tenants'::regclass;
    WHILE left_over IS NOT NULL LOOP
        still_left := NULL;
        FOREACH relation IN ARRAY left_over LOOP
            BEGIN
                EXECUTE format('DELETE FROM %s WHERE tenant_id = $1', relation) USING wanted;
                GET DIAGNOSTICS gone = ROW_COUNT;
                told := told || jsonb_build_object(relation, gone);
            EXCEPTION
                WHEN foreign_key_violation THEN still_left := still_left || relation;
            END;
        END LOOP;
        IF cardinality(still_left) = cardinality(left_over) THEN
            RAISE EXCEPTION 'rows of % are referred to by what stays', still_left;
        END IF;
        left_over := still_left;
    END LOOP;
    UPDATE tenancy.tenants SET name = 'erased', zone = 'UTC', erased_at = now()
    WHERE tenant_id = wanted;
    PERFORM set_config('candela.erasing', '', true);
    RETURN told;
END
$$;
COMMENT ON FUNCTION tenancy.erase_tenant(uuid) IS
'returns rows deleted by table; null where the tenant did not leave, or not 30 days ago';
REVOKE ALL ON FUNCTION tenancy.erase_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenancy.erase_tenant(uuid) TO candela_pipelines;
