-- Job: make the retention policies say what market.retention says; to be called daily.
-- Reads: retention. Writes: jobs. Lock: none on rows.
-- Whole chunks are dropped, by the server itself, once the last of their rows is old enough.
-- Rights of the owner: only the owner of a hypertable may change its policies.
CREATE OR REPLACE FUNCTION market.apply_retention()
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM market.retention LOOP
        PERFORM remove_retention_policy(
            format('market.%I', wanted.relation)::regclass, if_exists => true
        );
        IF wanted.keep_for IS NOT NULL THEN
            PERFORM add_retention_policy(
                format('market.%I', wanted.relation)::regclass, drop_after => wanted.keep_for
            );
        END IF;
    END LOOP;
    RETURN 0;
END
$$;
REVOKE ALL ON FUNCTION market.apply_retention() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION market.apply_retention() TO candela_pipelines;
COMMENT ON FUNCTION market.apply_retention() IS 'returns 0: the server drops chunks by itself';
SELECT market.apply_retention();
